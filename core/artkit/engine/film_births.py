"""Where a frame of a film needs new strokes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from artkit.imaging.target_guide import TargetGuide
from artkit.strokes.action_space import ActionSpace
from artkit.strokes.film_strokes import POINTS, PRESSURES

_BARE_COVERAGE = 0.6  # of the paint, below which a place counts as bare
_ERROR_RATIO = 1.4  # to the mean error of the frame, above which a place needs a stroke, and
_MAX_ERROR = 0.07  # above which it needs one in any case: if most of a frame is bare, so is the mean
_MIN_ERROR = 0.03  # mean difference of the channels, in [0, 1], that needs no stroke
_SPACING_TILES = 0.3  # between places
_LENGTH_TILES = 0.5  # of new strokes
_SIZE, _PRESSURE = 0.5, 0.55  # values of their actions, and
_BARE_SIZE, _BARE_PRESSURE = 0.85, 0.8  # where there is hardly any paint, and the canvas must be covered


@dataclass(frozen=True)
class Places:
    """Places for new strokes: points (m, 2), px of the picture; bare (m,): whether there is hardly any paint."""

    points: Tensor
    bare: Tensor


def find_places(painted: Tensor, target: Tensor, pad: int, side: int, count: int) -> Places:
    """Return up to `count` places that need new strokes, the worst first.

    painted (4, h + 2 pad, w + 2 pad): the strokes, premultiplied, with their alpha, on the picture and `pad` px around
    it. target (3, h, w). side: of the tiles of new strokes, px; the places are at least 0.3 of it apart.
    """
    padded = F.pad(target[None], (pad, pad, pad, pad), mode="replicate")[0]
    alpha = painted[3]
    difference = (painted[:3] - padded * alpha).abs().mean(0)
    outside = torch.ones_like(alpha)
    outside[pad : pad + target.shape[1], pad : pad + target.shape[2]] = 0
    error = torch.where(outside > 0, 0.0, difference) + (1 - alpha).clamp(min=0) * 0.5
    radius = max(1, side // 8)
    smooth = _box(error, radius)
    coverage = _box(alpha, radius)
    inner = smooth[pad : pad + target.shape[1], pad : pad + target.shape[2]]
    threshold = min(max(_MIN_ERROR, _ERROR_RATIO * float(inner.mean())), _MAX_ERROR)
    points, bare = [], []
    rows, columns = (torch.arange(length, dtype=torch.float32) for length in smooth.shape)
    for _ in range(count):
        value, index = smooth.flatten().max(0)
        if float(value) <= threshold:
            break
        y, x = divmod(int(index), smooth.shape[1])
        points.append((x + 0.5 - pad, y + 0.5 - pad))
        bare.append(bool(coverage[y, x] < _BARE_COVERAGE))
        near = (rows[:, None] - y).square() + (columns - x).square() < (side * _SPACING_TILES) ** 2
        smooth = smooth.masked_fill(near, 0.0)
    return Places(torch.tensor(points).view(-1, 2), torch.tensor(bare, dtype=torch.bool))


def _box(image: Tensor, radius: int) -> Tensor:
    """Return the means of an image (h, w) over squares."""
    padded = F.pad(image[None, None], (radius,) * 4, mode="replicate")
    return F.avg_pool2d(padded, 2 * radius + 1, 1)[0, 0]


def start_strokes(
    places: Tensor, guide: TargetGuide, side: int, space: ActionSpace, bare: bool = False
) -> tuple[Tensor, Tensor]:
    """Return tiles (m, 3) and actions (m, A) of strokes along the edges of a target, in its colours.

    places (m, 2): their middles, px. side: of their tiles, px. bare: whether there is hardly any paint; such strokes
    are broad.
    """
    colour, angle = guide.colours(places[None]), guide.angles(places[None])
    middle = places[:, None]
    half = torch.stack([angle[0].cos(), angle[0].sin()], dim=-1)[:, None] * (_LENGTH_TILES * side / 2)
    points = torch.cat([middle - half, middle, middle + half], dim=1)  # (m, 3, 2)
    origin = (places - side / 2).round().long()
    actions = torch.full((len(places), len(space)), 0.5)
    actions[:, space.index(*POINTS)] = ((points - origin[:, None]) / side).flatten(1)
    size, pressure = (_BARE_SIZE, _BARE_PRESSURE) if bare else (_SIZE, _PRESSURE)
    for names, values in ((("size",), size), (PRESSURES, pressure)):
        if space.has(*names):
            actions[:, space.index(*names)] = values
    if space.has("red", "green", "blue"):
        actions[:, space.index("red", "green", "blue")] = colour[0]
    limit = math.exp(-6)
    tiles = torch.cat([origin, torch.full((len(places), 1), side)], dim=1)
    return tiles, actions.clamp(limit, 1 - limit)
