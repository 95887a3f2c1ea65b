"""Pre-trained networks: the weights are the right ones, and layers are what they are called."""

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
    """A coffee cup, 224 px."""
    data = pytest.importorskip("skimage.data")
    pixels = torch.from_numpy(data.coffee().copy()).permute(2, 0, 1)[None].float() / 255
    return F.interpolate(pixels[..., :400, 100:500], (224, 224), mode="bilinear", antialias=True)


def test_the_packaged_network_knows_what_it_sees(photo: Tensor) -> None:
    """Its weights are mapped onto timm's layers by their order; a mistake there would leave it guessing."""
    scores = networks.load("efficientnet_lite0", CPU)(photo)[0]
    espresso, cup = 967, 968
    assert scores.shape == (1000,)
    assert set(scores.topk(3).indices.tolist()) & {espresso, cup}


def test_layers_are_those_of_a_whole_pass(photo: Tensor) -> None:
    network = networks.load("efficientnet_lite0", CPU)
    seen: dict[str, Tensor] = {}
    names = ["blocks.2", "blocks.0", "conv_stem"]
    modules = dict(network.model.named_modules())
    handles = [
        modules[name].register_forward_hook(lambda _m, _i, output, name=name: seen.update({name: output.clone()}))
        for name in names
    ]
    network(photo)
    for handle in handles:
        handle.remove()
    features = network.features(photo, names)
    for name, feature in zip(names, features, strict=True):
        torch.testing.assert_close(feature, seen[name])
    (alone,) = network.features(photo, ["conv_stem"])  # what comes behind it writes into what it gave
    torch.testing.assert_close(alone, features[2])
    twice = network.features(photo, ["blocks.0", "blocks.0"])
    assert torch.equal(twice[0], twice[1])


def test_the_network_runs_no_further_than_it_must(photo: Tensor) -> None:
    network = networks.load("efficientnet_lite0", CPU)
    ran: list[str] = []
    handles = [
        module.register_forward_hook(lambda *_, name=name: ran.append(name))
        for name, module in network.model.named_modules()
        if name in ("blocks.1", "blocks.2", "blocks.5")
    ]
    network.features(photo, ["blocks.1"])
    for handle in handles:
        handle.remove()
    assert ran == ["blocks.1"]
    assert not any(module._forward_hooks for module in network.model.modules())


def test_networks_are_frozen_but_let_gradients_through(photo: Tensor) -> None:
    network = networks.load("efficientnet_lite0", CPU)
    assert not any(module.training for module in network.model.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())
    image = photo.clone().requires_grad_()
    network(image).sum().backward()
    assert image.grad is not None
    assert image.grad.isfinite().all()
    assert image.grad.abs().max() > 0


def test_every_packaged_network_has_a_way_to_be_had() -> None:
    assert "efficientnet_lite0" in PACKAGED
    for package in PACKAGED.values():
        assert package.distribution.replace("-", "_") == package.module
