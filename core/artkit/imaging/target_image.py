"""Pictures in and out: files, fitting to a size, and pixels of 8 and 16 bits."""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from artkit.geometry.window import Window
from artkit.imaging.pixels import Pixels, pixels_to_tensor


class TargetImage:
    """What is to be painted: an image fitted to the picture's size, of which windows can be cut."""

    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels
        """(1, 3, h, w), sRGB in [0, 1]."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, px."""
        return self.pixels.shape[-1], self.pixels.shape[-2]

    def window(self, window: Window) -> Tensor:
        """The pixels of a window: (1, 3, h, w). Its scale may be less than 1: then it shows more, smaller."""
        x, y, width, height = (round(v / window.scale) for v in (window.x, window.y, window.width, window.height))
        part = self.pixels[:, :, y : y + height, x : x + width]
        return part if window.scale == 1 else F.interpolate(part, (window.height, window.width), mode="area")

    def thumbnail(self, most: int) -> tuple[Tensor, float]:
        """All of it, (1, 3, h, w), reduced to at most `most` px if it has more, and by how much it was reduced."""
        width, height = self.size
        shrink = 2.0 ** -max(0, math.ceil(math.log2(width * height / most) / 2))
        return self.window(Window(0, 0, math.ceil(width * shrink), math.ceil(height * shrink), shrink)), shrink

    def to(self, device: torch.device) -> TargetImage:
        """The picture with its pixels on a device."""
        return TargetImage(self.pixels.to(device))


class _LargeTargetImage(TargetImage):
    """A picture of which only the image file's own pixels are kept; windows are fitted as they are asked for."""

    def __init__(
        self,
        source: Pixels,
        size: tuple[int, int],
        box: tuple[float, float, float, float],
        rectangle: tuple[int, int, int, int],
        ground: tuple[int, ...],
        device: torch.device,
    ) -> None:
        """The box (left, top, right, bottom) of a source (h, w, 3) is to fill a rectangle (x, y, width, height) of a
        picture of `size`; the ground's colour is seen around it.
        """
        self._told = source, size, box, rectangle, ground
        self._device = device

    @property
    def pixels(self) -> Tensor:  # type: ignore[override]
        return self.window(Window(0, 0, *self.size))

    @property
    def size(self) -> tuple[int, int]:
        return self._told[1]

    def window(self, window: Window) -> Tensor:
        source, _, box, rectangle, ground = self._told
        sheet = Image.new("RGB", (window.width, window.height), ground)
        spans = []
        for start, length, low, high, first, whole, there in (
            (window.x, window.width, box[0], box[2], rectangle[0], rectangle[2], source.shape[1]),
            (window.y, window.height, box[1], box[3], rectangle[1], rectangle[3], source.shape[0]),
        ):
            begin = min(max(round(first * window.scale) - start, 0), length)
            end = min(max(round((first + whole) * window.scale) - start, begin), length)
            step = (high - low) / (whole * window.scale)  # px of the source a px of the window
            from_, to = (low + (place + start - first * window.scale) * step for place in (begin, end))
            from_, to = max(from_, 0.0), min(to, float(there))
            room = math.ceil(3 * max(step, 1)) + 1  # as far as the filter reaches
            cut = max(0, math.floor(from_) - room), min(there, math.ceil(to) + room)
            spans.append((begin, end, from_ - cut[0], to - cut[0], slice(*cut)))
        (x0, x1, left, right, columns), (y0, y1, top, bottom, rows) = spans
        if x1 > x0 and y1 > y0:
            part = Image.fromarray(np.ascontiguousarray(source[rows, columns]))
            scaled = part.resize((x1 - x0, y1 - y0), Image.Resampling.LANCZOS, (left, top, right, bottom))
            sheet.paste(scaled, (x0, y0))
        return pixels_to_tensor(np.asarray(sheet)).to(self._device)

    def to(self, device: torch.device) -> TargetImage:
        return _LargeTargetImage(*self._told, device)
