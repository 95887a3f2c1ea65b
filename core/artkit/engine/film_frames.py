"""FramePainter: carry the strokes of a film from one frame to the next.

The strokes move along the optical flow; those that leave the picture or are covered fade out, new ones fade in where
the paint differs from the frame; then all are optimised for a few steps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from artkit.devices import to_device
from artkit.engine.film_births import find_places, start_strokes
from artkit.engine.optimizer import LazyAdam
from artkit.engine.painting_task import PaintingTask
from artkit.engine.task import read_losses
from artkit.geometry.free_tiles import phases_of_tiles
from artkit.geometry.window import Window
from artkit.imaging.optical_flow import FrameMotion, sample_at
from artkit.imaging.target_guide import TargetGuide
from artkit.interfaces.view import PreviousFrame, View
from artkit.recipes.recipe import FilmConfig
from artkit.rendering.layout import StrokeLayout
from artkit.strokes.film_strokes import FilmStrokes

_PAD_TILES = 0.25  # around the picture in which strokes are born, so that paint moves in with them
_COVERED_SHARE = 0.003  # of the area of its tile: a stroke of which less is visible is covered
_OVERFLOW = 1.02  # number of strokes, relative to those of the first frame, up to which new ones appear
_MISFIT_RATIO, _MISFIT = 1.25, 0.015  # a stroke fits nothing if its error exceeds ratio * (usual error) + this
_MAX_GROWN = 2.0  # of the largest tile of the canvas: larger strokes die, and finer ones take their place
_COVERED_FADE_FRAMES = 2  # over which strokes fade that are covered by something in the scene


class FrameResult(NamedTuple):
    """A painted frame: its strokes, its picture (1, 3, h, w), and its losses and other figures by name."""

    strokes: FilmStrokes
    picture: Tensor
    losses: dict[str, float]


@dataclass
class FramePainter:
    """Paints the next frame of a shot.

    task: has painted the first frame of the shot; its components are used. config: of the film. rate: frames a second.
    budget: the number of strokes to keep. next_id: the number of the next new stroke. first_frame: of the shot.
    """

    task: PaintingTask
    config: FilmConfig
    rate: float
    budget: int
    next_id: int
    first_frame: int

    @property
    def _fade(self) -> float:
        """How much of a stroke fades in or out from frame to frame."""
        return 1 / max(1.0, self.config.fade * self.rate)

    def first_strokes(self) -> FilmStrokes:
        """Return the strokes of the picture that the task has painted, as those of a frame."""
        actions = self.task.log().actions
        strokes = FilmStrokes.new(
            self.task.canvas.tiles(), actions, self.next_id, self.first_frame, torch.ones(len(actions)), self._fade
        )
        self.next_id += len(strokes)
        return strokes

    def paint(self, strokes: FilmStrokes, picture: Tensor, motion: FrameMotion, frame: int) -> FrameResult:
        """Paint a frame from the strokes and the picture (1, 3, h, w) of the previous one.

        The targets of the task's objectives are those of the new frame. Raises Diverged if a loss is not finite.
        """
        strokes = self._moved(strokes, motion)
        strokes = self._with_births(strokes, motion, frame)
        phases, order = phases_of_tiles(strokes.tiles, self._margin)
        strokes = strokes.select(order)
        device = self.task.scene.device
        visible = to_device(motion.was_visible, device)[None]
        previous = PreviousFrame(motion.warp(picture), visible)
        layout = StrokeLayout(self.task.scene.size, phases, self.task.canvas.clip, strokes.ids)
        strokes, losses = self._optimized(strokes, self._young(strokes, frame), layout, previous)
        painted, shares, errors = self._visible_shares(strokes, layout)
        strokes = self._with_deaths(strokes, shares, errors)
        difference = ((painted - previous.picture) * visible).abs().mean()
        born = int((strokes.born == frame).sum())
        counts = {"strokes": float(len(strokes)), "born": float(born), "warped": float(difference)}
        return FrameResult(strokes, painted, {**losses, **counts})

    def _margin(self, side: int) -> int:
        return self.task.canvas.margin(self.task.renderer, side)

    def _moved(self, strokes: FilmStrokes, motion: FrameMotion) -> FilmStrokes:
        """Return the strokes where they are in the new frame, in the size that they have there.

        Those that have left the picture are left out.
        """
        space = self.task.renderer.space
        quarter = strokes.tiles[:, 2] / 4
        growth = motion.growth(strokes.points(space).mean(1), quarter)
        strokes = strokes.scaled(space, growth)
        points = strokes.points(space).flatten(0, 1)
        stays = sample_at(motion.stays, points).view(-1, 3)
        width, height = self.task.scene.size
        inside = ((points >= 0).all(1) & (points[:, 0] < width) & (points[:, 1] < height)).view(-1, 3)
        covered = ((stays < 0.5) & inside).sum(1) >= 2
        strokes = strokes.moved(space, sample_at(motion.forward, points).view(-1, 3, 2), growth)
        strokes = strokes.dismissed(covered, 1 / _COVERED_FADE_FRAMES).aged()
        return strokes.select(strokes.inside((width, height)))

    def _with_births(self, strokes: FilmStrokes, motion: FrameMotion, frame: int) -> FilmStrokes:
        """Return the strokes with new ones where the paint differs from the frame: bare places below, others above.

        They fade in, but for those where the scene was not visible before or nothing is painted: it appears at once.
        """
        free = round(self.budget * _OVERFLOW) - int((~strokes.dying).sum())
        target = self._target()
        if free <= 0 or target is None:
            return strokes
        sides = [phase.side for phase in self.task.canvas.phases]
        large, small = max(sides), min(sides)
        pad = round(large * _PAD_TILES)
        places = find_places(self._paint_alone(strokes, pad), target, pad, small, free)
        if not len(places.points):
            return strokes
        guide = TargetGuide(target[None], 1.0)
        at_once = places.bare | (sample_at(motion.was_visible, places.points)[:, 0] < 0.5)
        presence = torch.where(at_once, 1.0, self._fade)
        for bare, side in ((True, large), (False, small)):
            own = places.bare == bare
            tiles, actions = start_strokes(places.points[own], guide, side, self.task.renderer.space, bare)
            new = FilmStrokes.new(tiles, actions, self.next_id, frame, presence[own], self._fade)
            self.next_id += len(new)
            strokes = new.below(strokes) if bare else strokes.below(new)
        return strokes

    def _target(self) -> Tensor | None:
        """Return the target of the painting (3, h, w) on the CPU, if it has one."""
        target = self.task.scene.target
        return None if target is None else target.pixels[0].cpu()

    @torch.no_grad()
    def _paint_alone(self, strokes: FilmStrokes, pad: int) -> Tensor:
        """Render the strokes with their alpha, on the picture and `pad` px around it: (4, h, w)."""
        phases, order = phases_of_tiles(strokes.tiles, self._margin)
        own = strokes.select(order)
        layout = StrokeLayout(self.task.scene.size, phases, self.task.canvas.clip, own.ids)
        width, height = layout.size
        window = Window(-pad, -pad, width + 2 * pad, height + 2 * pad)
        nothing = torch.zeros(4, device=self.task.scene.device)
        picture = layout.render(
            self.task.renderer, self.rendered_actions(own, own.actions), nothing, self.task.scene.seed, window
        )
        return picture[0].cpu()

    def rendered_actions(self, strokes: FilmStrokes, actions: Tensor) -> Tensor:
        """Return actions (N, A) of strokes as they are rendered, faded and constrained: (1, N, A)."""
        space, scene = self.task.renderer.space, self.task.scene
        return scene.constrain(strokes.faded_actions(space, to_device(actions, scene.device))[None], 1.0)

    def _young(self, strokes: FilmStrokes, frame: int) -> Tensor:
        """Return which strokes were born so short a time ago that they learn at the full rate: (N,) bool."""
        new = strokes.born > self.first_frame
        return new & ((frame - strokes.born) * self._fade < 1) & ~strokes.dying

    def _optimized(
        self, strokes: FilmStrokes, young: Tensor, layout: StrokeLayout, previous: PreviousFrame
    ) -> tuple[FilmStrokes, dict[str, float]]:
        """Return the strokes after the steps of a frame, and the losses of the last step."""
        task, device = self.task, self.task.scene.device
        logits = nn.Parameter(to_device(torch.logit(strokes.actions, eps=1e-6), device))
        rate = task.recipe.settings.optimizer.lr
        rates = torch.where(young, rate, rate * (1 - self.config.hold))
        rates = to_device(rates, device)[:, None]
        optimizer = LazyAdam([logits], rate, task.recipe.settings.optimizer.betas)
        moments = {name: to_device(getattr(strokes, name), device) for name in ("mean", "square", "count")}
        optimizer.state[logits] = {name: moment.clone() for name, moment in moments.items()}
        read: dict[str, float] = {}
        for step in range(self.config.steps):
            # The rate falls towards 0: Adam's steps are as large for noise as for errors, and the paint would tremble.
            optimizer.param_groups[0]["lr"] = rates * (1 - step / self.config.steps)
            view = self._view(strokes, layout, logits.sigmoid(), previous)
            losses, per_image_loss, _ = task.score(view)
            optimizer.zero_grad(set_to_none=True)
            per_image_loss.sum().backward()  # type: ignore[no-untyped-call]
            assert logits.grad is not None
            read = read_losses(losses, [logits.grad])
            optimizer.step()
        state = optimizer.state[logits]
        moments = {name: state[name].cpu() for name in moments}
        return replace(strokes, actions=logits.detach().sigmoid().cpu(), **moments), read

    def _view(self, strokes: FilmStrokes, layout: StrokeLayout, actions: Tensor, previous: PreviousFrame) -> View:
        constrained = self.rendered_actions(strokes, actions)
        scene = self.task.scene
        image = layout.render(self.task.renderer, constrained, scene.base, scene.seed)
        return View(image, None, Window(0, 0, *scene.size), 1.0, constrained, actions[None], previous=previous)

    def _visible_shares(self, strokes: FilmStrokes, layout: StrokeLayout) -> tuple[Tensor, Tensor, Tensor]:
        """Return the picture (1, 3, h, w), and of each stroke (N,) how much of it is visible and its error there.

        The first is in areas of its tile, the second the mean difference of the picture to the target.
        """
        scene, space = self.task.scene, self.task.renderer.space
        actions = self.rendered_actions(strokes, strokes.actions).detach().requires_grad_()
        picture = layout.render(self.task.renderer, actions, scene.base, scene.seed)
        painted = picture.detach()
        if not space.has("green"):
            return painted, torch.ones(len(strokes)), torch.zeros(len(strokes))
        error = torch.zeros_like(painted) if scene.target is None else (painted - scene.target.pixels).abs()
        weights = torch.stack([torch.ones_like(error[0, 0]), error[0].mean(0)])
        # The gradient of the sum of all pixels with respect to a colour is the visible coverage of its stroke.
        green = space.index("green")[0]
        visible, erroneous = (
            torch.autograd.grad((picture[:, 1] * weight).sum(), actions, retain_graph=True)[0][0, :, green].cpu()
            for weight in weights
        )
        return painted, visible / strokes.tiles[:, 2].square(), erroneous / visible.clamp(min=1e-6)

    def _with_deaths(self, strokes: FilmStrokes, shares: Tensor, errors: Tensor) -> FilmStrokes:
        """Return the strokes, of which some fade out from now on.

        They are covered, fit worse than they did, or are the least visible of too many.
        """
        grown = (strokes.presence >= 1) & ~strokes.dying
        dies = grown & ((shares < _COVERED_SHARE) | (errors > _MISFIT_RATIO * strokes.error + _MISFIT))
        dies |= grown & (strokes.tiles[:, 2] > _MAX_GROWN * max(phase.side for phase in self.task.canvas.phases))
        surplus = int((~strokes.dying & ~dies).sum()) - self.budget
        if surplus > 0:
            candidates = torch.where(grown & ~dies, shares, torch.inf)
            least = candidates.argsort(stable=True)[:surplus]
            dies[least[candidates[least].isfinite()]] = True
        return strokes.with_errors(errors, grown).dismissed(dies, self._fade)
