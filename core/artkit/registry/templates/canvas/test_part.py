"""The canvas keeps to the interface, and its tiles become smaller."""

from newplugin.newpart import NewPart

from artkit.testing import check_canvas, scene


def test_it_is_a_canvas() -> None:
    check_canvas(NewPart, {"strokes": 6})


def test_tiles_become_smaller() -> None:
    made = scene().make("canvas", NewPart, strokes=5, smallest=0.5)
    sides = made.tiles()[:, 2].tolist()
    assert sides == sorted(sides, reverse=True)
    assert sides[-1] * 2 == sides[0]
