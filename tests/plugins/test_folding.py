"""Folding of batch normalisation: which layers are folded, and that outputs do not change."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from artkit.torchvision_compat import declare_missing_operators

declare_missing_operators()

from artkit_vision.folding import fold_batch_norms  # noqa: E402

SIDE = 16
IMAGES = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


class Net(nn.Module):
    """A convolution and a normalisation with random statistics."""

    def __init__(self, **settings: object) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(2)
        self.conv = nn.Conv2d(3, 3, 3, padding=1, **settings)  # type: ignore[arg-type]
        self.norm = nn.BatchNorm2d(3)
        for values in (self.norm.running_mean, self.norm.running_var, self.norm.weight.data, self.norm.bias.data):
            assert values is not None
            values.copy_(torch.rand(3, generator=generator) + 0.5)

    def forward(self, image: Tensor) -> Tensor:
        out: Tensor = self.norm(self.conv(image)).relu()
        return out


class Residual(Net):
    """Also uses the bare output of the convolution."""

    def forward(self, image: Tensor) -> Tensor:
        features = self.conv(image)
        out: Tensor = features + self.norm(features)
        return out


class RepeatedConv(Net):
    """Convolves twice with the same weights and normalises once."""

    def forward(self, image: Tensor) -> Tensor:
        out: Tensor = self.norm(self.conv(self.conv(image)))
        return out


class RepeatedPair(Net):
    """Applies the same convolution and normalisation twice."""

    def forward(self, image: Tensor) -> Tensor:
        out: Tensor = self.norm(self.conv(image)) + self.norm(self.conv(image / 2))
        return out


def norm_count(model: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


@pytest.mark.parametrize(
    ("architecture", "settings", "remaining"),
    [(Net, {}, 0), (Net, {"bias": False}, 0), (Residual, {}, 1), (RepeatedConv, {}, 1), (RepeatedPair, {}, 1)],
)
def test_folding_does_not_change_the_output(
    architecture: type[Net], settings: dict[str, object], remaining: int
) -> None:
    model = architecture(**settings).eval().requires_grad_(False)
    before = copy.deepcopy(model)
    fold_batch_norms(model, SIDE)
    assert norm_count(model) == remaining
    torch.testing.assert_close(model(IMAGES), before(IMAGES), atol=1e-5, rtol=1e-4)
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_a_timm_model_keeps_its_activations_and_layer_names() -> None:
    import timm

    model = timm.create_model("efficientnet_lite0", pretrained=False).eval().requires_grad_(False)
    before = copy.deepcopy(model)
    fold_batch_norms(model, 64)
    assert norm_count(before) == 49
    assert norm_count(model) == 0
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(model(images), before(images), atol=1e-4, rtol=1e-3)
    assert {name for name, _ in model.named_modules()} == {name for name, _ in before.named_modules()}
