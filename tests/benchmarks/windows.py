"""Quality of windowed optimisation: content loss compared with whole-picture optimisation, and visibility of seams.

    python tests/benchmarks/windows.py [PHOTO...] [--side 1024] [--window 512] [--set KEY=VALUE]...

The photo recipe runs on each photo (by default those of photo.py), once with the whole picture in each step and once by
windows, with the same number of updates of each stroke. The table has the content loss as in photo.py and the minutes
of both, the ratio of the losses, and the seam ratio of the windowed painting: the mean gradient across the borders of
tiles divided by that elsewhere. The last column is the same ratio in the photo, which has no tiles.
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


def seam_ratio(picture: torch.Tensor, log: StrokeLog) -> float:
    """Return the mean gradient across the borders of tiles divided by that elsewhere, in a picture (3, h, w)."""
    at_borders, elsewhere = [], []
    for axis, length in ((2, log.size[0]), (1, log.size[1])):
        gradient = picture.diff(dim=axis).abs().mean((0, 3 - axis))
        tiles = log.tiles()
        starts = tiles[:, 2 - axis]
        borders = torch.cat([starts, starts + tiles[:, 2]]).unique()
        mask = torch.zeros(length - 1, dtype=torch.bool)
        mask[borders[(borders > 0) & (borders < length)] - 1] = True
        at_borders.append(gradient[mask])
        elsewhere.append(gradient[~mask])
    return float(torch.cat(at_borders).mean() / torch.cat(elsewhere).mean())


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="*", type=Path)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--window", type=int, default=512)
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE")
    options = parser.parse_args(arguments)
    print("photo           whole  minutes  windows  minutes   ratio   seams of the photo")
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary)
        for photo in options.photos or photo_benchmark.photos(base):
            losses, minutes = [], []
            for window in (options.side, options.window):
                folder = base / f"{photo.stem}-{window}"
                settings = [f"size=[{options.side},{options.side}]", f"window={window}", *options.settings]
                recipe = read_recipe(
                    [shipped_recipes()["photo"]], [f'objective.look.target="{photo.resolve()}"', *settings]
                )
                start = time.perf_counter()
                Run(folder, recipe, PaintingTask(recipe, torch.device("cpu"), base)).execute()
                minutes.append((time.perf_counter() - start) / 60)
                target = load_target_image(photo, recipe.size).pixels
                painting = open_painting(folder)
                picture = painting.to_tensor()
                losses.append(photo_benchmark.content(picture[None], target))
            ratios = [seam_ratio(image, painting.log) for image in (picture, target[0])]
            print(
                f"{photo.stem:<12} {losses[0]:8.3f} {minutes[0]:8.1f} {losses[1]:8.3f} {minutes[1]:8.1f} "
                f"{losses[1] / losses[0]:7.3f} {ratios[0]:7.3f} {ratios[1]:12.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
