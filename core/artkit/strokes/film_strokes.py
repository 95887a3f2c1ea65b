"""The strokes of a film: they persist from frame to frame, move, fade in and fade out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from artkit.devices import to_device
from artkit.strokes.action_space import ActionSpace, Dimension

_MIN_VALUE = 0.001  # values of actions stay this far from 0 and 1, where the sigmoid has no gradient
_ERROR_WEIGHT = 0.2  # of a frame in the usual error of a stroke
_UNKNOWN_ERROR = 1.0  # the largest there is
_TILE_GROWTH = 1.25  # of the tile of a stroke that has become longer than it; few different sides are fast to render
_MAX_BEND_TILES = 0.15  # by which the motion of a point of a stroke may differ from the median of its points
_MAX_STRETCH, _MAX_STRETCH_PX = 1.02, 0.25  # by which a stroke may become longer than the picture around it grows
_MAX_SIDE_DISTANCE = 0.25  # tiles by which the tile of a stroke may lie outside the picture before it is removed

POINTS = ("start_x", "start_y", "middle_x", "middle_y", "end_x", "end_y")
"""Dimensions of an action that film strokes must have."""

PRESSURES = ("start_pressure", "end_pressure")
"""Dimensions by which strokes fade in and out."""


@dataclass(frozen=True)
class FilmStrokes:
    """Strokes of a frame in painting order.

    tiles (N, 3) int64: x, y and side of each tile, px, at any place. actions (N, A): on these tiles, at full presence.
    ids (N,) int64: the number of each stroke, which it keeps for life and from which its noise follows. born (N,)
    int64: the frame in which it appeared. presence (N,): how far it has faded in, in [0, 1]. fade (N,): the change of
    its presence from frame to frame; negative for a stroke that is dying. error (N,): its usual difference to the frame
    where it is visible, 1 as long as it is not known. mean, square (N, A), count (N,) int32: Adam's
    moments and steps.
    """

    tiles: Tensor
    actions: Tensor
    ids: Tensor
    born: Tensor
    presence: Tensor
    fade: Tensor
    error: Tensor
    mean: Tensor
    square: Tensor
    count: Tensor

    @classmethod
    def new(
        cls, tiles: Tensor, actions: Tensor, first_id: int, frame: int, presence: Tensor, fade: float
    ) -> FilmStrokes:
        """Return strokes that appear in a frame, with numbers from `first_id` on and a presence (N,)."""
        count = len(tiles)
        return cls(
            tiles=tiles,
            actions=actions,
            ids=torch.arange(first_id, first_id + count),
            born=torch.full((count,), frame),
            presence=presence,
            fade=torch.full((count,), fade),
            error=torch.full((count,), _UNKNOWN_ERROR),
            mean=torch.zeros_like(actions),
            square=torch.zeros_like(actions),
            count=torch.zeros(count, dtype=torch.int32),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors by name, for a checkpoint."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def select(self, which: Tensor) -> FilmStrokes:
        """Return some of the strokes: which (N,) bool, or their indices (m,) in a new order."""
        return FilmStrokes(**{name: tensor[which] for name, tensor in self.tensors().items()})

    def below(self, upper: FilmStrokes) -> FilmStrokes:
        """Return the strokes with others above them."""
        others = upper.tensors()
        return FilmStrokes(**{name: torch.cat([tensor, others[name]]) for name, tensor in self.tensors().items()})

    @property
    def dying(self) -> Tensor:
        """Which strokes fade out: (N,) bool."""
        return self.fade < 0

    def with_errors(self, errors: Tensor, known: Tensor) -> FilmStrokes:
        """Return the strokes with the errors (N,) of a frame taken into account, where they are known (N,)."""
        usual = torch.where(self.error >= _UNKNOWN_ERROR, errors, self.error.lerp(errors, _ERROR_WEIGHT))
        return replace(self, error=torch.where(known, usual, self.error))

    def dismissed(self, which: Tensor, fade: float) -> FilmStrokes:
        """Return the strokes, of which some (N,), bool, fade out from now on, by `fade` a frame."""
        return replace(self, fade=torch.where(which, self.fade.clamp(max=-fade), self.fade))

    def aged(self) -> FilmStrokes:
        """Return the strokes one frame later: faded further, without those that have faded out."""
        presence = (self.presence + self.fade).clamp(0, 1)
        return replace(self, presence=presence).select(presence > 0)

    def points(self, space: ActionSpace) -> Tensor:
        """Return start, middle and end of each stroke in px of the picture: (N, 3, 2)."""
        on_tile = self.actions[:, space.index(*POINTS)].view(-1, 3, 2)
        return self.tiles[:, None, :2] + on_tile * self.tiles[:, None, 2:]

    def moved(self, space: ActionSpace, motion: Tensor, growth: Tensor) -> FilmStrokes:
        """Return the strokes with their points moved by motion (N, 3, 2), px, and their tiles around them.

        A point that would move far away from the others follows them. growth (N,): how much larger the picture around
        each stroke becomes. A stroke that would become longer than that moves as a whole, so that none is stretched
        between two things that move apart.
        """
        side = self.tiles[:, 2:].to(motion)[:, None]
        median = motion.median(dim=1, keepdim=True).values
        bend = torch.minimum(torch.maximum(motion - median, -_MAX_BEND_TILES * side), _MAX_BEND_TILES * side)
        points = self.points(space)
        longest = _lengths(points) * growth * _MAX_STRETCH + _MAX_STRETCH_PX
        whole = _lengths(points + bend) > longest
        return self._at(space, points + median + torch.where(whole[:, None, None], 0.0, bend))

    def scaled(self, space: ActionSpace, factors: Tensor) -> FilmStrokes:
        """Return the strokes with their brush's radius multiplied by factors (N,), if its size is a logarithm."""
        dimension = _logarithmic_size(space)
        if dimension is None:
            return self
        actions, index = self.actions.clone(), space.index("size")
        change = factors.log() / (dimension.high - dimension.low)
        actions[:, index] = (actions[:, index] + change[:, None]).clamp(_MIN_VALUE, 1 - _MIN_VALUE)
        return replace(self, actions=actions)

    def recentred(self, space: ActionSpace) -> FilmStrokes:
        """Return the strokes with each tile around the middle of its stroke."""
        return self._at(space, self.points(space))

    def _at(self, space: ActionSpace, points: Tensor) -> FilmStrokes:
        """Return the strokes through points (N, 3, 2), px, on tiles around them.

        The tile of a stroke that becomes longer than it is enlarged, and its brush keeps its radius. If brushes grow
        with their tiles in another way than by a logarithm, the stroke is shortened instead.
        """
        low, high = points.amin(1), points.amax(1)
        strokes, side = self, self.tiles[:, 2:]
        if _logarithmic_size(space) is not None:
            too_long = (high - low).amax(1, keepdim=True) > (1 - 2 * _MIN_VALUE) * side
            grown = torch.where(too_long, (_TILE_GROWTH * side).round().long(), side)
            strokes, side = self.scaled(space, (side / grown)[:, 0]), grown
        origin = ((low + high) / 2 - side / 2).round().long()
        on_tile = ((points - origin[:, None]) / side[:, None]).clamp(_MIN_VALUE, 1 - _MIN_VALUE)
        actions = strokes.actions.clone()
        actions[:, space.index(*POINTS)] = on_tile.flatten(1)
        return replace(strokes, tiles=torch.cat([origin, side], dim=1), actions=actions)

    def inside(self, size: tuple[int, int]) -> Tensor:
        """Return which strokes lie in a picture of `size` px or close to it: (N,) bool."""
        side = self.tiles[:, 2:]
        margin = side * _MAX_SIDE_DISTANCE
        low, high = self.tiles[:, :2] - margin, self.tiles[:, :2] + side + margin
        return ((high > 0) & (low < torch.tensor(size))).all(1)

    def faded_actions(self, space: ActionSpace, actions: Tensor | None = None) -> Tensor:
        """Return the actions (N, A) with the pressure that strokes have at their presence.

        actions: others than those of the strokes, in their order; the result is differentiable in them.
        """
        actions = self.actions if actions is None else actions
        if not space.has(*PRESSURES):
            return actions
        factor = torch.ones(actions.shape, dtype=actions.dtype)
        factor[:, space.index(*PRESSURES)] = self.presence.to(factor)[:, None]
        return actions * to_device(factor, actions.device)

    def lives(self, frame: int) -> Iterator[int]:
        """Yield the number of frames that each stroke has lived up to a frame."""
        yield from (frame + 1 - self.born).tolist()


def _lengths(points: Tensor) -> Tensor:
    """Return the lengths (N,) of the polylines through points (N, 3, 2)."""
    lengths: Tensor = points.diff(dim=1).norm(dim=2).sum(1)
    return lengths


def _logarithmic_size(space: ActionSpace) -> Dimension | None:
    """Return the dimension of the brush's size, if it is the logarithm of a radius relative to the tile."""
    return next((d for d in space.dimensions if d.name == "size" and d.unit.startswith("ln(")), None)
