"""A plugin for tests: components that are fast, differentiable, and need nothing but torch.

Tests install it as a third-party plugin; see `install` and `toy` in conftest.py.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from artkit import (
    ActionSpace,
    ArtkitError,
    Colour,
    Dimension,
    Objective,
    Place,
    Renderer,
    Scene,
    StrokePatches,
    Trainer,
    View,
    hookimpl,
)
from artkit import Config as BaseConfig
from artkit.imaging.png import save_png

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
    """A soft spot that covers its whole patch, up to the corners, so that each pixel of each patch matters."""

    name = "toy-blob"
    space = SPACE

    class Config(BaseConfig):
        """Settings."""

        reach: float = 0.25
        """The margin, in tiles."""
        per_pixel: bool = False
        """Whether the colour varies within a stroke."""

    config: Config

    def margin(self, side: int) -> int:
        return round(self.config.reach * side / 2) * 2

    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        pixel = (torch.arange(place.patch_size, dtype=actions.dtype) + 0.5 - place.margin) / place.side
        dx = pixel[None, None, :] - actions[:, 0, None, None]
        dy = pixel[None, :, None] - actions[:, 1, None, None]
        spread = 0.3 + actions[:, 2, None, None]
        # Depends on the stroke's index, as the noise of a brush does.
        opacity = torch.sin(place.stroke_index.to(actions) * 1.7 + place.seed % 100 + 1) * 0.2 + 0.75
        coverage = torch.exp(-(dx.square() + dy.square()) / spread.square()) * opacity[:, None, None]
        colour = actions[:, 3:, None, None]
        if self.config.per_pixel:
            colour = colour * (0.5 + 0.5 * torch.cos(3 * dx + 2 * dy)[:, None].square())
        return StrokePatches(colour, coverage[:, None])


class Flat(Objective):
    """Distance from a single colour that is shifted at random in each step."""

    name = "toy-flat"

    class Config(Objective.Config):
        """Settings."""

        colour: Colour = (0.2, 0.4, 0.6)
        """The target colour."""
        shift: float = 0.2
        """The range of the random shift of the colour."""
        nan_from: float = 2.0
        """The progress from which on the value is NaN."""
        pause: float = 0.0
        """Seconds that each evaluation waits."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._generator = scene.generator
        self._colour = torch.tensor(config.colour).view(1, 3, 1, 1)

    def forward(self, view: View) -> Tensor:
        time.sleep(self.config.pause)
        target = self._colour + self.config.shift * (torch.rand(1, 3, 1, 1, generator=self._generator) - 0.5)
        value = (view.image - target).square().mean((1, 2, 3))
        return value * (float("nan") if view.progress >= self.config.nan_from else 1.0)


class Line(Trainer):
    """Fits a straight line to random points."""

    name = "toy-line"

    def __init__(self, config: BaseConfig, scene: Scene, steps: int, folder: Path) -> None:
        super().__init__(config, scene, steps, folder)
        self.line = nn.Linear(1, 1)  # initialised by torch's default generator, as layers of plugins are
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
    """Raises an ArtkitError in its constructor."""

    name = "toy-greedy"

    def __init__(self, config: Objective.Config, scene: Scene) -> None:
        raise ArtkitError("the toy is greedy", hint="feed it")

    def forward(self, view: View) -> Tensor:
        raise NotImplementedError


class Buggy(Objective):
    """Raises a LookupError when it is evaluated."""

    name = "toy-buggy"

    def forward(self, view: View) -> Tensor:
        raise LookupError("a bug of the toy")


class Silent(Objective):
    """Returns nothing."""

    name = "toy-silent"

    def forward(self, view: View) -> Tensor:
        return None  # type: ignore[return-value]


@hookimpl
def artkit_renderers() -> Sequence[type]:
    """`toy-blob`."""
    return (Blob,)


@hookimpl
def artkit_objectives() -> Sequence[type]:
    """`toy-flat`, two that raise, and one that returns nothing."""
    return (Flat, Greedy, Buggy, Silent)


@hookimpl
def artkit_trainers() -> Sequence[type]:
    """`toy-line`."""
    return (Line,)
