"""Checkpoints: the state of a run in a safetensors file; nothing is ever unpickled."""

from __future__ import annotations

import errno
import json
import re
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from artkit.errors import ArtkitError
from artkit.files import atomic


def save(state: dict[str, Any], file: Path) -> None:
    """Write a tree of dicts, lists, tensors, numbers, texts and None, atomically."""
    tensors: dict[str, Tensor] = {}
    told = _pack(state, tensors)
    with atomic(file) as temporary:
        try:
            save_file(tensors, temporary, {"state": json.dumps(told)})
        except SafetensorError as error:  # it does not raise OSError, and tells the number in its text
            number = re.search(r"os error (\d+)", str(error))
            raise OSError(int(number[1]) if number else errno.EIO, str(error)) from None


def load(file: Path) -> dict[str, Any]:
    """What `save` wrote. Raises ArtkitError if the file is damaged."""
    try:
        with safe_open(file, framework="pt") as opened:
            told = json.loads((opened.metadata() or {})["state"])
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        state = _unpack(told, tensors)
        if not isinstance(state, dict):
            raise ValueError("it holds no state")
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise ArtkitError(f"the checkpoint {file} is damaged ({error})", remedy="run again without --resume") from None
    return state


def _pack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().to("cpu").contiguous().clone()
        return {"tensor": name}
    if isinstance(value, dict):
        # Keys may be numbers, as in an optimizer's state, which JSON's objects cannot have.
        return {"dict": [[key, _pack(inner, tensors)] for key, inner in value.items()]}
    if isinstance(value, (list, tuple)):
        return {"list": [_pack(inner, tensors) for inner in value]}
    return value


def _unpack(told: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(told, dict):
        if "tensor" in told:
            return tensors[told["tensor"]]
        if "dict" in told:
            return {key: _unpack(inner, tensors) for key, inner in told["dict"]}
        return [_unpack(inner, tensors) for inner in told["list"]]
    return told
