"""A frozen pre-trained network, and the features of its layers."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from artkit import UsageError
from artkit_vision.classes import Classes, imagenet_classes
from artkit_vision.packaged import packaged_hint

if TYPE_CHECKING:
    from artkit_vision.folding import ChannelStatistics

_LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the brightness of a picture (ITU-R BT.601)."""


class Network(nn.Module):
    """A frozen pre-trained network. Its input is sRGB in [0, 1]; it applies the normalisation of its training.

    mean, std: of the normalisation, for each channel; a network of one channel gets the brightness of the picture.
    side: of its training images, px. labels: the names of its classes, where it has its own. sha256: of the file of
    its weights, if it was named; else "". statistics: what its batch normalisations stored of the training images, by
    the name of the layer; empty for a network without them.
    """

    mean: Tensor
    std: Tensor
    statistics: Mapping[str, ChannelStatistics] = {}

    def __init__(
        self,
        name: str,
        model: nn.Module,
        mean: Sequence[float],
        std: Sequence[float],
        side: int,
        labels: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.name, self.side, self.labels, self.sha256 = name, side, tuple(labels), ""
        self.model = model.eval().requires_grad_(False)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

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
        """The classes of its outputs. Raises UsageError if it is no classifier whose classes have names."""
        with torch.no_grad():
            output = self(self.mean.new_zeros(1, 3, self.side, self.side))
        count = output.shape[1] if isinstance(output, Tensor) and output.dim() == 2 else 0
        if self.labels and len(self.labels) == count:
            return Classes(self.labels, [label.split(", ") for label in self.labels])
        classes = imagenet_classes(count) if count else None
        if classes is None:
            raise UsageError(
                f"{self.name} is not an ImageNet classifier, nor does it name its classes", hint=packaged_hint()
            )
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
        if self.mean.shape[1] == 1:
            image = (image * image.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
        return ((image - self.mean) / self.std).to(memory_format=torch.channels_last)


class Moments(NamedTuple):
    """Mean and mean square (n, c) of each channel of a layer's output over each of n images."""

    mean: Tensor
    square: Tensor


class _AllLayersDone(Exception):  # noqa: N818
    """Stops a forward pass once the outputs of all requested layers are there."""
