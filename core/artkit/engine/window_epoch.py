"""An epoch over the windows of a large picture: their order, and the thumbnail in which they see the whole."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from artkit.geometry.window import Window
from artkit.geometry.window_grid import WindowGrid
from artkit.interfaces.scene import Scene
from artkit.interfaces.view import View

THUMBNAIL_SIDE = 512
"""Px of the longer side of the thumbnail of a large picture, at most."""


@dataclass(frozen=True)
class WindowStep:
    """What a step over a window depends on, besides the strokes.

    step: of this run. number: of the step, counted from the beginning of the painting. index: of the window. shift: of
    the borders between windows, see `WindowGrid.at`. thumbnail: the one that the objectives score as well, (3, h, w),
    with this window pasted into it.
    """

    step: int
    number: int
    index: int
    shift: tuple[float, float]
    thumbnail: Tensor | None = None


@dataclass(frozen=True)
class WindowResult:
    """What a step over a window has computed; the gradients are those of the agent's parameters.

    losses: scalars by name. per_image_loss: (n,). pasted: the window as the thumbnail shows it, (3, h, w);
    None for a picture of one window. picture: the rendered window, (3, h, w). views: of each objective.
    Those two are only known where the step was computed.
    """

    losses: Mapping[str, Tensor]
    per_image_loss: Tensor
    pasted: Tensor | None
    picture: tuple[Tensor, Window] | None
    views: Mapping[str, View]


class ParallelSteps(Protocol):
    """Computes steps over windows that do not touch, at most `batch` of them at a time."""

    batch: int

    def __call__(self, steps: Sequence[WindowStep]) -> list[tuple[WindowResult, Mapping[str, Tensor]]]:
        """Return the result of each, and the gradients of the agent's parameters by name."""


class WindowEpoch:
    """The state of an epoch over the windows of a picture.

    Windows are visited in a random order, in groups (`WindowGrid.groups`): those of a group do not touch, so it makes
    no difference whether they are optimised one after the other or at the same time. reach: px by which paint extends
    beyond the centre of its tile. order: indices of the windows. shift: of the borders between them, (2,). thumbnail:
    the picture as it was when its windows were visited last, (3, h, w). thumbnail_before: as it was when the current
    group began.
    """

    def __init__(self, windows: WindowGrid, reach: int, scene: Scene) -> None:
        self._windows, self._reach = windows, reach
        self.order, self.shift = torch.zeros(1, dtype=torch.int64), torch.zeros(2)
        self._groups = [0]
        width, height = scene.size
        self.divisor = 2 ** max(1, math.ceil(math.log2(max(width, height) / THUMBNAIL_SIDE)))
        height, width = (side // self.divisor if windows.count > 1 else 0 for side in (height, width))
        self.thumbnail = scene.background.view(3, 1, 1).repeat(1, height, width)
        if windows.count > 1 and scene.background_image is not None:
            whole = Window(0, 0, width, height, 1 / self.divisor)
            self.thumbnail = scene.background_image.window(whole)[0]
        self.thumbnail_before = self.thumbnail

    def begin(self, generator: torch.Generator) -> None:
        """Begin an epoch with another order and other borders."""
        self.shift = 2 * torch.rand(2, generator=generator) - 1
        self.order = self._windows.random_order(self._shift, self._reach, generator)
        self._groups = self._windows.groups(self.order, self._shift, self._reach)

    @property
    def _shift(self) -> tuple[float, float]:
        x, y = self.shift.tolist()
        return x, y

    def enter(self, place: int) -> None:
        """Note the thumbnail if a group begins at a place in the order."""
        if place in self._groups:
            self.thumbnail_before = self.thumbnail

    def group_end(self, place: int) -> int:
        """Return the place after the group of a place."""
        return next((start for start in self._groups if start > place), len(self.order))

    def step(self, step: int, number: int, place: int, with_thumbnail: bool) -> WindowStep:
        """Return the step over the window at a place in the order."""
        thumbnail = self.thumbnail_before if with_thumbnail else None
        return WindowStep(step, number, int(self.order[place]), self._shift, thumbnail)

    def reduce(self, images: Tensor, window: Window) -> Tensor:
        """Return the part of images (n, 3, h, w) of a window that whole px of the thumbnail show, downscaled."""
        x, y, width, height = self._place(window)
        k = self.divisor
        left, top = x * k - window.x, y * k - window.y
        return F.avg_pool2d(images[:, :, top : top + height * k, left : left + width * k], k)

    def pasted(self, thumbnail: Tensor, reduced: Tensor, window: Window) -> Tensor:
        """Return a thumbnail (3, h, w) with each of n downscaled windows pasted into it: (n, 3, h, w)."""
        x, y, width, height = self._place(window)
        result = thumbnail.to(reduced).repeat(len(reduced), 1, 1, 1)
        result[:, :, y : y + height, x : x + width] = reduced
        return result

    def _place(self, window: Window) -> tuple[int, int, int, int]:
        """Return the rectangle of whole px of the thumbnail that a window covers: x, y, width, height."""
        k = self.divisor
        height, width = self.thumbnail.shape[-2:]
        left, top = -(-window.x // k), -(-window.y // k)
        right, bottom = min((window.x + window.width) // k, width), min((window.y + window.height) // k, height)
        return left, top, right - left, bottom - top

    def state_dict(self) -> dict[str, Any]:
        """Return the state; its names are those of earlier versions."""
        coarse = {"coarse": self.thumbnail, "coarse_before": self.thumbnail_before}
        return {"order": self.order, "shift": self.shift, **coarse}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state. Raises ValueError if it is damaged."""
        order = state["order"]
        if len(order) != 1 and sorted(order.tolist()) != list(range(self._windows.count)):
            raise ValueError("its order of windows is damaged")
        self.order, self.shift = order, state["shift"].view(self.shift.shape).clamp(-1, 1)
        before = state.get("coarse_before", state["coarse"])  # missing in checkpoints of earlier versions
        device = self.thumbnail.device
        self.thumbnail, self.thumbnail_before = (
            saved.view(self.thumbnail.shape).to(device) for saved in (state["coarse"], before)
        )
        self._groups = self._windows.groups(order, self._shift, self._reach)


def step_seed(seed: int, number: int, purpose: str) -> int:
    """Return the seed of a step's random numbers, so that they do not depend on those of other steps.

    seed: of the recipe. number: of the step. purpose: what they are for.
    """
    digest = hashlib.blake2b(f"{seed} {number} {purpose}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
