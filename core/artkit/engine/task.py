"""Task: the work of a run, executed step by step."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from artkit.engine import checkpoint
from artkit.engine.live_view import LivePicture
from artkit.errors import ArtkitError

_HINT = "try a lower optimizer.lr"


class Task(ABC):
    """The work of a run, executed step by step.

    steps: their number. steps_per_epoch: the number after which every stroke was updated once; 1 unless a picture is
    optimised window by window. provenance: sha256 of input files and weights by name, for the record in the run's
    recipe. notes: messages for the user, a line each.
    """

    steps: int
    steps_per_epoch: int = 1
    provenance: dict[str, str]
    notes: list[str]

    @property
    def unit(self) -> str:
        """What a step is called in messages about the progress."""
        return "step"

    def prepare(self) -> None:  # noqa: B027
        """Prepare the first step of a new or a resumed run, such as by rendering training data."""

    def forecast(self) -> str:
        """Return an estimate of time and memory as text, or "" for a short run."""
        return ""

    def schedules(self) -> list[str]:
        """Return the places in the recipe whose effect depends on the number of steps, such as `optimizer.decay`."""
        return []

    @abstractmethod
    def step(self, step: int) -> dict[str, float]:
        """Execute a step and return the losses by name; the total is ``loss``.

        Raises `Diverged` before anything changes if a loss is not finite.
        """

    def reduce_memory(self, step: int) -> tuple[int, str] | None:
        """Make steps take about half the memory, after a step ran out of it.

        Returns the step to go on with, which may be numbered differently from then on, and what is smaller now; None if
        nothing can be made smaller.
        """
        return None

    def changes_at(self, step: int) -> dict[str, Any]:
        """Return the settings that the recipe changes at a step, for the log."""
        return {}

    def live_picture(self) -> LivePicture | None:
        """Return what the last step has rendered, for those who watch the run; None if that is no picture."""
        return None

    def evaluate(self) -> list[dict[str, Any]]:
        """Return the evaluation of the finished result as rows of a table; see `Objective.evaluate`."""
        return []

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return all state that later steps depend on."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state."""

    def output_names(self) -> list[str]:
        """Return the names of the files that the finished task will leave, with the size of a picture."""
        return []

    def restore(self, file: Path, hint: str) -> int:
        """Restore the state in a checkpoint and return its number of executed steps.

        Raises ArtkitError with the hint if the file is damaged or holds the state of another task.
        """
        saved = checkpoint.load(file, hint)
        try:
            step = saved["step"]
            if not isinstance(step, int) or step < 0:
                raise ValueError("its step is no number of steps")
            self.load_state_dict(saved["state"])
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
            message = f"the checkpoint {file} does not fit this run ({type(error).__name__}: {error})"
            raise ArtkitError(message, hint) from None
        return step

    @abstractmethod
    def write_outputs(self, folder: Path, finished: bool = False) -> list[Path]:
        """Write the current results into a folder and return the files, the main one first.

        finished: whether all steps have been executed; only then is the picture rendered at the size of the output.

        The last .png file is the one that reports and notebooks show.
        """


class Diverged(ArtkitError):  # noqa: N818
    """A loss or a gradient is not finite."""

    may_be_of_plugin = True


class OutOfMemory(ArtkitError):  # noqa: N818
    """A step does not fit into the memory of the device."""


class Interrupted(ArtkitError):  # noqa: N818
    """The user stopped the run, whose state is saved."""


def read_losses(losses: Mapping[str, Tensor], gradients: Iterable[Tensor], hint: str = _HINT) -> dict[str, float]:
    """Return losses, scalars by name, as numbers; call it before the optimizer's step.

    The only copy to the CPU in a step: the losses and the largest gradient are read together. gradients: dense or
    sparse tensors; instead of all gradients, their norm will do. Raises `Diverged` if a loss or a gradient is not
    finite.
    """
    values = [gradient._values() if gradient.is_sparse else gradient for gradient in gradients]
    largest = [nn.utils.get_total_norm(values, math.inf)] if values else []
    numbers = torch.stack([value.detach() for value in (*losses.values(), *largest)]).tolist()
    read = dict(zip(losses, numbers[: len(losses)], strict=True))
    check_finite(read, hint)
    if not all(map(math.isfinite, numbers)):
        raise Diverged("the gradient is not finite", hint=hint)
    return read


def check_finite(losses: Mapping[str, float], hint: str = _HINT) -> None:
    """Raise `Diverged` if a loss is not finite."""
    if names := [name for name, value in losses.items() if not math.isfinite(value)]:
        raise Diverged(f"the loss is not finite ({', '.join(names)})", hint=hint)
