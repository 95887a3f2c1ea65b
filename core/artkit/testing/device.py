"""The device on which the test kit runs its checks, and synchronisations of a GPU with the machine."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_CPU = torch.device("cpu")
_device: ContextVar[torch.device | None] = ContextVar("device", default=None)

_DATA_DEPENDENT = frozenset(
    f"aten::{name}"
    for name in (
        *("_local_scalar_dense", "equal", "nonzero", "masked_select", "bincount", "isin", "_coalesce", "_unique"),
        *("_unique2", "unique_dim", "unique_consecutive", "unique_dim_consecutive"),
    )
)
"""Operations that wait for the device, since the size of their result, or the result, is needed on the CPU."""

_INDEXING = frozenset({"aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_"})


def current_device() -> torch.device:
    """Return the device for which `artkit.testing.scene` makes scenes: that of `on_device`, or the CPU."""
    return _device.get() or _CPU


@contextmanager
def on_device(device: torch.device) -> Iterator[None]:
    """Let the test kit run its checks on a device inside this block."""
    token = _device.set(device)
    try:
        yield
    finally:
        _device.reset(token)


@contextmanager
def record_synchronisations() -> Iterator[list[str]]:
    """Record where the code inside this block waits for the device; yield the list of descriptions, one each.

    Counted are copies to the CPU, such as those of ``item()``; copies to the device that are not ``non_blocking``,
    among them those of ``torch.tensor(..., device=...)`` and of lists as indices; and operations whose output has a
    size that depends on the data, such as `nonzero` and indexing by a mask. Works on a GPU and on a simulated one.
    """
    found: list[str] = []
    with _DispatchRecorder(found), _FunctionRecorder(found):
        yield found


class _DispatchRecorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, found: list[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._found = found

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if what := _synchronisation(func._schema.name, args, kwargs):
            self._found.append(f"{what} {_place()}")
        return func(*args, **kwargs)


class _FunctionRecorder(TorchFunctionMode):
    """Records what torch does not dispatch on a GPU: lists as indices, and tensors from lists."""

    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self._found = found

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        count = len(self._found)
        result = func(*args, **kwargs)
        if len(self._found) == count and _copies_a_list(func, args, result):
            self._found.append(f"a list is copied to the device {_place()}")
        return result


def _copies_a_list(func: Any, args: Any, result: Any) -> bool:
    if func in (Tensor.__getitem__, Tensor.__setitem__):
        indices = args[1] if isinstance(args[1], tuple) else (args[1],)
        return _on_gpu(args[0]) and any(isinstance(index, list) for index in indices)
    return func in (torch.tensor, torch.as_tensor, Tensor.new_tensor) and _on_gpu(result)


def _synchronisation(name: str, args: Any, kwargs: Any) -> str:
    """Return what in an operation waits for the device, or ""."""
    if name == "aten::_to_copy":
        return _synchronisation_of_copy(kwargs.get("device") or args[0].device, args[0], kwargs.get("non_blocking"))
    if name == "aten::copy_":
        return _synchronisation_of_copy(args[0].device, args[1], args[2] if len(args) > 2 else None)
    if not any(isinstance(leaf, Tensor) and _on_gpu(leaf) for leaf in tree_leaves((args, kwargs))):
        return ""
    if name in _DATA_DEPENDENT:
        return name.removeprefix("aten::")
    if name == "aten::repeat_interleave" and kwargs.get("output_size") is None:
        return "repeat_interleave without output_size"
    return _synchronisation_of_indices(name, args) if name in _INDEXING else ""


def _synchronisation_of_copy(destination: torch.device, source: Tensor, non_blocking: bool | None) -> str:
    if _on_gpu(source) and destination.type == "cpu":
        return "copy to the CPU"
    return (
        "blocking copy to the device" if not _on_gpu(source) and destination.type != "cpu" and not non_blocking else ""
    )


def _synchronisation_of_indices(name: str, args: Any) -> str:
    indices = [index for index in args[1] if index is not None]
    if any(not _on_gpu(index) for index in indices):
        return "indexing by a tensor on the CPU"
    masks = [index for index in indices if index.dtype in (torch.bool, torch.uint8)]
    fills = name != "aten::index" and args[2].numel() == 1  # a single value is filled in without a copy
    return "indexing by a mask" if masks and not fills else ""


def _on_gpu(tensor: Tensor) -> bool:
    return tensor.device.type != "cpu"


def _place() -> str:
    """Return file, line and text of the innermost code that is neither torch's nor the test kit's."""
    frame = sys._getframe(1)
    while frame.f_back and _is_internal(frame.f_code.co_filename):
        frame = frame.f_back
    file = Path(frame.f_code.co_filename)
    text = linecache.getline(str(file), frame.f_lineno).strip()
    return f"at {'/'.join(file.parts[-2:])}:{frame.f_lineno}: {text}"


def _is_internal(file: str) -> bool:
    folder = Path(file).parent
    return "torch" in folder.parts or folder == Path(__file__).parent
