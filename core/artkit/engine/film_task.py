"""FilmTask: paint the frames of a clip one after the other. A step paints one frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from artkit.engine.film_frames import FramePainter
from artkit.engine.live_view import LivePicture
from artkit.engine.painting_task import PaintingTask
from artkit.engine.task import Task
from artkit.errors import UsageError
from artkit.files import existing_parent
from artkit.formatting import counted, format_duration
from artkit.geometry.window import Window
from artkit.imaging.clip import SampledClip
from artkit.imaging.clip_files import open_clip
from artkit.imaging.loading import fit_image
from artkit.imaging.optical_flow import FLOW_SIDE, FrameMotion
from artkit.imaging.pixels import tensor_to_pixels
from artkit.output.film_preview import FILM_VIDEO_FILE, PREVIEW_FILE, FilmPreview
from artkit.output.finished_picture import FinishedPicture
from artkit.recipes.provenance import picture_metadata
from artkit.recipes.recipe import FilmConfig, OutputConfig, Recipe
from artkit.rendering.rendered_painting import RenderedPainting
from artkit.strokes.film_log import FILM_FILE, FilmLog, Shot, frame_file, write_frame
from artkit.strokes.film_strokes import FilmStrokes
from artkit.strokes.stroke_log import STROKES_FILE

_CONTINUED_STEP_COST = 1.2  # of a step of a frame, in steps of the first one, with what else a frame takes


class FilmTask(Task):
    """Paint the frames of a clip, with strokes that persist from frame to frame.

    The first frame of a shot is painted as a picture is, by a `PaintingTask`; the others by a `FramePainter`. The
    strokes of each frame are written as soon as it is painted. folder: of the run; it need not exist yet.
    """

    def __init__(self, recipe: Recipe, device: torch.device, folder: Path) -> None:
        assert recipe.settings.film is not None
        self.recipe, self.device, self.folder = recipe, device, folder
        self.config: FilmConfig = recipe.settings.film
        clip = open_clip(self.config.clip)
        self._frames = SampledClip(
            clip, self.config.fps, self.config.start, self.config.seconds, _background(recipe.settings.background)
        )
        self.steps, self._next = self._frames.count, 0  # the frame that is read next
        self._painted = 0  # frames; one that fails, such as for lack of memory, has been read but not painted
        self._reader: Iterator[Image.Image] | None = None
        self._frame: Image.Image = next(self._frames.frames())
        self._targets = recipe.film_targets()
        self.painting = self._begin_shot(self._frame)
        self.notes, self.provenance = clip.notes, self.painting.provenance
        self.notes += [note for note in self.painting.notes if note not in self.notes]
        formats = tuple(dict.fromkeys((*recipe.settings.output.formats, "mp4")))
        self._finished = FinishedPicture(recipe.settings.output.model_copy(update={"formats": formats}), self.notes)
        self.painter = self._new_painter(0, 0)
        self.strokes: FilmStrokes | None = None
        self.picture = torch.zeros(1, 3, *reversed(recipe.size))
        self.shots: list[Shot] = []
        self._preview = FilmPreview(folder, self._frames.rate)

    def _begin_shot(self, frame: Image.Image) -> PaintingTask:
        """Return the task that paints the first frame of a shot. Raises UsageError if a film cannot use its parts."""
        existing = existing_parent(self.folder)
        task = PaintingTask(self.recipe, self.device, existing, dict.fromkeys(self._targets, frame))
        if task.windows.count > 1:
            raise UsageError("the frames of a film must fit into memory as a whole", hint="set a smaller size")
        if not task.strokes_have_points:
            raise UsageError(
                f'the strokes of the renderer "{task.renderer.name}" have no points that could move with a film',
                hint='set renderer.type = "mypaint"',
            )
        if self.recipe.settings.optimizer.relocate:
            raise UsageError(
                "optimizer.relocate: strokes of a film move with it, and where it changes others are born",
                hint="set optimizer.relocate = 0",
            )
        for name in task.constraints_of_canvas():
            raise UsageError(
                f"constraint.{name}: strokes of a film come and go, and this constraint needs those of one canvas",
                hint="leave it out, or its `levels`",
            )
        return task

    def _new_painter(self, next_id: int, frame: int) -> FramePainter:
        budget = self.painting.canvas.stroke_count
        return FramePainter(self.painting, self.config, self._frames.rate, budget, next_id, frame)

    def forecast(self) -> str:
        seconds = self.painting.measure_step() * (
            self.painting.steps + _CONTINUED_STEP_COST * self.config.steps * (self.steps - 1)
        )
        clip = self._frames.clip
        width, height = self.recipe.size
        return (
            f"{counted(self.steps, 'frame')} of {width} x {height} px, {self._frames.rate:.3g} a second, "
            f"of {clip.size[0]} x {clip.size[1]} px, about {format_duration(seconds)} without new shots"
        )

    @property
    def unit(self) -> str:
        return "frame"

    def step(self, step: int) -> dict[str, float]:
        frame = self._read(step)
        motion = self._motion(frame) if self.strokes is not None else None
        self._frame = frame
        losses: dict[str, float] = {}
        if motion is None:
            losses = self._paint_first(step)
        else:
            assert self.strokes is not None
            self._set_targets()
            self.strokes, self.picture, losses = self.painter.paint(self.strokes, self.picture, motion, step)
        self._write_frame(step)
        self._preview.append(tensor_to_pixels(self.picture[0].cpu()), step)
        self._painted = step + 1
        return losses

    def _read(self, step: int) -> Image.Image:
        """Return a frame of the clip. Frames are read in their order."""
        if self._reader is None or self._next != step:
            self._reader, self._next = self._frames.frames(step), step
        self._next += 1
        return next(self._reader)

    def _motion(self, frame: Image.Image) -> FrameMotion | None:
        """Return the motion from the last frame to this one; None if a new shot begins."""
        width, height = self.recipe.size
        factor = max(1.0, FLOW_SIDE / max(width, height))
        size = (round(width * factor), round(height * factor))
        large = [tensor_to_pixels(fit_image(image, size).pixels[0]) for image in (self._frame, frame)]
        motion = FrameMotion.between(large[0], large[1], (width, height))
        earlier, later = (fit_image(image, (width, height)).pixels for image in (self._frame, frame))
        difference = float((motion.warp(earlier) - later).abs().mean())
        return motion if difference <= self.config.cut else None

    def _set_targets(self) -> None:
        """Let the objectives that paint the clip paint the present frame."""
        scene = self.painting.scene
        for file in self._targets:
            scene.replace_image(file, self._frame)
        for objective in self.painting.objectives.values():
            target = getattr(objective.config, "target", None)
            if target in self._targets:
                objective.target = scene.load_image(target, getattr(objective.config, "fit", "cover"))
        scene.target = next((o.target for o in self.painting.objectives.values() if o.target), None)

    def _paint_first(self, step: int) -> dict[str, float]:
        """Paint the first frame of a shot."""
        if step:
            self.painting = self._begin_shot(self._frame)
            self.painter = self._new_painter(self.painter.next_id, step)
        self.painting.canvas.noise_indices = self.painter.next_id + torch.arange(self.painting.canvas.stroke_count)
        losses: dict[str, float] = {}
        for number in range(self.painting.steps):
            losses = self.painting.step(number)
        self.strokes = self.painter.first_strokes()
        self.picture = self._first_picture()
        red, green, blue = self.painting.scene.background.tolist()
        self.shots.append(Shot(frame=step, background=(red, green, blue)))
        return losses

    @torch.no_grad()
    def _first_picture(self) -> Tensor:
        """Return the picture of the strokes of the first frame: (1, 3, h, w)."""
        task = self.painting
        return task.canvas.render(task.renderer, task.actions(1.0)[:1], task.scene.base, task.scene.seed)

    def live_picture(self) -> LivePicture | None:
        width, height = self.recipe.size
        background = tuple(self.painting.scene.background.tolist())
        return LivePicture(self.picture[0], Window(0, 0, width, height), (width, height), background)

    def _write_frame(self, step: int) -> None:
        assert self.strokes is not None
        strokes = self.strokes
        with torch.no_grad():
            actions = self.painter.rendered_actions(strokes, strokes.actions)[0].cpu()
        write_frame(frame_file(self.folder, step), strokes.tiles, actions, strokes.ids, strokes.born)

    def log(self, frames: int) -> FilmLog:
        """Return the log of the first `frames` frames."""
        still = self.painting.log()
        return FilmLog(
            folder=self.folder,
            size=still.size,
            fps=self._frames.rate,
            frames=frames,
            seed=still.seed,
            renderer=still.renderer,
            space=still.space,
            names=still.names,
            shots=tuple(self.shots),
            clip=str(self.config.clip),
            start=self.config.start,
        )

    def state_dict(self) -> dict[str, Any]:
        state = self.painting.state_dict()
        state = {key: state[key] for key in ("objectives", "generator")}
        return {
            **state,
            "frames": self.steps,
            "painted": self._painted,
            "strokes": None if self.strokes is None else self.strokes.tensors(),
            "picture": self.picture,
            "background": self.painting.scene.background,
            "shots": [shot.model_dump(mode="json") for shot in self.shots],
            "budget": self.painter.budget,
            "next_id": self.painter.next_id,
            "preview": self._preview.length,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state["frames"] != self.steps:
            raise ValueError(f"it is of a film of {counted(state['frames'], 'frame')}; the clip now has {self.steps}")
        painted = self._painted = int(state["painted"])
        self.shots = [Shot.model_validate(shot) for shot in state["shots"]]
        if not painted:
            return
        self.strokes = FilmStrokes(**state["strokes"])
        self.picture = state["picture"].view(self.picture.shape).to(self.device)
        scene = self.painting.scene
        scene.background = state["background"].to(self.device)
        scene.generator.set_state(state["generator"])
        for name, objective in self.painting.objectives.items():
            objective.load_state_dict(state["objectives"][name])
        self.painter = self._new_painter(int(state["next_id"]), self.shots[-1].frame)
        self.painter.budget = int(state["budget"])
        self._frame = self._read(painted - 1)
        self._preview = FilmPreview(self.folder, self._frames.rate, int(state["preview"]))

    def output_names(self) -> list[str]:
        width, height = (round(side * self.painting.output_scale) for side in self.recipe.size)
        names = [name for name in self._finished.file_names if name != FILM_VIDEO_FILE]
        return [f"{FILM_VIDEO_FILE} ({width} x {height} px)", FILM_FILE, STROKES_FILE, *names, PREVIEW_FILE]

    def write_outputs(self, folder: Path, finished: bool = False) -> list[Path]:
        painted = self._painted
        if not painted:
            return self.painting.write_outputs(folder)
        log = self.log(painted)
        if folder == self.folder:
            log.save()
        still = log.frame(painted - 1)
        still.save(folder / STROKES_FILE)
        scale = self.painting.output_scale if finished else 1.0
        painting = RenderedPainting(still, self.painting.renderer, scale, folder=folder, film=log)
        picture = self._finished if finished else FinishedPicture(OutputConfig(), self.notes)
        main, *others = picture.write(painting, picture_metadata(self.recipe), folder)
        return [*(file for file in others if file.suffix == ".mp4"), main, folder / STROKES_FILE]


def _background(background: Any) -> tuple[int, int, int]:
    """Return the 8-bit colour behind transparent pixels of a clip."""
    if not isinstance(background, tuple):
        return (255, 255, 255)
    red, green, blue = (round(255 * value) for value in background)
    return red, green, blue
