"""``type = "mask"``: strokes in a region of the picture only."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from artkit import images
from artkit.config import Config as BaseConfig
from artkit.config import InputFile
from artkit.constraint import Constraint
from artkit.errors import UsageError
from artkit.part import Scene
from artkit_constraints.numbers import PRESSURE, TOLERANCE, is_lifted, lift, places

_CELLS = 32
"""Places along a tile's side to which a stroke may be moved."""


class Mask(Constraint):
    """Strokes start, turn and end in a region: what lies outside is moved to the nearest place inside, on its tile.

    On a tile without any such place the pen is lifted. Paint runs as far beyond the region as the brush is wide.
    """

    name = "mask"

    class Config(BaseConfig):
        """Settings."""

        image: InputFile
        """The region, white on black, or the other way about with `invert`."""
        fit: images.Fit = "stretch"
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
        grey = images.load(config.image, scene.size, config.fit, torch.zeros(3)).pixels.mean(1)[0]
        inside = (grey < config.threshold) if config.invert else (grey >= config.threshold)
        if not inside.any():
            raise UsageError(f"{config.image} leaves no place to paint", remedy="set invert, or another threshold")
        self._inside = inside.to(scene.device)
        assert scene.canvas is not None
        self._tiles = scene.canvas.tiles().to(scene.device)
        step = (torch.arange(_CELLS, device=scene.device) + 0.5) / _CELLS
        cells = torch.stack(torch.meshgrid(step, step, indexing="xy"), dim=-1).reshape(-1, 2)
        self._cells = cells
        self._allowed = self._is_inside(cells.expand(len(self._tiles), -1, -1))  # (N, cells)

    def _is_inside(self, points: Tensor) -> Tensor:
        """Which points (..., N, p, 2), in their tiles' units, lie inside: (..., N, p). Beyond the picture its edge
        counts.
        """
        pixel = points * self._tiles[:, None, 2:] + self._tiles[:, None, :2]
        height, width = self._inside.shape
        x, y = pixel[..., 0].long().clamp(0, width - 1), pixel[..., 1].long().clamp(0, height - 1)
        return self._inside[y, x]

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        points = actions[..., self._points].view(*actions.shape[:2], 3, 2)
        with torch.no_grad():
            # Sums of squares, as inputs of a matrix product: (n, N, 3, cells).
            away = (points[..., None, :] - self._cells).square().sum(-1)
            away = away.masked_fill(~self._allowed[:, None], torch.inf)
            nearest = self._cells[away.argmin(-1)]
            move = torch.where(self._is_inside(points)[..., None], 0.0, nearest - points)
        out = actions.clone()
        # The gradient goes on as if the points had not been moved, so that they can go where they are wanted.
        out[..., self._points] = (points + move).flatten(-2)
        nowhere = ~self._allowed.any(-1)
        return lift(out, self._pressure, nowhere.expand(out.shape[:2]))

    def holds(self, actions: Tensor) -> bool:
        points = actions[..., self._points].view(*actions.shape[:2], 3, 2)
        near = self._is_inside(points) | self._is_inside((points - TOLERANCE).clamp(0, 1))
        return bool((near.all(-1) | is_lifted(actions, self._pressure)).all())
