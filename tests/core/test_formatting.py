"""Counts in messages."""

from __future__ import annotations

from artkit.formatting import counted


def test_only_one_thing_has_no_plural() -> None:
    assert [counted(number, "frame") for number in (0, 1, 1200)] == ["0 frames", "1 frame", "1,200 frames"]
