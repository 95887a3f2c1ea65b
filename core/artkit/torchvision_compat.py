"""Operators that torchvision declares beside a CPU-only torch, for which its compiled ones do not load."""

from __future__ import annotations

import importlib
from typing import Any

import torch


def declare_missing_operators() -> None:
    """Make torchvision importable beside a CPU-only torch, for which its compiled operators do not load.

    Importing it declares what those operators would be like; none of them is used here.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        import sys

        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        library.define(  # type: ignore[no-untyped-call]
            "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        )
        library.define(  # type: ignore[no-untyped-call]
            "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        )
        _kept.append(library)
        importlib.import_module("torchvision")


_kept: list[Any] = []  # a library's declarations live as long as it does
