"""Optical flow between two frames of a film, by OpenCV's DIS (extra `video`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from artkit.devices import to_device
from artkit.extras import import_extra
from artkit.imaging.pixels import Pixels

FLOW_SIDE = 480
"""Longest side of the frames between which flow is computed, px; smaller frames are not enlarged."""

_MIN_SIDE = 48  # px of the shorter side that DIS needs; smaller frames are enlarged
_TOLERANCE_PX = 0.6  # by which forward and backward flow may differ, px of the picture, and
_TOLERANCE_SHARE = 0.1  # of their length, where a point is visible in both frames
_MAX_GROWTH = 1.1  # of anything from frame to frame


@dataclass(frozen=True)
class FrameMotion:
    """The motion from one frame of a film to the next, in px of the picture.

    forward (2, h, w): x and y from a point of the earlier frame to where it is in the later one. backward (2, h, w):
    from a point of the later frame to where it was. stays (1, h, w): 1 where a point of the earlier frame is visible in
    the later one too, 0 where it is covered or leaves the picture. was_visible (1, h, w): 1 where a point of the later
    frame is visible in the earlier one.
    """

    forward: Tensor
    backward: Tensor
    stays: Tensor
    was_visible: Tensor

    @classmethod
    def between(cls, earlier: Pixels, later: Pixels, size: tuple[int, int]) -> FrameMotion:
        """Compute the motion between two frames (h, w, 3), 8 bits, for a picture of `size` (width, height) px."""
        library = import_extra("cv2", "video", "films")
        forward, backward = _flow(library, earlier, later, size), _flow(library, later, earlier, size)
        return cls(forward, backward, _consistent(forward, backward), _consistent(backward, forward))

    def warp(self, picture: Tensor) -> Tensor:
        """Return a picture (n, c, h, w) of the earlier frame as it looks in the later one."""
        return warp(picture, self.backward)

    def growth(self, points: Tensor, distance: Tensor) -> Tensor:
        """Return how much larger the surroundings of points (m, 2), px, are in the later frame: factors (m,).

        distance (m,): px from the points at which the flow around them is read. The factor is 1 where it is not known,
        because some of that is not visible in the later frame, and where the flow changes on one side only, as at the
        edge of something that moves.
        """
        factor, known = torch.ones(len(points)), torch.ones(len(points), dtype=torch.bool)
        for axis in (0, 1):
            offset = torch.zeros_like(points)
            offset[:, axis] = distance
            before, after = points - offset, points + offset
            flows = torch.stack([sample_at(self.forward, place)[:, axis] for place in (before, points, after)])
            low, high = flows.diff(dim=0)  # on both sides
            largest = 2 * torch.minimum(low.abs(), high.abs())
            mean = ((low + high) / 2).clamp(-largest, largest)
            factor += torch.where(low * high > 0, mean, 0.0) / distance / 2
            for side in (before, after):
                known &= sample_at(self.stays, side)[:, 0] > 0.5
        return torch.where(known, factor.clamp(1 / _MAX_GROWTH, _MAX_GROWTH), 1.0)


def warp(picture: Tensor, flow: Tensor) -> Tensor:
    """Return the picture (n, c, h, w) whose pixel at a point is that of `picture` at the point plus flow (2, h, w)."""
    height, width = picture.shape[-2:]
    points = pixel_centres(width, height, picture.device) + to_device(flow, picture.device)
    extent = to_device(torch.tensor([width, height]), picture.device).view(2, 1, 1)
    grid = (2 * points / extent - 1).permute(1, 2, 0)[None].expand(len(picture), -1, -1, -1)
    warped: Tensor = F.grid_sample(picture, grid.to(picture), padding_mode="border", align_corners=False)
    return warped


def pixel_centres(width: int, height: int, device: torch.device | None = None) -> Tensor:
    """Return x and y of the centre of each pixel, px: (2, h, w)."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return to_device(torch.stack([x, y]), device or torch.device("cpu"))


def sample_at(field: Tensor, points: Tensor) -> Tensor:
    """Return the values (m, c) of a field (c, h, w) at points (m, 2), px; outside, those of the nearest edge."""
    height, width = field.shape[-2:]
    extent = torch.tensor([width, height], dtype=points.dtype)
    grid = (2 * points / extent - 1).view(1, 1, -1, 2).to(field)
    values: Tensor = F.grid_sample(field[None], grid, padding_mode="border", align_corners=False)[0, :, 0].T
    return values


def _flow(library: Any, earlier: Pixels, later: Pixels, size: tuple[int, int]) -> Tensor:
    """Return the flow from one frame to another: (2, h, w), px of the picture of `size`."""
    threads = library.getNumThreads()
    library.setNumThreads(1)  # the result depends on how the frame is divided among threads
    try:
        dis = library.DISOpticalFlow_create(library.DISOPTICAL_FLOW_PRESET_MEDIUM)
        grey = [_grey(library, frame) for frame in (earlier, later)]
        flow = dis.calc(grey[0], grey[1], None)
        small = library.resize(flow, size, interpolation=library.INTER_AREA)
    finally:
        library.setNumThreads(threads)
    height, width = flow.shape[:2]
    scale = np.array([size[0] / width, size[1] / height], np.float32)
    return torch.from_numpy(np.ascontiguousarray((small * scale).transpose(2, 0, 1)))


def _grey(library: Any, frame: Pixels) -> Any:
    height, width = frame.shape[:2]
    scale = max(min(1.0, FLOW_SIDE / max(width, height)), _MIN_SIDE / min(width, height))
    grey = library.cvtColor(np.ascontiguousarray(frame), library.COLOR_RGB2GRAY)
    if scale == 1:
        return grey
    how = library.INTER_AREA if scale < 1 else library.INTER_CUBIC
    return library.resize(grey, (round(width * scale), round(height * scale)), interpolation=how)


def _consistent(flow: Tensor, back: Tensor) -> Tensor:
    """Return 1 where following a flow and the flow back leads to the same point inside the picture: (1, h, w)."""
    height, width = flow.shape[-2:]
    ends = pixel_centres(width, height) + flow
    returned = warp(back[None], flow)[0]
    difference = (flow + returned).norm(dim=0, keepdim=True)
    length = flow.norm(dim=0, keepdim=True) + returned.norm(dim=0, keepdim=True)
    inside = ((ends >= 0).all(0) & (ends[0] <= width) & (ends[1] <= height))[None]
    agrees: Tensor = (difference <= _TOLERANCE_PX + _TOLERANCE_SHARE * length) & inside
    return agrees.float()
