"""The networks of timm and torchvision: their input, their classes, and where their weights are."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from artkit import UsageError
from artkit_vision.network import Network
from artkit_vision.packaged import PACKAGED, packaged_hint

_TORCHVISION, _HUB = "torchvision/", "https://huggingface.co/"


@dataclass(frozen=True)
class Architecture:
    """A network of a library.

    build: makes it with random weights and so many classes, or those of its library. load: with its own weights, which
    its library downloads unless they are in the cache. address: of its weights; "" if the library has none. mean, std:
    of its input, for each channel. side: of its input, px. labels: names of its classes, if the library has them.
    classifier: the name of its last layer; "" if it is not known.
    """

    build: Callable[[int | None], nn.Module]
    load: Callable[[], nn.Module]
    address: str
    mean: Sequence[float]
    std: Sequence[float]
    side: int
    labels: Sequence[str] = ()
    classifier: str = ""

    def network(self, name: str, model: nn.Module) -> Network:
        """Return the network of a model with its weights."""
        return Network(name, model, self.mean, self.std, self.side, self.labels)

    @property
    def is_file(self) -> bool:
        """Whether the weights are a file at an address, and not in a repository of the Hugging Face Hub."""
        return bool(self.address) and not self.address.startswith(_HUB)

    @property
    def megabytes(self) -> float:
        """Size of the weights, from the number of parameters in single precision."""
        with torch.device("meta"):
            return sum(parameter.numel() for parameter in self.build(None).parameters()) * 4 / 1e6


def find(name: str) -> Architecture:
    """Return the network with a name of timm, or of torchvision after ``torchvision/``.

    Raises UsageError for an unknown name, with similar ones.
    """
    return _find_torchvision(name) if name.startswith(_TORCHVISION) else _find_timm(name)


def _find_timm(name: str) -> Architecture:
    import timm

    model_name = name.removeprefix("timm/")
    architecture = model_name.split(".")[0]
    if not timm.is_model(architecture):
        raise _unknown(name, architecture, [*PACKAGED, *timm.list_models()])
    try:
        config: Any = timm.get_pretrained_cfg(model_name)
    except RuntimeError:  # no such weights
        published = timm.list_pretrained(f"{architecture}.*")
        raise UsageError(f'there is no network "{name}"', hint=f"there are: {', '.join(published)}") from None
    if config is None:
        raise UsageError(f"timm does not describe the input of {name}", hint=packaged_hint())
    address = f"{_HUB}{config.hf_hub_id}" if config.hf_hub_id else config.url or ""
    return Architecture(
        build=lambda classes: timm.create_model(model_name, **_classes(classes)),
        load=partial(timm.create_model, model_name, pretrained=True),
        address=address,
        mean=config.mean,
        std=config.std,
        side=config.input_size[-1],
        labels=config.label_names or (),
        classifier=config.classifier if isinstance(config.classifier, str) else "",
    )


def _find_torchvision(name: str) -> Architecture:
    from torchvision import models

    model_name = name.removeprefix(_TORCHVISION)
    if model_name not in models.list_models():
        raise _unknown(name, model_name, models.list_models())
    weights: Any = models.get_model_weights(model_name)["DEFAULT"]
    transforms = weights.transforms()
    if not hasattr(transforms, "crop_size"):
        raise UsageError(f'"{name}" does not take single images as input', hint="choose a classifier")
    return Architecture(
        build=lambda classes: models.get_model(model_name, **_classes(classes)),
        load=partial(models.get_model, model_name, weights=weights),
        address=weights.url,
        mean=transforms.mean,
        std=transforms.std,
        side=transforms.crop_size[0],
    )


def _classes(count: int | None) -> dict[str, Any]:
    return {} if count is None else {"num_classes": count}


def _unknown(name: str, architecture: str, names: Sequence[str]) -> UsageError:
    similar = difflib.get_close_matches(architecture, names, n=3)
    hint = f"similar names: {', '.join(similar)}" if similar else packaged_hint()
    return UsageError(f'there is no network "{name}"', hint=hint)
