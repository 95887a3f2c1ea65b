"""Assertions of the checks: tensors, gradients against finite differences, random generators, state, errors."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from artkit.engine import checkpoint
from artkit.errors import ArtkitError
from artkit.interfaces.scene import Scene

MAX_DIRECTIONS = 24
"""The number of directions, at most, along which a gradient is compared with finite differences."""

_RELATIVE_GRADIENT_TOLERANCE = 0.1  # of a directional derivative; generous because of kinks
_ABSOLUTE_GRADIENT_TOLERANCE = 0.02  # of the largest directional derivative


def expect(condition: object, message: str) -> None:
    """Raise AssertionError unless the condition holds; unlike ``assert`` it is not removed by ``python -O``."""
    if not condition:
        raise AssertionError(message)


def expect_tensor(value: object, shape: tuple[int, ...], like: Tensor, what: str) -> Tensor:
    """Return `value`, a finite tensor of this shape with dtype and device of `like`. Raises AssertionError if not."""
    if not isinstance(value, Tensor):
        raise AssertionError(f"{what}: expected a tensor, got {type(value).__name__}")
    expect(tuple(value.shape) == shape, f"{what}: expected the shape {shape}, got {tuple(value.shape)}")
    expect(value.dtype == like.dtype, f"{what}: expected {like.dtype} as in the input, got {value.dtype}")
    expect(value.device == like.device, f"{what}: expected the device {like.device}, got {value.device}")
    expect(bool(value.isfinite().all()), f"{what}: not all values are finite")
    return value


def expect_unit_range(value: Tensor, what: str) -> None:
    """Raise AssertionError unless all values are in [0, 1], up to rounding."""
    low, high = value.min().item(), value.max().item()
    expect(
        low >= -1e-5 and high <= 1 + 1e-5, f"{what}: values must be in [0, 1], but range from {low:.4g} to {high:.4g}"
    )


def expect_close(actual: Tensor, expected: Tensor, message: str, atol: float = 1e-4) -> None:
    """Raise AssertionError unless two tensors have the same shape and differ by at most `atol`."""
    expect(actual.shape == expected.shape, f"{message} (shapes {tuple(actual.shape)} and {tuple(expected.shape)})")
    difference = (actual - expected).abs().max().item() if actual.numel() else 0.0
    expect(difference <= atol, f"{message} (difference up to {difference:.3g})")


@contextmanager
def generators_unused(scene: Scene | None = None) -> Iterator[None]:
    """Raise AssertionError if the block draws from torch's default generator, or from that of `scene`, if given."""
    torch_state, scene_state = torch.get_rng_state(), scene.generator.get_state() if scene else None
    yield
    expect(
        torch.equal(torch_state, torch.get_rng_state()),
        "it draws from torch's default generator; use scene.generator",
    )
    if scene is not None and scene_state is not None:
        expect(
            torch.equal(scene_state, scene.generator.get_state()),
            "it draws from scene.generator in every step; its noise must follow from the seed and the stroke indices",
        )


def expect_gradient(
    function: Callable[[Tensor], Tensor], point: Tensor, directions: Mapping[str, Tensor], step: float
) -> None:
    """Compare the gradient of a function with central differences along directions.

    function: maps k independent items (k, ...) to a value each, (k,). point: where, (k, ...). directions: by name, of
    the shape of `point`. step: half the width of the differences.

    Raises AssertionError if the directional derivatives of more than a third of the items, which may lie on a jump,
    differ by more than the tolerances.
    """
    point = point.detach().clone().requires_grad_()
    values = function(point)
    expect(values.requires_grad, "the output has no gradient")
    (gradient,) = torch.autograd.grad(values.sum(), point, allow_unused=True)
    expect(gradient is not None, "the output has no gradient")
    expect(bool(gradient.isfinite().all()), "not all values of the gradient are finite")
    with torch.no_grad():
        derivatives = {
            name: (
                (function(point + step * direction).double() - function(point - step * direction).double())
                / (2 * step),
                (gradient * direction).double().flatten(1).sum(1),
            )
            for name, direction in directions.items()
        }
    largest = max(float(values.abs().max()) for pair in derivatives.values() for values in pair)
    expect(largest > 0, "the gradient and the finite differences are zero: nothing can be optimised")
    for name, (numeric, analytic) in derivatives.items():
        tolerance = _RELATIVE_GRADIENT_TOLERANCE * torch.maximum(numeric.abs(), analytic.abs())
        wrong = (numeric - analytic).abs() > tolerance + _ABSOLUTE_GRADIENT_TOLERANCE * largest
        if 3 * int(wrong.sum()) > len(wrong):
            first = int(wrong.nonzero()[0])
            raise AssertionError(
                f"along {name} the derivative is {analytic[first]:.4g} by the gradient and {numeric[first]:.4g} by "
                "finite differences"
            )


def axis_directions(actions: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
    """Return directions along the dimensions of actions (..., A), by name: one each, or `MAX_DIRECTIONS` groups."""
    directions: dict[str, Tensor] = {}
    size = -(-len(names) // MAX_DIRECTIONS)
    for first in range(0, len(names), size):
        group = names[first : first + size]
        direction = torch.zeros_like(actions)
        direction[..., first : first + size] = 1
        directions[group[0] if size == 1 else f"{group[0]} to {group[-1]}"] = direction
    return directions


def checkpoint_round_trip(state: dict[str, Any]) -> dict[str, Any]:
    """Save a state in a checkpoint and load it. Raises AssertionError if a checkpoint cannot store it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "checkpoint.safetensors"
        try:
            checkpoint.save(copy.deepcopy(state), file)
            return checkpoint.load(file)
        except (TypeError, ValueError, RuntimeError, ArtkitError) as error:
            raise AssertionError(f"a checkpoint cannot store its state: {type(error).__name__}: {error}") from None


def expect_clear_error(build: Callable[[], object], context: str) -> None:
    """Raise AssertionError if `build` raises anything but an ArtkitError with a message; it may also succeed."""
    try:
        build()
    except ArtkitError as error:
        expect(error.message, f"{context}: the error has no message")
    except Exception as error:  # a component may raise anything
        raise AssertionError(
            f"{context}: raised {type(error).__name__}: {error}; raise artkit.UsageError(message, hint)"
        ) from None
