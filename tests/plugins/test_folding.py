"""Batch normalisation goes into convolutions, and networks say what they said before."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from artkit.torchvision_compat import declare_missing_operators

declare_missing_operators()

from artkit_vision.folding import fold  # noqa: E402

SIDE = 16
IMAGES = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


class Net(nn.Module):
    """A convolution and a normalisation that has seen something."""

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


class Bare(Net):
    """Uses what the convolution gives twice, once as it is."""

    def forward(self, image: Tensor) -> Tensor:
        plain = self.conv(image)
        out: Tensor = plain + self.norm(plain)
        return out


class Twice(Net):
    """Convolves twice and normalises once."""

    def forward(self, image: Tensor) -> Tensor:
        out: Tensor = self.norm(self.conv(self.conv(image)))
        return out


class Shared(Net):
    """Normalises twice what one convolution gives."""

    def forward(self, image: Tensor) -> Tensor:
        out: Tensor = self.norm(self.conv(image)) + self.norm(self.conv(image / 2))
        return out


def norms(model: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


@pytest.mark.parametrize(
    ("kind", "settings", "left"),
    [(Net, {}, 0), (Net, {"bias": False}, 0), (Bare, {}, 1), (Twice, {}, 1), (Shared, {}, 1)],
)
def test_folds_what_it_can_and_changes_nothing(kind: type[Net], settings: dict[str, object], left: int) -> None:
    model = kind(**settings).eval().requires_grad_(False)
    before = copy.deepcopy(model)
    fold(model, SIDE)
    assert norms(model) == left
    torch.testing.assert_close(model(IMAGES), before(IMAGES), atol=1e-5, rtol=1e-4)
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_a_model_of_timm_keeps_its_activations_and_the_names_of_its_layers() -> None:
    import timm

    model = timm.create_model("efficientnet_lite0", pretrained=False).eval().requires_grad_(False)
    before = copy.deepcopy(model)
    fold(model, 64)
    assert norms(before) == 49
    assert norms(model) == 0
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(model(images), before(images), atol=1e-4, rtol=1e-3)
    assert {name for name, _ in model.named_modules()} == {name for name, _ in before.named_modules()}
