"""TODO: artkit.engine.task."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from artkit.engine import checkpoint as checkpoint
from artkit.errors import ArtkitError
from artkit.output import report as report


class Task(ABC):
    """Work that a recipe asks for, done a step at a time."""

    steps: int
    provenance: dict[str, str]
    notes: list[str]

    def prepare(self) -> None:  # noqa: B027
        """What must happen once before the first step, in a new or a resumed run."""

    def forecast(self) -> str:
        """What the run will take, in words, if that is worth telling."""
        return ""

    @abstractmethod
    def step(self, step: int) -> dict[str, float]:
        """Do a step; the losses by name, the whole one as ``loss``. Raises `Diverged` before it changes anything, if
        the loss is not a number.
        """

    def evaluate(self) -> list[dict[str, Any]]:
        """What judges say of the finished work, a row each; see `Objective.evaluate`."""
        return []

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """All that later steps depend on."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a state."""

    @abstractmethod
    def write_outputs(self, folder: Path) -> list[Path]:
        """Write what there is to show so far into the run's folder; the files, the main one first. Of the pictures
        among them (.png) the last is what a page or a notebook shows.
        """


class Diverged(ArtkitError):  # noqa: N818
    """The loss is no longer a number."""


class Interrupted(ArtkitError):  # noqa: N818
    """The user stopped the run; what it has is saved."""


def check_finite(losses: dict[str, float]) -> None:
    """Raises Diverged if a loss is not a finite number."""
    if bad := [name for name, value in losses.items() if not math.isfinite(value)]:
        raise Diverged(f"the loss stopped being a number ({', '.join(bad)})", hint="try a lower optimizer.lr")
