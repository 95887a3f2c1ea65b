"""Names of the runs of a sweep, from the settings in which they differ: ``lr=0.1,seed=2``."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from artkit.errors import UsageError

RESERVED = ("index.html", "sweep.jsonl", "thumbnails")
"""Names of files in the folder of a sweep that are no runs."""

_MAX_LENGTH = 100

_Axis = tuple[tuple[str, ...], bool, Sequence[Any]]


def run_names(axes: Sequence[_Axis], combinations: Sequence[Sequence[Any]]) -> list[str]:
    """Return the name of each combination of values, which is also the name of a folder.

    axes: keys in the recipe, whether the values are files, and all values. A file is named by its stem, another setting
    by the end of its key and its value. Raises UsageError if two combinations have the same name.
    """
    labels = [_plain(key) for key in short_keys([keys for keys, _, _ in axes])]
    file_names = [_file_names(values) if is_file else {} for _, is_file, values in axes]
    names: list[str] = []
    earlier: dict[str, Sequence[Any]] = {}
    for values in combinations:
        parts = [
            files[value] if isinstance(value, str) and value in files else f"{label}={_text(value)}"
            for label, files, value in zip(labels, file_names, values, strict=True)
        ]
        name = _shortened(",".join(parts))
        # File systems may not distinguish upper and lower case.
        if (other := earlier.setdefault(name.casefold(), values)) is not values:
            raise UsageError(
                f'two runs would have the name "{name}": {_listed(axes, other)}, and {_listed(axes, values)}',
                hint="leave out one of the values, or rename a file",
            )
        names.append(name)
    return names


def short_keys(keys: Sequence[Sequence[str]]) -> list[str]:
    """Return the end of each key, as long as is needed to tell them apart: ``lr`` for ``("optimizer", "lr")``."""
    short = []
    for key in keys:
        length = 1
        while length < len(key) and sum(other[-length:] == key[-length:] for other in keys) > 1:
            length += 1
        short.append(".".join(key[-length:]))
    return short


def _file_names(values: Sequence[Any]) -> dict[str, str]:
    """Return the names of files: their stems, or their whole names where several have the same stem."""
    files = [value for value in values if isinstance(value, str)]
    stems = Counter(_plain(Path(file).stem).casefold() for file in files)
    names = {}
    for file in files:
        stem = _plain(Path(file).stem)
        names[file] = stem if stems[stem.casefold()] == 1 else _plain(Path(file).name)
    return names


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, list):
        return "x".join(map(_text, value)) or "none"
    if isinstance(value, dict):
        return "+".join(f"{_plain(key)}={_text(inner)}" for key, inner in value.items()) or "none"
    return _plain(str(value))


def _plain(text: str) -> str:
    """Replace all characters that are awkward in the name of a folder."""
    return re.sub(r"[^\w.+-]+", "-", text).strip("-.") or "none"


def _shortened(name: str) -> str:
    if len(name) > _MAX_LENGTH:
        name = f"{name[: _MAX_LENGTH - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return f"run-{name}" if name.casefold() in RESERVED else name


def _listed(axes: Sequence[_Axis], values: Sequence[Any]) -> str:
    return " ".join(f"{'.'.join(keys)}={value}" for (keys, _, _), value in zip(axes, values, strict=True))
