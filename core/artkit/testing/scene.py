"""A scene to build parts in, with a plain renderer and canvas that the checks of other kinds use."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from artkit.geometry.phase import Phase
from artkit.geometry.place import Place
from artkit.imaging.target_image import TargetImage
from artkit.interfaces.canvas import Canvas
from artkit.interfaces.data import Data
from artkit.interfaces.renderer import Renderer
from artkit.interfaces.scene import Scene
from artkit.recipes.building import choose_device, new_scene
from artkit.rendering.stroke_renderer import StrokePatches
from artkit.strokes.action_space import ActionSpace, Dimension

SEED = 7
SIZE = (56, 40)

SMALLEST, LARGEST = 0.1, 0.4  # radius, tile units


class Spots(Renderer):
    """Soft round spots: a renderer with nothing to it."""

    name = "spots"
    space = ActionSpace(
        "spots-1",
        (
            Dimension("x", "tile"),
            Dimension("y", "tile"),
            Dimension("radius", "tile", SMALLEST, LARGEST),
            Dimension("red"),
            Dimension("green"),
            Dimension("blue"),
        ),
    )

    def margin(self, side: int) -> int:
        return math.ceil(LARGEST * side)

    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        pixel = (torch.arange(place.patch_size, device=actions.device) + 0.5 - place.margin) / place.side
        x, y, size = actions[:, 0, None, None], actions[:, 1, None, None], actions[:, 2, None, None]
        distance = (pixel[None, None, :] - x).square() + (pixel[None, :, None] - y).square()
        coverage = (1 - distance / (SMALLEST + (LARGEST - SMALLEST) * size).square()).clamp(min=0).square()
        return StrokePatches(actions[:, 3:6, None, None], coverage[:, None])


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

    def images(self, numbers: Tensor) -> Tensor:
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
        made.target = TargetImage(picture(size).to(made.device))
    return made


def picture(size: tuple[int, int] = SIZE, number: int = 0) -> Tensor:
    """A smooth picture (1, 3, h, w) in [0, 1] in which no two places are alike; another one for each number."""
    width, height = size
    x, y = torch.linspace(0, 1, width)[None, :], torch.linspace(0, 1, height)[:, None]
    waves = [torch.sin((5 + c) * x + (7 - 2 * c) * y * y + c + 1.3 * number) for c in range(3)]
    return 0.5 + 0.4 * torch.stack(waves)[None]
