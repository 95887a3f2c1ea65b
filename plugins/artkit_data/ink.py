"""Characters: black on white, whatever their source has, and fitted to the picture's size."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from artkit import Data, Scene
from artkit_data import split

Bytes = npt.NDArray[np.uint8]
"""Whole numbers of 8 bits."""


class Config(split.Config):
    """Of data sets of characters."""

    border: float = Field(0.0625, ge=0, le=0.4)
    """White around a character's picture, as a share of the side: strokes have a width, and room to reach beyond."""


class Ink(Data):
    """Pictures of ink with a class each."""

    config: Config

    def __init__(self, config: Config, scene: Scene, ink: Bytes, labels: npt.NDArray[np.int64]) -> None:
        """Ink (n, h, w): 255 where there is ink, 0 where there is none. labels (n,)."""
        super().__init__(config, scene)
        self._scene, self._ink = scene, torch.from_numpy(ink)
        self._labels = torch.from_numpy(labels)
        self.provenance["pictures"] = hashlib.sha256(ink.tobytes() + labels.tobytes()).hexdigest()

    def __len__(self) -> int:
        return len(self._ink)

    def images(self, numbers: Tensor) -> Tensor:
        """They are enlarged or reduced as a whole, bicubically, and centred on white."""
        width, height = self._scene.size
        ink = self._ink[numbers][:, None].to(self._scene.device).float() / 255
        room = 1 - 2 * self.config.border
        times = room * min(width / ink.shape[-1], height / ink.shape[-2])
        shape = (max(1, round(ink.shape[-2] * times)), max(1, round(ink.shape[-1] * times)))
        ink = F.interpolate(ink, shape, mode="bicubic", antialias=True).clamp(0, 1)
        left, top = (width - shape[1]) // 2, (height - shape[0]) // 2
        whole = F.pad(ink, (left, width - shape[1] - left, top, height - shape[0] - top))
        return 1 - whole.expand(-1, 3, -1, -1)

    def labels(self, numbers: Tensor) -> Tensor:
        return self._labels[numbers]
