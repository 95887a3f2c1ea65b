"""Weights of what was trained: safetensors with what they are of and how they were made; never a pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from artkit.errors import UsageError
from artkit.files import atomic, sha256

SUMS = "sha256.json"
"""Beside weights that are released: the sha256 of each file."""


def save(module: nn.Module, facts: dict[str, Any], file: Path) -> None:
    """Write a module's weights as half precision, with `facts` in the metadata, atomically."""
    tensors = {
        name: tensor.detach().to("cpu", torch.float16 if tensor.is_floating_point() else None).contiguous()
        for name, tensor in module.state_dict().items()
    }
    with atomic(file) as temporary:
        save_file(tensors, temporary, {"artkit": json.dumps(facts)})


def load(file: Path, expected: str = "") -> tuple[dict[str, torch.Tensor], dict[str, Any], str]:
    """Tensors (float32), facts and sha256 of a weights file.

    expected: the sha256 the file must have; for weights that come with a list of sums, ``sha256.json`` beside them, the
    one they were released with. Raises UsageError for a file that is damaged, of another sum, or not artkit's.
    """
    try:
        found = sha256(file)
    except OSError as error:
        raise UsageError(f"cannot read the weights {file}: {error.strerror}") from None
    if (sums := file.parent / SUMS).is_file():
        expected = expected or json.loads(sums.read_text()).get(file.name, "")
    if expected and found != expected:
        raise UsageError(
            f"the weights {file} are not the ones expected: sha256 {found[:12]}…, not {expected[:12]}…",
            hint="fetch or train them again, or change the sum in the recipe if you trust the file",
        )
    try:
        with safe_open(file, framework="pt") as opened:
            facts = json.loads((opened.metadata() or {})["artkit"])
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError) as error:
        raise UsageError(f"{file} does not hold weights that artkit wrote ({error})") from None
    return {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}, facts, found


def fill(network: nn.Module, tensors: dict[str, torch.Tensor], file: Path) -> None:
    """Give a network its weights. Raises UsageError if they are not of such a network."""
    try:
        network.load_state_dict(tensors)
    except RuntimeError:
        raise UsageError(f"{file} are weights of another version of this network", hint="train it again") from None
