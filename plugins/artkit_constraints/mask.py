"""``type = "mask"``: strokes in a region of the picture only."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from artkit import Constraint, InputFile, Scene, UsageError
from artkit.imaging.loading import Fit
from artkit_constraints.dimensions import PRESSURE, TOLERANCE, dimension_indices, is_lifted, lift_pen

_CELLS_PER_SIDE = 32
"""Resolution of the grid of points on a tile to which a point of a stroke may be moved."""

_MAX_CHUNK_STROKES = 1 << 10
"""Strokes that are processed at once, to bound the memory of the distances to all cells."""


class Mask(Constraint):
    """Moves start, middle and end points outside the region to the nearest point of their tile inside it.

    On a tile that lies outside the region the pen is lifted. Paint extends beyond the region by the width of the brush.
    """

    name = "mask"

    class Config(Constraint.Config):
        """Settings."""

        image: InputFile
        """Image of the region: white on black, or black on white with `invert`."""
        fit: Fit = "stretch"
        """How the image is fitted to the picture's size: cropped, padded or stretched."""
        invert: bool = False
        """Paint where the image is dark."""
        threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
        """Brightness from which a pixel is inside the region."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        names = ("start_x", "start_y", "middle_x", "middle_y", "end_x", "end_y")
        self._points = dimension_indices(scene, self.name, *names)
        self._pressure = dimension_indices(scene, self.name, *PRESSURE)
        brightness = scene.load_image(config.image, config.fit, torch.zeros(3)).pixels.mean(1)[0]
        region = (brightness < config.threshold) if config.invert else (brightness >= config.threshold)
        if not region.any():
            raise UsageError(f"the mask {config.image} excludes the whole picture", hint="change invert or threshold")
        self._region = region.to(scene.device)
        assert scene.canvas is not None
        self._tiles = scene.canvas.tiles().to(scene.device)
        centres = (torch.arange(_CELLS_PER_SIDE, device=scene.device) + 0.5) / _CELLS_PER_SIDE
        self._cells = torch.stack(torch.meshgrid(centres, centres, indexing="xy"), dim=-1).reshape(-1, 2)
        self._allowed_cells = torch.cat(  # (N, cells)
            [
                self._is_inside(self._cells.expand(len(tiles), -1, -1), tiles)
                for tiles in torch.split(self._tiles, _MAX_CHUNK_STROKES)
            ]
        )

    def _is_inside(self, points: Tensor, tiles: Tensor) -> Tensor:
        """Return which points (..., N, p, 2), in units of their tiles (N, 3), lie inside the region: (..., N, p).

        Points outside the picture take the value of the nearest pixel of its border.
        """
        pixel = points * tiles[:, None, 2:] + tiles[:, None, :2]
        height, width = self._region.shape
        x, y = pixel[..., 0].long().clamp(0, width - 1), pixel[..., 1].long().clamp(0, height - 1)
        return self._region[y, x]

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        points = actions[..., self._points].view(*actions.shape[:2], 3, 2)
        with torch.no_grad():
            chunks = zip(
                torch.split(points, _MAX_CHUNK_STROKES, 1),
                torch.split(self._tiles, _MAX_CHUNK_STROKES),
                torch.split(self._allowed_cells, _MAX_CHUNK_STROKES),
                strict=True,
            )
            offset = torch.cat([self._offset_into_region(*chunk) for chunk in chunks], dim=1)
        out = actions.clone()
        # Straight-through gradient: the offset is constant, so that moved points can still be optimised.
        out[..., self._points] = (points + offset).flatten(-2)
        outside = ~self._allowed_cells.any(-1)
        return lift_pen(out, self._pressure, outside.expand(out.shape[:2]))

    def _offset_into_region(self, points: Tensor, tiles: Tensor, allowed_cells: Tensor) -> Tensor:
        """Return the offsets (n, m, 3, 2) that move points of the same shape, on tiles (m, 3), to the nearest of the
        allowed cells (m, cells); 0 for points inside the region.
        """
        distance = (points[..., None, :] - self._cells).square().sum(-1)
        nearest = self._cells[distance.masked_fill(~allowed_cells[:, None], torch.inf).argmin(-1)]
        return torch.where(self._is_inside(points, tiles)[..., None], 0.0, nearest - points)

    def is_satisfied(self, actions: Tensor) -> bool:
        points = actions[..., self._points].view(*actions.shape[:2], 3, 2)
        inside = self._is_inside(points, self._tiles) | self._is_inside((points - TOLERANCE).clamp(0, 1), self._tiles)
        return bool((inside.all(-1) | is_lifted(actions, self._pressure)).all())
