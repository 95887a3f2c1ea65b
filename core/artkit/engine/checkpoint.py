"""Checkpoints: the state of a run in a safetensors file; nothing is ever unpickled."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from artkit import memmap
from artkit.errors import ArtkitError
from artkit.files import atomic

_TYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def save(state: dict[str, Any], file: Path) -> None:
    """Write a tree of dicts, lists, tensors, numbers, texts and None, atomically. Tensors go to the disk as they are
    and may be larger than the memory.
    """
    tensors: dict[str, Tensor] = {}
    told = _pack(state, tensors)
    # As safetensors has it: widest types first, so that each tensor is aligned.
    names = sorted(tensors, key=lambda name: -tensors[name].element_size())
    head: dict[str, Any] = {"__metadata__": {"state": json.dumps(told)}}
    end = 0
    for name in names:
        begin, end = end, end + tensors[name].numel() * tensors[name].element_size()
        kind = _TYPES[tensors[name].dtype]
        head[name] = {"dtype": kind, "shape": list(tensors[name].shape), "data_offsets": [begin, end]}
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with atomic(file) as temporary, temporary.open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        for name in names:
            stream.write(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
            memmap.release()


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
        raise ArtkitError(f"the checkpoint {file} is damaged ({error})", hint="run again without --resume") from None
    return state


def _pack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().to("cpu").contiguous()
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
