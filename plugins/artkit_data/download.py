"""Downloads of data sets by torchvision, and the folder in which they are cached."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from artkit import ArtkitError
from artkit.torchvision_compat import declare_missing_operators


def cache_folder(name: str) -> Path:
    """Return the folder of a data set in the user's cache, used if the recipe gives no path."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "artkit" / name


def download(dataset: str, folder: Path, *parts: dict[str, Any]) -> None:
    """Download parts of a torchvision data set to a folder, unless they are there already.

    dataset: the name of a class in `torchvision.datasets`. parts: arguments of this class, one dictionary for each
    part, such as ``{"train": True}``. Raises ArtkitError if the download fails.
    """
    declare_missing_operators()
    from torchvision import datasets

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for part in parts:
            getattr(datasets, dataset)(str(folder), download=True, **part)
    except Exception as error:  # many causes: no network, no disk space, a package that is not installed
        reason = " ".join(str(error).split())[:300]
        raise ArtkitError(
            f"data: {dataset} could not be downloaded to {folder} ({type(error).__name__}: {reason})",
            hint="download it by hand, and set data.path to its folder",
        ) from None
