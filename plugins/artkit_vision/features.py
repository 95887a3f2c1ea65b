"""Features of a picture and of reference images, under the same random transform.

Objectives with the same network and transform settings share one forward pass, whichever layers each of them uses.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from artkit import Objective, Scene, View
from artkit.devices import to_device
from artkit_vision import networks
from artkit_vision.weights_file import NetworkName

MAX_CACHE_BYTES = 256 << 20
"""Limit of the cache of an extractor, which holds the features of reference images."""

Layers = Annotated[tuple[str, ...], Field(min_length=1)]

Features = dict[str, Tensor]
"""Features (n, c, h, w) by the name of their layer."""


class FeatureSettings(Objective.Config):
    """Settings of objectives that compare features."""

    network: NetworkName = "efficientnet_lite0"
    """The network: one that comes in a package; any of timm's or torchvision's (`torchvision/NAME`), once
    `artkit download NAME` has got its weights, or with those of a file, `NAME=FILE.safetensors`; or `"robust"`, an
    adversarially trained one."""
    jitter: Annotated[int, Field(ge=0)] = 4
    """The picture is shifted by up to this many px, at random each step, so that strokes do not overfit to the
    network's pixel grid."""
    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0
    """It is rotated by up to this many degrees, at random each step."""
    zoom: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """It is enlarged or reduced by up to this fraction, at random each step."""


class FeatureExtractor:
    """A network whose features are extracted from randomly transformed images; one transform a step.

    Use `shared` to get the extractor of a scene.
    """

    def __init__(self, settings: FeatureSettings, scene: Scene) -> None:
        self.network = networks.load(settings.network, scene.device)
        self._settings, self._generator = settings, scene.generator
        self._layers: dict[str, None] = {}
        self._cache: OrderedDict[Hashable, Features] = OrderedDict()
        self._cache_bytes = 0

    @classmethod
    def shared(cls, settings: FeatureSettings, layers: Sequence[str], scene: Scene) -> FeatureExtractor:
        """Return the scene's extractor for these settings, and add `layers` to those that it extracts.

        Raises UsageError if the network has no such layer.
        """
        key = ("feature extractor", settings.network, settings.jitter, settings.rotate, settings.zoom)
        extractor = scene.cached(key, lambda: cls(settings, scene))
        extractor.network.check_layers(layers)
        extractor._layers |= dict.fromkeys(layers)
        return extractor

    def picture(self, view: View) -> Features:
        """Return the features of a step's pictures (n, 3, h, w), transformed."""
        transform = self._transform(view)
        return view.cached(("features", self), lambda: self._extract(_apply(view.image, transform)))

    @torch.no_grad()
    def transformed(self, view: View, image: Tensor, key: Hashable) -> Features:
        """Return the features of a reference image, such as the target, under the transform of the step's pictures.

        key: identifies the image, whichever window of it is passed. Only shifts recur, so features are cached across
        steps for shifts alone.
        """
        transform = self._transform(view)
        recurs = transform.degrees == 0.0 and transform.scale == 1.0
        cache_key = (key, transform, view.window)
        return view.cached(("features", self, key), lambda: self._lookup(cache_key, image, transform, recurs))

    @torch.no_grad()
    def untransformed(self, image: Tensor, key: Hashable) -> Features:
        """Return the features of a reference image as it is. key: identifies the image."""
        return self._lookup((key, None), image, _IDENTITY, True)

    def _lookup(self, key: Hashable, image: Tensor, transform: _Transform, recurs: bool) -> Features:
        key = (key, len(self._layers))
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        features = self._extract(_apply(image, transform))
        size = _bytes(features)
        if recurs and size <= MAX_CACHE_BYTES:
            self._cache[key] = features
            self._cache_bytes += size
            while self._cache_bytes > MAX_CACHE_BYTES:
                _, oldest = self._cache.popitem(last=False)
                self._cache_bytes -= _bytes(oldest)
        return features

    def _extract(self, image: Tensor) -> Features:
        return dict(zip(self._layers, self.network.features(image, tuple(self._layers)), strict=True))

    def _transform(self, view: View) -> _Transform:
        return view.cached(("transform", self), self._random_transform)

    def _random_transform(self) -> _Transform:
        settings = self._settings
        shift = torch.randint(-settings.jitter, settings.jitter + 1, (2,), generator=self._generator)
        rotation, zoom = (2 * torch.rand(2, generator=self._generator) - 1).tolist()
        x, y = shift.tolist()
        return _Transform(x, y, rotation * settings.rotate, 1.0 + zoom * settings.zoom)


class _Transform(NamedTuple):
    x: int  # shift, px
    y: int
    degrees: float
    scale: float


_IDENTITY = _Transform(0, 0, 0.0, 1.0)


def _bytes(features: Features) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in features.values())


def _apply(image: Tensor, transform: _Transform) -> Tensor:
    """Transform images (n, 3, h, w), with edge padding."""
    x, y, degrees, scale = transform
    height, width = image.shape[-2:]
    if (degrees, scale) == (0.0, 1.0):
        pad = max(abs(x), abs(y))
        if not pad:
            return image
        padded = F.pad(image, (pad, pad, pad, pad), mode="replicate")
        return padded[:, :, pad + y : pad + y + height, pad + x : pad + x + width]
    angle = torch.tensor(degrees * torch.pi / 180)
    cos, sin = float(angle.cos()) / scale, float(angle.sin()) / scale
    matrix = torch.tensor(
        [[cos, -sin * height / width, 2 * x / width], [sin * width / height, cos, 2 * y / height]], dtype=image.dtype
    )
    grid = F.affine_grid(
        to_device(matrix, image.device)[None].expand(len(image), -1, -1), list(image.shape), align_corners=False
    )
    return F.grid_sample(image, grid, padding_mode="border", align_corners=False)
