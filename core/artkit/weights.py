"""Weights files: safetensors with metadata that describes the network and its training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize
from torch import nn

from artkit.errors import UsageError
from artkit.files import atomic, sha256

SUMS = "sha256.json"
"""Name of the file, beside released weights, that holds the sha256 of each weights file."""


def save(module: nn.Module, metadata: dict[str, Any], file: Path) -> None:
    """Write the state of a module atomically, with floating-point tensors in half precision."""
    tensors = {
        name: tensor.detach().to("cpu", torch.float16 if tensor.is_floating_point() else None).contiguous()
        for name, tensor in module.state_dict().items()
    }
    with atomic(file) as temporary:
        # Not save_file, whose errors of a full disk are no OSErrors.
        temporary.write_bytes(serialize(tensors, {"artkit": json.dumps(metadata)}))


def load(file: Path, expected: str = "") -> tuple[dict[str, torch.Tensor], dict[str, Any], str]:
    """Return the tensors (float32), the metadata and the sha256 of a weights file.

    expected: the sha256 that the file must have; by default the one in the file ``sha256.json`` beside it, if there is
    one. Raises UsageError if the file is damaged, has another sha256, or was not written by artkit.
    """
    try:
        actual = sha256(file)
    except OSError as error:
        raise UsageError(f"cannot read the weights {file}: {error.strerror}") from None
    if (sums := file.parent / SUMS).is_file():
        expected = expected or json.loads(sums.read_text()).get(file.name, "")
    if expected and actual != expected:
        raise UsageError(
            f"the weights {file} are not the ones expected: sha256 {actual[:12]}…, not {expected[:12]}…",
            hint="fetch or train them again, or change the sha256 in the recipe if you trust the file",
        )
    try:
        with safe_open(file, framework="pt") as opened:
            metadata = json.loads((opened.metadata() or {})["artkit"])
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        if not isinstance(metadata, dict):
            raise ValueError("its description is damaged")
        if not all(tensor.isfinite().all() for tensor in tensors.values()):
            raise ValueError("a value is not a number")
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError, RecursionError) as error:
        raise UsageError(f"{file} does not hold weights that artkit wrote ({error})") from None
    return {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}, metadata, actual


def fill(network: nn.Module, tensors: dict[str, torch.Tensor], file: Path) -> None:
    """Load tensors into a network. Raises UsageError, naming `file`, if their names or shapes do not fit."""
    try:
        network.load_state_dict(tensors)
    except RuntimeError:
        raise UsageError(
            f"{file} holds weights of another version of this network", hint="train the network again"
        ) from None
