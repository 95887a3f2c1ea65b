"""Tests of `artkit_painters.dab_painter` with the shipped weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from artkit.interfaces.scene import Scene
from artkit_mypaint.dab_recording import SEGMENTS, DabRecords, record_dabs
from artkit_mypaint.engine.engine import Engine
from artkit_painters import fidelity, weights
from artkit_painters.dab_painter import DabPainter
from artkit_painters.dab_positions import place_dabs, place_padded_dabs

Actions = Callable[..., Tensor]
BRUSHES = ("classic/dry_brush", "classic/calligraphy", "classic/pencil", "tanda/acrylic-05-paint", "classic/charcoal")


def shipped_painter(brush: str) -> DabPainter:
    tensors, metadata, _ = weights.load(weights.shipped("gan", brush))
    painter = DabPainter.from_metadata(metadata)
    painter.load_state_dict(tensors)
    return painter.eval().requires_grad_(False)


@pytest.fixture(scope="module", params=["classic/dry_brush", "classic/charcoal"])
def painter(request: pytest.FixtureRequest) -> DabPainter:
    return shipped_painter(request.param)


# ------------------------------------------------------------------------------------------------------------- samples
def test_regions_and_single_strokes_equal_the_whole_patches(painter: DabPainter, random_actions: Actions) -> None:
    actions, seeds = random_actions(8, seed=2), torch.arange(8)
    patches = painter(actions, 64, 40, seeds)
    assert patches.shape == (8, 1, 144, 144)
    regions = painter.forward_region(actions, torch.tensor([[10, 21]]).expand(8, 2), 64, (32, 41), seeds)
    torch.testing.assert_close(regions, patches[..., 61:102, 50:82], atol=1e-4, rtol=0)
    single = torch.cat([painter(actions[i : i + 1], 64, 40, seeds[i : i + 1]) for i in range(8)])
    torch.testing.assert_close(single, patches, atol=1e-4, rtol=0)
    assert painter(actions[:0], 64, 16, seeds[:0]).shape == (0, 1, 96, 96)


def test_no_paint_lies_beyond_the_maximum_extent(painter: DabPainter, random_actions: Actions) -> None:
    actions = random_actions(40, seed=9)
    margin = 96
    patches = painter(actions, 64, margin, torch.arange(40))[:, 0]
    centres = torch.arange(64 + 2 * margin) - margin + 0.5
    beyond = torch.maximum(-centres, centres - 64)
    distance = torch.maximum(beyond[:, None], beyond[None]) - 0.5  # of the pixels' inner edges from the tile
    for patch, extent in zip(patches, painter.max_extent(actions, 64.0), strict=True):
        assert patch[distance > extent].abs().max() == 0
        assert float(distance[patch > 0.001].max()) > -40


@pytest.mark.parametrize("brush", [*BRUSHES, pytest.param("classic/brush", marks=pytest.mark.slow)])
def test_sampled_dabs_are_no_larger_than_those_of_the_brush(brush: str, random_actions: Actions) -> None:
    """The strokes include short ones, which are rare in training."""
    painter = shipped_painter(brush)
    actions = random_actions(2000, seed=11)
    actions[::4, 4:6] = actions[::4, 0:2] + 0.03 * (actions[::4, 4:6] - 0.5)
    actions[::4, 2:4] = actions[::4, 0:2]
    dabs = painter.sample_dabs(actions, torch.zeros(2000, 2), 64.0, torch.arange(2000))
    recorded = record_dabs(Engine(brush), actions[:500], 2, (64,)).dabs
    assert dabs.radius.max() < 1.5 * recorded.radius.max()
    assert painter.max_extent(actions, 64.0).max() < 2 * 64


@pytest.mark.slow
# ------------------------------------------------------------------------------------------------------------ fidelity
@pytest.mark.parametrize("brush", [*BRUSHES, "classic/brush"])
def test_samples_differ_from_real_strokes_no_more_than_these_from_each_other(
    brush: str, scene: Callable[..., Scene]
) -> None:
    if not (weights.SHIPPED / f"gan-{brush.replace('/', '-')}.safetensors").exists():
        pytest.skip("not shipped")
    renderer = scene().make("renderer", "gan", brush=brush)
    metrics = fidelity.measure(renderer, brush, Engine(brush), strokes=250, seed=3)
    assert metrics["mse"] < 1.06 * metrics["sampler"] + 0.002
    assert metrics["iou"] > metrics["iou_real"] - (0.02 if metrics["floor"] > 0.001 else 0.2)
    assert 0.92 < metrics["energy"] < 1.08
    assert metrics["spectrum"] < 0.1


@pytest.mark.parametrize("brush", ["classic/calligraphy", "classic/dry_brush"])
def test_strokes_on_larger_tiles_than_in_training_equal_real_ones(
    brush: str,
    scene: Callable[..., Scene],
    random_actions: Actions,
    coverage: Callable[..., npt.NDArray[np.float64]],
) -> None:
    """MyPaint fades the edges of dabs over the same number of px at any size."""
    renderer = scene().make("renderer", "gan", brush=brush)
    actions = random_actions(12, seed=4)
    real = coverage(Engine(brush), actions, seed=1, side=256)[:, 256:512, 256:512]
    painted = renderer.painter(actions, 256.0, 0, torch.arange(12))[:, 0].numpy()
    assert float(painted.mean()) == pytest.approx(float(real.mean()), rel=0.05)
    correlations = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(real, painted, strict=True)]
    assert np.median(correlations) > (0.9 if brush == "classic/calligraphy" else 0.5)


@pytest.mark.parametrize("brush", BRUSHES)
def test_the_dabs_of_a_device_are_those_of_the_cpu(brush: str, random_actions: Actions) -> None:
    """On a GPU each stroke has room for as many dabs; none has more, and those that it has are the same."""
    painter = shipped_painter(brush)
    actions = random_actions(1000, seed=5)
    actions[500:, :6] = actions[500:, :6].round()  # the longest curves
    assert 500 < painter.capacity < 8000
    with torch.no_grad():
        dab_count = painter._dab_counts(actions)
    assert dab_count.sum(1).max() < painter.capacity
    expected = place_dabs(dab_count[480:500])
    padded, counts = place_padded_dabs(dab_count[480:500], painter.capacity)
    exists = padded.rank < counts[padded.stroke]
    for values, expected_values in zip(padded, expected, strict=True):
        assert torch.equal(values[exists], expected_values)


# ---------------------------------------------------------------------------------------------------------- likelihood
def test_samples_of_the_painter_are_more_likely_than_changed_ones(random_actions: Actions) -> None:
    """Each loss increases when the quantity that it measures is changed."""
    painter = shipped_painter("classic/dry_brush")
    actions, seeds = random_actions(30, seed=6), torch.arange(30)
    dabs = painter.sample_dabs(actions, torch.zeros(30, 2), 64.0, seeds)
    stroke, _, t = painter.dab_positions(actions)
    counts = torch.zeros(30, SEGMENTS)
    counts.index_put_((stroke, (t * SEGMENTS).long().clamp(max=SEGMENTS - 1)), torch.ones(len(t)), accumulate=True)
    records = DabRecords(actions, torch.full((30,), 64), dabs, t, counts)
    indices = torch.arange(len(t)), torch.arange(30)
    losses = painter.negative_log_likelihood(records, *indices)
    changed = {
        "place": records._replace(dabs=dabs._replace(x=dabs.x + 4)),
        "radius": records._replace(dabs=dabs._replace(radius=1.4 * dabs.radius)),
        "opacity": records._replace(dabs=dabs._replace(opacity=0.8 * dabs.opacity)),
        "look": records._replace(dabs=dabs._replace(hardness=dabs.hardness + 0.2)),
        "number": records._replace(counts=2 * counts),
    }
    for name, other in changed.items():
        loss = painter.negative_log_likelihood(other, *indices)[name]
        assert loss != losses[name]
        if name != "number":
            assert loss > losses[name] + 0.1, name
