"""Places of new strokes in a frame of a film."""

from __future__ import annotations

import torch

from artkit.engine.film_births import find_places


def test_strokes_are_born_where_the_paint_differs_and_even_if_nothing_is_painted() -> None:
    target = torch.full((3, 48, 64), 0.5)
    painted = torch.cat([target, torch.ones(1, 48, 64)])
    assert len(find_places(painted, target, 0, 16, 9).points) == 0
    painted[:3, 20:30, 40:50] = 0
    places = find_places(painted, target, 0, 16, 9)
    assert not places.bare.any()
    assert (places.points - torch.tensor([45.0, 25.0])).norm(dim=1).min() < 8
    nothing = find_places(torch.zeros(4, 48, 64), target, 0, 16, 9)
    assert nothing.bare.tolist() == [True] * 9
