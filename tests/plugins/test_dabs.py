"""Dabs laid on sheets as MyPaint lays them, and the painter that learnt how a brush lays its dabs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from artkit.interfaces.scene import Scene
from artkit_mypaint import stroke_geometry
from artkit_mypaint.brush import Brush, dabs_of_strokes
from artkit_mypaint.dab_recording import SEGMENTS, DabRecords, record_dabs
from artkit_mypaint.dabs import UPRIGHT, Dabs, rasterize_dabs
from artkit_mypaint.tracing import trace_actions
from artkit_mypaint.workers import Workers
from artkit_painters import fidelity, weights
from artkit_painters.dab_painter import DabPainter

Actions = Callable[..., Tensor]
BRUSHES = ("classic/dry_brush", "classic/calligraphy", "classic/pencil", "tanda/acrylic-05-paint")


def some_dabs(count: int, nib: bool, strokes: int = 3, size: int = 40) -> Dabs:
    """Random ones, most of them on sheets of `size` px, in double precision."""
    random = torch.rand(7, count, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x, y = random[:2] * (size + 8) - 4
    aspect, angle = (1 + 4 * random[5], 3 * random[6]) if nib else (random[5] * 0 + 1, random[6] * 0 + UPRIGHT)
    number = torch.arange(count) % strokes
    return Dabs(x, y, 0.5 + 5 * random[2], 0.05 + 0.9 * random[3], 0.1 + 0.8 * random[4], aspect, angle, number)


# ---------------------------------------------------------------------------------------------------------------- dabs
@pytest.mark.usefixtures("mypaint")
@pytest.mark.parametrize("name", BRUSHES)
def test_the_dabs_of_which_mypaint_tells_make_its_strokes(
    name: str, random_actions: Actions, coverage: Callable[..., np.ndarray[Any, np.dtype[np.float64]]]
) -> None:
    brush, actions = Brush(name), random_actions(12, seed=3)
    real = torch.from_numpy(coverage(brush, actions, seed=5)[:, 64:128, 64:128])
    told = dabs_of_strokes(brush, trace_actions(actions, torch.zeros(12, 2), 64, torch.arange(12), 5))
    number, _, *shapes = torch.from_numpy(told).unbind(1)
    x, y, radius, opacity, hardness, aspect, angle = shapes
    angle = torch.where(aspect == 1, UPRIGHT, angle * math.pi / 180)
    laid = rasterize_dabs(Dabs(x, y, radius, opacity, hardness, aspect, angle, number.long()), 12, (64, 64))
    assert (laid[:, 0] - real).abs().max() < 0.004
    assert real.max() > 0.05


@pytest.mark.parametrize("nib", [False, True])
def test_any_window_and_any_order(nib: bool) -> None:
    dabs = some_dabs(300, nib)
    whole = rasterize_dabs(dabs, 3, (40, 40))
    assert whole.min() >= 0
    assert 0.5 < whole.max() <= 1
    assert torch.equal(rasterize_dabs(dabs.subset(torch.randperm(300)), 3, (40, 40)), whole)
    part = rasterize_dabs(dabs._replace(x=dabs.x - 7, y=dabs.y - 11), 3, (20, 13))
    torch.testing.assert_close(part, whole[..., 11:24, 7:27], atol=1e-6, rtol=0)
    assert rasterize_dabs(dabs.subset(torch.zeros(0, dtype=torch.int64)), 3, (5, 4)).shape == (3, 1, 4, 5)


def test_of_no_hardness_or_opacity_there_is_no_dab() -> None:
    dabs = some_dabs(60, False)
    assert not rasterize_dabs(dabs._replace(hardness=dabs.hardness - 1), 3, (40, 40)).any()
    assert not rasterize_dabs(dabs._replace(opacity=0 * dabs.opacity), 3, (40, 40)).any()


@pytest.mark.parametrize("nib", [False, True])
@pytest.mark.parametrize("name", ["x", "y", "radius", "opacity", "hardness", "aspect", "angle"])
def test_gradients_against_finite_differences(nib: bool, name: str) -> None:
    if not nib and name in ("aspect", "angle"):
        pytest.skip("round dabs have none")
    dabs = some_dabs(150, nib)
    looked_at = torch.randn(3, 1, 40, 40, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def value(at: Tensor) -> Tensor:
        return (rasterize_dabs(dabs._replace(**{name: at}), 3, (40, 40)) * looked_at).sum()

    at = getattr(dabs, name).clone().requires_grad_()
    (gradient,) = torch.autograd.grad(value(at), at)
    step, errors = 1e-4, []
    for index in range(0, 150, 5):
        away = torch.zeros(150, dtype=torch.float64)
        away[index] = step
        with torch.no_grad():
            slope = (value(at + away) - value(at - away)) / (2 * step)
        errors.append(float((gradient[index] - slope).abs() / (slope.abs() + 0.01 * gradient.abs().mean())))
    # The profile has kinks, and a pixel is left or entered now and then.
    assert np.median(errors) < 0.01
    assert np.mean(np.array(errors) < 0.05) > 0.75


# ------------------------------------------------------------------------------------------------------------- hearing
@pytest.mark.usefixtures("mypaint")
def test_what_is_heard_lies_along_the_strokes(random_actions: Actions) -> None:
    """A pencil's dabs lie on its curve."""
    actions = random_actions(20, seed=1)
    heard = record_dabs(Brush("classic/pen"), actions, 2, (64, 256))
    assert heard.upright
    assert heard.counts.shape == (20, SEGMENTS)
    assert heard.counts.sum() == len(heard.t)
    assert heard.sides.tolist() == [64, 256] * 10
    number = heard.dabs.stroke
    place = stroke_geometry.curve(actions[number], torch.zeros(1))  # only for its shape
    a, b, start = stroke_geometry.bezier_coefficients(actions[number])
    place = ((a * heard.t[:, None] + b) * heard.t[:, None] + start) * heard.sides[number][:, None]
    away = (torch.stack([heard.dabs.x, heard.dabs.y], 1) - place).norm(dim=1) / heard.sides[number]
    assert away.median() < 0.01
    assert away.quantile(0.95) < 0.05


