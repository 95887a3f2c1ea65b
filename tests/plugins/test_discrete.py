"""Strokes of discrete actions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from artkit.geometry.place import Place
from artkit.geometry.window import Window
from artkit.interfaces.canvas import Canvas
from artkit.interfaces.scene import Scene
from artkit.strokes.stroke_log import StrokeLog
from artkit_mypaint.action_spaces import DISCRETE_SPACE, LIFT, SHAPE_SIZE, quantize
from artkit_painters import weights
from artkit_painters.dcgan import Generator


def place(count: int, side: int = 32) -> Place:
    return Place(torch.zeros(count, 2), side, 8, torch.arange(count), (side, side), 0)


@pytest.fixture
def actions() -> Tensor:
    """Strokes with the pen down."""
    made = torch.rand(6, len(DISCRETE_SPACE), generator=torch.Generator().manual_seed(0))
    made[:, 6:8] = made[:, 6:8] / 2 + 0.5
    made[:, LIFT] = 0.2
    return made


def test_the_nearest_levels() -> None:
    action = torch.full((1, len(DISCRETE_SPACE)), 0.3)
    action[0, 6:9] = torch.tensor([0.05, 0.06, 0.97])
    nearest = quantize(action)[0]
    torch.testing.assert_close(nearest[6:9], torch.tensor([0.0, 1 / 9, 1.0]))
    assert nearest[LIFT] == 0
    assert (nearest[:6] == 0.3).all()
    assert (nearest[9:12] == 0.3).all()
    action[0, LIFT] = 0.51
    assert quantize(action)[0, LIFT] == 1
    assert torch.equal(quantize(quantize(action)), quantize(action))


@pytest.mark.usefixtures("mypaint")
def test_what_is_painted_is_the_brush_s_stroke_of_the_nearest_levels(
    scene: Callable[..., Scene], actions: Tensor
) -> None:
    made = scene()
    discrete = made.make("renderer", "discrete", surrogate="")
    assert not discrete.differentiable
    assert discrete.config.brush == "classic/dry_brush"
    actions[2, LIFT] = 0.7
    colour, coverage = discrete(actions, place(6))
    brush = made.make("renderer", "mypaint", surrogate="")
    real = brush(quantize(actions)[:, :12], place(6)).coverage
    real[2] = 0
    assert torch.equal(coverage, real)
    assert torch.equal(colour.flatten(1), actions[:, 9:12])
    assert coverage[:2].amax() > 0.3


@pytest.mark.usefixtures("mypaint")
def test_it_is_replayed_as_it_was_painted(scene: Callable[..., Scene]) -> None:
    made = scene((70, 50))
    made.renderer = renderer = made.make("renderer", "discrete", surrogate="")
    canvas: Canvas = made.make("canvas", "grid", strokes=2)
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
        painted = canvas.render(renderer, actions[None], made.background, seed=4)[0]
    replayed = renderer.replay(log, Window(0, 0, 70, 50))
    assert (painted - 1).abs().max() > 0.3
    assert (replayed - painted).abs().mean() < 0.004
    assert 0.2 < actions[:, LIFT].gt(0.5).float().mean() < 0.8


@pytest.mark.usefixtures("mypaint")
def test_a_lifted_stroke_learns_whether_it_would_help(scene: Callable[..., Scene], actions: Tensor) -> None:
    """Its gradient says that more lift is less paint, by just the paint that there would be."""
    discrete = scene().make("renderer", "discrete")
    assert discrete.differentiable
    down = discrete(actions, place(6)).coverage.sum((1, 2, 3))
    actions[:, LIFT] = 0.9
    actions.requires_grad_()
    coverage = discrete(actions, place(6)).coverage
    assert coverage.abs().max() == 0
    (slope,) = torch.autograd.grad(coverage.sum(), actions)
    torch.testing.assert_close(slope[:, LIFT], -down, rtol=1e-4, atol=1e-3)
    assert (slope[:, :9].abs().amax(1) > 0).all(), "the rest of the stroke learns too"


@pytest.mark.usefixtures("mypaint")
def test_descent_puts_the_pen_down(scene: Callable[..., Scene], actions: Tensor) -> None:
    """From invisible strokes to a dark picture."""
    discrete = scene().make("renderer", "discrete")
    actions[:, LIFT] = 0.95
    wanted = torch.logit(actions).requires_grad_()
    optimizer = torch.optim.Adam([wanted], 0.3)
    for _ in range(15):
        optimizer.zero_grad()
        (-discrete(torch.sigmoid(wanted), place(6)).coverage.mean()).backward()
        optimizer.step()
    assert (torch.sigmoid(wanted)[:, LIFT] < 0.5).all()
    assert discrete(torch.sigmoid(wanted), place(6)).coverage.mean() > 0.01


def test_a_painter_of_discrete_strokes_sees_the_flag(
    tmp_path: Path, scene: Callable[..., Scene], actions: Tensor
) -> None:
    file = tmp_path / "discrete.safetensors"
    weights.save(Generator(discrete=True), {"space": DISCRETE_SPACE.name, "brush": "classic/pen"}, file)
    discrete = scene().make("renderer", "discrete", weights=file)
    assert discrete.config.brush == "classic/pen"
    assert discrete.margin(64) == 0
    one = discrete(actions, place(6)).coverage
    actions[:, LIFT] = 0.8
    assert not torch.allclose(discrete(actions, place(6)).coverage, one)
    actions[:, SHAPE_SIZE:LIFT] = 0
    assert discrete(actions, place(6)).colour.abs().max() == 0
