"""Classifiers of augmented views: objectives with the same networks and views share one forward pass."""

from __future__ import annotations

import sys
from typing import Annotated, NamedTuple

from pydantic import Field
from torch import Tensor

from artkit import Scene, View
from artkit_vision import networks
from artkit_vision.augmentation import AugmentationSettings, augment
from artkit_vision.weights_file import NetworkNames

_RECORDED = "classifiers whose moments are recorded"


class ClassifierSettings(AugmentationSettings):
    """Settings of objectives that use an ensemble of classifiers."""

    networks: Annotated[NetworkNames, Field(min_length=1)] = (
        "efficientnet_lite0",
        "efficientnet_lite1",
        "efficientnet_lite2",
    )
    """The classifiers: those that come in a package; any of timm's or torchvision's (`torchvision/NAME`), once
    `artkit download NAME` has got its weights, or with those of a file, `NAME=FILE.safetensors`; or `"robust"`, an
    adversarially trained one."""
    side: Annotated[int, Field(ge=32, le=4096)] | None = None
    """Side of the views, px; by default that of the images that a network was trained on. A convolutional network takes
    others too, and smaller views take less time."""


class _Outputs(NamedTuple):
    """logits (v, n, classes). moments: of each layer with statistics, (v, n, c); None if they are not recorded."""

    logits: Tensor
    moments: list[networks.Moments] | None


class SharedClassifier:
    """A network and the views that it classifies; one forward pass a step for all objectives of a scene.

    record_moments: whether the moments of the layers are recorded, for all objectives that share the pass.
    """

    def __init__(self, name: str, settings: ClassifierSettings, scene: Scene, record_moments: bool = False) -> None:
        self.network = networks.load(name, scene.device)
        self._settings, self._generator = settings, scene.generator
        self._side = settings.side or self.network.side
        self._key = (name, self._side, *settings.augmentation_key())
        self._recorded: set[object] = scene.cached(_RECORDED, set)
        self._has_gradient = False
        if record_moments:
            self._recorded.add(self._key)

    def logits(self, view: View) -> Tensor:
        """Return the logits (v, n, classes) of v views of a step's n pictures."""
        return self._outputs(view).logits

    def moments(self, view: View) -> list[networks.Moments]:
        """Return the moments (v, n, c) of each layer in `Network.statistics`; only with `record_moments`."""
        moments = self._outputs(view).moments
        assert moments is not None
        return moments

    def _outputs(self, view: View) -> _Outputs:
        record = self._key in self._recorded
        return view.cached(("outputs", record, self._key), lambda: self._classify(view, record))

    def _classify(self, view: View, record: bool) -> _Outputs:
        views = augment(view, self._settings, self._side, self._generator)
        shape, images = views.shape[:2], views.flatten(0, 1)
        if images.requires_grad and not self._has_gradient:
            images.register_hook(self._check_gradient)  # type: ignore[no-untyped-call]
        if not record:
            return _Outputs(self.network(images).view(*shape, -1), None)
        logits, moments = self.network.moments(images)
        split = [networks.Moments(*(value.view(*shape, -1) for value in layer)) for layer in moments]
        return _Outputs(logits.view(*shape, -1), split)

    def _check_gradient(self, gradient: Tensor) -> None:
        """Tell the user, once, if the gradient of the first step does not reach the picture."""
        self._has_gradient = True
        if not gradient.any():
            print(
                f"note: the gradient of {self.network.name} vanishes, so it changes nothing in the picture. "
                'Try score = "logit", which keeps a gradient where a probability is 0 or 1, or leave the network out',
                file=sys.stderr,
            )
