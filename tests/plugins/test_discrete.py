"""Tests of the renderer `discrete`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from artkit import Canvas, Place, Scene, StrokeLog, Window
from artkit_mypaint.action_spaces import DISCRETE_SPACE, LIFT, SHAPE_SIZE, quantize
from artkit_painters import weights
from artkit_painters.dcgan_networks import Generator


def place_strokes(count: int, side: int = 32) -> Place:
    return Place(torch.zeros(count, 2), side, 8, torch.arange(count), (side, side), 0)


@pytest.fixture
def actions() -> Tensor:
    """Visible strokes that are not lifted."""
    actions = torch.rand(6, len(DISCRETE_SPACE), generator=torch.Generator().manual_seed(0))
    actions[:, 6:8] = actions[:, 6:8] / 2 + 0.5
    actions[:, LIFT] = 0.2
    return actions


def test_actions_are_quantized_to_the_nearest_levels() -> None:
    action = torch.full((1, len(DISCRETE_SPACE)), 0.3)
    action[0, 6:9] = torch.tensor([0.05, 0.06, 0.97])
    quantized = quantize(action)[0]
    torch.testing.assert_close(quantized[6:9], torch.tensor([0.0, 1 / 9, 1.0]))
    assert quantized[LIFT] == 0
    assert (quantized[:6] == 0.3).all()
    assert (quantized[9:12] == 0.3).all()
    action[0, LIFT] = 0.51
    assert quantize(action)[0, LIFT] == 1
    assert torch.equal(quantize(quantize(action)), quantize(action))


def test_mypaint_paints_the_quantized_actions(scene: Callable[..., Scene], actions: Tensor) -> None:
    own_scene = scene()
    discrete = own_scene.make("renderer", "discrete", surrogate="")
    assert not discrete.differentiable
    assert discrete.config.brush == "classic/dry_brush"
    actions[2, LIFT] = 0.7
    colour, coverage = discrete(actions, place_strokes(6))
    brush = own_scene.make("renderer", "mypaint", surrogate="")
    expected = brush(quantize(actions)[:, :12], place_strokes(6)).coverage
    expected[2] = 0
    assert torch.equal(coverage, expected)
    assert torch.equal(colour.flatten(1), actions[:, 9:12])
    assert coverage[:2].amax() > 0.3


def test_replay_equals_the_rendered_picture(scene: Callable[..., Scene]) -> None:
    own_scene = scene((70, 50))
    own_scene.renderer = renderer = own_scene.make("renderer", "discrete", surrogate="")
    canvas: Canvas = own_scene.make("canvas", "grid", strokes=2)
    actions = torch.rand(canvas.stroke_count, len(DISCRETE_SPACE), generator=torch.Generator().manual_seed(2))
    log = StrokeLog(
        (70, 50),
        (1.0, 1.0, 1.0),
        4,
        {"type": "discrete"},
        DISCRETE_SPACE.name,
        DISCRETE_SPACE.names,
        actions,
        canvas.phases,
    )
    with torch.no_grad():
        rendered = canvas.render(renderer, actions[None], own_scene.background, seed=4)[0]
    replayed = renderer.replay(log, Window(0, 0, 70, 50))
    assert (rendered - 1).abs().max() > 0.3
    assert (replayed - rendered).abs().mean() < 0.004
    assert 0.2 < actions[:, LIFT].gt(0.5).float().mean() < 0.8


def test_lifted_stroke_has_the_gradient_of_a_visible_one(scene: Callable[..., Scene], actions: Tensor) -> None:
    """The gradient for the flag is the paint that the stroke would leave."""
    discrete = scene().make("renderer", "discrete")
    assert discrete.differentiable
    visible_paint = discrete(actions, place_strokes(6)).coverage.sum((1, 2, 3))
    actions[:, LIFT] = 0.9
    actions.requires_grad_()
    coverage = discrete(actions, place_strokes(6)).coverage
    assert coverage.abs().max() == 0
    (gradient,) = torch.autograd.grad(coverage.sum(), actions)
    torch.testing.assert_close(gradient[:, LIFT], -visible_paint, rtol=1e-4, atol=1e-3)
    assert (gradient[:, :9].abs().amax(1) > 0).all(), "the shape of the stroke has a gradient too"


def test_optimiser_lowers_the_pen_to_darken_the_picture(scene: Callable[..., Scene], actions: Tensor) -> None:
    discrete = scene().make("renderer", "discrete")
    actions[:, LIFT] = 0.95
    logits = torch.logit(actions).requires_grad_()
    optimizer = torch.optim.Adam([logits], 0.3)
    for _ in range(15):
        optimizer.zero_grad()
        (-discrete(torch.sigmoid(logits), place_strokes(6)).coverage.mean()).backward()
        optimizer.step()
    assert (torch.sigmoid(logits)[:, LIFT] < 0.5).all()
    assert discrete(torch.sigmoid(logits), place_strokes(6)).coverage.mean() > 0.01


def test_painter_of_discrete_strokes_sees_the_flag(
    tmp_path: Path, scene: Callable[..., Scene], actions: Tensor
) -> None:
    file = tmp_path / "discrete.safetensors"
    weights.save(Generator(discrete=True), {"space": DISCRETE_SPACE.name, "brush": "classic/pen"}, file)
    discrete = scene().make("renderer", "discrete", weights=file)
    assert discrete.config.brush == "classic/pen"
    assert discrete.margin(64) == 0
    lowered = discrete(actions, place_strokes(6)).coverage
    actions[:, LIFT] = 0.8
    assert not torch.allclose(discrete(actions, place_strokes(6)).coverage, lowered)
    actions[:, SHAPE_SIZE:LIFT] = 0
    assert discrete(actions, place_strokes(6)).colour.abs().max() == 0
