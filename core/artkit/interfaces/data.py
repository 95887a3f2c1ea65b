"""Data: what is there to learn from? (paper §3, §4)"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

from pydantic import Field
from torch import Tensor

from artkit.config import Config as BaseConfig
from artkit.interfaces.component import Component
from artkit.interfaces.scene import Scene


class Data(Component, ABC):
    """Pictures that an agent learns to paint, by their numbers from 0.

    classes: the names of what they show, in the order of their labels; none if the pictures have no labels.
    """

    class Config(BaseConfig):
        """What every data set can be told."""

        part: Literal["train", "test"] = "train"
        """Which pictures: those to learn from, or those held back to judge by, which `train` never has."""
        batch: int = Field(32, ge=1, le=4096)
        """How many pictures a step sees."""
        vary: float = Field(0.0, ge=0, le=0.5)
        """Pictures are shifted by up to this share of half their side each time they are learnt from, and enlarged,
        reduced, slanted and turned as much: fewer of them then go further. Beyond a picture its edge goes on."""

    classes: tuple[str, ...] = ()

    def __init__(self, config: BaseConfig, scene: Scene) -> None:
        self.config, self.provenance = config, {}

    @abstractmethod
    def __len__(self) -> int:
        """How many pictures there are; at least one."""

    @abstractmethod
    def images(self, numbers: Tensor) -> Tensor:
        """The pictures with the numbers (n,), int64 on the CPU: (n, 3, h, w) in [0, 1], of the scene's size and on its
        device. The same number is always the same picture.
        """

    def labels(self, numbers: Tensor) -> Tensor | None:
        """Which of the classes each of these pictures (n,) shows: (n,), int64 on the CPU. None if nobody knows."""
        return None
