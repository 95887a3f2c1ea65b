"""The picture under the strokes of a painting."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from artkit.geometry.window import Window
from artkit.imaging.pixels import Pixels, pixels_to_tensor
from artkit.imaging.png import save_png
from artkit.imaging.target_image import LazyTargetImage

MAX_BACKGROUND_SIDE = 4096
"""Longest side in px of the stored picture, so that a painting can be enlarged without a blurred background."""


class BackgroundImage(LazyTargetImage):
    """The picture under the strokes, rendered at any scale from its stored pixels.

    source (h, w, 3): its pixels, in the shape of the painting. size: width and height of the painting in px.
    """

    def __init__(self, source: Pixels, size: tuple[int, int], device: torch.device) -> None:
        height, width = source.shape[:2]
        super().__init__(source, size, (0.0, 0.0, float(width), float(height)), (0, 0, *size), (255, 255, 255), device)
        self._last: tuple[Window, Tensor] | None = None

    @classmethod
    def from_image(cls, image: Image.Image, size: tuple[int, int], device: torch.device) -> BackgroundImage:
        """Crop an RGB image to the shape of a painting, and reduce it to at most `MAX_BACKGROUND_SIDE` px a side."""
        scale = min(image.width / size[0], image.height / size[1])  # px of the image per px of the painting
        width, height = size[0] * scale, size[1] * scale
        left, top = (image.width - width) / 2, (image.height - height) / 2
        reduced = min(scale, MAX_BACKGROUND_SIDE / max(size))
        stored = (max(1, round(size[0] * reduced)), max(1, round(size[1] * reduced)))
        box = (left, top, left + width, top + height)
        pixels = np.asarray(image.resize(stored, Image.Resampling.LANCZOS, box, reducing_gap=3.0))
        return cls(pixels, size, device)

    @classmethod
    def load(cls, file: Path, size: tuple[int, int]) -> BackgroundImage:
        """Read a picture that `save` wrote. Raises ValueError if it is missing or damaged."""
        try:
            with Image.open(file, formats=["PNG"]) as opened:
                return cls(np.asarray(opened.convert("RGB")), size, torch.device("cpu"))
        except Exception as error:  # Pillow's decoders raise many kinds of exceptions on damaged files
            raise ValueError(f"{file.name} cannot be read ({error})") from None

    def save(self, folder: Path) -> Path:
        """Write the stored pixels into a folder, unless they are there already, and return the file."""
        file = folder / self.file_name
        if not file.exists():
            save_png(pixels_to_tensor(self._source)[0], file)
        return file

    @cached_property
    def file_name(self) -> str:
        """A name that depends on the pixels: another background never replaces the one that a stroke log needs."""
        return f"background-{hashlib.sha256(np.ascontiguousarray(self._source).tobytes()).hexdigest()[:12]}.png"

    @cached_property
    def mean_colour(self) -> Tensor:
        """The mean colour: (3,), sRGB in [0, 1]."""
        return torch.from_numpy(self._source.mean((0, 1)) / 255).float().to(self._device)

    def window(self, window: Window) -> Tensor:
        """Return the pixels of a window: (1, 3, h, w). It may extend beyond the painting. The last one is cached."""
        if self._last is None or self._last[0] != window:
            self._last = (window, super().window(window))
        return self._last[1]