# ------------------------------------------------------------------------------------------------------------- painter
def shipped(brush: str) -> DabPainter:
    """The one that artkit ships for a brush."""
    tensors, facts, _ = weights.load(weights.shipped("gan", brush))
    made = DabPainter.of(facts)
    made.load_state_dict(tensors)
    return made.eval().requires_grad_(False)


@pytest.fixture(scope="module", params=["classic/dry_brush", "classic/charcoal"])
def painter(request: pytest.FixtureRequest) -> DabPainter:
    return shipped(request.param)


def test_any_part_of_a_sheet_is_what_the_whole_has_there(painter: DabPainter, random_actions: Actions) -> None:
    actions, seeds = random_actions(8, seed=2), torch.arange(8)
    sheet = painter(actions, 64, 40, seeds)
    assert sheet.shape == (8, 1, 144, 144)
    part = painter.window(actions, torch.tensor([[10, 21]]).expand(8, 2), 64, (32, 41), seeds)
    torch.testing.assert_close(part, sheet[..., 61:102, 50:82], atol=1e-4, rtol=0)
    alone = torch.cat([painter(actions[i : i + 1], 64, 40, seeds[i : i + 1]) for i in range(8)])
    torch.testing.assert_close(alone, sheet, atol=1e-4, rtol=0)
    assert painter(actions[:0], 64, 16, seeds[:0]).shape == (0, 1, 96, 96)


def test_paint_ends_at_the_reach(painter: DabPainter, random_actions: Actions) -> None:
    actions = random_actions(40, seed=9)
    margin = 96
    sheets = painter(actions, 64, margin, torch.arange(40))[:, 0]
    centre = torch.arange(64 + 2 * margin) - margin + 0.5
    beyond = torch.maximum(-centre, centre - 64)
    over = torch.maximum(beyond[:, None], beyond[None]) - 0.5
    for sheet, reach in zip(sheets, painter.overshoot(actions, 64.0), strict=True):
        assert sheet[over > reach].abs().max() == 0
        assert float(over[sheet > 0.001].max()) > -40


