"""Tests of the gradients of the renderer `mypaint`: `expected`, `mean` and `exact`."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from artkit import Place, Renderer, Scene
from artkit_mypaint import expected_coverage
from artkit_mypaint.action_spaces import SHAPE_SIZE
from artkit_mypaint.brush_files import SHIPPED
from artkit_mypaint.engine.engine import Engine
from artkit_mypaint.engine.rasterizing import ONE
from artkit_mypaint.exact_coverage import exact_coverage
from artkit_mypaint.expected_coverage import ExpectedCoverage, measure_brush
from artkit_mypaint.mypaint import MyPaint
from artkit_mypaint.tracing import trace_actions

Actions = Callable[..., Tensor]
Scenes = Callable[..., Scene]

BRUSH = "classic/dry_brush"
SHIPPED_BRUSHES = sorted(file.relative_to(SHIPPED).with_suffix("").as_posix() for file in SHIPPED.rglob("*.myb"))
SIDE, MARGIN = 32, 16
PATCH = SIDE + 2 * MARGIN

engine_of = cache(Engine)


@cache
def model_of(brush: str) -> ExpectedCoverage:
    return ExpectedCoverage(measure_brush(engine_of(brush)))


def place_of(count: int, seed: int = 0) -> Place:
    return Place(torch.zeros(count, 2), SIDE, MARGIN, torch.arange(count), (SIDE, SIDE), seed)


def real_coverage(brush: str, actions: Tensor, seed: int = 0) -> Tensor:
    """Paint patches (m, PATCH, PATCH) of real strokes, float64."""
    count = len(actions)
    paths = trace_actions(actions, torch.zeros(count, 2), SIDE, torch.arange(count), seed)
    coverages = engine_of(brush).paint(paths, np.full((count, 2), -MARGIN), PATCH, PATCH)
    return torch.from_numpy(coverages.astype(np.float64) / ONE)


def predict(model: ExpectedCoverage, actions: Tensor) -> Tensor:
    """Compute patches (m, PATCH, PATCH) of expected coverage."""
    coverage: Tensor = model(actions, actions.new_full((len(actions), 2), -MARGIN), float(SIDE), (PATCH, PATCH))
    return coverage[:, 0]


def smooth_weights(count: int) -> Tensor:
    """Return random weights (m, PATCH, PATCH) that vary slowly, so that a loss has a derivative at a small distance."""
    coarse = torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return F.interpolate(coarse, size=(PATCH, PATCH), mode="bicubic", align_corners=True)[:, 0]


# ---------------------------------------------------------------------------------------------------- expected coverage
@pytest.mark.parametrize("brush", [BRUSH, "deevad/liner", "classic/pencil"])
def test_gradients_of_expected_coverage_equal_finite_differences(brush: str, random_actions: Actions) -> None:
    model = deepcopy(model_of(brush)).double()
    actions = random_actions(3, seed=5).double()[:, :9].requires_grad_()
    corner = torch.tensor([[1.0, -2.0], [3.0, 2.5], [0.0, 4.0]], dtype=torch.float64)
    assert model(actions, corner, 12.0, (7, 6)).shape == (3, 1, 6, 7)
    assert torch.autograd.gradcheck(lambda a: model(a, corner, 12.0, (7, 6)), actions, eps=1e-6, atol=1e-6)


@pytest.mark.parametrize(("brush", "bound"), [(BRUSH, 0.04), ("classic/charcoal", 0.05), ("classic/pencil", 0.08)])
def test_expected_coverage_is_near_the_mean_of_samples(brush: str, bound: float, random_actions: Actions) -> None:
    """The bounds on the squared error, relative to that of no paint, are less than twice what was measured (2.3 %, 3.0
    % and 5.0 %). The mean of 16 samples itself is 0.4 to 1 % from the true mean.
    """
    actions = random_actions(200, seed=7)
    samples = torch.stack([real_coverage(brush, actions, seed) for seed in range(16)])
    mean, predicted = samples.mean(0), predict(model_of(brush), actions)
    zeros = mean.square().mean()
    assert samples.var(0).mean() / 16 < 0.02 * zeros, "noise of the reference"
    assert (predicted - mean).square().mean() < bound * zeros
    for dimension in (1, 2):
        assert (predicted.roll(1, dimension) - mean).square().mean() > bound * zeros, "shifted by a pixel"
    for factor in (0.7, 1.4):
        assert (factor * predicted - mean).square().mean() > bound * zeros, "too light or too dark"


@pytest.mark.parametrize(("brush", "bound"), [(BRUSH, 1.3), ("classic/charcoal", 1.2)])
def test_expected_coverage_predicts_a_sample_like_the_mean_of_others(
    brush: str, bound: float, random_actions: Actions
) -> None:
    actions = random_actions(200, seed=8)
    first, *others = (real_coverage(brush, actions, seed) for seed in range(9))
    error = (predict(model_of(brush), actions) - first).square().mean()
    assert error < bound * (torch.stack(others).mean(0) - first).square().mean()


def test_expected_coverage_of_a_deterministic_brush_is_near_its_strokes(random_actions: Actions) -> None:
    actions = random_actions(150, seed=7)
    real, predicted = real_coverage("deevad/liner", actions), predict(model_of("deevad/liner"), actions)
    assert (predicted - real).square().mean() < 0.1 * real.square().mean()
    assert (predicted.roll(1, 2) - real).square().mean() > 0.1 * real.square().mean(), "shifted by a pixel"


def test_expected_coverage_moves_with_the_corner(random_actions: Actions) -> None:
    model = deepcopy(model_of(BRUSH)).double()
    actions, corner = random_actions(5, seed=2).double(), torch.full((5, 2), -10.0, dtype=torch.float64)
    large = model(actions, corner, 24.0, (44, 40))
    window = model(actions, corner + torch.tensor([7.0, 3.0]), 24.0, (20, 30))
    torch.testing.assert_close(window, large[..., 3:33, 7:27], atol=1e-12, rtol=0)
    shifted = actions.clone()
    shifted[:, 0:6:2] += 5 / 24
    moved = model(shifted, corner, 24.0, (44, 40))  # the nodes' places on the curve are float32
    torch.testing.assert_close(moved[..., 5:], large[..., :-5], atol=1e-6, rtol=0)
    assert large.max() > 0.3


def test_expected_coverage_is_in_range_for_extreme_strokes() -> None:
    """A point without length, and without pressure."""
    actions = torch.zeros(4, 12)
    actions[:2, :6] = 0.5
    actions[::2, 6:9] = 1.0
    actions.requires_grad_()
    coverage = predict(model_of(BRUSH), actions)
    (gradient,) = torch.autograd.grad(coverage.sum(), actions)
    assert coverage.min() >= 0
    assert coverage.max() <= 1
    assert gradient.isfinite().all()


# ------------------------------------------------------------------------------------------------------- exact coverage
@pytest.mark.parametrize("brush", [BRUSH, "classic/charcoal", "classic/calligraphy", "deevad/liner"])
def test_exact_coverage_is_that_of_the_engine(brush: str, random_actions: Actions) -> None:
    actions = random_actions(12, seed=4)
    error = (
        exact_coverage(engine_of(brush), actions, place_of(12, seed=6))[:, 0] - real_coverage(brush, actions, 6)
    ).abs()
    assert error.mean() < 1e-4
    assert error.max() < 0.01


POSITIONS, PRESSURES, SIZE = tuple(range(6)), (6, 7), (8,)


@pytest.mark.parametrize(
    ("brush", "dimensions"),
    [
        ("deevad/liner", POSITIONS),
        ("deevad/liner", SIZE),
        ("classic/pen", SIZE),
        ("tanda/acrylic-05-paint", PRESSURES),  # changes the radius
        ("experimental/basic", PRESSURES),  # changes the opacity alone
    ],
)
def test_gradients_of_exact_coverage_agree_with_the_engine(
    brush: str, dimensions: tuple[int, ...], random_actions: Actions
) -> None:
    """Finite differences of real strokes of deterministic brushes."""
    assert not engine_of(brush).brush.stochastic
    actions, weights = random_actions(16, seed=9) * 0.8 + 0.1, smooth_weights(16)
    variable = actions.double().requires_grad_()
    loss = (exact_coverage(engine_of(brush), variable, place_of(16))[:, 0] * weights).sum()
    gradient = torch.autograd.grad(loss, variable)[0][:, list(dimensions)]
    differences = []
    for dimension in dimensions:
        step = 0.02 * F.one_hot(torch.tensor(dimension), 12)
        change = real_coverage(brush, actions + step) - real_coverage(brush, actions - step)
        differences.append((change * weights).sum((1, 2)) / 0.04)
    expected = torch.stack(differences, dim=1)
    agreement = expected.abs()[expected * gradient > 0].sum() / expected.abs().sum()
    assert agreement > 0.9, "share of the change that has the same sign"
    assert F.cosine_similarity(gradient.flatten(), expected.flatten(), dim=0) > 0.85
    assert 0.6 < gradient.norm() / expected.norm() < 1.6


# ------------------------------------------------------------------------------------------------------------- renderer
@pytest.fixture
def render(scene: Scenes, random_actions: Actions) -> Callable[..., tuple[Tensor, Tensor]]:
    """Render 6 strokes by `mypaint` with options: coverage, and the gradient of its weighted sum."""

    def make(**options: Any) -> tuple[Tensor, Tensor]:
        renderer: Renderer = scene().make("renderer", "mypaint", brush=BRUSH, **options)
        actions = random_actions(6, seed=2).requires_grad_()
        coverage = renderer(actions, place_of(6, seed=8)).coverage
        (gradient,) = torch.autograd.grad((coverage[:, 0] * smooth_weights(6)).sum(), actions)
        return coverage.detach(), gradient

    return make


def test_the_picture_does_not_depend_on_the_gradient(render: Callable[..., tuple[Tensor, Tensor]]) -> None:
    results = {gradient: render(gradient=gradient) for gradient in ("expected", "mean", "exact")}
    expected_picture, _ = results["expected"]
    assert expected_picture.max() > 0.3
    gradients = []
    for picture, gradient in results.values():
        assert picture.numpy().tobytes() == expected_picture.numpy().tobytes()
        assert gradient.isfinite().all()
        gradients.append(gradient[:, :SHAPE_SIZE].flatten())
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert not torch.equal(gradients[i], gradients[j])
        assert F.cosine_similarity(gradients[i], gradients[j], dim=0) > 0.5


def test_the_gradient_is_that_of_the_named_model(
    render: Callable[..., tuple[Tensor, Tensor]], random_actions: Actions
) -> None:
    actions, weights = random_actions(6, seed=2).requires_grad_(), smooth_weights(6).float()
    models = {
        "expected": predict(model_of(BRUSH), actions),
        "exact": exact_coverage(engine_of(BRUSH), actions, place_of(6, seed=8))[:, 0],
    }
    for name, coverage in models.items():
        (expected,) = torch.autograd.grad((coverage * weights).sum(), actions)
        torch.testing.assert_close(render(gradient=name)[1], expected, atol=1e-3, rtol=1e-4)


def test_a_named_surrogate_implies_its_gradient(scene: Scenes) -> None:
    assert MyPaint.Config().gradient == "expected"
    assert MyPaint.Config(surrogate="gan").gradient == "mean"
    assert MyPaint.Config(surrogate="gan", gradient="expected").gradient == "expected"
    make = scene().make
    assert make("renderer", "mypaint", surrogate="gan").surrogate is not None
    for options in ({}, {"surrogate": "gan", "gradient": "exact"}):
        renderer = make("renderer", "mypaint", **options)
        assert renderer.surrogate is None
        assert renderer.differentiable


@pytest.mark.parametrize("gradient", ["expected", "mean", "exact"])
def test_without_surrogate_there_is_no_gradient(gradient: str, scene: Scenes, random_actions: Actions) -> None:
    renderer = scene().make("renderer", "mypaint", surrogate="", gradient=gradient)
    assert not renderer.differentiable
    actions = random_actions(2).requires_grad_()
    assert not renderer(actions, place_of(2)).coverage.requires_grad


def test_all_shipped_brushes_have_a_gradient(
    scene: Scenes, random_actions: Actions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Brushes are measured on few strokes here, which suffices for a gradient."""
    monkeypatch.setattr(expected_coverage, "_STROKES", 12)
    assert len(SHIPPED_BRUSHES) == 90
    weights, make = smooth_weights(4).float(), scene().make
    for brush in SHIPPED_BRUSHES:
        renderer = cast(MyPaint, make("renderer", "mypaint", brush=brush))
        assert renderer.config.gradient == "expected"
        actions = random_actions(4, seed=1).requires_grad_()
        coverage = renderer(actions, place_of(4)).coverage[:, 0]
        (gradient,) = torch.autograd.grad((coverage * weights).sum(), actions)
        assert gradient.isfinite().all(), brush
        assert (gradient[:, :SHAPE_SIZE].abs().amax(1) > 0).all(), f"{brush}: each stroke"
        assert (gradient[:, :SHAPE_SIZE].abs().amax(0) > 0).all(), f"{brush}: each number of an action"
