"""Weights of painters: safetensors with what they are of and how they were made; never a pickle."""

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
from artkit.space import ActionSpace
from artkit_painters import stroke

SHIPPED = Path(__file__).parent / "weights"
"""The weights that come with artkit; ``sha256.json`` beside them lists their sums."""


def save(module: nn.Module, facts: dict[str, Any], file: Path) -> None:
    """Write a module's weights as half precision, with `facts` in the metadata, atomically."""
    tensors = {
        name: tensor.detach().to("cpu", torch.float16 if tensor.is_floating_point() else None).contiguous()
        for name, tensor in module.state_dict().items()
    }
    with atomic(file) as temporary:
        save_file(tensors, temporary, {"artkit": json.dumps(facts)})


def shipped(painter: str, brush: str) -> Path:
    """The shipped weights of a painter for a brush. Raises UsageError with the brushes there are."""
    file = SHIPPED / f"{painter}-{brush.replace('/', '-')}.safetensors"
    if not file.is_file():
        there = sorted(f.stem.removeprefix(f"{painter}-").replace("-", "/", 1) for f in SHIPPED.glob(f"{painter}-*"))
        raise UsageError(
            f'artkit ships no {painter} painter for the brush "{brush}"',
            remedy=(f"there are: {', '.join(there)}; or " if there else "")
            + "train one with a [trainer] recipe and name its file as weights",
        )
    return file


def load(file: Path, expected: str = "") -> tuple[dict[str, torch.Tensor], dict[str, Any], str]:
    """Tensors (float32), facts and sha256 of a weights file.

    expected: the sha256 the file must have; for shipped weights the one they were released with. Raises UsageError for
    a file that is damaged, of another sum, or not artkit's.
    """
    try:
        found = sha256(file)
    except OSError as error:
        raise UsageError(f"cannot read the weights {file}: {error.strerror}") from None
    if file.parent == SHIPPED:
        expected = expected or json.loads((SHIPPED / "sha256.json").read_text()).get(file.name, "")
    if expected and found != expected:
        raise UsageError(
            f"the weights {file} are not the ones expected: sha256 {found[:12]}…, not {expected[:12]}…",
            remedy="fetch or train them again, or change the sum in the recipe if you trust the file",
        )
    try:
        with safe_open(file, framework="pt") as opened:
            facts = json.loads((opened.metadata() or {})["artkit"])
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError) as error:
        raise UsageError(f"{file} does not hold weights that artkit wrote ({error})") from None
    return {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}, facts, found


def of_brush(
    kind: str, brush: str | None, file: Path | None, expected: str = "", space: ActionSpace = stroke.SPACE
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
            remedy="train them again with this artkit",
        )
    if "brush" not in facts:
        raise UsageError(f"{file} do not tell their brush", remedy="train them again with this artkit")
    if brush and facts["brush"] != brush:
        raise UsageError(f"{file} are weights of the brush {facts['brush']}, not {brush}")
    return tensors, facts, found, file


def fill(network: nn.Module, tensors: dict[str, torch.Tensor], file: Path) -> None:
    """Give a network its weights. Raises UsageError if they are not of such a network."""
    try:
        network.load_state_dict(tensors)
    except RuntimeError:
        raise UsageError(f"{file} are weights of another version of this painter", remedy="train it again") from None
