"""What the layers of a network see in a picture and in images beside it. All objectives that look through one network,
with the same moves, share its pass, whichever layers each of them asks for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from artkit import Objective, Scene, View
from artkit_vision import networks

MEMORY = 256 << 20
"""Bytes that are kept of what a network saw in images that do not change."""

Layers = Annotated[tuple[str, ...], Field(min_length=1)]

Seen = dict[str, Tensor]
"""What layers see, (n, c, h, w), by their names."""


class Looks(Objective.Config):
    """What an objective can be told of how it looks."""

    network: str = "efficientnet_lite0"
    """The network that looks: one that comes in a package, or any of timm's or torchvision's (torchvision/NAME)."""
    jitter: Annotated[int, Field(ge=0)] = 4
    """The picture is shifted by up to so many px, at random each step, so that no stroke can lean on where the
    network's own grid happens to lie."""
    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0
    """It is turned by up to so many degrees, at random each step."""
    zoom: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """It is enlarged or reduced by up to this share, at random each step."""


class Look:
    """A network that looks at pictures moved at random, for all objectives that look alike."""

    def __init__(self, told: Looks, scene: Scene) -> None:
        self.network = networks.load(told.network, scene.device)
        self._told, self._generator = told, scene.generator
        self._layers: dict[str, None] = {}
        self._remembered: OrderedDict[Hashable, Seen] = OrderedDict()
        self._bytes = 0

    @classmethod
    def of(cls, told: Looks, layers: Sequence[str], scene: Scene) -> Look:
        """The look of objectives with these settings, which from now on sees these layers too.

        Raises UsageError if the network has no such layer.
        """
        key = ("look", told.network, told.jitter, told.rotate, told.zoom)
        look = scene.cached(key, lambda: cls(told, scene))
        look.network.check_layers(layers)
        look._layers |= dict.fromkeys(layers)
        return look

    def picture(self, view: View) -> Seen:
        """What the layers see in a step's pictures (n, 3, h, w)."""
        move = self._move(view)
        return view.cached(("seen", self), lambda: self._see(_apply(view.image, move)))

    @torch.no_grad()
    def moved(self, view: View, image: Tensor, name: Hashable) -> Seen:
        """What the layers see in an image that is moved as the step's pictures are, such as their target.

        name: what tells the image from others, wherever the window lies. Shifts recur, so what was seen is remembered
        for them, as far as there is room.
        """
        move = self._move(view)
        recurs = move[2:] == (0.0, 1.0)
        key = (name, move, view.window)
        return view.cached(("seen", self, name), lambda: self._recall(key, image, move, recurs))

    @torch.no_grad()
    def still(self, image: Tensor, name: Hashable) -> Seen:
        """What the layers see in an image as it is."""
        return self._recall((name, None), image, _STILL, True)

    def _recall(self, key: Hashable, image: Tensor, move: _Move, recurs: bool) -> Seen:
        key = (key, len(self._layers))
        if key in self._remembered:
            self._remembered.move_to_end(key)
            return self._remembered[key]
        seen = self._see(_apply(image, move))
        size = _bytes(seen)
        if recurs and size <= MEMORY:
            self._remembered[key] = seen
            self._bytes += size
            while self._bytes > MEMORY:
                _, oldest = self._remembered.popitem(last=False)
                self._bytes -= _bytes(oldest)
        return seen

    def _see(self, image: Tensor) -> Seen:
        return dict(zip(self._layers, self.network.features(image, tuple(self._layers)), strict=True))

    def _move(self, view: View) -> _Move:
        return view.cached(("move", self), self._draw)

    def _draw(self) -> _Move:
        told = self._told
        shift = torch.randint(-told.jitter, told.jitter + 1, (2,), generator=self._generator)
        turn, grow = (2 * torch.rand(2, generator=self._generator) - 1).tolist()
        x, y = shift.tolist()
        return (x, y, turn * told.rotate, 1.0 + grow * told.zoom)


_Move = tuple[int, int, float, float]
"""A shift in px, a turn in degrees, and a scale."""

_STILL: _Move = (0, 0, 0.0, 1.0)


def _bytes(seen: Seen) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in seen.values())


def _apply(image: Tensor, move: _Move) -> Tensor:
    """Images (n, 3, h, w) moved; what comes in at the edges repeats them."""
    x, y, turn, scale = move
    if (turn, scale) == (0.0, 1.0):
        reach = max(abs(x), abs(y))
        if not reach:
            return image
        height, width = image.shape[-2:]
        padded = F.pad(image, (reach, reach, reach, reach), mode="replicate")
        return padded[:, :, reach + y : reach + y + height, reach + x : reach + x + width]
    height, width = image.shape[-2:]
    angle = torch.tensor(turn * torch.pi / 180)
    cos, sin = float(angle.cos()) / scale, float(angle.sin()) / scale
    matrix = torch.tensor(
        [[cos, -sin * height / width, 2 * x / width], [sin * width / height, cos, 2 * y / height]],
        device=image.device,
        dtype=image.dtype,
    )
    grid = F.affine_grid(matrix[None].expand(len(image), -1, -1), list(image.shape), align_corners=False)
    return F.grid_sample(image, grid, padding_mode="border", align_corners=False)
