"""Strokes of a painting become strokes of another canvas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from artkit.errors import UsageError
from artkit.geometry.phase import Phase, stroke_tiles
from artkit.strokes.action_space import ActionSpace, Dimension
from artkit.strokes.carrying import carry_over
from artkit.strokes.stroke_log import StrokeLog

SPACE = ActionSpace(
    "pen-1",
    (
        *(Dimension(name, "tile") for name in ("start_x", "start_y", "end_x", "end_y")),
        Dimension("size", "ln(radius in px of a 64 px tile)", 0.0, 2.0),
        Dimension("red"),
    ),
)


def grid(size: tuple[int, int], tile: int, stride: int, layers: int) -> tuple[Phase, ...]:
    """The phases of overlapping tiles that cover a picture, two in each direction apart."""
    phases: list[Phase] = []
    columns, rows = (-(-length // stride) for length in size)
    for _ in range(layers):
        for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
            first = sum(phase.stroke_count for phase in phases)
            lattice = (2 * stride, (rows - row + 1) // 2, (columns - column + 1) // 2, tile)
            phases.append(Phase(first, column * stride - stride // 2, row * stride - stride // 2, *lattice))
    return tuple(phases)


def painting(size: tuple[int, int] = (64, 48), layers: int = 2, seed: int = 0) -> StrokeLog:
    """A painting of random strokes."""
    phases = grid(size, 16, 8, layers)
    count = sum(phase.stroke_count for phase in phases)
    actions = torch.rand(count, len(SPACE), generator=torch.Generator().manual_seed(seed))
    return StrokeLog(size, (1.0, 1.0, 1.0), 0, {"type": "pen"}, SPACE.name, SPACE.names, actions, phases)


def in_px(actions: Tensor, phases: Sequence[Phase]) -> Tensor:
    """The points of strokes, px of the picture: (N, 2, 2)."""
    tiles = stroke_tiles(phases).double()
    return actions[:, :4].double().view(-1, 2, 2) * tiles[:, None, 2:] + tiles[:, None, :2]


def test_the_same_tiles_get_the_same_strokes() -> None:
    log = painting()
    assert torch.equal(carry_over(log, SPACE, log.size, log.phases), log.actions)


@pytest.mark.parametrize("scale", [2, 5])
def test_a_larger_picture_with_larger_tiles_gets_the_same_strokes(scale: int) -> None:
    log = painting()
    size = (log.size[0] * scale, log.size[1] * scale)
    carried = carry_over(log, SPACE, size, [phase.scaled(scale) for phase in log.phases])
    assert torch.equal(carried, log.actions)


def test_strokes_keep_their_places_and_widths_on_other_tiles() -> None:
    log = replace(painting(layers=1), actions=painting(layers=1).actions * 0.4 + 0.3)  # short strokes
    phases = grid(log.size, 24, 12, 6)
    carried = carry_over(log, SPACE, log.size, phases)
    used = ~carried.isnan().any(1)
    assert used.sum() >= 0.95 * len(log.actions)
    assert (carried.isnan().all(1) | used).all()
    by_colour = {round(float(red), 6): index for index, red in enumerate(log.actions[:, 5])}
    sources = torch.tensor([by_colour[round(float(red), 6)] for red in carried[used, 5]])
    assert len(sources.unique()) == len(sources), "no stroke is used twice"
    moved = (in_px(carried, phases)[used] - in_px(log.actions, log.phases)[sources]).abs().amax((1, 2))
    assert (moved < 1e-4).double().mean() > 0.9
    assert moved.max() < 8
    radius, old_radius = torch.exp(2 * carried[used, 4]) * 24 / 64, torch.exp(2 * log.actions[sources, 4]) * 16 / 64
    narrowest = 24 / 64
    torch.testing.assert_close(radius, old_radius.clamp(min=narrowest), atol=1e-4, rtol=0)


def test_new_strokes_lie_below_and_the_upper_ones_are_kept() -> None:
    log = painting(layers=2)
    more = grid(log.size, 16, 8, 5)
    carried = carry_over(log, SPACE, log.size, more)
    count = len(log.actions)
    assert torch.equal(carried[-count:], log.actions)
    assert carried[:-count].isnan().all()
    fewer = grid(log.size, 16, 8, 1)
    assert torch.equal(carry_over(log, SPACE, log.size, fewer), log.actions[count // 2 :])


def test_the_order_is_kept_where_strokes_overlap() -> None:
    log = painting(layers=4)
    phases = grid(log.size, 20, 10, 6)
    carried = carry_over(log, SPACE, log.size, phases)
    used = torch.nonzero(~carried.isnan().any(1))[:, 0]
    by_colour = {round(float(red), 6): index for index, red in enumerate(log.actions[:, 5])}
    sources = torch.tensor([by_colour[round(float(red), 6)] for red in carried[used, 5]])
    ranks = torch.stack([torch.arange(len(used)), sources]).double()
    assert torch.corrcoef(ranks)[0, 1] > 0.9


def test_a_picture_of_another_shape_shows_the_centre() -> None:
    log = painting(size=(96, 48))
    size = (96, 96)  # twice as large, a quarter is cut off on the left and on the right
    phases = grid(size, 32, 16, 4)
    carried = carry_over(log, SPACE, size, phases)
    used = ~carried.isnan().any(1)
    by_colour = {round(float(red), 6): index for index, red in enumerate(log.actions[:, 5])}
    sources = torch.tensor([by_colour[round(float(red), 6)] for red in carried[used, 5]])
    centres, old_centres = in_px(carried, phases)[used].mean(1), in_px(log.actions, log.phases)[sources].mean(1)
    expected = old_centres * 2 - torch.tensor([48.0, 0.0])
    inside = ((expected > 0) & (expected < 96)).all(1)
    assert inside.sum() > 50
    assert (centres - expected)[inside].abs().max() < 8


def test_strokes_longer_than_their_tile_are_shortened() -> None:
    log = painting(layers=1)
    size = (log.size[0] * 4, log.size[1] * 4)
    phases = grid(size, 16, 8, 1)
    carried = carry_over(log, SPACE, size, phases)
    used = ~carried.isnan().any(1)
    assert used.sum() >= 0.9 * len(log.actions)
    assert carried[used].min() >= 0
    assert carried[used].max() <= 1
    by_colour = {round(float(red), 6): index for index, red in enumerate(log.actions[:, 5])}
    sources = torch.tensor([by_colour[round(float(red), 6)] for red in carried[used, 5]])
    direction, old = (
        points.diff(dim=1)[:, 0] for points in (in_px(carried, phases)[used], in_px(log.actions, log.phases)[sources])
    )
    cosine = torch.nn.functional.cosine_similarity(direction, old)
    assert cosine.min() > 0.999, "they keep their direction"


def test_other_strokes_are_explained() -> None:
    log = painting()
    with pytest.raises(UsageError, match=r"pen.*pen-1.*other-1"):
        carry_over(log, ActionSpace("other-1", (Dimension("wave"),)), log.size, log.phases)


def test_dimensions_that_the_painting_lacks_are_left_open() -> None:
    log = painting()
    space = ActionSpace("pen-2", (*SPACE.dimensions, Dimension("lift")))
    carried = carry_over(log, space, log.size, log.phases)
    assert torch.equal(carried[:, :-1], log.actions)
    assert carried[:, -1].isnan().all()
