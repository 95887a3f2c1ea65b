"""``type = "mask"``: strokes in a region of the picture only."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from artkit import Config as BaseConfig
from artkit import Constraint, InputFile, Scene, UsageError
from artkit.imaging.loading import Fit, load_target_image
from artkit_constraints.numbers import PRESSURE, TOLERANCE, is_lifted, lift, places

_CELLS = 32
"""Places along a tile's side to which a stroke may be moved."""

_STROKES = 1 << 10
"""Strokes for which such a place is sought at a time."""


class Mask(Constraint):
    """Strokes start, turn and end in a region: what lies outside is moved to the nearest place inside, on its tile.

    On a tile without any such place the pen is lifted. Paint runs as far beyond the region as the brush is wide.
    """

    name = "mask"

    class Config(BaseConfig):
        """Settings."""

        image: InputFile
        """The region, white on black, or the other way about with `invert`."""
        fit: Fit = "stretch"
        """How the image is brought to the picture's size: cut to its shape, padded, or stretched."""
        invert: bool = False
        """Paint where the image is dark."""
        threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
        """What counts as white."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        names = ("start_x", "start_y", "middle_x", "middle_y", "end_x", "end_y")
        self._points = places(scene, self.name, *names)
        self._pressure = places(scene, self.name, *PRESSURE)
        grey = load_target_image(config.image, scene.size, config.fit, torch.zeros(3)).pixels.mean(1)[0]
        inside = (grey < config.threshold) if config.invert else (grey >= config.threshold)
        if not inside.any():
            raise UsageError(f"{config.image} leaves no place to paint", hint="set invert, or another threshold")
        self._inside = inside.to(scene.device)
        assert scene.canvas is not None
        self._tiles = scene.canvas.tiles().to(scene.device)
        step = (torch.arange(_CELLS, device=scene.device) + 0.5) / _CELLS
        self._cells = torch.stack(torch.meshgrid(step, step, indexing="xy"), dim=-1).reshape(-1, 2)
        allowed = [
            self._is_inside(self._cells.expand(len(tiles), -1, -1), tiles)
            for tiles in torch.split(self._tiles, _STROKES)
        ]
        self._allowed = torch.cat(allowed)  # (N, cells)

    def _is_inside(self, points: Tensor, tiles: Tensor) -> Tensor:
        """Which points (..., N, p, 2), in the units of their tiles (N, 3), lie inside: (..., N, p). Beyond the picture
        its edge counts.
        """
        pixel = points * tiles[:, None, 2:] + tiles[:, None, :2]
        height, width = self._inside.shape
        x, y = pixel[..., 0].long().clamp(0, width - 1), pixel[..., 1].long().clamp(0, height - 1)
        return self._inside[y, x]

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        points = actions[..., self._points].view(*actions.shape[:2], 3, 2)
        with torch.no_grad():
            parts = zip(
                torch.split(points, _STROKES, 1),
                torch.split(self._tiles, _STROKES),
                torch.split(self._allowed, _STROKES),
                strict=True,
            )
            move = torch.cat([self._inward(*part) for part in parts], dim=1)
        out = actions.clone()
        # The gradient goes on as if the points had not been moved, so that they can go where they are wanted.
        out[..., self._points] = (points + move).flatten(-2)
        nowhere = ~self._allowed.any(-1)
        return lift(out, self._pressure, nowhere.expand(out.shape[:2]))

    def _inward(self, points: Tensor, tiles: Tensor, allowed: Tensor) -> Tensor:
        """How points (n, m, 3, 2) on their tiles (m, 3) must move to come to lie inside; allowed (m, cells): where."""
        away = (points[..., None, :] - self._cells).square().sum(-1)
        nearest = self._cells[away.masked_fill(~allowed[:, None], torch.inf).argmin(-1)]
        return torch.where(self._is_inside(points, tiles)[..., None], 0.0, nearest - points)

    def is_satisfied(self, actions: Tensor) -> bool:
        points = actions[..., self._points].view(*actions.shape[:2], 3, 2)
        near = self._is_inside(points, self._tiles) | self._is_inside((points - TOLERANCE).clamp(0, 1), self._tiles)
        return bool((near.all(-1) | is_lifted(actions, self._pressure)).all())
