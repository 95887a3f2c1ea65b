"""Base class of data sets of characters: black on white, resized to the scene's size."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from artkit import Data, Scene
from artkit.devices import to_device
from artkit_data.split import SplitConfig

ByteArray = npt.NDArray[np.uint8]


class CharacterConfig(SplitConfig):
    """Settings of data sets of characters."""

    border: float = Field(0.0625, ge=0, le=0.4)
    """White border around a character, as a fraction of the side. Strokes need it because they have a width."""


class CharacterData(Data):
    """Images of characters, each with a class."""

    config: CharacterConfig

    def __init__(self, config: CharacterConfig, scene: Scene, ink: ByteArray, labels: npt.NDArray[np.int64]) -> None:
        """Store the images. ink (n, h, w): 255 for ink, 0 for paper. labels (n,): indices into `classes`."""
        super().__init__(config, scene)
        self._scene, self._ink = scene, torch.from_numpy(ink)
        self._labels = torch.from_numpy(labels)
        self.provenance["pictures"] = hashlib.sha256(ink.tobytes() + labels.tobytes()).hexdigest()

    def __len__(self) -> int:
        return len(self._ink)

    def images(self, indices: Tensor) -> Tensor:
        """Return the images with the given indices, resized bicubically without cropping and centred on white."""
        width, height = self._scene.size
        ink = to_device(self._ink[indices][:, None], self._scene.device).float() / 255
        content = 1 - 2 * self.config.border
        scale = content * min(width / ink.shape[-1], height / ink.shape[-2])
        shape = (max(1, round(ink.shape[-2] * scale)), max(1, round(ink.shape[-1] * scale)))
        ink = F.interpolate(ink, shape, mode="bicubic", antialias=True).clamp(0, 1)
        left, top = (width - shape[1]) // 2, (height - shape[0]) // 2
        padded = F.pad(ink, (left, width - shape[1] - left, top, height - shape[0] - top))
        return 1 - padded.expand(-1, 3, -1, -1)

    def labels(self, indices: Tensor) -> Tensor:
        return self._labels[indices]
