"""A plugin for tests: parts that are quick, have a true gradient, and need nothing but torch.

Tests install it as a stranger's plugin would be; see `install` and `toy` in conftest.py.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from artkit import hookimpl
from artkit.config import Colour
from artkit.config import Config as BaseConfig
from artkit.errors import ArtkitError
from artkit.geometry.place import Place
from artkit.imaging.png import save_png
from artkit.interfaces.component import Component
from artkit.interfaces.objective import Objective
from artkit.interfaces.renderer import Renderer
from artkit.interfaces.scene import Scene
from artkit.interfaces.trainer import Trainer
from artkit.interfaces.view import View
from artkit.rendering.stroke_renderer import StrokePatches
from artkit.strokes.action_space import ActionSpace, Dimension

SPACE = ActionSpace(
    "toy-blob-1",
    (
        Dimension("x", "tile"),
        Dimension("y", "tile"),
        Dimension("width", "tile"),
        Dimension("red"),
        Dimension("green"),
        Dimension("blue"),
    ),
)


class Blob(Renderer):
    """A soft spot that covers all of its sheet, right into the corners, so that each pixel of each sheet matters."""

    name = "toy-blob"
    space = SPACE

    class Config(BaseConfig):
        """Settings."""

        reach: float = 0.25
        """How far paint runs over the edge of a tile, in tiles."""
        per_pixel: bool = False
        """Whether the colour changes across a stroke."""

    config: Config

    def margin(self, side: int) -> int:
        return round(self.config.reach * side / 2) * 2

    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        at = (torch.arange(place.patch_size, dtype=actions.dtype) + 0.5 - place.margin) / place.side
        dx = at[None, None, :] - actions[:, 0, None, None]
        dy = at[None, :, None] - actions[:, 1, None, None]
        spread = 0.3 + actions[:, 2, None, None]
        # Like the grain of a brush: another one for each stroke of the picture.
        grain = torch.sin(place.stroke_index.to(actions) * 1.7 + place.seed % 100 + 1) * 0.2 + 0.75
        coverage = torch.exp(-(dx.square() + dy.square()) / spread.square()) * grain[:, None, None]
        colour = actions[:, 3:, None, None]
        if self.config.per_pixel:
            colour = colour * (0.5 + 0.5 * torch.cos(3 * dx + 2 * dy)[:, None].square())
        return StrokePatches(colour, coverage[:, None])


class Flat(Objective):
    """Distance from a single colour, up to a random shift of it in each step."""

    name = "toy-flat"

    class Config(Objective.Config):
        """Settings."""

        colour: Colour = (0.2, 0.4, 0.6)
        """The colour that is wanted."""
        shift: float = 0.2
        """How far that colour is shifted at random in each step."""
        nan_from: float = 2.0
        """The progress from which on the value is not a number."""
        pause: float = 0.0
        """Seconds that a look at the picture takes."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._generator = scene.generator
        self._colour = torch.tensor(config.colour).view(1, 3, 1, 1)

    def forward(self, view: View) -> Tensor:
        time.sleep(self.config.pause)
        wanted = self._colour + self.config.shift * (torch.rand(1, 3, 1, 1, generator=self._generator) - 0.5)
        value = (view.image - wanted).square().mean((1, 2, 3))
        return value * (float("nan") if view.progress >= self.config.nan_from else 1.0)


class Line(Trainer):
    """Learns a straight line from random points."""

    name = "toy-line"

    def __init__(self, config: Component.Config, scene: Scene, steps: int, folder: Path) -> None:
        super().__init__(config, scene, steps, folder)
        self.line = nn.Linear(1, 1)  # which starts from torch's own generator, as a stranger's part may
        self._optimizer = torch.optim.Adam(self.parameters(), 0.1)

    def step(self, step: int) -> dict[str, float]:
        x = torch.rand(8, 1, generator=self.scene.generator)
        loss = (self.line(x) - 3 * x + 1).square().mean()
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return {"mse": loss.item()}

    def optimizers(self) -> dict[str, Optimizer]:
        return {"line": self._optimizer}

    def sample(self) -> Tensor:
        return torch.full((3, 8, 8), 0.5)

    def save(self, folder: Path) -> Path:
        file = folder / "line.png"
        save_png(torch.cat([p.reshape(1, -1) for p in self.line.parameters()])[None].expand(3, -1, -1), file)
        file.with_suffix(".txt").write_text(repr([p.tolist() for p in self.line.parameters()]))
        return file


class Greedy(Objective):
    """Cannot be built."""

    name = "toy-greedy"

    def __init__(self, config: Objective.Config, scene: Scene) -> None:
        raise ArtkitError("the toy is greedy", hint="feed it")

    def forward(self, view: View) -> Tensor:
        raise NotImplementedError


class Buggy(Objective):
    """Has a bug."""

    name = "toy-buggy"

    def forward(self, view: View) -> Tensor:
        raise LookupError("a bug of the toy")


@hookimpl
def artkit_renderers() -> Sequence[type]:
    """`toy-blob`."""
    return (Blob,)


@hookimpl
def artkit_objectives() -> Sequence[type]:
    """`toy-flat`, and two that fail."""
    return (Flat, Greedy, Buggy)


@hookimpl
def artkit_trainers() -> Sequence[type]:
    """`toy-line`."""
    return (Line,)
