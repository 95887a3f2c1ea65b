"""Pre-trained networks: mapping of the weights, features of layers, and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from artkit_vision import networks
from artkit_vision.packaged import PACKAGED

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def photo() -> Tensor:
    """A photo of a coffee cup, 224 px."""
    data = pytest.importorskip("skimage.data")
    pixels = torch.from_numpy(data.coffee().copy()).permute(2, 0, 1)[None].float() / 255
    return F.interpolate(pixels[..., :400, 100:500], (224, 224), mode="bilinear", antialias=True)


def test_the_packaged_network_classifies_a_photo(photo: Tensor) -> None:
    """The weights are mapped to timm's layers by their order; with a wrong order the classes would be random."""
    scores = networks.load("efficientnet_lite0", CPU)(photo)[0]
    espresso, cup = 967, 968
    assert scores.shape == (1000,)
    assert set(scores.topk(3).indices.tolist()) & {espresso, cup}


def test_features_are_those_of_a_full_forward_pass(photo: Tensor) -> None:
    network = networks.load("efficientnet_lite0", CPU)
    expected: dict[str, Tensor] = {}
    names = ["blocks.2", "blocks.0", "conv_stem"]
    modules = dict(network.model.named_modules())
    handles = [
        modules[name].register_forward_hook(lambda _m, _i, output, name=name: expected.update({name: output.clone()}))
        for name in names
    ]
    network(photo)
    for handle in handles:
        handle.remove()
    features = network.features(photo, names)
    for name, feature in zip(names, features, strict=True):
        torch.testing.assert_close(feature, expected[name])
    (stem,) = network.features(photo, ["conv_stem"])  # the next layer works in place on its output
    torch.testing.assert_close(stem, features[2])
    repeated = network.features(photo, ["blocks.0", "blocks.0"])
    assert torch.equal(*repeated)


def test_the_forward_pass_stops_after_the_last_layer(photo: Tensor) -> None:
    network = networks.load("efficientnet_lite0", CPU)
    executed: list[str] = []
    handles = [
        module.register_forward_hook(lambda *_, name=name: executed.append(name))
        for name, module in network.model.named_modules()
        if name in ("blocks.1", "blocks.2", "blocks.5")
    ]
    network.features(photo, ["blocks.1"])
    for handle in handles:
        handle.remove()
    assert executed == ["blocks.1"]
    assert not any(module._forward_hooks for module in network.model.modules())


def test_networks_are_frozen_but_differentiable(photo: Tensor) -> None:
    network = networks.load("efficientnet_lite0", CPU)
    assert not any(module.training for module in network.model.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())
    image = photo.clone().requires_grad_()
    network(image).sum().backward()
    assert image.grad is not None
    assert image.grad.isfinite().all()
    assert image.grad.abs().max() > 0


def test_packages_are_named_like_their_modules() -> None:
    assert "efficientnet_lite0" in PACKAGED
    for package in PACKAGED.values():
        assert package.distribution.replace("-", "_") == package.module
