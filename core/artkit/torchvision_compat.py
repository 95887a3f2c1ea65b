"""Import of torchvision beside a CPU-only torch, where its compiled operators do not load."""

from __future__ import annotations

import importlib
import sys

import torch

_libraries: list[torch.library.Library] = []  # a library's operators exist as long as the library object does


def declare_missing_operators() -> None:
    """Make torchvision importable where its compiled operators do not load.

    Importing torchvision needs the declarations of these operators; artkit calls none of them.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for operator in ("nms", "qnms"):
            library.define(  # type: ignore[no-untyped-call]
                f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )
        _libraries.append(library)
        importlib.import_module("torchvision")
