"""Films beside the same frames painted one by one: flicker, content loss, time, lives of strokes, and memory.

    python tests/benchmarks/film.py --frames 24 --alone 6
    python tests/benchmarks/film.py --memory

The clips are made from the photo of the recipes, so that the true motion is known: a pan, a zoom, and a disc that moves
in front of the photo. `warped` is the mean difference between a frame and the previous one moved along the true motion,
where the scene is visible in both.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

import artkit
from artkit.imaging.optical_flow import pixel_centres, warp
from artkit.imaging.pixels import pixels_to_tensor
from artkit.output.export import open_painting
from artkit.recipes.shipped import find_recipe, recipe_folder
from artkit.strokes.film_log import FilmLog, frame_file, read_frame

SIZE = (176, 120)
PAN_PX, ZOOM, DISC_PX, DISC_RADIUS = 2, 1.02, 3, 22


class Clip(NamedTuple):
    """Frames, and for each but the first its motion backwards (2, h, w) and where the scene was visible (1, h, w)."""

    frames: list[Image.Image]
    backward: list[Tensor]
    visible: list[Tensor]


def photo(width: int, height: int, box: tuple[float, float, float, float] | None = None) -> Image.Image:
    """Return the photo, or a part of it, at a size in px."""
    with Image.open(recipe_folder() / "targets" / "coffee.jpg") as opened:
        return opened.convert("RGB").resize((width, height), Image.Resampling.LANCZOS, box)


def _inside(backward: Tensor) -> Tensor:
    points = pixel_centres(*SIZE) + backward
    return ((points >= 0).all(0) & (points[0] < SIZE[0]) & (points[1] < SIZE[1]))[None].float()


def pan(count: int) -> Clip:
    """Return a clip that moves over the photo to the right."""
    whole = photo(440, 293)
    frames = [whole.crop((40 + PAN_PX * i, 90, 40 + PAN_PX * i + SIZE[0], 90 + SIZE[1])) for i in range(count)]
    backward = torch.zeros(2, SIZE[1], SIZE[0])
    backward[0] = PAN_PX
    return Clip(frames, [backward] * (count - 1), [_inside(backward)] * (count - 1))


def zoom(count: int) -> Clip:
    """Return a clip that zooms into the middle of the photo."""
    frames = []
    for index in range(count):
        width, height = (side * 2.2 / ZOOM**index for side in SIZE)
        frames.append(photo(*SIZE, (300 - width / 2, 200 - height / 2, 300 + width / 2, 200 + height / 2)))
    centre = torch.tensor(SIZE).view(2, 1, 1) / 2
    backward = (pixel_centres(*SIZE) - centre) * (1 / ZOOM - 1)
    return Clip(frames, [backward] * (count - 1), [_inside(backward)] * (count - 1))


def disc(count: int) -> Clip:
    """Return a clip of a chequered disc that moves to the right in front of the photo."""
    behind, clip = photo(*SIZE), Clip([], [], [])
    side = 2 * DISC_RADIUS
    squares = (np.indices((side, side)) // 8).sum(0) % 2
    chequered = Image.fromarray(np.where(squares[..., None] == 1, (220, 200, 90), (40, 60, 140)).astype(np.uint8))
    masks = []
    for index in range(count):
        large = Image.new("L", (4 * SIZE[0], 4 * SIZE[1]))
        x, y = 20 + DISC_PX * index, 38
        ImageDraw.Draw(large).ellipse((4 * x, 4 * y, 4 * (x + side), 4 * (y + side)), fill=255)
        mask, front = large.resize(SIZE, Image.Resampling.LANCZOS), behind.copy()
        front.paste(chequered, (x, y))
        clip.frames.append(Image.composite(front, behind, mask))
        masks.append(torch.from_numpy(np.asarray(mask).copy() > 127)[None])
    for earlier, later in itertools.pairwise(masks):
        clip.backward.append(torch.cat([later * -float(DISC_PX), torch.zeros_like(later, dtype=torch.float32)]))
        clip.visible.append((later | ~earlier).float())
    return clip


def warped_difference(pictures: Sequence[Tensor], clip: Clip) -> float:
    """Return the mean difference of pictures (1, 3, h, w) to the previous ones, moved along the true motion."""
    values = [
        float(((later - warp(earlier, flow)).abs() * seen).mean() / seen.mean())
        for earlier, later, flow, seen in zip(pictures, pictures[1:], clip.backward, clip.visible, strict=False)
    ]
    return statistics.mean(values)


def content_losses(
    objective: torch.nn.Module, pictures: Sequence[Tensor], frames: Sequence[Image.Image]
) -> list[float]:
    """Return the content loss of pictures (1, 3, h, w) for frames, without random shifts."""
    extractor, losses = objective.extractor, []  # type: ignore[union-attr]
    for picture, frame in zip(pictures, frames, strict=False):
        painted = extractor.untransformed(picture, object())  # type: ignore[operator]
        target = extractor.untransformed(pixels_to_tensor(np.asarray(frame)), object())  # type: ignore[operator]
        losses.append(statistics.mean(float((painted[layer] - target[layer]).abs().mean()) for layer in painted))
    return losses


def measure(name: str, clip: Clip, alone: int, settings: dict[str, object]) -> None:
    """Paint a clip as a film and its first frames alone, and print a line of figures."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        (folder / "frames").mkdir()
        for number, frame in enumerate(clip.frames):
            frame.save(folder / "frames" / f"{number:04d}.png")
        run = artkit.paint(
            find_recipe(Path("film")), picture=folder / "frames", out=folder / "film", size=SIZE,
            output={"scale": 1.0}, **settings,
        )  # fmt: skip
        seconds, started = [], time.monotonic()
        for _ in run:
            seconds.append(time.monotonic() - started)
            started = time.monotonic()
        log = FilmLog.load(folder / "film")
        painting = open_painting(folder / "film")
        film = [painting.frame(number).to_tensor()[None] for number in range(log.frames)]
        single = []
        for number in range(alone):
            still = artkit.paint(
                find_recipe(Path("film")), picture=folder / "frames" / f"{number:04d}.png",
                out=folder / f"alone{number}", size=SIZE, output={"scale": 1.0}, **settings,
            ).execute()  # fmt: skip
            single.append(open_painting(still.folder).to_tensor()[None])
        ids = [read_frame(frame_file(folder / "film", n), len(log.names))[2] for n in range(log.frames)]
        lives = torch.unique(torch.cat(ids), return_counts=True)[1]
        objective = run.task.painting.objectives["look"]  # type: ignore[attr-defined]
        content = content_losses(objective, film, clip.frames)
        content_alone = content_losses(objective, single, clip.frames)
    ratio = warped_difference(film, clip) / warped_difference(single, clip)
    loss = statistics.mean(content[1:alone]) / statistics.mean(content_alone[1:])
    print(
        f"{name:6} {ratio:7.3f} {loss:8.3f} {content[-1] / content[0]:6.3f} "
        f"{statistics.median(seconds[1:]) / seconds[0]:6.3f} {float(lives.float().median()):6.1f} {seconds[0]:7.1f}",
        flush=True,
    )


