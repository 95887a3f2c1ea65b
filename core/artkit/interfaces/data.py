"""Data: images that an agent is trained on (paper §3, §4)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

from pydantic import Field
from torch import Tensor

from artkit.config import Config as BaseConfig
from artkit.interfaces.component import Component
from artkit.interfaces.scene import Scene


class Data(Component, ABC):
    """A data set of images, by indices from 0. Its Config is a subclass of `Data.Config`.

    classes: the names of the classes, in the order of the labels; empty if the images have no labels.

    Examples:
        >>> import artkit, torch
        >>> class Greys(artkit.Data):
        ...     '''Uniform images, from black to white.'''
        ...     name = "greys"
        ...     def __init__(self, config, scene):
        ...         super().__init__(config, scene)
        ...         self.size = scene.size
        ...     def __len__(self):
        ...         return 11
        ...     def images(self, indices):
        ...         width, height = self.size
        ...         return (indices / 10).view(-1, 1, 1, 1).expand(-1, 3, height, width)
        >>> artkit.scene((32, 32)).make("data", Greys, batch=4).images(torch.tensor([0, 5])).shape
        torch.Size([2, 3, 32, 32])
    """

    class Config(BaseConfig):
        """Settings of every data set."""

        part: Literal["train", "test"] = "train"
        """The split: images to train on, or held-out images that `train` never contains."""
        batch: int = Field(32, ge=1, le=4096)
        """Images per step."""
        vary: float = Field(0.0, ge=0, le=0.5)
        """Data augmentation: each training image is shifted by up to this share of half its side, and scaled, sheared
        and rotated by as much. Helps when there are few images. The area outside an image repeats its edge."""

    classes: tuple[str, ...] = ()

    def __init__(self, config: BaseConfig, scene: Scene) -> None:
        self.config, self.provenance = config, {}

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of images; at least one."""

    @abstractmethod
    def images(self, indices: Tensor) -> Tensor:
        """Return the images with the given indices (n,), int64 on the CPU: (n, 3, h, w), sRGB in [0, 1].

        They have the scene's size and are on its device. The same index always gives the same image.
        """

    def labels(self, indices: Tensor) -> Tensor | None:
        """Return the class of each of these images: (n,) int64 on the CPU, indices into `classes`.

        None, the default, if the images have no labels.
        """
        return None