@pytest.mark.usefixtures("mypaint")
@pytest.mark.parametrize("brush", [*BRUSHES, "classic/charcoal", "classic/brush"])
def test_no_stroke_has_dabs_such_as_its_brush_never_lays(brush: str, random_actions: Actions) -> None:
    """Short and long ones, whose dabs the networks might take to be of any size."""
    made = shipped(brush)
    actions = random_actions(2000, seed=11)
    actions[::4, 4:6] = actions[::4, 0:2] + 0.03 * (actions[::4, 4:6] - 0.5)
    actions[::4, 2:4] = actions[::4, 0:2]
    dabs = made.dabs(actions, torch.zeros(2000, 2), 64.0, torch.arange(2000))
    heard = record_dabs(Brush(brush), actions[:500], 2, (64,)).dabs
    assert dabs.radius.max() < 1.5 * heard.radius.max()
    assert made.overshoot(actions, 64.0).max() < 2 * 64


@pytest.mark.usefixtures("mypaint")
@pytest.mark.parametrize("brush", [*BRUSHES, "classic/charcoal", "classic/brush"])
def test_samples_are_as_far_from_real_strokes_as_these_from_each_other(brush: str, scene: Callable[..., Scene]) -> None:
    if not (weights.SHIPPED / f"gan-{brush.replace('/', '-')}.safetensors").exists():
        pytest.skip("not shipped")
    told = fidelity.measure(scene().make("renderer", "gan", brush=brush), brush, Workers(brush), strokes=250, seed=3)
    assert told["mse"] < 1.06 * told["sampler"] + 0.002
    assert told["iou"] > told["iou_real"] - (0.02 if told["floor"] > 0.001 else 0.2)
    assert 0.92 < told["energy"] < 1.08
    assert told["spectrum"] < 0.1


@pytest.mark.usefixtures("mypaint")
@pytest.mark.parametrize("brush", ["classic/calligraphy", "classic/dry_brush"])
def test_it_paints_larger_than_most_brushes_were_heard(
    brush: str,
    scene: Callable[..., Scene],
    random_actions: Actions,
    coverage: Callable[..., np.ndarray[Any, np.dtype[np.float64]]],
) -> None:
    """Edges are softened by some px, at any size."""
    renderer = scene().make("renderer", "gan", brush=brush)
    actions = random_actions(12, seed=4)
    real = coverage(Brush(brush), actions, seed=1, side=256)[:, 256:512, 256:512]
    painted = renderer.painter(actions, 256.0, 0, torch.arange(12))[:, 0].numpy()
    assert float(painted.mean()) == pytest.approx(float(real.mean()), rel=0.05)
    together = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(real, painted, strict=True)]
    assert np.median(together) > (0.9 if brush == "classic/calligraphy" else 0.5)


def test_heard_dabs_are_likelier_than_others(random_actions: Actions) -> None:
    """By the painter of dry_brush; each loss grows when what it is about is changed."""
    made = shipped("classic/dry_brush")
    actions, seeds = random_actions(30, seed=6), torch.arange(30)
    dabs = made.dabs(actions, torch.zeros(30, 2), 64.0, seeds)
    which, _, t = made._places(actions)
    counts = torch.zeros(30, SEGMENTS)
    counts.index_put_((which, (t * SEGMENTS).long().clamp(max=SEGMENTS - 1)), torch.ones(len(t)), accumulate=True)
    own = DabRecords(actions, torch.full((30,), 64), dabs, t, counts)
    every = torch.arange(len(t)), torch.arange(30)
    likely = made.unlikely(own, *every)
    changed = {
        "place": own._replace(dabs=dabs._replace(x=dabs.x + 4)),
        "radius": own._replace(dabs=dabs._replace(radius=1.4 * dabs.radius)),
        "opacity": own._replace(dabs=dabs._replace(opacity=0.8 * dabs.opacity)),
        "look": own._replace(dabs=dabs._replace(hardness=dabs.hardness + 0.2)),
        "number": own._replace(counts=2 * counts),
    }
    for name, other in changed.items():
        assert made.unlikely(other, *every)[name] != likely[name]
        if name != "number":
            assert made.unlikely(other, *every)[name] > likely[name] + 0.1, name
