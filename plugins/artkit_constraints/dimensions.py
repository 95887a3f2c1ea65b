"""The dimensions of an action that several constraints change: colour and pressure."""

from __future__ import annotations

import torch
from torch import Tensor

from artkit import Scene, UsageError

COLOUR = ("red", "green", "blue")
PRESSURE = ("start_pressure", "end_pressure")

TOLERANCE = 1e-5
"""Deviation from a constraint that `is_satisfied` accepts."""


def dimension_indices(scene: Scene, constraint: str, *names: str) -> Tensor:
    """Return the indices of the named dimensions in an action of the scene's renderer, on the scene's device: (k,).

    Raises UsageError if its action space lacks one; `constraint` is the name that the message mentions.
    """
    assert scene.renderer is not None
    if not scene.renderer.space.has(*names):
        missing = "colour" if names == COLOUR else names[0].replace("_", " ")
        raise UsageError(
            f"the constraint {constraint} needs strokes with a {missing}, and those of this renderer have none",
            hint="remove the constraint",
        )
    return torch.tensor(scene.renderer.space.index(*names), device=scene.device)


def lift_pen(actions: Tensor, pressure: Tensor, lifted: Tensor) -> Tensor:
    """Return a copy of actions (n, N, A) in which the pressure is 0 where the mask `lifted` (n, N) is true."""
    out = actions.clone()
    out[..., pressure] = actions[..., pressure] * (~lifted)[..., None]
    return out


def is_lifted(actions: Tensor, pressure: Tensor) -> Tensor:
    """Return a mask (n, N) of the actions (n, N, A) whose pressure is 0 at both ends."""
    return (actions[..., pressure] == 0).all(-1)
