"""The time that each shipped recipe takes on this machine: measured by finished runs, and estimated from them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
from pathlib import Path

from artkit.errors import ArtkitError
from artkit.files import write_text
from artkit.formatting import format_duration
from artkit.recipes.shipped import shipped_recipes

_REFERENCE = re.compile(r"^# Takes (\d+) (s|min|h|d) on two cores\.$", re.MULTILINE)
_UNIT_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}


def run_times() -> dict[str, str]:
    """Return the time of each shipped recipe as text, such as ``28 s``; "" if it is not known.

    If a run of the recipe has finished on this machine, it is the time of the last one. Otherwise it is that of the
    recipe's comment, ``# Takes 28 s on two cores.``, times the mean ratio of measured times and comments, with a ``~``.
    """
    measured, reference = _measured(), {}
    for name, file in shipped_recipes().items():
        if match := _REFERENCE.search(file.read_text(encoding="utf-8")):
            reference[name] = int(match[1]) * _UNIT_SECONDS[match[2]]
    ratios = [math.log(measured[name] / seconds) for name, seconds in reference.items() if name in measured]
    factor = math.exp(sum(ratios) / len(ratios)) if ratios else 1.0
    estimates = {name: f"~{format_duration(seconds * factor)}" for name, seconds in reference.items()}
    exact = {name: format_duration(seconds) for name, seconds in measured.items()}
    return {name: exact.get(name, estimates.get(name, "")) for name in shipped_recipes()}


def have_measurements() -> bool:
    """Return whether a run of a shipped recipe has finished on this machine."""
    return bool(_measured())


def record_run_seconds(name: str, seconds: float) -> None:
    """Remember how long an unchanged shipped recipe took; other names are ignored."""
    if name not in shipped_recipes() or not seconds > 0:
        return
    others = {key: value for key, value in _read().items() if key.partition(" ")[0] != name}
    with contextlib.suppress(ArtkitError):  # the folder is not writable: the time is not remembered
        write_text(_times_file(), json.dumps({**others, _key(name): round(seconds, 1)}, indent=1) + "\n")


def _key(name: str) -> str:
    """Return the key of a shipped recipe's time: another version of the recipe takes another time."""
    return f"{name} {hashlib.sha256(shipped_recipes()[name].read_bytes()).hexdigest()[:12]}"


def _measured() -> dict[str, float]:
    """Return the measured times of the shipped recipes as they are, by their names."""
    seconds = _read()
    return {name: seconds[key] for name in shipped_recipes() if (key := _key(name)) in seconds}


def _times_file() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "artkit" / "run-times.json"


def _read() -> dict[str, float]:
    try:
        values = json.loads(_times_file().read_text(encoding="utf-8"))
        return {name: float(seconds) for name, seconds in values.items() if seconds > 0}
    except (OSError, ValueError, AttributeError, TypeError):  # missing or damaged: nothing has been measured
        return {}
