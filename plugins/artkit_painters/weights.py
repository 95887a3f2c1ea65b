"""Weights of painters, each of one brush; see `artkit.weights`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from artkit import ActionSpace, UsageError
from artkit.weights import fill, load, save
from artkit_mypaint.action_spaces import STROKE_SPACE

__all__ = ["SHIPPED", "fill", "load", "of_brush", "save", "shipped"]

SHIPPED = Path(__file__).parent / "weights"
"""The weights that come with artkit; ``sha256.json`` beside them lists their sums."""


def shipped(painter: str, brush: str) -> Path:
    """The shipped weights of a painter for a brush. Raises UsageError with the brushes there are."""
    file = SHIPPED / f"{painter}-{brush.replace('/', '-')}.safetensors"
    if not file.is_file():
        there = sorted(f.stem.removeprefix(f"{painter}-").replace("-", "/", 1) for f in SHIPPED.glob(f"{painter}-*"))
        raise UsageError(
            f'artkit ships no {painter} painter for the brush "{brush}"',
            hint=(f"there are: {', '.join(there)}; or " if there else "")
            + "train one with a [trainer] recipe and name its file as weights",
        )
    return file


def of_brush(
    kind: str, brush: str | None, file: Path | None, expected: str = "", space: ActionSpace = STROKE_SPACE
) -> tuple[dict[str, torch.Tensor], dict[str, Any], str, Path]:
    """What `load` gives of the weights of a painter for a brush, and their file: `file`, or the shipped ones of `kind`.

    brush: the one that a recipe wants; classic/dry_brush or that of the file, if it does not say. Raises UsageError for
    weights of another brush or action space.
    """
    file = file or shipped(kind, brush or "classic/dry_brush")
    tensors, facts, found = load(file, expected)
    if facts.get("space") != space.name:
        raise UsageError(
            f"{file} are weights for the action space {facts.get('space')}, not {space.name}",
            hint="train them again with this artkit",
        )
    if "brush" not in facts:
        raise UsageError(f"{file} do not tell their brush", hint="train them again with this artkit")
    if brush and facts["brush"] != brush:
        raise UsageError(f"{file} are weights of the brush {facts['brush']}, not {brush}")
    return tensors, facts, found, file
