"""How often another network recognises the class of a painting.

    python tests/benchmarks/classes.py [--recipe NAME] [--keep FOLDER] [--evaluator NETWORK]... [--set KEY=VALUE]...

Paints random classes of ImageNet with a recipe that has a class, starfish or another. Networks that were not optimised
for evaluate each picture as MyPaint renders it: rank and probability of the class, and the seconds of all steps; at the
end, the top-1 and top-5 accuracy. With `--keep`, finished paintings are not painted again and interrupted ones go on,
so that the measurement can be interrupted, and repeated with other networks: any of timm's or torchvision's, with
downloaded weights or those of a file, `NAME=FILE.safetensors`. One of another architecture than EfficientNet is an
independent judge of the default recipes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import torch

from artkit.api import create_run
from artkit.engine.run_folder import LOG_FILE
from artkit.output.export import open_painting
from artkit.recipes.reading import read_recipe
from artkit.recipes.shipped import shipped_recipes
from artkit_vision import networks
from artkit_vision.augmentation import resize_central_square

SEED = 2019
COUNT = 20
CPU = torch.device("cpu")


def draw_classes(count: int, seed: int) -> list[int]:
    """Return random indices of ImageNet-1k classes."""
    return torch.randperm(1000, generator=torch.Generator().manual_seed(seed))[:count].tolist()


def paint(name: str, index: int, folder: Path, settings: list[str]) -> float:
    """Paint a class with a shipped recipe, or continue to; return the seconds of all steps."""
    recipe = read_recipe([shipped_recipes()[name]], [f'objective.see.class="{index}"', *settings])
    create_run(recipe, folder, resume=True, device="cpu").execute()
    return sum(json.loads(line)["seconds"] for line in (folder / LOG_FILE).read_text().splitlines())


@torch.no_grad()
def evaluate(picture: torch.Tensor, index: int, network_name: str) -> tuple[int, float, str]:
    """Return the rank and probability of a class for a picture (1, 3, h, w), and the name of the top class."""
    network = networks.load(network_name, CPU)
    probabilities = network(resize_central_square(picture, network.side)).softmax(-1)[0]
    order = probabilities.argsort(descending=True).tolist()
    return order.index(index) + 1, float(probabilities[index]), network.classes.name(order[0])


def main(argv: list[str] | None = None) -> None:
    """Print a line for each picture and network, then the accuracy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="starfish", help="name of a shipped recipe whose objective see has a class")
    parser.add_argument("--count", type=int, default=COUNT, help="number of classes")
    parser.add_argument("--seed", type=int, default=SEED, help="of the choice of classes")
    parser.add_argument(
        "--evaluator", action="append", dest="evaluators", metavar="NETWORK", help="default: efficientnet_lite2"
    )
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE")
    parser.add_argument("--keep", type=Path, help="folder for the paintings")
    arguments = parser.parse_args(argv)
    ranks: dict[str, list[int]] = {name: [] for name in arguments.evaluators or ["efficientnet_lite2"]}
    with tempfile.TemporaryDirectory() as temporary:
        base = arguments.keep or Path(temporary)
        for index in draw_classes(arguments.count, arguments.seed):
            seconds = paint(arguments.recipe, index, base / f"{index:03}", arguments.settings)
            picture = open_painting(base / f"{index:03}", renderer="mypaint").to_tensor()[None]
            for network_name, network_ranks in ranks.items():
                rank, probability, top = evaluate(picture, index, network_name)
                network_ranks.append(rank)
                name = networks.load(network_name, CPU).classes.name(index)
                print(
                    f"{index:3} {name[:24]:24} {seconds:6.1f} s  {network_name}: rank {rank:3}  p {probability:.3f}  "
                    f"top {top}",
                    flush=True,
                )
    for network_name, network_ranks in ranks.items():
        top1, top5 = (sum(rank <= k for rank in network_ranks) / len(network_ranks) for k in (1, 5))
        print(f"{network_name}: top-1 {top1:.0%}, top-5 {top5:.0%} of {len(network_ranks)} classes")


if __name__ == "__main__":
    main()
