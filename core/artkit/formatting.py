"""Formatting of durations and counts for messages."""

from __future__ import annotations


def format_duration(seconds: float) -> str:
    """Return a duration as text, such as ``12 min``."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def counted(number: int, noun: str) -> str:
    """Return a number of things as text, such as ``1 frame`` or ``1,200 frames``. noun: one whose plural adds an s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
