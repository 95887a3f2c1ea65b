"""A simulated GPU: tensors that claim to be on a CUDA device, and live in the memory of the machine.

On it a test runs without a GPU what would run on one. Operations that mix devices raise an error as on a GPU, the
values are those of the CPU, and data-dependent operations work, which they do not on torch's ``meta`` device or on fake
tensors.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_unflatten

from artkit.testing.device import on_device

_GPU = torch.device("cuda", 63)  # not one that exists, so that caches by device do not mix them
_aten = torch.ops.aten

_TRANSFERS = frozenset({"aten::_to_copy", "aten::copy_"})
_TAKES_CPU_INDICES = frozenset({"aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_"})
_TAKES_CPU_SCALARS = frozenset({"aten::where", "aten::masked_fill", "aten::masked_fill_", "aten::fill_"})


class _GpuTensor(Tensor):
    """A tensor whose device is `_GPU` and whose values are in `_on_cpu`, a tensor on the CPU.

    For the parts of torch that are written in C++ its device is `meta`; those need no CUDA for it.
    """

    _on_cpu: Tensor
    device, is_cpu, is_cuda, is_meta = _GPU, False, True, False
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]  # results may be plain

    @staticmethod
    def __new__(cls, values: Tensor) -> _GpuTensor:
        if values.layout == torch.strided:
            shape, strides = values.shape, values.stride()
            like = torch.empty_strided(shape, strides, dtype=values.dtype, device="meta")
        else:
            like = values.to("meta")
        tensor: _GpuTensor = Tensor._make_subclass(cls, like, False)
        tensor._on_cpu = values
        return tensor

    # What torch does not dispatch:

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def numpy(self, *, force: bool = False) -> Any:
        raise TypeError("can't convert cuda device type tensor to numpy; use Tensor.cpu() first")

    def new_tensor(self, data: Any, dtype: torch.dtype | None = None, **_: Any) -> Tensor:  # type: ignore[override]
        return torch.tensor(data, dtype=dtype or self.dtype).to(_GPU)

    def __getitem__(self, indices: Any) -> Tensor:
        return super().__getitem__(_indices_on_gpu(indices))

    def __setitem__(self, indices: Any, value: Any) -> None:
        super().__setitem__(_indices_on_gpu(indices), value)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        return _execute(func, args, kwargs or {})

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"{self._on_cpu!r} on a simulated GPU"


class _Dispatch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Executes all operations on tensors, in particular those that create tensors on the GPU."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _execute(func, args, kwargs or {})


def _on_gpu(function: Any) -> Any:
    """Return a function that creates a tensor from data, such as `torch.tensor`, for tensors on any device."""

    def create(*args: Any, device: Any = None, **kwargs: Any) -> Tensor:
        tensor: Tensor = function(*args, **kwargs, device=None if _is_gpu(device) else device)
        return tensor.to(_GPU) if _is_gpu(device) else tensor

    return create


def _indices_on_gpu(indices: Any) -> Any:
    """Return indices of a tensor with lists replaced by tensors on the GPU, as torch does."""
    if isinstance(indices, tuple):
        return tuple(_indices_on_gpu(index) for index in indices)
    return torch.tensor(indices).to(_GPU) if isinstance(indices, list) else indices


def _execute(func: Any, args: Any, kwargs: Any) -> Any:
    """Execute an operation on the values of its arguments and return its results where a GPU would have them."""
    if func is _aten._efficientzerotensor.default:  # it has no memory, which operations on its values would need
        func = _aten.zeros.default
    leaves, tree = tree_flatten((args, kwargs))
    inputs = {id(leaf._on_cpu): leaf for leaf in leaves if isinstance(leaf, _GpuTensor)}
    _check_devices(func, leaves, bool(inputs))
    device = kwargs.get("device")
    values = [leaf._on_cpu if isinstance(leaf, _GpuTensor) else leaf for leaf in leaves]
    args, kwargs = tree_unflatten(values, tree)
    if device is not None:
        kwargs["device"] = torch.device("cpu")
    if _is_gpu(device) and isinstance(kwargs.get("generator"), torch.Generator):
        raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
    outputs = func(*args, **kwargs)
    if not (_is_gpu(device) if device is not None else inputs) or func is _aten._local_scalar_dense.default:
        return outputs
    if func._schema.name == "aten::copy_" and not isinstance(leaves[0], _GpuTensor):
        return outputs
    flat, output_tree = tree_flatten(outputs)
    # An operation in place returns its argument.
    wrapped = [inputs.get(id(o), o) if id(o) in inputs or not isinstance(o, Tensor) else _GpuTensor(o) for o in flat]
    return tree_unflatten(wrapped, output_tree)


def _check_devices(func: Any, leaves: list[Any], on_gpu: bool) -> None:
    """Raise RuntimeError if an operation on the GPU has an argument on the CPU that torch does not accept."""
    name = func._schema.name
    if not on_gpu or name in _TRANSFERS:
        return
    cpu_tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor) and not isinstance(leaf, _GpuTensor)]
    if torch.Tag.pointwise in func.tags or name in _TAKES_CPU_SCALARS:
        cpu_tensors = [tensor for tensor in cpu_tensors if tensor.dim()]
    if name in _TAKES_CPU_INDICES:
        cpu_tensors = [tensor for tensor in cpu_tensors if tensor.is_floating_point() and tensor.dim()]
    if cpu_tensors:
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, cuda and cpu! "
            f"({name} with a tensor of the shape {tuple(cpu_tensors[0].shape)} on the CPU)"
        )


def _is_gpu(device: Any) -> bool:
    return device is not None and torch.device(device).type in ("cuda", "meta")


@contextmanager
def simulated_gpu(memory: int = 16 << 30) -> Iterator[torch.device]:
    """Simulate a GPU inside this block; yield its device, for which `testing.scene` makes scenes.

    Operations that mix tensors of the CPU and the GPU raise RuntimeError as on a GPU, and so does a CPU generator that
    draws numbers on the GPU. memory: its free memory in bytes.
    """
    swap = torch.__future__.get_swap_module_params_on_conversion()
    # `Module.to` then replaces what a parameter is, but not the parameter, which an optimizer may hold already.
    torch.__future__.set_swap_module_params_on_conversion(True)
    patches: list[tuple[Any, str, Any]] = [
        (torch, name, _on_gpu(getattr(torch, name))) for name in ("tensor", "as_tensor")
    ]
    patches += [
        (torch.cuda, "mem_get_info", lambda _=None: (memory, memory)),
        *((torch.cuda, name, lambda _=None: 0) for name in ("memory_reserved", "memory_allocated")),
        (torch.cuda, "synchronize", lambda _=None: None),
    ]
    if not torch.cuda.is_available():
        patches.append((torch.cuda, "_lazy_init", lambda: None))
    try:
        with ExitStack() as stack:
            for target, name, value in patches:
                stack.callback(setattr, target, name, getattr(target, name))
                setattr(target, name, value)
            stack.enter_context(on_device(_GPU))
            stack.enter_context(_Dispatch())  # type: ignore[no-untyped-call]
            yield _GPU
    finally:
        torch.__future__.set_swap_module_params_on_conversion(swap)
