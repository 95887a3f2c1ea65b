"""The cost of objectives beside the passes of their networks, forward and backward.

    python tests/benchmarks/networks.py [--side 128] [--views 4] [--repeats 9] [--threads N]

An ensemble of three classifiers beside the sum of their passes, each over as many images of its input size as there are
views; and two objectives that use the same network beside one of them. Medians of the repeats, which run in turns.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL import Image
from timing import median_seconds
from torch import Tensor

import artkit  # noqa: F401  (sets variables of OpenMP that must be set before torch starts threads)
from artkit.geometry.window import Window
from artkit.interfaces.objective import Objective
from artkit.interfaces.scene import Scene
from artkit.interfaces.view import View
from artkit.registry.plugin_registry import get_registry
from artkit_vision import networks

ENSEMBLE = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
LAYERS = ("blocks.1", "blocks.2")
CPU = torch.device("cpu")

Pass = Callable[[], None]


def build_objective(scene: Scene, name: str, **settings: object) -> Objective:
    """Build an objective for a scene."""
    component = get_registry().component("objective", name)
    objective: Objective = component(component.Config(**settings), scene)
    return objective


def objective_pass(objectives: Sequence[Objective], image: Tensor) -> Pass:
    """Return a function that computes the sum of objectives for a picture, and its gradient."""

    def run() -> None:
        view = View(image, None, Window(0, 0, image.shape[3], image.shape[2]), 0.5)
        values = [o(view.with_target(o.target and o.target.pixels)).sum() for o in objectives]
        torch.autograd.grad(torch.stack(values).sum(), image)

    return run


def network_pass(name: str, views: int) -> Pass:
    """Return a function that computes the forward and backward pass of a network for a batch of `views` images."""
    network = networks.load(name, CPU)
    images = torch.rand(views, 3, network.side, network.side, requires_grad=True)
    return lambda: (torch.autograd.grad(network(images).sum(), images), None)[1]


def build_passes(side: int, views: int, folder: Path) -> dict[str, tuple[Pass, list[Pass]]]:
    """Return the rows of the table: a pass and those it is compared with."""
    size = (side, side)
    scene = Scene(size, CPU, 0, torch.Generator().manual_seed(0), torch.ones(3), lambda *_, **__: None)
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0), requires_grad=True)
    ensemble = build_objective(scene, "class-activation", networks=ENSEMBLE, **{"class": "starfish"}, views=views)
    starfish, violin = (
        build_objective(scene, "class-activation", networks=ENSEMBLE[:1], **{"class": name}, views=views)
        for name in ("starfish", "violin")
    )
    file = folder / "target.png"
    Image.effect_noise(size, 60).convert("RGB").save(file)
    content = build_objective(scene, "content", target=file, network=ENSEMBLE[0], layers=LAYERS)
    style = build_objective(scene, "style", image=file, network=ENSEMBLE[0], layers=LAYERS)
    return {
        "ensemble of three, its passes": (
            objective_pass([ensemble], image),
            [network_pass(name, views) for name in ENSEMBLE],
        ),
        "two classes, one": (objective_pass([starfish, violin], image), [objective_pass([starfish], image)]),
        "content and style, content": (objective_pass([content, style], image), [objective_pass([content], image)]),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=128, help="of the picture, px")
    parser.add_argument("--views", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0: its default")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        rows = build_passes(arguments.side, arguments.views, Path(folder))
    print(f"{torch.get_num_threads()} threads, picture {arguments.side} px, {arguments.views} views")
    for name, (measured, baseline) in rows.items():
        seconds, *parts = median_seconds([measured, *baseline], arguments.repeats)
        print(f"  {name:<30} {seconds:8.4f} s {sum(parts):8.4f} s {seconds / sum(parts):6.3f}", flush=True)


if __name__ == "__main__":
    main()
