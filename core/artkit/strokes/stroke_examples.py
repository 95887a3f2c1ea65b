"""Examples: strokes made by hand, from which an agent may learn how a person draws (paper §4). A file of them is TOML:

    [[example]]
    class = "4"
    strokes = [
      { from = [0.5, 0.2], to = [0.25, 0.6] },
      { to = [0.75, 0.6], pressure = [0.5, 0] },
      { to = [0.6, 0.4], pressure = 0 },
      { through = [0.62, 0.6], to = [0.6, 0.9] },
    ]

Places are x and y in tiles, from 0 to 1. A stroke begins where the one before it ended, unless `from` says otherwise,
and is straight, unless it goes `through` a point, halfway in time. `pressure` is one number, or those at the beginning
and the end; where it is 0 the pen is lifted. `size` is that of the action. What is not said is left to the painter.
There may be several examples of a class, or of none.
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

from artkit.config import Config, UnitFloat
from artkit.errors import UsageError
from artkit.geometry.phase import Phase
from artkit.strokes.action_space import ActionSpace
from artkit.strokes.stroke_log import StrokeLog

MAX_EXAMPLES = 10_000
"""The most examples of a file."""

POINT_NAMES = ("start_x", "start_y", "middle_x", "middle_y", "end_x", "end_y")
"""The numbers of an action that an example always tells, of strokes that are not lifted."""

_PRESSURES = ("start_pressure", "end_pressure")
_DRAWING_DEFAULTS = {
    "start_pressure": 0.5,
    "end_pressure": 0.5,
    "size": 0.4,
}  # what is not said, where examples are drawn

Point = tuple[UnitFloat, UnitFloat]


class ExampleStroke(Config):
    """A stroke of an example."""

    start: Point | None = Field(None, alias="from")
    through: Point | None = None
    to: Point
    pressure: UnitFloat | tuple[UnitFloat, UnitFloat] | None = None
    size: UnitFloat | None = None


class StrokeExample(Config):
    """Strokes in the order in which they are drawn, and the name of what they show, "" if it has none."""

    label: str = Field("", alias="class")
    strokes: tuple[ExampleStroke, ...] = Field(min_length=1, max_length=256)

    def actions(self, space: ActionSpace, strokes: int | None = None) -> Tensor:
        """The example's strokes as actions (strokes, A), NaN where it says nothing.

        strokes: how many there should be; the example's own unless told. Those that it has not are lifted, and stay
        where it ended. Raises UsageError if it has more, or if the actions are not those of strokes.
        """
        if not space.has(*POINT_NAMES):
            raise UsageError(f"examples are strokes; the actions of {space.name} are not")
        count = strokes or len(self.strokes)
        if len(self.strokes) > count:
            raise UsageError(
                f'the example of "{self.label}" has {len(self.strokes)} strokes, and the canvas {count}',
                hint=f"give the canvas {len(self.strokes)} strokes",
            )
        last = self.strokes[-1].to
        rest = [ExampleStroke.model_validate({"to": last, "pressure": 0.0})] * (count - len(self.strokes))
        actions = torch.full((count, len(space)), math.nan)
        pen = self.strokes[0].start or self.strokes[0].to
        for row, stroke in zip(actions, (*self.strokes, *rest), strict=True):
            start, end = stroke.start or pen, stroke.to
            middle = stroke.through or tuple((a + b) / 2 for a, b in zip(start, end, strict=True))
            row[space.index(*POINT_NAMES)] = torch.tensor([*start, *middle, *end])
            if stroke.pressure is not None and space.has(*_PRESSURES):
                pair = stroke.pressure if isinstance(stroke.pressure, tuple) else (stroke.pressure, stroke.pressure)
                row[space.index(*_PRESSURES)] = torch.tensor(pair)
            if stroke.size is not None and space.has("size"):
                row[space.index("size")] = stroke.size
            pen = end
        return actions


class _ExamplesFile(Config):
    example: tuple[StrokeExample, ...] = Field(min_length=1, max_length=MAX_EXAMPLES)


def read_examples(file: Path) -> tuple[StrokeExample, ...]:
    """The examples in a file. Raises UsageError with the place of the first thing that is wrong."""
    try:
        told = tomllib.loads(file.read_text(encoding="utf-8"))
        return _ExamplesFile.model_validate(told).example
    except ValidationError as error:
        raise UsageError(f"{file}: {_describe_error(error)}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read as examples: {error}") from None


def _describe_error(error: ValidationError) -> str:
    """Where the first fault lies, counted from 1, and what it is."""
    fault = error.errors()[0]
    words: list[str] = []
    for step in fault["loc"]:
        if isinstance(step, int):
            words[-1] = f"{words[-1].removesuffix('s')} {step + 1}"
        elif not any(mark in step for mark in "[("):  # of a value that may be one of several things
            words.append(step)
    message = "unknown key" if fault["type"] == "extra_forbidden" else fault["msg"]
    return f"{', '.join(words)}: {message[0].lower()}{message[1:]}"


def examples_to_log(
    examples: Sequence[StrokeExample], space: ActionSpace, renderer: dict[str, Any], side: int = 64
) -> StrokeLog:
    """A painting of examples, black on white, row by row, each on a tile of `side` px.

    renderer: its type and settings. Where an example says nothing its strokes are of medium pressure and size.
    """
    columns = math.ceil(math.sqrt(len(examples)))
    rows = math.ceil(len(examples) / columns)
    most = max(len(example.strokes) for example in examples)
    actions = torch.cat([e.actions(space, most)[:, None] for e in examples], dim=1).flatten(0, 1)
    for place, name in enumerate(space.names):
        actions[:, place] = actions[:, place].nan_to_num(_DRAWING_DEFAULTS.get(name, 0.0))
    spans = [(number * len(examples), (number + 1) * len(examples)) for number in range(most)]
    lattices = [(Phase(first, 0, 0, side, rows, columns, side), first, last) for first, last in spans]
    return StrokeLog(
        size=(columns * side, rows * side),
        background=(1.0, 1.0, 1.0),
        seed=0,
        renderer=renderer,
        space=space.name,
        names=space.names,
        actions=actions,
        phases=tuple(phase for lattice, first, last in lattices for phase in lattice.subphases(first, last)),
        clip=True,
    )
