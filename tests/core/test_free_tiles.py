"""Tiles at any place: few layers that give the picture of painting the strokes one by one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import artkit
from artkit.geometry.free_tiles import phases_of_tiles, single_phases
from artkit.rendering.layout import StrokeLayout
from artkit.rendering.rendered_painting import RenderedPainting
from artkit.strokes.stroke_log import StrokeLog

SIZE = (120, 80)


@pytest.mark.parametrize("seed", [0, 1])
def test_layers_give_the_picture_of_single_strokes(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    renderer = artkit.scene(SIZE).make("renderer", "mypaint")
    sides = torch.where(torch.rand(30, 1, generator=generator) < 0.5, 24, 16)
    origins = (torch.rand(30, 2, generator=generator) * torch.tensor(SIZE)).long() - 10
    tiles, actions = torch.cat([origins, sides], dim=1), torch.rand(30, 12, generator=generator)
    ids = torch.randperm(1000, generator=generator)[:30]
    single = StrokeLayout(SIZE, single_phases(tiles), noise_indices=ids)
    phases, order = phases_of_tiles(tiles, renderer.margin)
    layered = StrokeLayout(SIZE, phases, noise_indices=ids[order])
    assert 1 < len(phases) < 30
    assert torch.equal(layered.tiles(), tiles[order])
    white = torch.ones(3)
    expected = single.render(renderer, actions[None], white)
    assert torch.equal(layered.render(renderer, actions[order][None], white), expected)
    without_ids = StrokeLayout(SIZE, single.phases)
    assert not torch.equal(without_ids.render(renderer, actions[None], white), expected), "noise follows from the ids"


def test_gradients_reach_every_visible_stroke() -> None:
    renderer = artkit.scene(SIZE).make("renderer", "gan")
    tiles = torch.tensor([[10, 10, 24], [70, 20, 24], [11, 12, 24]])
    phases, _ = phases_of_tiles(tiles, renderer.margin)
    assert [phase.stroke_count for phase in phases] == [2, 1]
    actions = torch.rand(1, 3, 12, generator=torch.Generator().manual_seed(0)).requires_grad_()
    StrokeLayout(SIZE, phases).render(renderer, actions, torch.ones(3)).sum().backward()
    assert actions.grad is not None
    assert (actions.grad.abs().sum(-1) > 0).all()


def test_a_log_keeps_the_noise_of_its_strokes(tmp_path: Path) -> None:
    renderer = artkit.scene(SIZE).make("renderer", "mypaint")
    tiles, actions = torch.tensor([[10, 10, 48], [40, 20, 48]]), torch.full((2, 12), 0.6)
    log = StrokeLog(
        size=SIZE, background=(1, 1, 1), seed=0, renderer={"type": "mypaint"}, space=renderer.space.name,
        names=renderer.space.names, actions=actions, phases=single_phases(tiles), noise_indices=torch.tensor([70, 5]),
    )  # fmt: skip
    file = tmp_path / "strokes.json"
    log.save(file)
    loaded = StrokeLog.load(file)
    assert torch.equal(RenderedPainting(loaded, renderer).to_tensor(), RenderedPainting(log, renderer).to_tensor())
    layout = StrokeLayout(SIZE, log.phases, noise_indices=log.noise_indices)
    rendered = layout.render(renderer, actions[None], torch.ones(3))
    assert (rendered[0] - RenderedPainting(log, renderer).to_tensor()).abs().max() < 1e-3
