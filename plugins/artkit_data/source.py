"""Where data sets lie on this machine, and how they are fetched."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from artkit import ArtkitError
from artkit.torchvision_compat import declare_missing_operators


def store(name: str) -> Path:
    """The folder in which a data set is kept that was fetched without saying where to."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "artkit" / name


def fetch(dataset: str, folder: Path, *parts: dict[str, Any]) -> None:
    """Fetch parts of a data set of torchvision's into a folder, unless they are there.

    parts: what torchvision calls each, such as ``{"train": True}``. Raises ArtkitError if they cannot be had.
    """
    declare_missing_operators()
    from torchvision import datasets

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for part in parts:
            getattr(datasets, dataset)(str(folder), download=True, **part)
    except Exception as error:  # it fails in many ways: no network, no room, another package missing
        told = " ".join(str(error).split())[:300]
        raise ArtkitError(
            f"data: {dataset} could not be fetched into {folder} ({type(error).__name__}: {told})",
            hint="bring it by hand, and say where it lies: data.path",
        ) from None
