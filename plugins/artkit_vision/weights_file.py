"""Files with the weights of a network, and the names of networks in recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BeforeValidator, TypeAdapter
from safetensors.torch import load_file
from torch import Tensor

from artkit import InputFile, UsageError
from artkit.config import LocatedStr

_WRAPPERS = ("model", "state_dict", "model_state_dict")
"""Keys under which training programs store the weights."""

_PREFIXES = ("module.model.", "module.", "model.", "_orig_mod.")
"""What wrappers of a network put before the names of its weights; the longest first."""


def read_weights(file: Path) -> dict[str, Tensor]:
    """Read the weights of a network by name: .safetensors, or a file of torch that holds tensors only.

    Tables that training programs put around the weights, and prefixes of their names, are removed. Raises UsageError if
    the file cannot be read; nothing in it is executed.
    """
    try:
        if file.suffix == ".safetensors":
            return _without_prefix(load_file(file))
        state: Any = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise many kinds for a damaged file
        reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        raise UsageError(
            f"{file} cannot be read as weights ({reason})",
            hint="artkit reads tensors only; save the state_dict of the network as .safetensors",
        ) from None
    for key in _WRAPPERS:
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    tensors = (
        {str(key): value for key, value in state.items() if isinstance(value, Tensor)}
        if isinstance(state, dict)
        else {}
    )
    if not tensors:
        raise UsageError(f"{file} holds no weights", hint="save the state_dict of the network as .safetensors")
    return _without_prefix(tensors)


def _without_prefix(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Remove the prefix of a wrapper, and what the wrapper has besides the network."""
    for prefix in _PREFIXES:
        inside = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        if len(inside) > len(tensors) / 3:  # a wrapper that attacks the network in its training holds it twice
            return inside
    return tensors


def _locate(value: Any) -> Any:
    """Give the file of ``ARCHITECTURE=FILE`` its whole path."""
    if not isinstance(value, str) or "=" not in value:
        return value
    architecture, _, path = value.partition("=")
    located = LocatedStr(path, value.folder) if isinstance(value, LocatedStr) else path
    return f"{architecture}={TypeAdapter(InputFile).validate_python(located)}"


NetworkName = Annotated[str, BeforeValidator(_locate)]
"""The name of a network in a recipe; the file of ``ARCHITECTURE=FILE`` is relative to the recipe."""


def _as_list(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


NetworkNames = Annotated[tuple[NetworkName, ...], BeforeValidator(_as_list)]
"""The names of networks in a recipe; a single one may be written without a list."""
