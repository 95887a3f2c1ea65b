"""What it costs the picture to be painted by windows: content loss against the whole-picture step, and seams.

    python tests/benchmarks/windows.py [PHOTO...] [--side 1024] [--window 512] [--set KEY=VALUE]...

The photo recipe on each photo (unless told: those of photo.py), once with all of the picture in each step and once by
windows, after the same number of updates of each stroke: content loss as in photo.py, their ratio, minutes of both, and
the seam ratio of the second: the mean gradient across the borders between tiles over that elsewhere. Beside it,
the same in the photo, where there are no tiles.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import photo as photo_benchmark
import torch

from artkit.engine.painting_task import PaintingTask
from artkit.engine.run import Run
from artkit.imaging.loading import load_target_image
from artkit.output.export import open_painting
from artkit.recipes.reading import read_recipe
from artkit.recipes.shipped import shipped_recipes
from artkit.strokes.stroke_log import StrokeLog


def seams(picture: torch.Tensor, log: StrokeLog) -> float:
    """Mean gradient across the borders of tiles over that elsewhere, of a picture (3, h, w) at scale 1."""
    there, elsewhere = [], []
    for axis, length in ((2, log.size[0]), (1, log.size[1])):
        gradient = picture.diff(dim=axis).abs().mean((0, 3 - axis))
        tiles = log.tiles()
        starts = tiles[:, 2 - axis]
        borders = torch.cat([starts, starts + tiles[:, 2]]).unique()
        mask = torch.zeros(length - 1, dtype=torch.bool)
        mask[borders[(borders > 0) & (borders < length)] - 1] = True
        there.append(gradient[mask])
        elsewhere.append(gradient[~mask])
    return float(torch.cat(there).mean() / torch.cat(elsewhere).mean())


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="*", type=Path)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--window", type=int, default=512)
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE")
    told = parser.parse_args(arguments)
    print("photo           whole  minutes  windows  minutes   ratio   seams of the photo")
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary)
        for photo in told.photos or photo_benchmark.photos(base):
            losses, minutes = [], []
            for window in (told.side, told.window):
                folder = base / f"{photo.stem}-{window}"
                settings = [f"size=[{told.side},{told.side}]", f"window={window}", *told.settings]
                recipe = read_recipe(
                    [shipped_recipes()["photo"]], [f'objective.look.target="{photo.resolve()}"', *settings]
                )
                began = time.perf_counter()
                Run(folder, recipe, PaintingTask(recipe, torch.device("cpu"), base)).execute()
                minutes.append((time.perf_counter() - began) / 60)
                target = load_target_image(photo, recipe.settings.size).pixels
                painting = open_painting(folder)
                picture = painting.to_tensor()
                losses.append(photo_benchmark.content(picture[None], target))
            of_picture, of_photo = seams(picture, painting.log), seams(target[0], painting.log)
            print(
                f"{photo.stem:<12} {losses[0]:8.3f} {minutes[0]:8.1f} {losses[1]:8.3f} {minutes[1]:8.1f} "
                f"{losses[1] / losses[0]:7.3f} {of_picture:7.3f} {of_photo:12.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
