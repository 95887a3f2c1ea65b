"""How often another network sees in a painting what was asked for.

    python tests/benchmarks/classes.py [--keep FOLDER] [--judge NETWORK]... [--set KEY=VALUE]...

Paints classes of ImageNet, drawn at random by a fixed seed, with the starfish recipe, and has networks that took no
part judge each picture as the real MyPaint paints it: the rank and probability of the class, and the seconds of all its
steps. At the end: for how many the class comes first, and for how many among the first five. With `--keep`, paintings
that are there already are judged without being painted again, and interrupted ones go on: the measurement may be
stopped at any time, and other judges may be asked later.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import torch

from artkit.engine.painting_task import PaintingTask
from artkit.engine.run import LOG, Run
from artkit.output.export import open_painting
from artkit.recipes.reading import read_recipe
from artkit.recipes.shipped import shipped_recipes
from artkit_vision import networks
from artkit_vision.augmentation import resize_central_square

SEED = 2019
COUNT = 20


def drawn(count: int, seed: int) -> list[int]:
    """The classes that a seed draws, as indices of ImageNet-1k."""
    return torch.randperm(1000, generator=torch.Generator().manual_seed(seed))[:count].tolist()


def paint(index: int, folder: Path, settings: list[str]) -> float:
    """Paint a class into a folder, as far as that is still to be done; seconds that all its steps took."""
    recipe = read_recipe([shipped_recipes()["starfish"]], [f'objective.see.class="{index}"', *settings])
    run = Run(folder, recipe, PaintingTask(recipe, torch.device("cpu")), resume=True)
    run.execute()
    return sum(json.loads(line)["seconds"] for line in (folder / LOG).read_text().splitlines())


@torch.no_grad()
def judged(picture: torch.Tensor, index: int, judge: str) -> tuple[int, float, str]:
    """The rank and probability of a class in what a network sees in a picture (1, 3, h, w), and what it sees first."""
    network = networks.load(judge, torch.device("cpu"))
    chances = network(resize_central_square(picture, network.side)).softmax(-1)[0]
    order = chances.argsort(descending=True).tolist()
    return order.index(index) + 1, float(chances[index]), network.classes.name(order[0])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=COUNT, help="how many classes")
    parser.add_argument("--seed", type=int, default=SEED, help="which classes")
    parser.add_argument(
        "--judge", action="append", dest="judges", metavar="NETWORK", help="default: efficientnet_lite2"
    )
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE")
    parser.add_argument("--keep", type=Path, help="folder for the paintings")
    told = parser.parse_args(arguments)
    judges = told.judges or ["efficientnet_lite2"]
    ranks: dict[str, list[int]] = {judge: [] for judge in judges}
    with tempfile.TemporaryDirectory() as temporary:
        base = told.keep or Path(temporary)
        for index in drawn(told.count, told.seed):
            seconds = paint(index, base / f"{index:03}", told.settings)
            picture = open_painting(base / f"{index:03}", renderer="mypaint").to_tensor()[None]
            for judge in judges:
                rank, chance, sees = judged(picture, index, judge)
                ranks[judge].append(rank)
                name = networks.load(judge, torch.device("cpu")).classes.name(index)
                print(
                    f"{index:3} {name[:24]:24} {seconds:6.1f} s  {judge}: rank {rank:3}  p {chance:.3f}  sees {sees}",
                    flush=True,
                )
    for judge, found in ranks.items():
        first, five = (sum(rank <= most for rank in found) / len(found) for most in (1, 5))
        print(f"{judge}: first {first:.0%}, among the first five {five:.0%} of {len(found)} classes")


if __name__ == "__main__":
    main()
