"""From actions to the movement of the pen."""

from __future__ import annotations

import torch
from torch import Tensor

from artkit_mypaint import stroke_geometry
from artkit_mypaint.action_spaces import SHAPE_SIZE
from artkit_mypaint.pen_paths import POINTS, PenPaths, stroke_seeds

_NUDGE = 0.25  # px of a reference tile: where the pen is pressed down, a quarter of a pixel along the curve


def trace_actions(actions: Tensor, origins: Tensor, side: float, numbers: Tensor, seed: int) -> PenPaths:
    """How the pen moves for m actions.

    actions (m, 12) in [0, 1]; origins (m, 2): x and y in px of each stroke's tile; side: of the tiles, px;
    numbers (m,): which stroke of the picture each one is; seed: of the picture.
    """
    actions, origins = actions.detach().cpu().double(), origins.detach().cpu().double()
    t = torch.linspace(0, 1, POINTS, dtype=torch.float64)
    xy = stroke_geometry.curve(actions, t)
    press = stroke_geometry.pressure(actions, t)
    # The pen comes down without pressure, is pressed a hair further on (a brush turns with its direction),
    # moves along the curve and is lifted at its end.
    away = xy[:, 1] - xy[:, 0]
    length = away.norm(dim=1, keepdim=True).clamp(min=1e-9)
    nudged = xy[:, 0] + away / length * length.clamp(max=_NUDGE / stroke_geometry.REFERENCE_SIDE)
    path = torch.cat([xy[:, :1], nudged[:, None], xy[:, 1:], xy[:, -1:]], dim=1) * side + origins[:, None]
    zero = torch.zeros_like(press[:, :1])
    pressures = torch.cat([zero, press[:, :1], press[:, 1:], zero], dim=1)
    return PenPaths(
        points=torch.cat([path, pressures[:, :, None]], dim=2).numpy(),
        log_radius=stroke_geometry.log_radius(actions, side).numpy(),
        colours=actions[:, SHAPE_SIZE:].numpy(),
        seeds=stroke_seeds(numbers.cpu().numpy(), seed),
        zoom=side / stroke_geometry.REFERENCE_SIDE,
    )
