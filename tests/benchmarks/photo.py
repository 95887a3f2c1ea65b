"""Quality and time of the photo recipe.

    python tests/benchmarks/photo.py [PHOTO...] [--set KEY=VALUE]...

For each photo (default: the shipped one, and those of scikit-image and scikit-learn where they are installed): seconds
of the whole run; content loss (EfficientNet-Lite0, blocks.1 and blocks.2, mean absolute difference, without transforms)
of the picture as MyPaint renders it, that of a blank white canvas, and their ratio; the share of its gain over the
blank canvas that remains when libmypaint renders the strokes, where that is installed; and the loss of the picture
exported eight times as large and downscaled, over the loss itself.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from artkit.engine.painting_task import PaintingTask
from artkit.engine.run import Run
from artkit.imaging.loading import load_target_image
from artkit.output.export import open_painting
from artkit.recipes.reading import read_recipe
from artkit.recipes.shipped import shipped_recipes
from artkit_mypaint import libmypaint
from artkit_vision import networks

LAYERS = ("blocks.1", "blocks.2")

_SIZE = "size=[352, 240]"  # of all photos: as many strokes, whatever their shape


def content(picture: torch.Tensor, target: torch.Tensor) -> float:
    """Return the content loss of a picture (1, 3, h, w)."""
    network = networks.load("efficientnet_lite0", torch.device("cpu"))
    with torch.no_grad():
        pairs = zip(network.features(picture, LAYERS), network.features(target, LAYERS), strict=True)
        return float(np.mean([float((a - b).abs().mean()) for a, b in pairs]))


def photos(folder: Path) -> list[Path]:
    """Return the default photos; those of installed packages are written into `folder`."""
    files = [shipped_recipes()["photo"].parent / "targets/coffee.jpg"]
    arrays = {}
    try:
        from skimage import data

        arrays = {name: getattr(data, name)() for name in ("astronaut", "rocket", "chelsea")}
    except ImportError:
        pass
    try:
        from sklearn.datasets import load_sample_image

        arrays |= {name: load_sample_image(f"{name}.jpg") for name in ("china", "flower")}
    except ImportError:
        pass
    for name, array in arrays.items():
        file = folder / f"{name}.png"
        Image.fromarray(array).save(file)
        files.append(file)
    return files


def measure(photo: Path, folder: Path, settings: list[str]) -> str:
    """Paint a photo and return its row of the table."""
    recipe = read_recipe([shipped_recipes()["photo"]], [_SIZE, f'objective.look.target="{photo.resolve()}"', *settings])
    started = time.perf_counter()
    Run(folder, recipe, PaintingTask(recipe, torch.device("cpu"))).execute()
    seconds = time.perf_counter() - started
    target = load_target_image(photo, recipe.size).pixels
    blank = content(torch.ones_like(target), target)
    mypaint = content(open_painting(folder).to_tensor()[None], target)
    remains = "-"
    if libmypaint.find():
        reference = content(open_painting(folder, renderer="libmypaint").to_tensor()[None], target)
        remains = f"{(blank - reference) / (blank - mypaint):.2%}"
    large = open_painting(folder, 8, "mypaint").to_tensor()[None]
    downscaled = content(torch.nn.functional.avg_pool2d(large, 8), target)
    return (
        f"{photo.stem:<12} {seconds:8.1f} {seconds / recipe.settings.steps:8.2f} {mypaint:8.3f} {blank:8.3f} "
        f"{mypaint / blank:6.3f} {remains:>8} {downscaled / mypaint:8.3f}"
    )


def main(argv: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="*", type=Path)
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE")
    parser.add_argument("--keep", type=Path, help="folder for the runs")
    arguments = parser.parse_args(argv)
    print("photo         seconds   s/step  content    blank  ratio  remains  x8 back")
    with tempfile.TemporaryDirectory() as temporary:
        base = arguments.keep or Path(temporary)
        base.mkdir(parents=True, exist_ok=True)
        for photo in arguments.photos or photos(base):
            print(measure(photo, base / photo.stem, arguments.settings), flush=True)


if __name__ == "__main__":
    main()
