"""Films beside the same frames painted one by one: flicker, content loss, time, lives of strokes, and memory.

    python tests/benchmarks/film.py
    python tests/benchmarks/film.py --clips real --file clip.mp4
    python tests/benchmarks/film.py --memory 50 1000

The clips are made from the photo of the recipes, so that the true motion is known: a pan, a zoom, a disc that moves in
front of the photo, and a pan with a cut in its middle. The motion of a `--file` is its optical flow. Frames that are
painted one by one are the first and the last ones.

warped: the mean difference between a frame and the previous one moved along the motion, where the scene is visible in
both, divided by that of frames painted one by one. content: the content loss, and time: the median time of a frame,
both divided by those of the same frames painted one by one. life: frames that the median stroke lives. block: the
largest change of a square of 16 px in any frame, after motion, divided by the mean of the largest ones of frames
painted one by one: what pops is above 1. shots: the frames with which shots begin.
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
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageOps
from torch import Tensor
from torch.nn import functional as F

import artkit
from artkit.imaging.clip import SampledClip
from artkit.imaging.clip_files import open_clip
from artkit.imaging.optical_flow import FrameMotion, pixel_centres, warp
from artkit.imaging.pixels import pixels_to_tensor, tensor_to_pixels
from artkit.output.export import open_painting
from artkit.recipes.shipped import find_recipe, recipe_folder
from artkit.strokes.film_log import FilmLog, frame_file, read_frame

SIZE = (176, 120)
PAN_PX, ZOOM, DISC_PX, DISC_RADIUS = 2, 1.02, 3, 22
BLOCK_PX = 16  # of the squares whose change is measured


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


def cut(count: int) -> Clip:
    """Return a pan with a cut to another part of the photo, mirrored, in its middle."""
    clip, half = pan(count), count // 2
    whole = photo(440, 293).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for index in range(half, count):
        x = PAN_PX * (index - half)
        clip.frames[index] = whole.crop((200 + x, 20, 200 + x + SIZE[0], 20 + SIZE[1]))
    visible = [torch.zeros_like(seen) if index + 1 == half else seen for index, seen in enumerate(clip.visible)]
    return clip._replace(visible=visible)


def real(count: int, file: Path) -> Clip:
    """Return the first frames of a video, 12 a second, with its optical flow."""
    source = SampledClip(open_clip(file), 12).frames()
    frames = [ImageOps.fit(frame, SIZE, Image.Resampling.LANCZOS) for frame in itertools.islice(source, count)]
    pairs = itertools.pairwise(np.asarray(frame) for frame in frames)
    motions = [FrameMotion.between(earlier, later, SIZE) for earlier, later in pairs]
    return Clip(frames, [motion.backward for motion in motions], [motion.was_visible for motion in motions])


def changes(pictures: Mapping[int, Tensor], clip: Clip) -> tuple[list[float], list[float]]:
    """Return how pictures (1, 3, h, w), by frame, differ from the previous ones moved along the motion.

    Of each frame that has a previous one: the mean difference, and that of the square in which it is largest.
    """
    means, blocks = [], []
    for number, (flow, seen) in enumerate(zip(clip.backward, clip.visible, strict=True), 1):
        if seen.any() and {number, number - 1} <= pictures.keys():
            difference = (pictures[number] - warp(pictures[number - 1], flow)).abs().mean(1) * seen
            means.append(float(difference.mean() / seen.mean()))
            blocks.append(float(F.avg_pool2d(difference, BLOCK_PX, BLOCK_PX // 4).max()))
    return means, blocks


def content_loss(objective: torch.nn.Module, picture: Tensor, frame: Image.Image) -> float:
    """Return the content loss of a picture (1, 3, h, w) for a frame, without random shifts."""
    extractor = objective.extractor
    painted = extractor.untransformed(picture, object())  # type: ignore[operator]
    target = extractor.untransformed(pixels_to_tensor(np.asarray(frame)), object())  # type: ignore[operator]
    return statistics.mean(float((painted[layer] - target[layer]).abs().mean()) for layer in painted)


def paint(picture: Path, folder: Path, settings: dict[str, object]) -> tuple[artkit.Run, list[float]]:
    """Paint a film, or an image as a film of one frame; return the run and the seconds of each frame."""
    run = artkit.paint(
        find_recipe(Path("film")), picture=picture, out=folder, size=SIZE, output={"scale": 1.0}, **settings
    )
    seconds, started = [], time.monotonic()
    for _ in run:
        seconds.append(time.monotonic() - started)
        started = time.monotonic()
    return run, seconds


def save_strip(pictures: Mapping[int, Tensor], file: Path) -> None:
    """Save 12 consecutive frames, from the middle of the film, side by side."""
    first = max(0, len(pictures) // 2 - 6)
    strip = Image.new("RGB", (4 * SIZE[0], 3 * SIZE[1]))
    for place, number in enumerate(range(first, min(first + 12, len(pictures)))):
        frame = Image.fromarray(tensor_to_pixels(pictures[number][0]))
        strip.paste(frame, (place % 4 * SIZE[0], place // 4 * SIZE[1]))
    strip.save(file)


def measure(name: str, clip: Clip, alone: int, settings: dict[str, object], strips: Path | None) -> None:
    """Paint a clip as a film and some of its frames alone, and print a line of figures."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        (folder / "frames").mkdir()
        for number, frame in enumerate(clip.frames):
            frame.save(folder / "frames" / f"{number:04d}.png")
        run, seconds = paint(folder / "frames", folder / "film", settings)
        log, painting = FilmLog.load(folder / "film"), open_painting(folder / "film")
        film = {number: painting.frame(number).to_tensor()[None] for number in range(log.frames)}
        chosen = [*range(alone - 2), log.frames - 2, log.frames - 1]
        single, single_seconds = {}, []
        for number in chosen:
            still, (duration,) = paint(folder / "frames" / f"{number:04d}.png", folder / f"alone{number}", settings)
            single[number] = open_painting(still.folder).to_tensor()[None]
            single_seconds.append(duration)
        ids = [read_frame(frame_file(folder / "film", n), len(log.names))[2] for n in range(log.frames)]
        lives = torch.unique(torch.cat(ids), return_counts=True)[1]
        objective = run.task.painting.objectives["look"]  # type: ignore[attr-defined]
        content, content_alone = (
            statistics.mean(content_loss(objective, pictures[number], clip.frames[number]) for number in chosen[1:])
            for pictures in (film, single)
        )
    if strips:
        save_strip(film, strips / f"{name}.png")
    (warped, blocks), (warped_alone, blocks_alone) = changes(film, clip), changes(single, clip)
    ratio = statistics.mean(warped) / statistics.mean(warped_alone)
    block = max(blocks) / statistics.mean(blocks_alone)
    shots = ",".join(str(shot.frame) for shot in log.shots)
    duration = statistics.median(single_seconds)
    print(
        f"{name:6} {ratio:7.3f} {content / content_alone:8.3f} {statistics.median(seconds[1:]) / duration:6.3f} "
        f"{float(lives.float().median()):6.1f} {block:6.2f} {duration:8.1f}  {shots}",
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made = {clip.__name__: clip for clip in (pan, zoom, disc, cut)}
    parser.add_argument("--clips", nargs="+", choices=(*made, "real"), default=tuple(made))
    parser.add_argument("--file", type=Path, help="the video of the clip real")
    parser.add_argument("--frames", type=int, default=24, help="frames of each clip")
    parser.add_argument("--alone", type=int, default=6, help="frames that are painted one by one")
    parser.add_argument("--steps", type=int, default=160, help="steps of a first frame")
    parser.add_argument("--strips", type=Path, help="a folder for pictures of 12 consecutive frames")
    parser.add_argument("--memory", type=int, nargs="+", help="peak memory of films of so many tiny frames instead")
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if "real" in arguments.clips and not arguments.file:
        parser.error("the clip real needs --file")
    if arguments.peak:
        peak_memory(arguments.peak)
        return
    if arguments.memory:
        print("frames MB", flush=True)
        for frames in arguments.memory:
            subprocess.run([sys.executable, __file__, "--peak", str(frames)], check=True)
        return
    print("clip    warped  content   time   life  block  alone s  shots", flush=True)
    for name in arguments.clips:
        count = arguments.frames
        clip = real(count, arguments.file) if name == "real" else made[name](count)
        measure(name, clip, arguments.alone, {"steps": arguments.steps}, arguments.strips)


if __name__ == "__main__":
    main()
