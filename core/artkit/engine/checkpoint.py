"""Checkpoints: the state of a run in a safetensors file, read without unpickling.

Contents of a checkpoint; `Run` writes the two keys, the task writes the state:

    step             number of executed steps
    state
      generator      state of the scene's random generator; initial weights and stroke noise do not come from it
      agent          parameters of the agent
      optimizer      moments and step counts of `LazyAdam`, and the learning rate
      objectives     state of each objective by name, such as a critic and its optimizer, without frozen networks
      windows        painting: the window grid (`WindowGrid`)
      sweep          painting: the current epoch: order of the windows, shift of their borders, thumbnail
      before         painting: steps of the earlier runs whose state this one goes on from
      frames         film: their number; painted: how many of them are
      strokes        film: tensors of the strokes of the last frame (`FilmStrokes`), and what else its next frame needs
      left           agent training: indices of the images that are left in the current epoch
      trainer        renderer training, instead of agent and objectives: the trainer's state
      optimizers     renderer training, instead of optimizer: the state of each optimizer by name

The tensors are those of the file; the tree of dicts and lists around them is JSON in the file's metadata.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from artkit import memmap
from artkit.errors import ArtkitError
from artkit.files import atomic

_DTYPE_NAMES = {
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
    """Write a tree of dicts, lists, tensors, numbers, strings and None atomically.

    Memory-mapped tensors are written without being copied, so they may be larger than the memory.
    """
    tensors: dict[str, Tensor] = {}
    tree = _pack(state, tensors)
    # In the order of safetensors: widest types first, so that each tensor is aligned.
    names = sorted(tensors, key=lambda name: -tensors[name].element_size())
    header: dict[str, Any] = {"__metadata__": {"state": json.dumps(tree)}}
    end = 0
    for name in names:
        start, end = end, end + tensors[name].numel() * tensors[name].element_size()
        dtype = _DTYPE_NAMES[tensors[name].dtype]
        header[name] = {"dtype": dtype, "shape": list(tensors[name].shape), "data_offsets": [start, end]}
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    with atomic(file) as temporary, temporary.open("wb") as stream:
        stream.write(struct.pack("<Q", len(encoded)) + encoded)
        for name in names:
            stream.write(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
            memmap.release()


def load(file: Path, hint: str = "run again without --resume") -> dict[str, Any]:
    """Read what `save` wrote; tuples come back as lists. Raises ArtkitError with the hint if the file is damaged."""
    try:
        with safe_open(file, framework="pt") as opened:
            tree = json.loads((opened.metadata() or {})["state"])
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        state = _unpack(tree, tensors)
        if not isinstance(state, dict):
            raise ValueError("it contains no state")
        if not all(tensor.isfinite().all() for tensor in tensors.values()):
            raise ValueError("a value is not a number")
    except (SafetensorError, KeyError, TypeError, ValueError, OSError, RecursionError) as error:
        raise ArtkitError(f"the checkpoint {file} is damaged ({error})", hint) from None
    return state


class SavedStep(NamedTuple):
    """The number of executed steps, that of the picture's windows, of the steps of a first stage, and of the frames of
    a film, 0 if it is none.
    """

    step: int = 0
    windows: int = 1
    first_steps: int = 0
    frames: int = 0


def saved_step(file: Path) -> SavedStep:
    """Return what a checkpoint says of its steps, without reading the tensors; the defaults without a readable one."""
    try:
        with safe_open(file, framework="pt") as opened:
            tree = dict(json.loads((opened.metadata() or {})["state"])["dict"])
        state = dict(dict(tree["state"])["dict"])
        windows = dict(state.get("windows", {"dict": []})["dict"])
        window_count = int(windows.get("columns", 1)) * int(windows.get("rows", 1))
        return SavedStep(int(tree["step"]), window_count, int(state.get("first_steps", 0)), int(state.get("frames", 0)))
    except (SafetensorError, KeyError, TypeError, ValueError, OSError, OverflowError, RecursionError):
        return SavedStep()


def _pack(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Return a tree as JSON values; add its tensors to `tensors` by the names that stand for them in the tree."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().to("cpu").contiguous()
        return {"tensor": name}
    if isinstance(value, dict):
        # As pairs, because keys may be integers, as in an optimizer's state, which JSON objects do not allow.
        return {"dict": [[key, _pack(item, tensors)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return {"list": [_pack(item, tensors) for item in value]}
    return value


def _unpack(tree: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(tree, dict):
        if "tensor" in tree:
            return tensors[tree["tensor"]]
        if "dict" in tree:
            return {key: _unpack(item, tensors) for key, item in tree["dict"]}
        return [_unpack(item, tensors) for item in tree["list"]]
    return tree
