"""A scene to build parts in, with a plain renderer and canvas that the checks of other kinds use."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from artkit.canvas import Canvas
from artkit.data import Data
from artkit.geometry import Phase, Place
from artkit.images import Picture
from artkit.part import Scene
from artkit.renderer import Paint, Renderer
from artkit.scenes import choose_device, new_scene
from artkit.space import ActionSpace, Number

SEED = 7
SIZE = (56, 40)

SMALLEST, LARGEST = 0.1, 0.4  # radius, tile units


class Spots(Renderer):
    """Soft round spots: a renderer with nothing to it."""

    name = "spots"
    space = ActionSpace(
        "spots-1",
        (
            Number("x", "tile"),
            Number("y", "tile"),
            Number("radius", "tile", SMALLEST, LARGEST),
            Number("red"),
            Number("green"),
            Number("blue"),
        ),
    )

    def margin(self, side: int) -> int:
        return math.ceil(LARGEST * side)

    def forward(self, actions: Tensor, place: Place) -> Paint:
        pixel = (torch.arange(place.sheet, device=actions.device) + 0.5 - place.margin) / place.side
        x, y, size = actions[:, 0, None, None], actions[:, 1, None, None], actions[:, 2, None, None]
        distance = (pixel[None, None, :] - x).square() + (pixel[None, :, None] - y).square()
        coverage = (1 - distance / (SMALLEST + (LARGEST - SMALLEST) * size).square()).clamp(min=0).square()
        return Paint(actions[:, 3:6, None, None], coverage[:, None])


class Quarters(Canvas):
    """Tiles of half the picture's longer side that overlap, two strokes each, one after the other."""

    name = "quarters"

    def layout(self, scene: Scene) -> tuple[Phase, ...]:
        side = max(scene.size) // 2
        corners = [(x, y) for y in range(-4, scene.size[1], side - 6) for x in range(-4, scene.size[0], side - 6)]
        return tuple(Phase(number, x, y, side, 1, 1, side) for number, (x, y) in enumerate(2 * corners))


class Waves(Data):
    """Smooth pictures of two classes, as they come from `picture`."""

    name = "waves"
    classes = ("even", "odd")

    def __init__(self, config: Data.Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._scene = scene

    def __len__(self) -> int:
        return 100

    def pictures(self, numbers: Tensor) -> Tensor:
        return torch.cat([picture(self._scene.size, number) for number in numbers.tolist()]).to(self._scene.device)

    def labels(self, numbers: Tensor) -> Tensor:
        return numbers % 2


def scene(
    size: tuple[int, int] = SIZE,
    seed: int = SEED,
    device: str = "cpu",
    renderer: str | type[Renderer] = Spots,
    canvas: str | type[Canvas] = Quarters,
    target: bool = False,
    data: str | type[Data] | None = None,
) -> Scene:
    """A scene with a renderer and a canvas, by name or class; with `picture` as its target if it is to have one, and
    with data to learn from, such as `Waves`, if it is to have some.
    """
    made = new_scene(size, seed, (0.9, 0.8, 0.7), choose_device(device))
    made.renderer = made.make("renderer", renderer)
    made.canvas = made.make("canvas", canvas)
    if data:
        made.data = made.make("data", data)
    if target:
        made.target = Picture(picture(size).to(made.device))
    return made


def picture(size: tuple[int, int] = SIZE, number: int = 0) -> Tensor:
    """A smooth picture (1, 3, h, w) in [0, 1] in which no two places are alike; another one for each number."""
    width, height = size
    x, y = torch.linspace(0, 1, width)[None, :], torch.linspace(0, 1, height)[:, None]
    waves = [torch.sin((5 + c) * x + (7 - 2 * c) * y * y + c + 1.3 * number) for c in range(3)]
    return 0.5 + 0.4 * torch.stack(waves)[None]
