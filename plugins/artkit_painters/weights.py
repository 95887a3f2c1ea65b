"""Weights of painters, each of one brush; see `artkit.weights`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field, ValidationError

from artkit import ActionSpace, UsageError
from artkit.config import plain_message
from artkit.weights import fill, load, save
from artkit_mypaint.action_spaces import STROKE_SPACE

__all__ = ["SHIPPED", "fill", "load", "load_for_brush", "save", "shipped", "shipped_brushes"]

SHIPPED = Path(__file__).parent / "weights"
"""Folder of the weights that are part of artkit; ``sha256.json`` in it lists their checksums."""


_Finite = Annotated[float, Field(ge=-100, le=100)]

PressureCurve = Annotated[tuple[_Finite, ...], Field(min_length=2, max_length=256)]
"""Metadata: values at evenly spaced pressures from 0 to 1."""

OptionalCurve = Annotated[tuple[_Finite, ...], Field(max_length=0)] | PressureCurve
"""Metadata: a `PressureCurve`, or nothing if pressure has no effect."""

Bounds = tuple[_Finite, _Finite]
"""Metadata: two numbers, such as the lower and the upper bound of another."""


def metadata_error(file: Path, error: ValidationError) -> UsageError:
    """Return the error to raise for weights whose metadata are incomplete or out of range."""
    first = error.errors()[0]
    place = ".".join(str(step) for step in first["loc"])
    what = (
        f"incomplete: they lack {place}" if first["type"] == "missing" else f"damaged: {place} {plain_message(first)}"
    )
    return UsageError(f"the weights {file} are {what}", hint="train them again with this version of artkit")


def shipped_brushes(kind: str) -> list[str]:
    """Return the sorted names of the brushes for which weights of a kind of painter ship."""
    return sorted(f.stem.removeprefix(f"{kind}-").replace("-", "/", 1) for f in SHIPPED.glob(f"{kind}-*.safetensors"))


def shipped(kind: str, brush: str) -> Path:
    """Return the shipped weights file of a kind of painter for a brush.

    Raises UsageError with the available brushes if there is none.
    """
    file = SHIPPED / f"{kind}-{brush.replace('/', '-')}.safetensors"
    if not os.path.isfile(file):
        brushes = shipped_brushes(kind)
        raise UsageError(
            f'painting with "{brush}" in this way needs trained weights, and artkit has none for this brush',
            hint=(f"choose another brush: {', '.join(brushes)}; or " if brushes else "")
            + f'run train/{kind} with trainer.brush = "{brush}", and set weights to the file that it writes',
        )
    return file


def load_for_brush(
    kind: str, brush: str | None, file: Path | None, expected: str = "", space: ActionSpace = STROKE_SPACE
) -> tuple[dict[str, torch.Tensor], dict[str, Any], str, Path]:
    """Load the weights of a painter: `file`, or the shipped ones of `kind` for the brush.

    brush: of the recipe; None means that of the file, or classic/dry_brush. expected: sha256 of the file, see
    `artkit.weights.load`. Returns tensors, metadata, the sha256 and the file. Raises UsageError for weights of another
    brush or action space.
    """
    file = file or shipped(kind, brush or "classic/dry_brush")
    tensors, metadata, checksum = load(file, expected)
    if metadata.get("space") != space.name:
        raise UsageError(
            f"the weights {file} were trained on other strokes ({metadata.get('space')}) than these ({space.name})",
            hint="train them again with this version of artkit",
        )
    if not isinstance(metadata.get("brush"), str):
        raise UsageError(
            f"the weights {file} do not say which brush they paint", hint="train them again with this version of artkit"
        )
    if brush and metadata["brush"] != brush:
        raise UsageError(f"the weights {file} paint with the brush {metadata['brush']}, not {brush}")
    return tensors, metadata, checksum, file
