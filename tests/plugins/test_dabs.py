"""Tests of `artkit_mypaint.dabs` and `artkit_mypaint.dab_recording`: rasterised dabs equal the strokes of MyPaint."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from artkit_mypaint import stroke_geometry
from artkit_mypaint.dab_recording import SEGMENTS, record_dabs
from artkit_mypaint.dabs import UPRIGHT, Dabs, rasterize_dabs
from artkit_mypaint.engine.engine import Engine
from artkit_mypaint.engine.rasterizing import ONE
from artkit_mypaint.engine.state import DAB_TIME
from artkit_mypaint.libmypaint_brush import LibMyPaintBrush
from artkit_mypaint.painting import dabs_of_strokes, paint_coverages
from artkit_mypaint.tracing import trace_actions

Actions = Callable[..., Tensor]
BRUSHES = ("classic/dry_brush", "classic/calligraphy", "classic/pencil", "tanda/acrylic-05-paint")


def random_dabs(count: int, elliptic: bool, strokes: int = 3, size: int = 40) -> Dabs:
    """Return random dabs in double precision, most of them inside an image of `size` px."""
    random = torch.rand(7, count, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x, y = random[:2] * (size + 8) - 4
    aspect, angle = (1 + 4 * random[5], 3 * random[6]) if elliptic else (random[5] * 0 + 1, random[6] * 0 + UPRIGHT)
    stroke = torch.arange(count) % strokes
    return Dabs(x, y, 0.5 + 5 * random[2], 0.05 + 0.9 * random[3], 0.1 + 0.8 * random[4], aspect, angle, stroke)


# ------------------------------------------------------------------------------------------------------- rasterisation
@pytest.mark.parametrize("source", ["engine", "libmypaint"])
@pytest.mark.parametrize("name", BRUSHES)
def test_recorded_dabs_rasterize_to_the_strokes_of_mypaint(
    name: str, source: str, random_actions: Actions, request: pytest.FixtureRequest
) -> None:
    actions = random_actions(12, seed=3)
    paths = trace_actions(actions, torch.zeros(12, 2), 64, torch.arange(12), 5)
    corners = np.zeros((12, 2), np.int64)
    if source == "engine":
        engine = Engine(name)
        real = engine.paint(paths, corners, 64, 64) / ONE
        dabs, counts = engine.dabs(paths)
        rows = np.column_stack([np.repeat(np.arange(12), counts), dabs[:, :DAB_TIME]]).astype(np.float64)
    else:
        request.getfixturevalue("mypaint")
        brush = LibMyPaintBrush(name)
        real = paint_coverages(brush, paths, corners, 64, 64) / ONE
        rows = np.delete(dabs_of_strokes(brush, paths), 1, axis=1)
    stroke, x, y, radius, opacity, hardness, aspect, angle = torch.from_numpy(rows).unbind(1)
    angle = torch.where(aspect == 1, UPRIGHT, angle * math.pi / 180)
    rasterized = rasterize_dabs(Dabs(x, y, radius, opacity, hardness, aspect, angle, stroke.long()), 12, (64, 64))
    assert (rasterized[:, 0] - torch.from_numpy(real)).abs().max() < 0.004
    assert real.max() > 0.05


@pytest.mark.parametrize("name", BRUSHES)
def test_records_hold_the_dabs_of_the_engine(name: str, random_actions: Actions) -> None:
    """Each dab in its stroke; only the dabs before the pen moves and after it is lifted are left out."""
    actions, engine = random_actions(12, seed=3), Engine(name)
    records = record_dabs(engine, actions, 5, (64, 32))
    for index in range(12):
        side = (64, 32)[index % 2]
        paths = trace_actions(actions[index : index + 1], torch.zeros(1, 2), side, torch.tensor([index]), 5)
        dabs, _ = engine.dabs(paths)
        event = np.ceil(dabs[:, DAB_TIME])
        on_curve = torch.from_numpy(dabs[(event >= 2) & (event < 2 + SEGMENTS)])
        recorded = records.dabs.subset(records.dabs.stroke == index)
        assert torch.equal(torch.stack(recorded[:5], 1), on_curve[:, :5])
        assert records.counts[index].sum() == len(on_curve)


@pytest.mark.parametrize("elliptic", [False, True])
def test_coverage_does_not_depend_on_the_window_or_the_order(elliptic: bool) -> None:
    dabs = random_dabs(300, elliptic)
    picture = rasterize_dabs(dabs, 3, (40, 40))
    assert picture.min() >= 0
    assert 0.5 < picture.max() <= 1
    assert torch.equal(rasterize_dabs(dabs.subset(torch.randperm(300)), 3, (40, 40)), picture)
    window = rasterize_dabs(dabs._replace(x=dabs.x - 7, y=dabs.y - 11), 3, (20, 13))
    torch.testing.assert_close(window, picture[..., 11:24, 7:27], atol=1e-6, rtol=0)
    assert rasterize_dabs(dabs.subset(torch.zeros(0, dtype=torch.int64)), 3, (5, 4)).shape == (3, 1, 4, 5)


def test_dabs_without_hardness_or_opacity_are_not_drawn() -> None:
    dabs = random_dabs(60, False)
    assert not rasterize_dabs(dabs._replace(hardness=dabs.hardness - 1), 3, (40, 40)).any()
    assert not rasterize_dabs(dabs._replace(opacity=0 * dabs.opacity), 3, (40, 40)).any()


@pytest.mark.parametrize("elliptic", [False, True])
@pytest.mark.parametrize("name", ["x", "y", "radius", "opacity", "hardness", "aspect", "angle"])
def test_gradients_equal_finite_differences(elliptic: bool, name: str) -> None:
    if not elliptic and name in ("aspect", "angle"):
        pytest.skip("round dabs have no gradient of aspect or angle")
    dabs = random_dabs(150, elliptic)
    weights = torch.randn(3, 1, 40, 40, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def weighted_sum(values: Tensor) -> Tensor:
        return (rasterize_dabs(dabs._replace(**{name: values}), 3, (40, 40)) * weights).sum()

    values = getattr(dabs, name).clone().requires_grad_()
    (gradient,) = torch.autograd.grad(weighted_sum(values), values)
    step, errors = 1e-4, []
    for index in range(0, 150, 5):
        delta = torch.zeros(150, dtype=torch.float64)
        delta[index] = step
        with torch.no_grad():
            slope = (weighted_sum(values + delta) - weighted_sum(values - delta)) / (2 * step)
        errors.append(float((gradient[index] - slope).abs() / (slope.abs() + 0.01 * gradient.abs().mean())))
    # The profile has kinks, and the set of pixels that a dab covers changes.
    assert np.median(errors) < 0.01
    assert np.mean(np.array(errors) < 0.05) > 0.75


# ----------------------------------------------------------------------------------------------------------- recording
def test_recorded_dabs_of_a_pen_lie_on_the_curve(random_actions: Actions) -> None:
    actions = random_actions(20, seed=1)
    records = record_dabs(Engine("classic/pen"), actions, 2, (64, 256))
    assert records.upright
    assert records.counts.shape == (20, SEGMENTS)
    assert records.counts.sum() == len(records.t)
    assert records.sides.tolist() == [64, 256] * 10
    stroke = records.dabs.stroke
    a, b, c = stroke_geometry.bezier_coefficients(actions[stroke])
    points = ((a * records.t[:, None] + b) * records.t[:, None] + c) * records.sides[stroke][:, None]
    distance = (torch.stack([records.dabs.x, records.dabs.y], 1) - points).norm(dim=1) / records.sides[stroke]
    assert distance.median() < 0.01
    assert distance.quantile(0.95) < 0.05
