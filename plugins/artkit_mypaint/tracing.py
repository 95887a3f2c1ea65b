"""Convert actions to pen paths."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from artkit_mypaint import stroke_geometry
from artkit_mypaint.action_spaces import SHAPE_SIZE
from artkit_mypaint.pen_paths import POINTS, PenPaths
from artkit_mypaint.stroke_seeds import stroke_seeds

_PRESS_OFFSET_PX = 0.25  # px of a reference tile along the curve, from where the pen comes down to where it is pressed


def curve_parameter(dab_time: Tensor) -> Tensor:
    """Return the curve parameter in [0, 1] at the time of a dab in pen events (`engine.state.DAB_TIME`)."""
    return ((dab_time - 1) / (POINTS - 1)).clamp(0, 1)


class PathTensors(NamedTuple):
    """Pen paths as tensors on the device of the actions: see `PenPaths`; points, log_radius, colours:
    float64, seeds: int64.
    """

    points: Tensor
    log_radius: Tensor
    colours: Tensor
    seeds: Tensor
    zoom: float


def trace_actions(actions: Tensor, origins: Tensor, side: float, indices: Tensor, seed: int) -> PenPaths:
    """Compute the pen paths of m actions.

    actions (m, 12): in [0, 1]. origins (m, 2): upper left corner of each stroke's tile, px of the picture. side: of the
    tiles, px. indices (m,): index of each stroke in the picture. seed: of the picture.
    """
    actions = actions.detach().cpu()
    paths = path_tensors(actions, origins.detach().cpu(), side, indices.cpu(), seed)
    return PenPaths(
        points=paths.points.numpy(),
        log_radius=paths.log_radius.numpy(),
        colours=paths.colours.numpy(),
        seeds=paths.seeds.numpy(),
        zoom=paths.zoom,
    )


def path_tensors(actions: Tensor, origins: Tensor, side: float, indices: Tensor, seed: int) -> PathTensors:
    """Compute the pen paths of m actions on their device: see `trace_actions`."""
    actions, origins = actions.detach().double(), origins.detach().double()
    t = torch.linspace(0, 1, POINTS, dtype=torch.float64, device=actions.device)
    xy = stroke_geometry.curve(actions, t)
    pressure = stroke_geometry.pressure(actions, t)
    # The pen comes down without pressure and is pressed a fraction of a pixel further on, since some brushes turn with
    # its direction; it moves along the curve and is lifted at its end.
    step = xy[:, 1] - xy[:, 0]
    length = step.norm(dim=1, keepdim=True).clamp(min=1e-9)
    pressed = xy[:, 0] + step / length * length.clamp(max=_PRESS_OFFSET_PX / stroke_geometry.REFERENCE_SIDE)
    path = torch.cat([xy[:, :1], pressed[:, None], xy[:, 1:], xy[:, -1:]], dim=1) * side + origins[:, None]
    zero = torch.zeros_like(pressure[:, :1])
    pressures = torch.cat([zero, pressure[:, :1], pressure[:, 1:], zero], dim=1)
    return PathTensors(
        points=torch.cat([path, pressures[:, :, None]], dim=2),
        log_radius=stroke_geometry.log_radius(actions, side),
        colours=actions[:, SHAPE_SIZE:],
        seeds=stroke_seeds(indices, seed),
        zoom=side / stroke_geometry.REFERENCE_SIDE,
    )
