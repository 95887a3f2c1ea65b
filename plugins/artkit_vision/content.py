"""``type = "content"``: intrinsic style transfer (paper §5.2). Only the content loss of neural style transfer is
minimised; the medium, brushstrokes, dictates the style.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from artkit import images
from artkit.config import InputFile
from artkit.objective import Objective, View
from artkit.part import Scene
from artkit_vision import networks


class Content(Objective):
    """Difference between what the layers of a network see in the picture and in the target."""

    name = "content"

    class Config(Objective.Config):
        """Settings."""

        target: InputFile
        """The image to paint."""
        fit: images.Fit = "cover"
        """How the image is brought to the picture's size: cut to its shape, padded, or stretched."""
        network: str = "efficientnet_lite0"
        """The network that looks: one that comes in a package, or any of timm's or torchvision's (torchvision/NAME)."""
        layers: Annotated[tuple[str, ...], Field(min_length=1)] = ("blocks.1", "blocks.2")
        """Which of its layers; their losses are averaged."""
        norm: Literal["l1", "l2"] = "l1"
        """Mean absolute difference, as the paper's released code, or mean squared difference, as its text."""
        jitter: Annotated[int, Field(ge=0)] = 4
        """Both images are shifted together by up to so many px, at random each step, so that no stroke can lean on
        where the network's own grid happens to lie."""
        rotate: Annotated[float, Field(ge=0, le=180)] = 0.0
        """Both images are turned together by up to so many degrees, at random each step."""
        zoom: Annotated[float, Field(ge=0, lt=1)] = 0.0
        """Both images are enlarged or reduced together by up to this share, at random each step."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        # In a tuple, so that the network, which never changes, is no part of this module's state.
        self._networks = (networks.load(config.network, scene.device),)
        self.network.check_layers(config.layers)
        self.target = images.load(config.target, scene.size, config.fit, scene.background.cpu()).to(scene.device)
        self._generator = scene.generator
        self._remembered: dict[tuple[object, ...], list[Tensor]] = {}

    @property
    def network(self) -> networks.Network:
        """The network that looks."""
        return self._networks[0]

    def forward(self, view: View) -> Tensor:
        assert view.target is not None
        layers, told = self.config.layers, self.config
        # One move a step for all that are moved alike, so that they can share the network's pass.
        move = view.once(("move", told.jitter, told.rotate, told.zoom), self._move)
        key = (self.config.network, layers, move)
        seen = view.once(("features", *key), lambda: self.network.features(_apply(view.image, move), layers))
        wanted = self._wanted(view, move)
        losses = [_distance(a, b, self.config.norm) for a, b in zip(seen, wanted, strict=True)]
        return torch.stack(losses).mean(0)

    def _wanted(self, view: View, move: _Move) -> list[Tensor]:
        """What the network sees in the target. Shifts recur, so it is remembered for those."""
        assert view.target is not None
        key = (move, view.window)
        if key in self._remembered:
            return self._remembered[key]
        with torch.no_grad():
            wanted = self.network.features(_apply(view.target, move), self.config.layers)
        small = sum(w.numel() for w in wanted) * 4 * (2 * self.config.jitter + 1) ** 2 < 256 << 20
        if small and move[2:] == (0.0, 1.0) and view.target.shape[0] == 1:
            self._remembered[key] = wanted
        return wanted

    def _move(self) -> _Move:
        shift = torch.randint(-self.config.jitter, self.config.jitter + 1, (2,), generator=self._generator)
        turn, grow = (2 * torch.rand(2, generator=self._generator) - 1).tolist()
        x, y = shift.tolist()
        return (x, y, turn * self.config.rotate, 1.0 + grow * self.config.zoom)


_Move = tuple[int, int, float, float]
"""A shift in px, a turn in degrees, and a scale."""


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


def _distance(seen: Tensor, wanted: Tensor, norm: str) -> Tensor:
    difference = seen - wanted
    return (difference.abs() if norm == "l1" else difference.square()).flatten(1).mean(1)
