"""Devices: choose one by its name, and copy tensors to it without waiting for it."""

from __future__ import annotations

import gc
import re
import warnings

import torch
from torch import Tensor

from artkit.errors import UsageError

_CPU_HINT = "`artkit doctor` shows what is there; --device cpu always works"
_INSTALL_HINT = f"install a build of torch for your GPU, https://pytorch.org/get-started; {_CPU_HINT}"


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor on a device; from the CPU to a GPU it is copied without waiting for the GPU.

    ``tensor.to(device)`` would wait until the GPU has finished all that is queued.

    Examples:
        >>> import artkit, torch
        >>> artkit.to_device(torch.zeros(2), torch.device("cpu")).shape
        torch.Size([2])
    """
    return tensor.to(device, non_blocking=device.type == "cuda")


def synchronize(device: torch.device) -> None:
    """Wait until a GPU has finished all that is queued, to measure times."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def release_memory() -> None:
    """Return the memory of GPUs that torch holds without using it."""
    gc.collect()
    torch.cuda.empty_cache()  # does nothing if CUDA is not in use


def choose_device(name: str) -> torch.device:
    """Return a device by its name: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``; ``"auto"``: a CUDA GPU or the CPU.

    Raises UsageError with the reason if torch cannot compute on the device.
    """
    if name == "auto":
        name = "cuda" if cuda_problem() is None else "cpu"
    if re.fullmatch(r"cuda(:\d+)?", name) and (problem := cuda_problem(int(name[5:] or 0))):
        reason, hint = problem
        raise UsageError(f'the device "{name}" is not available: {reason}', hint=hint)
    if name == "mps" and not torch.backends.mps.is_available():
        raise UsageError('the device "mps" is not available: torch finds no GPU of Apple', hint=_CPU_HINT)
    try:
        device = torch.device(name)
        if device.type == "meta":
            raise RuntimeError("tensors on the meta device have no values")
        torch.ones(1, device=device).add_(1)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(
            f'the device "{name}" is not available ({_first_line(error)})',
            hint=_CPU_HINT,
        ) from None
    return device


def cuda_problem(index: int = 0) -> tuple[str, str] | None:
    """Return why torch cannot compute on the CUDA GPU with an index, and what to do; None if it can."""
    if torch.version.cuda is None and torch.version.hip is None:
        return "this build of torch is for the CPU only", _INSTALL_HINT
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reason is in the message
        count = torch.cuda.device_count()
        try:
            torch.cuda.init()  # type: ignore[no-untyped-call]
            if index < count:
                torch.ones(1, device=f"cuda:{index}").add_(1)
        except (RuntimeError, AssertionError) as error:
            return _explain(str(error), index)
    if index >= count:
        names = ", ".join(f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(count))
        return f"the GPUs of this machine are {names}" if count else "no GPU was found", f"choose one; {_CPU_HINT}"
    return None


def _explain(error: str, index: int) -> tuple[str, str]:
    """Return the reason, and what to do, for an error of CUDA."""
    if "driver" in error and "too old" in error:
        version = re.search(r"found version (\d+)", error)
        supported = f" supports CUDA {_cuda_version(int(version[1]))}; this" if version else " is too old; this"
        reason = f"the NVIDIA driver{supported} build of torch needs CUDA {torch.version.cuda}"
        return reason, f"update the driver, or install a build of torch for an older CUDA; {_CPU_HINT}"
    if "no kernel image" in error:
        reason = f"this build of torch has no kernels for {torch.cuda.get_device_name(index)}"
        return reason, _INSTALL_HINT
    if "No CUDA GPUs" in error or "no NVIDIA driver" in error:
        return "no NVIDIA GPU and driver were found", f"`nvidia-smi` shows them if they are installed; {_CPU_HINT}"
    if "out of memory" in error:
        return "its memory is full", f"`nvidia-smi` shows the programs that use it; {_CPU_HINT}"
    return error.splitlines()[0][:160], f"`nvidia-smi` must work first; {_CPU_HINT}"


def _cuda_version(number: int) -> str:
    """Return a CUDA version as text: 12040 is "12.4"."""
    return f"{number // 1000}.{number % 1000 // 10}"


def _first_line(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text.splitlines()[0][:160]
