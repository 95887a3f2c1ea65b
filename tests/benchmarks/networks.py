"""What objectives cost beside the passes of their networks, forward and backward.

    python tests/benchmarks/networks.py [--side 128] [--views 4] [--repeats 9] [--threads N]

An ensemble of three classifiers beside the sum of their own passes, each over as many images of its own size as it gets
views; and two objectives that look through one network beside one of them. Medians of the repeats, which take turns.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

import artkit  # noqa: F401  (before torch works: it tells OpenMP how long threads spin)
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


def objective(scene: Scene, name: str, **settings: object) -> Objective:
    """An objective of a scene."""
    part = get_registry().component("objective", name)
    built: Objective = part(part.Config(**settings), scene)
    return built


def step(objectives: Sequence[Objective], image: Tensor) -> Pass:
    """A step of objectives: their values for a picture, and the gradient of their sum."""

    def run() -> None:
        view = View(image, None, Window(0, 0, image.shape[3], image.shape[2]), 0.5)
        values = [one(view.with_target(one.target and one.target.pixels)).sum() for one in objectives]
        torch.autograd.grad(torch.stack(values).sum(), image)

    return run


def bare(name: str, views: int) -> Pass:
    """A pass of a network over as many images as there are views."""
    network = networks.load(name, CPU)
    images = torch.rand(views, 3, network.side, network.side, requires_grad=True)
    return lambda: (torch.autograd.grad(network(images).sum(), images), None)[1]


def clock(passes: Sequence[Pass], repeats: int) -> list[float]:
    """Seconds that passes take, the medians of repeats in which they take turns, after a first round."""
    taken: list[list[float]] = [[] for _ in passes]
    for _ in range(repeats + 1):
        for work, seconds in zip(passes, taken, strict=True):
            began = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - began)
    return [statistics.median(seconds[1:]) for seconds in taken]


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=128, help="of the picture, px")
    parser.add_argument("--views", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0: as many as it likes")
    told = parser.parse_args()
    if told.threads:
        torch.set_num_threads(told.threads)
    size = (told.side, told.side)
    scene = Scene(size, CPU, 0, torch.Generator().manual_seed(0), torch.ones(3), lambda *_, **__: None)
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0), requires_grad=True)
    settings = {"class": "starfish", "views": told.views}
    ensemble = objective(scene, "class-activation", networks=ENSEMBLE, **settings)
    one, *others = (
        objective(scene, "class-activation", networks=ENSEMBLE[:1], **settings | {"class": name})
        for name in ("starfish", "violin")
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "target.png")
        Image.effect_noise(size, 60).convert("RGB").save(file)
        content = objective(scene, "content", target=file, network=ENSEMBLE[0], layers=LAYERS)
        style = objective(scene, "style", image=file, network=ENSEMBLE[0], layers=LAYERS)
    rows = {
        "ensemble of three, its passes": (step([ensemble], image), [bare(name, told.views) for name in ENSEMBLE]),
        "two classes, one": (step([one, *others], image), [step([one], image)]),
        "content and style, content": (step([content, style], image), [step([content], image)]),
    }
    print(f"{torch.get_num_threads()} threads, picture {told.side} px, {told.views} views")
    for name, (work, baseline) in rows.items():
        whole, *parts = clock([work, *baseline], told.repeats)
        print(f"  {name:<30} {whole:8.4f} s {sum(parts):8.4f} s {whole / sum(parts):6.3f}", flush=True)


if __name__ == "__main__":
    main()
