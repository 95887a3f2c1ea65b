"""Tests of the canvas: the interface, and the sizes of its tiles."""

from artkit.testing import check_canvas, scene
from newplugin.newcomponent import NewComponent


def test_is_a_canvas() -> None:
    check_canvas(NewComponent, {"strokes": 6})


def test_tiles_become_smaller() -> None:
    canvas = scene().make("canvas", NewComponent, strokes=5, smallest=0.5)
    sides = canvas.tiles()[:, 2].tolist()
    assert sides == sorted(sides, reverse=True)
    assert sides[-1] * 2 == sides[0]
