"""Checks of data sets."""

from __future__ import annotations

import torch
from torch import Tensor

from artkit.interfaces.data import Data
from artkit.testing.common import (
    Bench,
    SceneMaker,
    Settings,
    expect,
    expect_same,
    expect_tensor,
    expect_unit,
    untouched_generators,
)
from artkit.testing.scene import SEED


def check_data(part: str | type[Data], settings: Settings | None = None, *, scene: SceneMaker | None = None) -> None:
    """Check a data set, by name or class. Raises Faults with everything that is wrong.

    settings: as a recipe would say them. scene: makes the scene it is built for; its size is that of the pictures.
    """
    Bench("data", part, settings, scene).run([pictures, labels, together, determinism, parts])


def pictures(bench: Bench) -> None:
    """Its pictures have the scene's size, and hold something."""
    data, made = bench.fresh()
    expect(len(data) >= 1, "it has no pictures")
    width, height = made.size
    for numbers in (_some(data), torch.tensor([len(data) - 1])):
        seen = data.images(numbers)
        expect_tensor(seen, (len(numbers), 3, height, width), made.background, "its pictures")
        expect_unit(seen, "its pictures")
    expect(float(data.images(_some(data)).std()) > 0, "its pictures are all of one colour")


def labels(bench: Bench) -> None:
    """It has a label for each picture, which is that of a class, or no classes."""
    data, _ = bench.fresh()
    numbers = torch.arange(len(data))
    told = data.labels(numbers)
    if told is None:
        expect(not data.classes, "it has classes, and labels() gives None")
        return
    expect_tensor(told, (len(data),), numbers, "its labels")
    expect(len(set(data.classes)) == len(data.classes), "two of its classes have the same name")
    low, high = int(told.min()), int(told.max())
    expect(
        low >= 0 and high < len(data.classes), f"labels run from {low} to {high}; it has {len(data.classes)} classes"
    )


def together(bench: Bench) -> None:
    """A picture and its label are the same whichever others are asked for with it."""
    data, _ = bench.fresh()
    numbers = _some(data)
    all_at_once, told = data.images(numbers), data.labels(numbers)
    for place in reversed(range(len(numbers))):
        one = numbers[place : place + 1]
        fault = f"picture {int(one)} is another one when it is asked for alone"
        expect_same(data.images(one)[0], all_at_once[place], fault, 1e-5)
        if told is not None:
            alone = data.labels(one)
            expect(alone is not None and int(alone[0]) == int(told[place]), f"so is the label of picture {int(one)}")


def determinism(bench: Bench) -> None:
    """Built again it has the same pictures, whatever the seed, and it draws from no generator."""
    data, made = bench.fresh()
    numbers = _some(data)
    with untouched_generators(made):
        seen = data.images(numbers)
        expect_same(data.images(numbers), seen, "asked again it has other pictures", 0.0)
    again, its_scene = bench.fresh(seed=SEED + 1)
    its_scene.generator.manual_seed(SEED + 1)
    expect(len(again) == len(data), f"built again it has {len(again)} pictures; it had {len(data)}")
    expect_same(again.images(numbers), seen, "built again it has other pictures", 0.0)


def parts(bench: Bench) -> None:
    """What is held back to judge by is not among what is learnt from."""
    learnt, _ = bench.fresh(settings={"part": "train"})
    held_back, _ = bench.fresh(settings={"part": "test"})
    some = held_back.images(_some(held_back))
    for numbers in torch.split(torch.arange(len(learnt)), 256)[:16]:
        apart = (learnt.images(numbers)[:, None] - some).abs().flatten(2).amax(2)
        same = (apart == 0).nonzero().tolist()
        expect(not same, f"a picture of the part test is also in the part train (as number {same and same[0][0]})")


def _some(data: Data) -> Tensor:
    """Numbers of a few pictures, from all over."""
    return torch.linspace(0, len(data) - 1, min(len(data), 5)).round().long()
