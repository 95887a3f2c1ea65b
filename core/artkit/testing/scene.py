"""Scenes for tests, with a simple renderer, canvas and data set."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from artkit.devices import choose_device, to_device
from artkit.geometry.phase import Phase
from artkit.geometry.place import Place
from artkit.imaging.target_image import TargetImage
from artkit.interfaces.canvas import Canvas
from artkit.interfaces.data import Data
from artkit.interfaces.renderer import Renderer
from artkit.interfaces.scene import Scene
from artkit.recipes.building import new_scene
from artkit.rendering.stroke_renderer import StrokePatches
from artkit.strokes.action_space import ActionSpace, Dimension
from artkit.testing.device import current_device

SEED = 7
SIZE = (56, 40)

MIN_RADIUS, MAX_RADIUS = 0.1, 0.4  # tile units


class Spots(Renderer):
    """Soft round spots: a minimal renderer."""

    name = "spots"
    space = ActionSpace(
        "spots-1",
        (
            Dimension("x", "tile"),
            Dimension("y", "tile"),
            Dimension("radius", "tile", MIN_RADIUS, MAX_RADIUS),
            Dimension("red"),
            Dimension("green"),
            Dimension("blue"),
        ),
    )

    def margin(self, side: int) -> int:
        return math.ceil(MAX_RADIUS * side)

    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        pixel = (torch.arange(place.patch_size, device=actions.device) + 0.5 - place.margin) / place.side
        x, y, size = actions[:, 0, None, None], actions[:, 1, None, None], actions[:, 2, None, None]
        distance = (pixel[None, None, :] - x).square() + (pixel[None, :, None] - y).square()
        radius = MIN_RADIUS + (MAX_RADIUS - MIN_RADIUS) * size
        coverage = (1 - distance / radius.square()).clamp(min=0).square()
        return StrokePatches(actions[:, 3:6, None, None], coverage[:, None])


class Quarters(Canvas):
    """Overlapping tiles of half the picture's longer side, twice, one stroke a phase."""

    name = "quarters"

    def layout(self, scene: Scene) -> tuple[Phase, ...]:
        side = max(scene.size) // 2
        corners = [(x, y) for y in range(-4, scene.size[1], side - 6) for x in range(-4, scene.size[0], side - 6)]
        return tuple(Phase(index, x, y, side, 1, 1, side) for index, (x, y) in enumerate(2 * corners))


class Waves(Data):
    """100 pictures of two classes, made by `picture`."""

    name = "waves"
    classes = ("even", "odd")

    def __init__(self, config: Data.Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._scene = scene

    def __len__(self) -> int:
        return 100

    def images(self, indices: Tensor) -> Tensor:
        pictures = torch.cat([picture(self._scene.size, index) for index in indices.tolist()])
        return to_device(pictures, self._scene.device)

    def labels(self, indices: Tensor) -> Tensor:
        return indices % 2


def scene(
    size: tuple[int, int] = SIZE,
    seed: int = SEED,
    device: str | None = None,
    renderer: str | type[Renderer] = Spots,
    canvas: str | type[Canvas] = Quarters,
    target: bool = False,
    data: str | type[Data] | None = None,
) -> Scene:
    """Return a scene with a renderer and a canvas, each by name or class.

    device: by name; the default is that on which the kit runs its checks, see `on_device`. target: whether its target
    is `picture()`. data: a data set by name or class, such as `Waves`.
    """
    scene = new_scene(size, seed, (0.9, 0.8, 0.7), choose_device(device) if device else current_device())
    scene.renderer = scene.make("renderer", renderer)
    scene.canvas = scene.make("canvas", canvas)
    if data:
        scene.data = scene.make("data", data)
    if target:
        scene.target = TargetImage(picture(size).to(scene.device))
    return scene


def picture(size: tuple[int, int] = SIZE, number: int = 0) -> Tensor:
    """Return a smooth picture (1, 3, h, w) in [0, 1] without repetition; `number` selects one of many."""
    width, height = size
    x, y = torch.linspace(0, 1, width)[None, :], torch.linspace(0, 1, height)[:, None]
    waves = [torch.sin((5 + c) * x + (7 - 2 * c) * y * y + c + 1.3 * number) for c in range(3)]
    return 0.5 + 0.4 * torch.stack(waves)[None]