def peak_memory(frames: int) -> None:
    """Print the peak memory of a process that paints a film of tiny frames, MB."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text, "frames")
        folder.mkdir()
        whole = photo(96 + frames, 48)
        for number in range(frames):
            whole.crop((number, 0, number + 64, 48)).save(folder / f"{number}.png")
        settings = {"objective": {"look": {"type": "pixel"}}, "canvas": {"tile": 24, "overlap": 12, "strokes": 1}}
        film = {"clip": str(folder), "steps": 1}
        artkit.paint({"size": [64, 48], "steps": 2, "film": film, **settings}, out=Path(text, "run")).execute()
    print(frames, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, flush=True)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", nargs="+", choices=("pan", "zoom", "disc"), default=("pan", "zoom", "disc"))
    parser.add_argument("--frames", type=int, default=24, help="frames of each clip")
    parser.add_argument("--alone", type=int, default=6, help="frames that are painted one by one")
    parser.add_argument("--steps", type=int, default=160, help="steps of a first frame")
    parser.add_argument("--memory", type=int, nargs="+", help="peak memory of films of so many tiny frames instead")
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak:
        peak_memory(arguments.peak)
        return
    if arguments.memory:
        print("frames MB", flush=True)
        for frames in arguments.memory:
            subprocess.run([sys.executable, __file__, "--peak", str(frames)], check=True)
        return
    print("clip    warped  content  drift   time   life   first s", flush=True)
    for name in arguments.clips:
        measure(name, globals()[name](arguments.frames), arguments.alone, {"steps": arguments.steps})


if __name__ == "__main__":
    main()
