"""Stroke order: compare the path of the pen in an agent's digits with that of the examples drawn by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from artkit import ActionSpace
from artkit.recipes.shipped import recipe_folder
from artkit.strokes.stroke_examples import POINT_NAMES, read_examples
from artkit_mypaint.stroke_geometry import curve

DIGITS = tuple("0123456789")
EXAMPLES = recipe_folder() / "targets" / "digits.toml"

_PATH_POINTS = 32
_EMPTY_PATH_DISTANCE = 2.0
_MIN_ASPECT = 0.3  # smallest ratio of a path's standard deviations that normalisation removes
_MIN_PRESSURE = 0.1  # a stroke with less leaves hardly any paint


def stroke_path(actions: Tensor, space: ActionSpace) -> Tensor:
    """Return the path of the pen in a picture's actions (N, A), without strokes that leave no paint.

    The result is points (k, 2) at equal distances along the path, normalised to zero mean, no slant and unit standard
    deviation; (0, 2) if no stroke leaves paint.
    """
    pressed = actions[:, space.index("start_pressure", "end_pressure")].nan_to_num(0.5).amax(1) > _MIN_PRESSURE
    strokes = actions[pressed][:, space.index(*POINT_NAMES)]
    if not len(strokes):
        return torch.zeros(0, 2)
    points = curve(strokes, torch.linspace(0, 1, 9)).flatten(0, 1)
    for _ in range(3):  # the resampling depends on the normalisation and the other way round
        points = _normalize(_resample(points))
    return points


def _resample(points: Tensor) -> Tensor:
    """Return points at equal distances along a path (m, 2)."""
    length = F.pad((points[1:] - points[:-1]).norm(dim=1).cumsum(0), (1, 0))
    positions = torch.linspace(0, 1, _PATH_POINTS) * length[-1]
    after = torch.searchsorted(length, positions).clamp(1, len(length) - 1)
    segment = (length[after] - length[after - 1]).clamp(min=1e-9)
    weight = ((positions - length[after - 1]) / segment).clamp(0, 1)[:, None]
    return points[after - 1] + weight * (points[after] - points[after - 1])


def _normalize(points: Tensor) -> Tensor:
    """Remove the mean and the slant of points (m, 2), and scale them to unit standard deviation in x and y.

    The narrower direction is scaled as if it were at least `_MIN_ASPECT` times as wide as the other.
    """
    x, y = (points - points.mean(0)).T
    x = x - y * (x * y).mean() / y.square().mean().clamp(min=1e-6)
    deviation = torch.stack([x.std(), y.std()])
    return torch.stack([x, y], dim=1) / deviation.clamp(min=max(float(deviation.max()) * _MIN_ASPECT, 1e-6))


def path_distance(path: Tensor, examples: Sequence[Tensor]) -> float:
    """Return the mean distance between the points of a path and of the nearest example.

    It is 0 for equal paths, about 1.7 for the same strokes in random order.
    """
    if not len(path):
        return _EMPTY_PATH_DISTANCE
    return min(float((path - example).norm(dim=1).mean()) for example in examples)


def signed_area(path: Tensor) -> float:
    """Return twice the area that a path encloses: positive if clockwise on the screen, where y points down."""
    following = path.roll(-1, 0)
    return float((path[:, 0] * following[:, 1] - following[:, 0] * path[:, 1]).sum())


def net_descent(path: Tensor) -> float:
    """Return the sum of a path's signed squared steps in y: positive if its long steps go down."""
    steps = path.diff(dim=0)[:, 1]
    return float((steps * steps.abs()).sum())


def measure_stroke_order(actions: Tensor, labels: Tensor, space: ActionSpace) -> dict[str, float]:
    """Compare the stroke order of digits, actions (n, N, A) with labels (n,), with the examples."""
    paths: dict[str, list[Tensor]] = {digit: [] for digit in DIGITS}
    for picture_actions, label in zip(actions, labels.tolist(), strict=True):
        paths[DIGITS[label]].append(stroke_path(picture_actions, space))
    examples: dict[str, list[Tensor]] = {digit: [] for digit in DIGITS}
    for example in read_examples(EXAMPLES):
        examples[example.label].append(stroke_path(example.actions(space), space))

    def fraction(digit: str, condition: Callable[[Tensor], bool]) -> float:
        return sum(len(path) > 0 and condition(path) for path in paths[digit]) / max(len(paths[digit]), 1)

    def is_open_eight(path: Tensor) -> bool:
        return path_distance(path, examples["8"]) < path_distance(path, examples["3"])

    distances = [path_distance(path, examples[digit]) for digit in DIGITS for path in paths[digit]]
    return {
        "noughts counter-clockwise": fraction("0", lambda path: signed_area(path) < 0),
        "ones downwards": fraction("1", lambda path: net_descent(path) > 0),
        "eights no closed threes": fraction("8", is_open_eight),
        "distance to the example": sum(distances) / max(len(distances), 1),
    }
