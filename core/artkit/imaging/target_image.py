"""Target images: the picture to paint, in memory or resized window by window."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from artkit.devices import to_device
from artkit.geometry.window import Window
from artkit.imaging.pixels import Pixels, pixels_to_tensor


class TargetImage:
    """The image to paint, fitted to the size of the picture. Windows can be cut from it.

    Examples:
        >>> import artkit, torch
        >>> target = artkit.TargetImage(torch.rand(1, 3, 64, 96))
        >>> target.size
        (96, 64)
        >>> target.window(artkit.Window(8, 0, 32, 16)).shape
        torch.Size([1, 3, 16, 32])
    """

    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels
        """(1, 3, h, w), sRGB in [0, 1]."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in px."""
        return self.pixels.shape[-1], self.pixels.shape[-2]

    def window(self, window: Window) -> Tensor:
        """Return the pixels of a window: (1, 3, h, w). With a scale below 1 they are averaged over areas."""
        x, y, width, height = (round(v / window.scale) for v in (window.x, window.y, window.width, window.height))
        pixels = self.pixels[:, :, y : y + height, x : x + width]
        return pixels if window.scale == 1 else F.interpolate(pixels, (window.height, window.width), mode="area")

    def thumbnail(self, max_pixels: int) -> tuple[Tensor, float]:
        """Return the whole image (1, 3, h, w), halved until it has about `max_pixels` or fewer, and its scale."""
        width, height = self.size
        scale = 2.0 ** -max(0, math.ceil(math.log2(width * height / max_pixels) / 2))
        return self.window(Window(0, 0, math.ceil(width * scale), math.ceil(height * scale), scale)), scale

    def to(self, device: torch.device) -> TargetImage:
        """Return the image with its pixels on a device."""
        return TargetImage(to_device(self.pixels, device))


class LazyTargetImage(TargetImage):
    """A large target image that keeps the pixels of the image file and resizes windows when they are needed.

    source (h, w, 3): pixels of the file. size: width and height of the target in px. source_box (left, top, right,
    bottom): the part of the source to show, in px. target_box (x, y, width, height): the part of the target that it
    fills, in px; the background colour (8-bit RGB) surrounds it.
    """

    def __init__(
        self,
        source: Pixels,
        size: tuple[int, int],
        source_box: tuple[float, float, float, float],
        target_box: tuple[int, int, int, int],
        background: tuple[int, ...],
        device: torch.device,
    ) -> None:
        self._source, self._size = source, size
        self._source_box, self._target_box = source_box, target_box
        self._background, self._device = background, device

    @property
    def pixels(self) -> Tensor:  # type: ignore[override]
        """All pixels, resized: (1, 3, h, w), sRGB in [0, 1]."""
        return self.window(Window(0, 0, *self.size))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in px."""
        return self._size

    def window(self, window: Window) -> Tensor:
        """Return the pixels of a window: (1, 3, h, w)."""
        left, top, right, bottom = self._source_box
        x, y, width, height = self._target_box
        rows, columns = self._source.shape[:2]
        horizontal = _resample_span(window.x, window.width, window.scale, (left, right), (x, width), columns)
        vertical = _resample_span(window.y, window.height, window.scale, (top, bottom), (y, height), rows)
        image = Image.new("RGB", (window.width, window.height), self._background)
        (x0, x1), (y0, y1) = horizontal.target, vertical.target
        if x1 > x0 and y1 > y0:
            crop = Image.fromarray(np.ascontiguousarray(self._source[vertical.crop, horizontal.crop]))
            box = (horizontal.box[0], vertical.box[0], horizontal.box[1], vertical.box[1])
            image.paste(crop.resize((x1 - x0, y1 - y0), Image.Resampling.LANCZOS, box), (x0, y0))
        return to_device(pixels_to_tensor(np.asarray(image)), self._device)

    def to(self, device: torch.device) -> TargetImage:
        """Return the image with its windows on a device."""
        return LazyTargetImage(self._source, self._size, self._source_box, self._target_box, self._background, device)


_LANCZOS_RADIUS = 3
"""Radius of the Lanczos filter in px of the source, or of the target where the image is reduced."""


class _ResampledSpan(NamedTuple):
    """One axis of a resize: which pixels of a window are filled, and from which pixels of the source."""

    target: tuple[int, int]
    """Start and end in px of the window."""
    box: tuple[float, float]
    """Start and end in px of the crop."""
    crop: slice
    """Pixels of the source that the resize needs."""


def _resample_span(
    start: int, length: int, scale: float, source: tuple[float, float], target: tuple[int, int], source_length: int
) -> _ResampledSpan:
    """Return the span of a window (start, length), where source (start, end) fills target (start, length)."""
    target_start, target_length = target
    begin = min(max(round(target_start * scale) - start, 0), length)
    end = min(max(round((target_start + target_length) * scale) - start, begin), length)
    step = (source[1] - source[0]) / (target_length * scale)  # px of the source per px of the window
    low, high = (source[0] + (position + start - target_start * scale) * step for position in (begin, end))
    low, high = max(low, 0.0), min(high, float(source_length))
    margin = math.ceil(_LANCZOS_RADIUS * max(step, 1)) + 1
    crop = max(0, math.floor(low) - margin), min(source_length, math.ceil(high) + margin)
    return _ResampledSpan((begin, end), (low - crop[0], high - crop[0]), slice(*crop))
