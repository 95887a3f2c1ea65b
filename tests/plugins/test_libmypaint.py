"""Tests of `artkit_mypaint.libmypaint`: finding and loading the library."""

from __future__ import annotations

from pathlib import Path

import pytest

from artkit_mypaint import libmypaint
from artkit_mypaint.brush import Brush
from artkit_mypaint.engine.engine import Engine
from artkit_mypaint.libmypaint import MyPaintMissing
from artkit_mypaint.libmypaint_brush import LibMyPaintBrush
from artkit_mypaint.workers import Workers


@pytest.mark.usefixtures("no_libmypaint")
def test_without_libmypaint_the_error_names_the_package() -> None:
    with pytest.raises(MyPaintMissing, match=r"apt install libmypaint-1.5-1 mypaint-brushes") as raised:
        LibMyPaintBrush("classic/dry_brush")
    assert "brew install libmypaint" in raised.value.hint
    with pytest.raises(MyPaintMissing):
        Workers("classic/dry_brush")


def test_libmypaint_can_be_disabled_by_an_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTKIT_LIBMYPAINT", "none")
    assert libmypaint.find() is None


@pytest.mark.usefixtures("no_libmypaint")
def test_brushes_and_their_engine_do_not_need_libmypaint() -> None:
    assert Brush("classic/dry_brush").stochastic
    assert Engine("classic/dry_brush").brush.settings == Brush("classic/dry_brush").settings


def test_the_library_can_be_set_by_an_environment_variable(mypaint: None, monkeypatch: pytest.MonkeyPatch) -> None:
    default = libmypaint.find()
    assert default is not None
    monkeypatch.setenv("ARTKIT_LIBMYPAINT", "/nowhere/libmypaint.so")
    assert libmypaint.find() == default
    mapped = [line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "libmypaint" in line]
    monkeypatch.setenv("ARTKIT_LIBMYPAINT", mapped[0])
    assert libmypaint.find() == mapped[0]
