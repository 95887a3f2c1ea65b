"""What all kinds of plugin parts have in common: a name, a Config, and the scene they are built for."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import torch
from torch import Tensor

from artkit.config import Config as BaseConfig

if TYPE_CHECKING:
    from artkit.canvas import Canvas
    from artkit.constraint import Constraint
    from artkit.data import Data
    from artkit.images import Picture
    from artkit.renderer import Renderer

T = TypeVar("T")


class NoSettings(BaseConfig):
    """Of a part that has nothing to set."""


class Part:
    """One thing a recipe can name: built from its Config for a scene.

    `name` is what a recipe's ``type`` says. `Config` holds what the recipe may set. `provenance` maps what a part was
    made from, such as weights, to its sha256; it goes into the run's record.
    """

    name: ClassVar[str]
    Config: ClassVar[type[BaseConfig]] = NoSettings
    config: BaseConfig
    provenance: dict[str, str]


@dataclass
class Scene:
    """What a run is about. Parts are built in the order of the fields below, each for what is there already.

    size: width and height of the picture, px. device: where tensors live. seed: of the recipe. generator: a CPU
    generator seeded by it, from which everything random comes. background: RGB (3,) in [0, 1]. make: builds another
    part for this scene, by its name or its class: ``make(kind, type, **settings)``; raises UsageError for settings it
    does not take. data: the pictures that an agent learns to paint, if one does. target: what to paint, if the
    objectives have a picture of it. constraints: which actions are allowed, in the order in which they apply. folder:
    where what is too large for memory may lie (`artkit.scratch`).
    """

    size: tuple[int, int]
    device: torch.device
    seed: int
    generator: torch.Generator
    background: Tensor
    make: Callable[..., Any]
    renderer: Renderer | None = None
    canvas: Canvas | None = None
    data: Data | None = None
    target: Picture | None = None
    constraints: tuple[Constraint, ...] = ()
    folder: Path | None = None
    notes: list[str] = field(default_factory=list)
    """One-line remarks for the user, such as that the painter stands in for MyPaint."""
    _made: dict[Hashable, Any] = field(default_factory=dict)

    @property
    def actions(self) -> int:
        """How many actions a painting has: one a stroke, or one for the whole picture if the renderer shares it."""
        assert self.renderer is not None
        assert self.canvas is not None
        return 1 if self.renderer.shared else self.canvas.strokes

    def allowed(self, actions: Tensor, progress: float) -> Tensor:
        """What the constraints make of actions (n, N, A) as a picture has them, or of some strokes if each constraint
        looks at them alone.
        """
        for constraint in self.constraints:
            actions = constraint(actions, progress)
        return actions

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` returns, called once for all parts that ask with the same key: what they have in common."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]  # type: ignore[no-any-return]
