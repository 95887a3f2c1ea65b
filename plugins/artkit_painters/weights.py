"""Weights of painters, each of one brush; see `artkit.weights`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from artkit import ActionSpace, UsageError
from artkit.weights import fill, load, save
from artkit_mypaint.action_spaces import STROKE_SPACE

__all__ = ["SHIPPED", "fill", "load", "load_for_brush", "save", "shipped", "shipped_brushes"]

SHIPPED = Path(__file__).parent / "weights"
"""Folder of the weights that are part of artkit; ``sha256.json`` in it lists their checksums."""


def shipped_brushes(kind: str) -> list[str]:
    """Return the sorted names of the brushes for which weights of a kind of painter ship."""
    return sorted(f.stem.removeprefix(f"{kind}-").replace("-", "/", 1) for f in SHIPPED.glob(f"{kind}-*.safetensors"))


def shipped(kind: str, brush: str) -> Path:
    """Return the shipped weights file of a kind of painter for a brush.

    Raises UsageError with the available brushes if there is none.
    """
    file = SHIPPED / f"{kind}-{brush.replace('/', '-')}.safetensors"
    if not file.is_file():
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
    if "brush" not in metadata:
        raise UsageError(
            f"the weights {file} do not say which brush they paint", hint="train them again with this version of artkit"
        )
    if brush and metadata["brush"] != brush:
        raise UsageError(f"the weights {file} paint with the brush {metadata['brush']}, not {brush}")
    return tensors, metadata, checksum, file
