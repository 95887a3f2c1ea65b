"""The VAE painter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from artkit.errors import UsageError
from artkit.geometry.place import Place
from artkit.interfaces.scene import Scene
from artkit_mypaint.action_spaces import SHAPE_SIZE, STROKE_SPACE
from artkit_painters import weights
from artkit_painters.autoencoder import LATENT, Decoder, Encoder, Latent, VaePainter
from artkit_painters.vae import Vae, normal

FACTS = {"architecture": "vae", "latent": LATENT, "brush": "classic/pen", "space": STROKE_SPACE.name}
Actions = Callable[..., Tensor]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a painter that has learnt nothing."""
    file = tmp_path_factory.mktemp("weights") / "vae.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights.save(VaePainter(), FACTS, file)
    return file


def paint(vae: Vae, actions: Tensor, numbers: Tensor, seed: int = 0, side: int = 64, margin: int = 0) -> Tensor:
    coverage: Tensor = vae(
        actions, Place(torch.zeros(len(actions), 2), side, margin, numbers, (side, side), seed)
    ).coverage
    return coverage


def test_weights_are_small_enough_to_ship(file: Path) -> None:
    assert file.stat().st_size < 8e6


def test_number_and_seed_choose_what_is_decoded(
    file: Path, scene: Callable[..., Scene], random_actions: Actions
) -> None:
    vae = Vae(Vae.Config(weights=file), scene())
    actions = random_actions(3)
    one = paint(vae, actions, torch.tensor([4, 5, 6]))
    assert torch.equal(paint(vae, actions, torch.tensor([4, 5, 6])), one)
    torch.testing.assert_close(paint(vae, actions[1:], torch.tensor([5, 6])), one[1:], atol=1e-5, rtol=0)
    assert not torch.allclose(paint(vae, actions, torch.tensor([7, 8, 9])), one, atol=1e-4)
    assert not torch.allclose(paint(vae, actions, torch.tensor([4, 5, 6]), seed=1), one, atol=1e-4)


def test_without_grain_the_mean_is_decoded(file: Path, scene: Callable[..., Scene], random_actions: Actions) -> None:
    vae = Vae(Vae.Config(weights=file, grain=False), scene())
    actions = random_actions(2)
    one = paint(vae, actions, torch.tensor([0, 1]))
    assert torch.equal(paint(vae, actions, torch.tensor([2, 3]), seed=4), one)
    torch.testing.assert_close(one, vae.painter(actions))


def test_tiles_of_other_sizes_are_the_same_stroke_resized(
    file: Path, scene: Callable[..., Scene], random_actions: Actions
) -> None:
    vae = Vae(Vae.Config(weights=file, grain=False), scene())
    assert vae.margin(64) == 0
    actions, numbers = random_actions(2), torch.arange(2)
    one = paint(vae, actions, numbers)
    half = paint(vae, actions, numbers, side=32)
    torch.testing.assert_close(half, torch.nn.functional.avg_pool2d(one, 2), atol=0.02, rtol=0)
    around = paint(vae, actions, numbers, margin=10)
    assert around.shape == (2, 1, 84, 84)
    assert torch.equal(around[..., 10:-10, 10:-10], one)
    assert around.sum() == pytest.approx(float(one.sum()), rel=1e-5)
    assert paint(vae, actions[:0], numbers[:0]).shape == (0, 1, 64, 64)


def test_of_many_strokes_the_gradient_is_that_of_each(
    file: Path, scene: Callable[..., Scene], random_actions: Actions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are painted a batch at a time, and again for the gradient."""
    from artkit_painters import patches as sheets

    vae = Vae(Vae.Config(weights=file), scene())

    def slope() -> Tensor:
        actions = random_actions(5).requires_grad_()
        (found,) = torch.autograd.grad(paint(vae, actions, torch.arange(5)).square().sum(), actions)
        return found

    kept = slope()
    monkeypatch.setattr(sheets, "_BATCH", 2)
    torch.testing.assert_close(slope(), kept, atol=1e-4, rtol=1e-3)
    assert kept[:, :SHAPE_SIZE].abs().max() > 0


def test_noise_is_standard_normal() -> None:
    noise = normal(torch.arange(2000), 3)
    assert noise.shape == (2000, LATENT)
    assert abs(float(noise.mean())) < 0.01
    assert float(noise.std()) == pytest.approx(1, abs=0.01)
    assert float((noise.abs() > 2).float().mean()) == pytest.approx(0.0455, abs=0.003)
    assert abs(float(torch.corrcoef(noise.t()[:2])[0, 1])) < 0.1


def test_the_autoencoder_s_shapes_are_the_paper_s() -> None:
    latent = Encoder()(torch.zeros(2, 1, 64, 64))
    assert latent.mu.shape == latent.spread.shape == (2, 64)
    assert Decoder()(latent.mu).shape == (2, 1, 64, 64)
    assert sum(p.numel() for p in Decoder().parameters()) == pytest.approx(3.6e6, rel=0.05)


def test_divergence_is_none_from_the_standard_normal() -> None:
    assert Latent(torch.zeros(1, 64), torch.zeros(1, 64)).divergence().item() == 0
    # Of N(1, e): half of (1 + e - 1 - 1) in each of 64 dimensions.
    found = Latent(torch.ones(1, 64), torch.ones(1, 64)).divergence().item()
    assert found == pytest.approx(32 * (torch.e - 1), rel=1e-5)


def test_weights_of_another_brush_or_kind_are_refused(file: Path, tmp_path: Path, scene: Callable[..., Scene]) -> None:
    with pytest.raises(UsageError, match="of the brush classic/pen, not classic/charcoal"):
        Vae(Vae.Config(weights=file, brush="classic/charcoal"), scene())
    other = tmp_path / "other.safetensors"
    weights.save(torch.nn.Linear(2, 2), FACTS, other)
    with pytest.raises(UsageError, match="another version of this network"):
        Vae(Vae.Config(weights=other), scene())
