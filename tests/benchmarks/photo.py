"""How good the photo recipe's paintings are, and how long they take.

    python tests/benchmarks/photo.py [PHOTO...] [--set KEY=VALUE]...

For each photo (unless told: the shipped one, and those of scikit-image and scikit-learn where they are installed):
seconds for the whole run; content loss (EfficientNet-Lite0, blocks.1 and blocks.2, mean absolute difference, without
transforms) of the picture as the real MyPaint paints it, that of a blank white canvas, and their ratio; which share of
the gain that the painter shows for these strokes survives in MyPaint; and the loss of the picture exported eight times
as large and reduced again, over the loss itself.
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
from artkit_vision import networks

LAYERS = ("blocks.1", "blocks.2")


def content(picture: torch.Tensor, target: torch.Tensor) -> float:
    """The content loss of a picture (1, 3, h, w)."""
    network = networks.load("efficientnet_lite0", torch.device("cpu"))
    with torch.no_grad():
        pairs = zip(network.features(picture, LAYERS), network.features(target, LAYERS), strict=True)
        return float(np.mean([float((a - b).abs().mean()) for a, b in pairs]))


def photos(folder: Path) -> list[Path]:
    """The photos to paint, those of installed packages written into `folder`."""
    found = [shipped_recipes()["photo"].parent / "targets/coffee.jpg"]
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
        found.append(file)
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="*", type=Path)
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE")
    parser.add_argument("--keep", type=Path, help="folder for the runs")
    told = parser.parse_args(arguments)
    print("photo         seconds s a step  content    blank  ratio survives x8 again")
    with tempfile.TemporaryDirectory() as temporary:
        base = told.keep or Path(temporary)
        base.mkdir(parents=True, exist_ok=True)
        for photo in told.photos or photos(base):
            folder = base / photo.stem
            recipe = read_recipe(
                [shipped_recipes()["photo"]], [f'objective.look.target="{photo.resolve()}"', *told.settings]
            )
            began = time.perf_counter()
            run = Run(folder, recipe, PaintingTask(recipe, torch.device("cpu")))
            run.execute()
            seconds = time.perf_counter() - began
            target = load_target_image(photo, recipe.settings.size).pixels
            blank = content(torch.ones_like(target), target)
            real, learnt = (
                content(open_painting(folder, renderer=renderer).to_tensor()[None], target)
                for renderer in ("mypaint", "gan")
            )
            large = open_painting(folder, 8, "mypaint").to_tensor()[None]
            small = torch.nn.functional.avg_pool2d(large, 8)
            print(
                f"{photo.stem:<12} {seconds:8.1f} {seconds / recipe.settings.steps:8.2f} {real:8.3f} {blank:8.3f} "
                f"{real / blank:6.3f} {(blank - real) / (blank - learnt):8.1%} {content(small, target) / real:8.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
