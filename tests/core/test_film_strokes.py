"""Strokes of a film: how they grow, and how their usual error is known."""

from __future__ import annotations

import pytest
import torch

from artkit.registry.plugin_registry import get_registry
from artkit.strokes.film_strokes import FilmStrokes

SPACE = get_registry().component("renderer", "mypaint").space


@pytest.fixture
def strokes() -> FilmStrokes:
    tiles = torch.tensor([[4, 8, 32], [9, 9, 32]])
    return FilmStrokes.new(tiles, torch.full((2, 12), 0.5), 5, 0, torch.full((2,), 0.5), 0.25)


def test_brushes_grow_by_a_factor(strokes: FilmStrokes) -> None:
    size = SPACE.dimensions[SPACE.index("size")[0]]
    grown = strokes.scaled(SPACE, torch.tensor([1.1, 1.0]))
    change = (grown.actions - strokes.actions)[:, SPACE.index("size")[0]] * (size.high - size.low)
    assert change.exp().tolist() == pytest.approx([1.1, 1.0])
    assert torch.equal(grown.points(SPACE), strokes.points(SPACE))
    assert grown.scaled(SPACE, torch.full((2,), 99.0)).actions.max() < 1


def test_the_tile_of_a_stroke_that_becomes_longer_than_it_is_enlarged(strokes: FilmStrokes) -> None:
    strokes.actions[0, SPACE.index("start_x", "end_x")] = torch.tensor([0.02, 0.98])
    motion = torch.tensor([[-2.0, 0.0], [0.0, 0.0], [2.0, 0.0]]).expand(2, 3, 2)
    moved = strokes.moved(SPACE, motion, torch.full((2,), 1.2))
    assert moved.tiles[:, 2].tolist() == [40, 32]
    whole = strokes.moved(SPACE, motion + 1, torch.ones(2))  # the picture around it does not grow
    assert torch.allclose(whole.points(SPACE), strokes.points(SPACE) + 1, atol=0.1)
    assert torch.allclose(moved.points(SPACE)[0], strokes.points(SPACE)[0] + motion[0], atol=0.1)
    index = SPACE.index("size")[0]
    size = SPACE.dimensions[index]
    radius = [(s.actions[:, index] * (size.high - size.low)).exp() * s.tiles[:, 2] for s in (strokes, moved)]
    assert torch.allclose(radius[0], radius[1])


def test_the_usual_error_is_that_of_frames_in_which_it_is_known(strokes: FilmStrokes) -> None:
    known = torch.tensor([True, False])
    later = strokes.with_errors(torch.tensor([0.1, 0.3]), known)
    assert later.error.tolist() == pytest.approx([0.1, 1])
    later = later.with_errors(torch.tensor([0.2, 0.3]), torch.tensor([True, True]))
    assert 0.1 < later.error[0] < 0.2
    assert later.error[1] == pytest.approx(0.3)


def test_strokes_fade_in_and_out(strokes: FilmStrokes) -> None:
    older = strokes.aged().aged()
    assert [strokes.presence.tolist(), older.presence.tolist()] == [[0.5, 0.5], [1, 1]]
    dying = older.dismissed(torch.tensor([True, False]), 0.5)
    assert dying.dying.tolist() == [True, False]
    assert dying.aged().aged().ids.tolist() == [6]
