"""Examples of strokes drawn by hand, from which an agent can learn a style of drawing (paper §4).

A file of examples is TOML:

    [[example]]
    class = "4"
    strokes = [
      { from = [0.5, 0.2], to = [0.25, 0.6] },
      { to = [0.75, 0.6], pressure = [0.5, 0] },
      { to = [0.6, 0.4], pressure = 0 },
      { through = [0.62, 0.6], to = [0.6, 0.9] },
    ]

Points are x and y in tiles, from 0 to 1. Without `from`, a stroke begins where the previous one ends. It is straight,
or passes `through` a point halfway. `pressure` is one number, or two for the beginning and the end; with pressure 0 the
pen is lifted. `size` is the action's. The agent chooses what an example does not specify. A class may have several
examples or none.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import Field, ValidationError
from torch import Tensor

from artkit.config import Config, UnitFloat, plain_message
from artkit.errors import UsageError
from artkit.files import read_text
from artkit.formatting import counted
from artkit.geometry.phase import Phase
from artkit.strokes.action_space import ActionSpace
from artkit.strokes.stroke_log import StrokeLog

MAX_EXAMPLES = 10_000
"""The most examples in a file."""

POINT_NAMES = ("start_x", "start_y", "middle_x", "middle_y", "end_x", "end_y")
"""The dimensions of an action that every stroke of an example specifies."""

_PRESSURE_NAMES = ("start_pressure", "end_pressure")
_DRAWING_DEFAULTS = {"start_pressure": 0.5, "end_pressure": 0.5, "size": 0.4}
"""Values of unspecified dimensions when examples are drawn."""

Point = tuple[UnitFloat, UnitFloat]


class ExampleStroke(Config):
    """A stroke of an example."""

    start: Point | None = Field(None, alias="from")
    through: Point | None = None
    to: Point
    pressure: UnitFloat | tuple[UnitFloat, UnitFloat] | None = None
    size: UnitFloat | None = None


class StrokeExample(Config):
    """Strokes in drawing order, and the name of the class that they show ("" for none)."""

    label: str = Field("", alias="class")
    strokes: tuple[ExampleStroke, ...] = Field(min_length=1, max_length=256)

    def actions(self, space: ActionSpace, strokes: int | None = None) -> Tensor:
        """Return the strokes as actions (strokes, A), NaN where the example specifies nothing.

        strokes: number of actions, by default that of the example's strokes. Missing strokes are lifted and stay at the
        end of the last one. Raises UsageError if the example has more strokes, or if the actions of the space are not
        strokes.
        """
        if not space.has(*POINT_NAMES):
            raise UsageError(f"examples are strokes, and this renderer paints none (its actions are {space.name})")
        count = strokes or len(self.strokes)
        if len(self.strokes) > count:
            raise UsageError(
                f'the example of "{self.label}" has {counted(len(self.strokes), "stroke")}, and the canvas {count}',
                hint=f"give the canvas {counted(len(self.strokes), 'stroke')}",
            )
        lifted = ExampleStroke.model_validate({"to": self.strokes[-1].to, "pressure": 0.0})
        padded = (*self.strokes, *[lifted] * (count - len(self.strokes)))
        actions = torch.full((count, len(space)), math.nan)
        pen = self.strokes[0].start or self.strokes[0].to
        for row, stroke in zip(actions, padded, strict=True):
            start, end = stroke.start or pen, stroke.to
            middle = stroke.through or tuple((a + b) / 2 for a, b in zip(start, end, strict=True))
            row[space.index(*POINT_NAMES)] = torch.tensor([*start, *middle, *end])
            if stroke.pressure is not None and space.has(*_PRESSURE_NAMES):
                pressures = stroke.pressure if isinstance(stroke.pressure, tuple) else (stroke.pressure,) * 2
                row[space.index(*_PRESSURE_NAMES)] = torch.tensor(pressures)
            if stroke.size is not None and space.has("size"):
                row[space.index("size")] = stroke.size
            pen = end
        return actions


class _ExamplesFile(Config):
    example: tuple[StrokeExample, ...] = Field(min_length=1, max_length=MAX_EXAMPLES)


def read_examples(file: Path) -> tuple[StrokeExample, ...]:
    """Read a file of examples. Raises UsageError with the place of the first error."""
    try:
        return _ExamplesFile.model_validate(tomllib.loads(read_text(file))).example
    except ValidationError as error:
        raise UsageError(f"{file}: {_describe_error(error)}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read as examples: {error}") from None


def _describe_error(error: ValidationError) -> str:
    """Return the place of the first error, counted from 1, and its message."""
    first = error.errors()[0]
    words: list[str] = []
    for step in first["loc"]:
        if isinstance(step, int):
            words[-1] = f"{words[-1].removesuffix('s')} {step + 1}"
        elif not any(mark in step for mark in "[("):  # pydantic's name of a member of a union
            words.append(step)
    message = "unknown key" if first["type"] == "extra_forbidden" else plain_message(first)
    return f"{', '.join(words)}: {message}"


def examples_to_log(
    examples: Sequence[StrokeExample], space: ActionSpace, renderer: dict[str, Any], side: int = 64
) -> StrokeLog:
    """Return a painting of examples, black on white, row by row, each on a tile of `side` px.

    renderer: its type and settings. Unspecified pressures and sizes are medium.
    """
    columns = math.ceil(math.sqrt(len(examples)))
    rows = math.ceil(len(examples) / columns)
    stroke_count = max(len(example.strokes) for example in examples)
    actions = torch.cat([e.actions(space, stroke_count)[:, None] for e in examples], dim=1).flatten(0, 1)
    for index, name in enumerate(space.names):
        actions[:, index] = actions[:, index].nan_to_num(_DRAWING_DEFAULTS.get(name, 0.0))
    firsts = [index * len(examples) for index in range(stroke_count)]
    # A lattice has rows * columns tiles; the last row may have fewer examples.
    phases = [
        phase
        for first in firsts
        for phase in Phase(first, 0, 0, side, rows, columns, side).subphases(first, first + len(examples))
    ]
    return StrokeLog(
        size=(columns * side, rows * side),
        background=(1.0, 1.0, 1.0),
        seed=0,
        renderer=renderer,
        space=space.name,
        names=space.names,
        actions=actions,
        phases=tuple(phases),
        clip=True,
    )
