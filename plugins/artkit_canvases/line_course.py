"""The course of a single line through a picture: a short tour through points that are denser where it is dark."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

_LLOYD_STEPS = 12  # in which points spread according to their weights
_MAX_TOUR_ROUNDS = 30  # of 2-opt; it ends earlier when no exchange shortens the tour
_ROOT = 1.22074408460575947536  # of x ** 4 = x + 1, for the three-dimensional R sequence (Roberts, 2018)


def spread_points(weights: Tensor, count: int) -> Tensor:
    """Return `count` points (count, 2), x and y in px, that are denser where the weights (h, w) > 0 are larger.

    A weighted centroidal Voronoi stippling (Secord, 2002). The result follows from the arguments alone.
    """
    height, width = weights.shape
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    pixels, weight = torch.stack([x, y], dim=-1).reshape(-1, 2), weights.flatten()
    points = _sampled(weights, count)
    for _ in range(_LLOYD_STEPS):
        nearest = torch.cat([torch.cdist(part, points).argmin(1) for part in torch.split(pixels, 1 << 13)])
        mass = torch.zeros(count).index_add_(0, nearest, weight)
        moment = torch.zeros(count, 2).index_add_(0, nearest, pixels * weight[:, None])
        points = torch.where(mass[:, None] > 0, moment / mass.clamp(min=1e-12)[:, None], points)
    return points


def _sampled(weights: Tensor, count: int) -> Tensor:
    """Return points (count, 2) that are distributed as the weights, by rejection from a low-discrepancy sequence."""
    height, width = weights.shape
    step = torch.tensor([_ROOT**-1, _ROOT**-2, _ROOT**-3], dtype=torch.float64)
    proposals = count * math.ceil(4 * float(weights.max() / weights.mean()))
    sequence = (0.5 + torch.arange(proposals)[:, None] * step) % 1.0
    x, y = (sequence[:, 0] * width).long(), (sequence[:, 1] * height).long()
    accepted = (sequence[:, 2] * float(weights.max()) < weights[y, x]).nonzero()[:count, 0]
    return (sequence[accepted, :2] * torch.tensor([width, height])).float()


def short_tour(points: Tensor) -> Tensor:
    """Return the order (n,) of points (n, 2) on a short open line: from nearest to nearest, improved by 2-opt."""
    place = points.double().numpy()
    distance = np.hypot(*(place[:, None] - place[None]).transpose(2, 0, 1))
    order = _nearest_neighbours(distance)
    for _ in range(_MAX_TOUR_ROUNDS):
        if not _exchange(order, distance):
            break
    return torch.from_numpy(order)


def _nearest_neighbours(distance: np.ndarray) -> np.ndarray:
    left = np.ones(len(distance), bool)
    order = np.zeros(len(distance), np.int64)
    left[0] = False
    for index in range(1, len(order)):
        order[index] = np.where(left, distance[order[index - 1]], np.inf).argmin()
        left[order[index]] = False
    return order


def _exchange(order: np.ndarray, distance: np.ndarray) -> bool:
    """Replace pairs of edges by shorter ones, in place: of each edge with the best other. Return whether any was."""
    changed = False
    for i in range(len(order) - 2):
        here, following = order[i], order[i + 1]
        firsts, seconds = order[i + 1 : -1], order[i + 2 :]
        gain = distance[here, following] + distance[firsts, seconds]
        gain = gain - distance[here, firsts] - distance[following, seconds]
        best = int(gain.argmax())
        if gain[best] > 1e-9:
            order[i + 1 : i + 2 + best] = order[i + 1 : i + 2 + best][::-1].copy()
            changed = True
    return changed


def subdivided(line: Tensor, segments: int) -> Tensor:
    """Return a line (n, 2) with points added in the middle of its longest segments: (segments + 1, 2)."""
    while len(line) <= segments:
        lengths = line.diff(dim=0).norm(dim=1)
        longest = int(lengths.argmax())
        line = torch.cat([line[: longest + 1], line[longest : longest + 2].mean(0, keepdim=True), line[longest + 1 :]])
    return line
