"""The stroke log: the one source of everything that leaves a run."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, Field, ValidationError
from torch import Tensor
from torch.nn import functional as F

from artkit.config import Colour
from artkit.errors import ArtkitError
from artkit.files import atomic
from artkit.geometry.phase import Phase, stroke_tiles
from artkit.geometry.window import Window

FORMAT = "artkit-strokes"
STROKES_FILE = "strokes.json"
"""The log's name in a run's folder."""
MAX_INLINE_STROKES = 200_000
"""Strokes from which on a log's numbers lie in a file of their own, of numpy's, beside it."""
VERSION = 1


@dataclass(frozen=True)
class StrokeLog:
    """The strokes of a painting in the order of painting, and all that is needed to paint them again.

    size: width and height, px. background: RGB in [0, 1], or four zeros for paint without its ground. seed: of the
    strokes' randomness. renderer: its type and settings. space: name of the action space; names: of an action's A
    numbers. actions (N, A) in [0, 1], or (1, A) where all strokes share one. phases: which strokes lie on which tiles.
    clip: whether paint ends at the edge of its tile.
    """

    size: tuple[int, int]
    background: tuple[float, float, float] | tuple[float, float, float, float]
    seed: int
    renderer: dict[str, Any]
    space: str
    names: tuple[str, ...]
    actions: Tensor
    phases: tuple[Phase, ...]
    clip: bool = False

    def tiles(self) -> Tensor:
        """The tile of each stroke: x, y and side in px, (N, 3) int64."""
        return stroke_tiles(self.phases)

    def near(self, window: Window, reach: float) -> tuple[Tensor, Tensor]:
        """The strokes whose tiles lie no further than `reach` tiles from a window: their numbers (m,), in the order of
        painting, and their tiles (m, 3), int64, px of the recipe.
        """
        numbers, tiles = [], []
        for phase in self.phases:
            spans = []
            for start, length, first, count in (
                (window.y, window.height, phase.y, phase.rows),
                (window.x, window.width, phase.x, phase.columns),
            ):
                room = reach * phase.side
                low = math.ceil((start / window.scale - room - phase.side - first) / phase.pitch)
                high = math.floor(((start + length) / window.scale + room - first) / phase.pitch) + 1
                spans.append(torch.arange(min(max(low, 0), count), min(max(high, 0), count)))
            chosen = (spans[0][:, None] * phase.columns + spans[1]).reshape(-1)
            numbers.append(phase.first + chosen)
            tiles.append(F.pad(phase.origins_at(chosen), (0, 1), value=phase.side))
        return torch.cat(numbers), torch.cat(tiles)

    def _head(self) -> str:
        """All but the strokes, as JSON that lacks its end."""
        head = {
            "format": FORMAT,
            "version": VERSION,
            "size": list(self.size),
            "background": list(self.background),
            "seed": self.seed,
            "renderer": self.renderer,
            "brush": self.renderer.get("brush"),
            "space": self.space,
            "names": list(self.names),
            "clip": self.clip,
            "phases": [[p.first, p.x, p.y, p.pitch, p.rows, p.columns, p.side] for p in self.phases],
        }
        return json.dumps(head, indent=1)[:-2]

    def lines(self) -> Iterator[str]:
        """The log as JSON, line by line: 9 significant digits, from which every float32 comes back exactly."""
        yield self._head() + ',\n "strokes": ['
        end = "\n"
        for tile, row in self._rows():
            action = {name: float(f"{value:.9g}") for name, value in zip(self.names, row, strict=True)}
            yield end + json.dumps({"tile": tile, "action": action} if tile else {"action": action})
            end = ",\n"
        yield "\n]\n}\n"

    def _rows(self) -> Iterator[tuple[list[int], list[float]]]:
        """Tile and action of each stroke; without a tile, the one action of the whole picture."""
        if len(self.actions) != sum(phase.stroke_count for phase in self.phases):
            yield [], self.actions[0].tolist()
            return
        for phase in self.phases:
            for some in torch.split(torch.arange(phase.stroke_count), 1 << 14):
                rows = self.actions[some + phase.first].tolist()
                for (x, y), row in zip(phase.origins_at(some).tolist(), rows, strict=True):
                    yield [x, y, phase.side], row

    def save(self, file: Path) -> None:
        """Write the log, atomically. The numbers of `MAX_INLINE_STROKES` strokes and more go into an array (N, A) beside it, which
        bears its name and ends in .npy.
        """
        lines = self.lines()
        if len(self.actions) >= MAX_INLINE_STROKES:
            beside = file.with_suffix(".npy")
            with atomic(beside) as temporary, temporary.open("wb") as array:
                np.save(array, self.actions.numpy(), allow_pickle=False)
            lines = iter([f'{self._head()},\n "strokes": {json.dumps(beside.name)}\n}}\n'])
        with atomic(file) as temporary, temporary.open("w", encoding="utf-8") as stream:
            stream.writelines(lines)

    @classmethod
    def load(cls, file: Path) -> StrokeLog:
        """Read a log. Raises ArtkitError if there is none, or it is damaged or of a later version."""
        try:
            told = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ArtkitError(f"{file.parent} holds no painting: there is no {file.name}") from None
        except (OSError, ValueError) as error:
            raise ArtkitError(f"{file} is damaged: {error}") from None
        try:
            read = _LogFile.model_validate(told)
            phases = tuple(Phase(*numbers) for numbers in read.phases)
            actions = _array_actions(file, read) if isinstance(read.strokes, str) else _inline_actions(read)
            if len(actions) not in (1, sum(phase.stroke_count for phase in phases)):
                raise ValueError(
                    f"there are {len(actions)} strokes, and tiles for {sum(p.stroke_count for p in phases)}"
                )
        except ValidationError as error:
            fault = error.errors()[0]
            if fault["loc"] in (("format",), ("version",)) and fault["type"] in ("literal_error", "less_than_equal"):
                raise ArtkitError(f"{file} is not a stroke log that this artkit reads", hint="update artkit") from None
            where = ".".join(str(step) for step in fault["loc"])
            raise ArtkitError(f"{file} is damaged: {where}: {fault['msg']}") from None
        except (KeyError, ValueError, OSError, EOFError) as error:
            raise ArtkitError(f"{file} is damaged: {type(error).__name__}: {error}") from None
        return cls(
            size=read.size,
            background=read.background,
            seed=read.seed,
            renderer=read.renderer,
            space=read.space,
            names=read.names,
            actions=actions,
            phases=phases,
            clip=read.clip,
        )


class _StrokeEntry(BaseModel):
    """A stroke as it stands in the file; its tile follows from the phases, and is there for other readers."""

    action: dict[str, float]


class _LogFile(BaseModel):
    """The file's contents."""

    format: Literal["artkit-strokes"]
    version: Annotated[int, Field(le=VERSION)]
    size: tuple[int, int]
    background: Colour
    seed: int
    renderer: dict[str, Any]
    space: str
    names: tuple[str, ...]
    clip: bool
    phases: list[tuple[int, int, int, int, int, int, int]]
    strokes: list[_StrokeEntry] | Annotated[str, Field(pattern=r"^[^/\\\\]+\.npy$")]


def _inline_actions(read: _LogFile) -> Tensor:
    rows = [[stroke.action[name] for name in read.names] for stroke in read.strokes if isinstance(stroke, _StrokeEntry)]
    return torch.tensor(rows, dtype=torch.float32).reshape(len(rows), len(read.names))


def _array_actions(file: Path, read: _LogFile) -> Tensor:
    """The numbers that lie in a file of their own, which is read where it is needed. Raises ValueError or OSError."""
    array = np.load(file.parent / str(read.strokes), mmap_mode="c", allow_pickle=False)
    if not isinstance(array, np.ndarray) or array.dtype != np.float32 or array.shape[1:] != (len(read.names),):
        raise ValueError(f"{read.strokes} holds no strokes")
    return torch.from_numpy(array)
