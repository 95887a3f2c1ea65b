"""Tests of `artkit_painters.geometry_painter`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from artkit_mypaint import stroke_geometry
from artkit_mypaint.action_spaces import SHAPE_SIZE, STROKE_SPACE
from artkit_mypaint.engine.engine import Engine
from artkit_painters import weights
from artkit_painters.cell_blocks import patch_size
from artkit_painters.geometry_features import CELL, FADE_PX
from artkit_painters.geometry_painter import GeometryPainter

Actions = Callable[..., Tensor]


def shipped_painter(brush: str) -> GeometryPainter:
    tensors, metadata, _ = weights.load(weights.shipped("mean", brush))
    painter = GeometryPainter.from_metadata(metadata)
    painter.load_state_dict(tensors)
    return painter.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def painter() -> GeometryPainter:
    return shipped_painter("classic/dry_brush")


def paint_all_cells(painter: GeometryPainter, actions: Tensor, side: int, margin: int) -> Tensor:
    """Paint patches with all cells, also those that the brush does not reach."""
    corner = torch.full((len(actions), 2), -margin)
    return painter.moments(actions, corner, side, patch_size(side, margin))[0]


# --------------------------------------------------------------------------------------------------- blocks and regions
@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 1 << 30),
    side=st.sampled_from([64, 48, 33]),
    margin=st.sampled_from([0, 8, 16, 32]),
    size=st.sampled_from([0.1, 0.5, None]),
)
def test_blocks_that_are_skipped_are_empty(
    painter: GeometryPainter, random_actions: Actions, seed: int, side: int, margin: int, size: float | None
) -> None:
    actions = random_actions(24, seed=seed, **({} if size is None else {"size": size}))
    patches = painter(actions, side, margin)
    patch_side = patch_size(side, margin)
    assert patches.shape == (24, 1, patch_side, patch_side)
    torch.testing.assert_close(patches, paint_all_cells(painter, actions, side, margin), atol=1e-4, rtol=0)
    assert patches.max() > 0.2


def test_regions_equal_crops_of_the_patches(painter: GeometryPainter, random_actions: Actions) -> None:
    actions = random_actions(8, seed=2)
    patches = paint_all_cells(painter, actions, 64, 16)
    region = painter.forward_region(actions, torch.tensor([[12, 20]]).expand(8, 2), 64, (32, 40))
    torch.testing.assert_close(region, patches[..., 36:76, 28:60], atol=1e-4, rtol=0)
    distant = painter.forward_region(actions, torch.tensor([[4000, 20]]).expand(8, 2), 64, (32, 40))
    assert torch.equal(distant, torch.zeros(8, 1, 40, 32))


def test_batch_equals_single_strokes(painter: GeometryPainter, random_actions: Actions) -> None:
    actions = random_actions(20)
    batch = painter(actions, 64, 16)
    single = torch.cat([painter(actions[i : i + 1], 64, 16) for i in range(20)])
    torch.testing.assert_close(single, batch, atol=1e-5, rtol=0)
    assert painter(actions[:0], 64, 16).shape == (0, 1, 96, 96)


def test_no_paint_lies_beyond_the_extent_of_the_brush(painter: GeometryPainter, random_actions: Actions) -> None:
    actions = random_actions(12, seed=9)
    margin = 48
    patches = painter(actions, 64, margin)[:, 0]
    nodes = stroke_geometry.curve(actions, torch.linspace(0, 1, 201)) * 64
    centres = torch.arange(64 + 2 * margin) + 0.5 - margin
    for index in range(12):
        distance = torch.stack(
            [((centres[None, :] - x) ** 2 + (centres[:, None] - y) ** 2).sqrt() for x, y in nodes[index].tolist()]
        ).amin(0)
        radius = float(stroke_geometry.max_radius(actions[index : index + 1])) * 64
        beyond = distance > sum(painter.extent) * radius + FADE_PX + CELL + 0.5
        assert beyond.any()
        assert patches[index][beyond].abs().max() == 0
        assert patches[index][~beyond].max() > 0.05


# ----------------------------------------------------------------------------------------------------------- the module
def test_train_and_eval_mode_are_the_same(painter: GeometryPainter, random_actions: Actions) -> None:
    actions = random_actions(4)
    evaluated = painter(actions, 64, 16)
    painter.train()
    trained = painter(actions, 64, 16)
    painter.eval()
    assert torch.equal(evaluated, trained)


def test_painter_of_a_deterministic_brush_has_no_scattered_dabs(random_actions: Actions) -> None:
    actions = random_actions(6, seed=3)
    patches = []
    for stochastic in (True, False):
        painter = GeometryPainter(8, stochastic=stochastic)
        with torch.no_grad():
            for parameter in painter.parameters():
                parameter.copy_(torch.linspace(-0.3, 0.3, parameter.numel()).view_as(parameter))
            painter.leave.bias[3] = 1.0  # dabs everywhere
            patches.append(painter(actions, 64, 16))
        assert GeometryPainter.from_metadata(painter.metadata()).stochastic == stochastic
    assert patches[0].mean() > 1.1 * patches[1].mean()


# ------------------------------------------------------------------------------------------------------------ gradients
@pytest.mark.parametrize("pressure_radius_curve", [(), (-2.0, -0.5, 0.0)], ids=["constant radius", "growing radius"])
def test_gradients_equal_finite_differences(pressure_radius_curve: tuple[float, ...], random_actions: Actions) -> None:
    """In double precision, with a step that is too small to move a pixel over a kink."""
    generator = torch.Generator().manual_seed(3)
    painter = GeometryPainter(8, pressure_radius_curve=pressure_radius_curve).double().requires_grad_(False)
    for parameter in painter.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.3)
    count, step = 72, 1e-7
    actions = 0.05 + 0.9 * random_actions(count, seed=6).double()
    # Curves without hairpins, where the gradient depends on which side is nearer.
    actions[:, 2:4] = 0.2 * actions[:, 2:4] + 0.4 * (actions[:, 0:2] + actions[:, 4:6])
    actions.requires_grad_()
    pixel_weights = torch.randn(96, 96, generator=generator, dtype=torch.float64)

    def weighted_sum(actions: Tensor) -> Tensor:
        patches: Tensor = painter(actions, 64, 16) * pixel_weights
        return patches.sum((1, 2, 3))

    (gradient,) = torch.autograd.grad(weighted_sum(actions).sum(), actions)
    assert (gradient[:, SHAPE_SIZE:] == 0).all()
    for index in range(SHAPE_SIZE):
        offset = torch.zeros(12, dtype=torch.float64)
        offset[index] = step
        with torch.no_grad():
            difference = (weighted_sum(actions + offset) - weighted_sum(actions - offset)) / (2 * step)
        error = (gradient[:, index] - difference).abs() / (difference.abs() + 0.01 * difference.abs().mean())
        assert difference.abs().mean() > 1e-3
        # The nearest point is found by iteration, and a step may still cross a kink of a few strokes.
        tolerance = 0.05 if STROKE_SPACE.names[index][-2:] in ("_x", "_y") else 1e-4
        assert (error < tolerance).double().mean() >= 0.9, (STROKE_SPACE.names[index], error)


def test_gradients_at_hairpins_follow_larger_finite_differences(random_actions: Actions) -> None:
    """The nearest point of a hairpin jumps, which makes the exact gradient of a brush with sharp edges unbounded."""
    painter = shipped_painter("classic/calligraphy").double()
    actions = 0.05 + 0.9 * random_actions(40, seed=5, size=0.6).double()
    actions[:, 4:6] = actions[:, 0:2] + 0.01 * (random_actions(40, seed=6)[:, 0:2].double() - 0.5)
    actions.requires_grad_()
    pixel_weights = torch.randn(96, 96, generator=torch.Generator().manual_seed(7), dtype=torch.float64)

    def weighted_sum(actions: Tensor) -> Tensor:
        patches: Tensor = painter(actions, 64, 16) * pixel_weights
        return patches.sum((1, 2, 3))

    (gradient,) = torch.autograd.grad(weighted_sum(actions).sum(), actions)
    offsets = 1e-4 * torch.eye(12, dtype=torch.float64)[:SHAPE_SIZE]
    with torch.no_grad():
        differences = [(weighted_sum(actions + offset) - weighted_sum(actions - offset)) / 2e-4 for offset in offsets]
    difference = torch.stack(differences, dim=1)
    error = (gradient[:, :SHAPE_SIZE] - difference).norm(dim=1) / difference.norm(dim=1)
    assert error.quantile(0.9) < 1, error


# ------------------------------------------------------------------------------------------------------------- fidelity
def test_strokes_on_larger_tiles_equal_enlarged_strokes(painter: GeometryPainter, random_actions: Actions) -> None:
    actions = random_actions(16, seed=1, size=0.6)
    small, reduced = painter(actions, 64, 16), F.avg_pool2d(painter(actions, 128, 32), 2)
    for a, b in zip(small, reduced, strict=True):
        assert np.corrcoef(a.flatten(), b.flatten())[0, 1] > 0.9
    assert float(reduced.mean()) == pytest.approx(float(small.mean()), rel=0.15)


def test_strokes_equal_the_mean_of_real_strokes(
    painter: GeometryPainter,
    random_actions: Actions,
    coverage: Callable[..., npt.NDArray[np.float64]],
    dry_brush: Engine,
) -> None:
    actions = random_actions(12, seed=4, size=0.6, start_pressure=0.6, end_pressure=0.6)
    inner = slice(64 - 16, 64 + 64 + 16)
    real = np.mean([coverage(dry_brush, actions, seed=seed)[:, inner, inner] for seed in range(6)], axis=0)
    painted = painter(actions, 64, 16)[:, 0]
    for a, b in zip(real, painted.numpy(), strict=True):
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.85
    assert float(painted.mean()) == pytest.approx(float(real.mean()), rel=0.25)
