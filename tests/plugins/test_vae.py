"""Tests of the renderer `vae` and its networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from artkit import Place, Scene, UsageError
from artkit_mypaint.action_spaces import SHAPE_SIZE, STROKE_SPACE
from artkit_painters import patches, weights
from artkit_painters.autoencoder import LATENT, Decoder, Encoder, Latent, VaePainter
from artkit_painters.vae import Vae, latent_noise

METADATA = {"architecture": "vae", "latent": LATENT, "brush": "classic/pen", "space": STROKE_SPACE.name}
Actions = Callable[..., Tensor]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of an untrained painter."""
    file = tmp_path_factory.mktemp("weights") / "vae.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights.save(VaePainter(), METADATA, file)
    return file


def paint(vae: Vae, actions: Tensor, indices: Tensor, seed: int = 0, side: int = 64, margin: int = 0) -> Tensor:
    place = Place(torch.zeros(len(actions), 2), side, margin, indices, (side, side), seed)
    coverage: Tensor = vae(actions, place).coverage
    return coverage


# ------------------------------------------------------------------------------------------------------------- renderer
def test_sample_depends_on_stroke_index_and_seed(
    file: Path, scene: Callable[..., Scene], random_actions: Actions
) -> None:
    vae = Vae(Vae.Config(weights=file), scene())
    actions = random_actions(3)
    coverage = paint(vae, actions, torch.tensor([4, 5, 6]))
    assert torch.equal(paint(vae, actions, torch.tensor([4, 5, 6])), coverage)
    torch.testing.assert_close(paint(vae, actions[1:], torch.tensor([5, 6])), coverage[1:], atol=1e-5, rtol=0)
    assert not torch.allclose(paint(vae, actions, torch.tensor([7, 8, 9])), coverage, atol=1e-4)
    assert not torch.allclose(paint(vae, actions, torch.tensor([4, 5, 6]), seed=1), coverage, atol=1e-4)


def test_mean_latent_is_decoded_without_noise(file: Path, scene: Callable[..., Scene], random_actions: Actions) -> None:
    vae = Vae(Vae.Config(weights=file, grain=False), scene())
    actions = random_actions(2)
    coverage = paint(vae, actions, torch.tensor([0, 1]))
    assert torch.equal(paint(vae, actions, torch.tensor([2, 3]), seed=4), coverage)
    torch.testing.assert_close(coverage, vae.painter(actions))


def test_tiles_are_resized_and_padded(file: Path, scene: Callable[..., Scene], random_actions: Actions) -> None:
    vae = Vae(Vae.Config(weights=file, grain=False), scene())
    assert vae.margin(64) == 0
    actions, indices = random_actions(2), torch.arange(2)
    coverage = paint(vae, actions, indices)
    half = paint(vae, actions, indices, side=32)
    torch.testing.assert_close(half, torch.nn.functional.avg_pool2d(coverage, 2), atol=0.02, rtol=0)
    padded = paint(vae, actions, indices, margin=10)
    assert padded.shape == (2, 1, 84, 84)
    assert torch.equal(padded[..., 10:-10, 10:-10], coverage)
    assert padded.sum() == pytest.approx(float(coverage.sum()), rel=1e-5)
    assert paint(vae, actions[:0], indices[:0]).shape == (0, 1, 64, 64)


def test_gradient_does_not_depend_on_the_chunk_size(
    file: Path, scene: Callable[..., Scene], random_actions: Actions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With more strokes than a chunk, intermediate results are computed again for the gradient."""
    vae = Vae(Vae.Config(weights=file), scene())

    def compute_gradient() -> Tensor:
        actions = random_actions(5).requires_grad_()
        (gradient,) = torch.autograd.grad(paint(vae, actions, torch.arange(5)).square().sum(), actions)
        return gradient

    gradient = compute_gradient()
    monkeypatch.setattr(patches, "_CHUNK_STROKES", 2)
    torch.testing.assert_close(compute_gradient(), gradient, atol=1e-4, rtol=1e-3)
    assert gradient[:, :SHAPE_SIZE].abs().max() > 0


def test_noise_is_standard_normal() -> None:
    noise = latent_noise(torch.arange(2000), 3)
    assert noise.shape == (2000, LATENT)
    assert abs(float(noise.mean())) < 0.01
    assert float(noise.std()) == pytest.approx(1, abs=0.01)
    assert float((noise.abs() > 2).float().mean()) == pytest.approx(0.0455, abs=0.003)
    assert abs(float(torch.corrcoef(noise.t()[:2])[0, 1])) < 0.1


def test_weights_file_is_small_enough_to_ship(file: Path) -> None:
    assert file.stat().st_size < 8e6


def test_error_for_weights_of_another_brush_or_network(file: Path, tmp_path: Path, scene: Callable[..., Scene]) -> None:
    with pytest.raises(UsageError, match="with the brush classic/pen, not classic/charcoal"):
        Vae(Vae.Config(weights=file, brush="classic/charcoal"), scene())
    other = tmp_path / "other.safetensors"
    weights.save(torch.nn.Linear(2, 2), METADATA, other)
    with pytest.raises(UsageError, match="another version of this network"):
        Vae(Vae.Config(weights=other), scene())


# ------------------------------------------------------------------------------------------------------------- networks
def test_autoencoder_has_the_shapes_of_the_paper() -> None:
    latent = Encoder()(torch.zeros(2, 1, 64, 64))
    assert latent.mean.shape == latent.log_variance.shape == (2, 64)
    assert Decoder()(latent.mean).shape == (2, 1, 64, 64)
    assert sum(parameter.numel() for parameter in Decoder().parameters()) == pytest.approx(3.6e6, rel=0.05)


def test_divergence_equals_the_closed_form() -> None:
    assert Latent(torch.zeros(1, 64), torch.zeros(1, 64)).divergence().item() == 0
    # Of N(1, e): (1 + e - 1 - 1) / 2 in each of 64 dimensions.
    divergence = Latent(torch.ones(1, 64), torch.ones(1, 64)).divergence().item()
    assert divergence == pytest.approx(32 * (torch.e - 1), rel=1e-5)
