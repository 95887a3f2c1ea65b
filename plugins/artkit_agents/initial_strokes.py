"""How the strokes of `free` start: evenly distributed, along the edges of a target, with its colours."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from artkit import Phase, Scene, UsageError
from artkit.imaging.target_guide import TargetGuide

_COLOUR_CONTRAST = 0.4  # of random initial colours around grey
_POINTS = ("start_x", "start_y", "middle_x", "middle_y", "end_x", "end_y")
_CURVE_STEPS = 4  # in which each half of a stroke follows the edges of the target
_CURVATURE = 0.8  # 0: a stroke is straight. 1: at each step it has the direction of the edges
_COLOUR_SPAN = 0.5  # a stroke's colour is the mean over this fraction of its length
_COLOUR_SAMPLES = 7


class StrokeInitializer:
    """Initialises strokes phase by phase, evenly distributed over each tile by a low-discrepancy sequence."""

    def __init__(self, start: str | Path, length: tuple[float, float], scene: Scene) -> None:
        assert scene.renderer is not None
        assert scene.canvas is not None
        self._length = length
        self._space, self._generator = scene.renderer.space, scene.generator
        target = scene.target if start != "random" else None
        if start == "target" and target is None:
            raise UsageError('agent.start = "target" needs an objective with a target', hint='use "auto"')
        self._guide = TargetGuide.of(target) if target else None
        self._initial_points = scene.canvas.initial_points
        phases = scene.canvas.phases
        self._layer_count = max(sum(_tiling(other) == _tiling(phase) for other in phases) for phase in phases)
        self._next_layer: dict[object, int] = {}
        self._shift: dict[object, Tensor] = {}

    def initialize(self, actions: Tensor, phase: Phase) -> None:
        """Set the actions (n, N, A) of a phase in place. Phases must be passed in painting order."""
        n, count, _ = actions.shape
        tiling = _tiling(phase)
        layer = self._next_layer.get(tiling, 0)
        self._next_layer[tiling] = layer + 1
        depth = layer / max(self._layer_count - 1, 1)  # 0 for the bottom layer, 1 for the top
        random = torch.rand(n, count, 4, generator=self._generator)
        first_length, last_length = self._length
        length = (first_length + (last_length - first_length) * depth) * (0.7 + 0.6 * random[..., 0])
        origins = phase.origins()
        if self._initial_points is None:
            points = self._points(phase, origins, layer, random[..., 1], length)
        else:
            points = self._initial_points[phase.first : phase.first + count].flatten(1).expand(n, -1, -1)
        actions[..., self._space.index(*_POINTS)] = points
        self._set_colour(actions, origins, phase.side, points)
        if self._space.has("size"):
            actions[..., self._space.index("size")[0]] = 0.75 - 0.35 * depth + 0.15 * (random[..., 2] - 0.5)
        if self._space.has("start_pressure", "end_pressure"):
            pressures = self._space.index("start_pressure", "end_pressure")
            actions[..., pressures] = 0.55 + 0.2 * (actions[..., pressures] - 0.5)

    def _points(self, phase: Phase, origins: Tensor, layer: int, random: Tensor, length: Tensor) -> Tensor:
        """Return the start, middle and end points (n, N, 6) of the strokes of a layer in tiles.

        origins (N, 2): of the tiles in px. random (n, N): uniform in [0, 1]. length (n, N): of the strokes, in tiles.
        """
        n = len(random)
        middle, step = self._middle(phase, layer, n), length / 2 / _CURVE_STEPS
        if self._guide is None:
            half = _unit(math.pi * random) * length[..., None] / 2
            return torch.cat([middle - half, middle, middle + half], dim=-1)
        direction = _unit(self._guide.angles(origins + middle * phase.side) + (random - 0.5) * 0.5)
        ends = []
        for forwards in (-direction, direction):
            point = middle
            for _ in range(_CURVE_STEPS):
                edge = _unit(self._guide.angles(origins + point * phase.side))
                edge = torch.where((edge * forwards).sum(-1, keepdim=True) < 0, -edge, edge)
                forwards = F.normalize(forwards.lerp(edge, _CURVATURE), dim=-1)
                point = point + step[..., None] * forwards
            ends.append(point)
        return torch.cat([ends[0], middle, ends[1]], dim=-1)

    def _middle(self, phase: Phase, layer: int, n: int) -> Tensor:
        """Return the middle points (n, N, 2) of a layer in tiles: the R2 sequence (Roberts, 2018), shifted per tile."""
        tiling = _tiling(phase)
        if tiling not in self._shift:
            self._shift[tiling] = torch.rand(n, phase.rows * phase.columns, 2, generator=self._generator)
        shift = self._shift[tiling][:, phase.cells_at(torch.arange(phase.stroke_count))]
        plastic_number = 1.32471795724474602596
        step = torch.tensor([1 / plastic_number, 1 / plastic_number**2], dtype=torch.float64)
        return (shift + (layer * step).float()) % 1.0

    def _set_colour(self, actions: Tensor, origins: Tensor, side: int, points: Tensor) -> None:
        """Set the colours of the actions (n, N, A) of strokes with the given points (n, N, 6), in tiles.

        origins (N, 2): of the tiles in px. side: of the tiles.
        """
        if not self._space.has("red", "green", "blue"):
            return
        channels = self._space.index("red", "green", "blue")
        if self._guide is None:
            # Close to grey: a saturated colour would remain where no objective has a gradient.
            actions[..., channels] = 0.5 + _COLOUR_CONTRAST * (actions[..., channels] - 0.5)
            return
        start, middle, end = points[..., :2], points[..., 2:4], points[..., 4:]
        places = torch.linspace(-_COLOUR_SPAN, _COLOUR_SPAN, _COLOUR_SAMPLES).tolist()
        samples = [middle.lerp(end if place > 0 else start, abs(place)) for place in places]
        colours = [self._guide.colours(origins + sample * side) for sample in samples]
        actions[..., channels] = torch.stack(colours).mean(0)


def _tiling(phase: Phase) -> tuple[int, ...]:
    """Return a key that is equal for phases with the same lattice of tiles."""
    return phase.x, phase.y, phase.pitch, phase.rows, phase.columns, phase.side


def _unit(angle: Tensor) -> Tensor:
    """Return the unit vectors (..., 2) in the directions of angles (...)."""
    return torch.stack([angle.cos(), angle.sin()], dim=-1)
