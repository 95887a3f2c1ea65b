"""The stroke log of a film: the strokes of every frame, and how long each stroke lived.

A header, film.json, says what all frames share. The strokes of each frame are an array of their own beside it, so that
a film of any length is written frame by frame, and any frame can be read alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import AfterValidator, BaseModel, Field, ValidationError
from torch import Tensor

from artkit.config import Colour, plain_message
from artkit.errors import ArtkitError, UsageError
from artkit.files import atomic, read_text, write_text
from artkit.formatting import counted
from artkit.geometry.free_tiles import single_phases
from artkit.strokes.stroke_log import RendererSettings, StrokeLog

FILM_FILE = "film.json"
"""Name of the header in a run folder."""

FRAMES_FOLDER = "frames"
"""Name of the folder with the strokes of the frames."""

_FORMAT, _VERSION = "artkit-film", 1
_MAX_LENGTH = 1 << 20  # the largest coordinate of a tile, px


class Shot(BaseModel):
    """A shot: its first frame, and the colour of its background."""

    frame: Annotated[int, Field(ge=0)]
    background: Colour


def _in_order(shots: list[Shot]) -> list[Shot]:
    frames = [shot.frame for shot in shots]
    if frames[0] != 0 or frames != sorted(set(frames)):
        raise ValueError("the first shot must begin with frame 0, and each other one after the one before")
    return shots


class _Header(BaseModel):
    """The contents of film.json."""

    format: Literal["artkit-film"]
    version: Annotated[int, Field(le=_VERSION)]
    size: tuple[Annotated[int, Field(ge=1, le=1 << 17)], Annotated[int, Field(ge=1, le=1 << 17)]]
    fps: Annotated[float, Field(gt=0, le=1000)]
    frames: Annotated[int, Field(ge=1, lt=1 << 31)]
    seed: Annotated[int, Field(ge=0, lt=1 << 63)]
    renderer: RendererSettings
    space: str
    names: Annotated[tuple[str, ...], Field(min_length=1)]
    shots: Annotated[list[Shot], Field(min_length=1), AfterValidator(_in_order)]
    clip: str
    start: Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class FilmLog:
    """The strokes of a film in a folder.

    size: width and height, px. fps: frames a second: frame k is shown at k / fps s. frames: their number. seed,
    renderer, space, names: see `StrokeLog`. shots: in their order. clip: the path of what was painted. start: s of it
    that were left out at its beginning.
    """

    folder: Path
    size: tuple[int, int]
    fps: float
    frames: int
    seed: int
    renderer: dict[str, Any]
    space: str
    names: tuple[str, ...]
    shots: tuple[Shot, ...]
    clip: str
    start: float = 0.0

    def save(self) -> None:
        """Write the header, atomically."""
        header = {
            "format": _FORMAT,
            "version": _VERSION,
            "size": list(self.size),
            "fps": self.fps,
            "frames": self.frames,
            "seed": self.seed,
            "renderer": self.renderer,
            "space": self.space,
            "names": list(self.names),
            "shots": [shot.model_dump(mode="json") for shot in self.shots],
            "clip": self.clip,
            "start": self.start,
        }
        write_text(self.folder / FILM_FILE, json.dumps(header, indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> FilmLog:
        """Read the header in a run folder. Raises ArtkitError if there is none, or if it is damaged."""
        file = folder / FILM_FILE
        try:
            header = _Header.model_validate(json.loads(read_text(file)))
        except FileNotFoundError:
            raise ArtkitError(f"{folder} holds no film: there is no {file.name}") from None
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(step) for step in first["loc"])
            raise ArtkitError(f"{file} is damaged: {place}: {plain_message(first)}") from None
        except (OSError, ValueError, RecursionError) as error:
            raise ArtkitError(f"{file} is damaged: {error}") from None
        values = {name: getattr(header, name) for name in _Header.model_fields if name not in ("format", "version")}
        return cls(folder, **{**values, "shots": tuple(header.shots)})

    def frame(self, number: int) -> StrokeLog:
        """Return the strokes of a frame, from 0. Raises UsageError if there is no such frame."""
        if not 0 <= number < self.frames:
            raise UsageError(
                f"the film in {self.folder} has {counted(self.frames, 'frame')}; there is no frame {number + 1}",
                hint=f"name one from 1 to {self.frames}" if self.frames > 1 else "name 1",
            )
        tiles, actions, ids, _ = read_frame(frame_file(self.folder, number), len(self.names))
        background = next(shot.background for shot in reversed(self.shots) if shot.frame <= number)
        return StrokeLog(
            size=self.size,
            background=background,
            seed=self.seed,
            renderer=self.renderer,
            space=self.space,
            names=self.names,
            actions=actions,
            phases=single_phases(tiles),
            noise_indices=ids,
        )


def frame_file(folder: Path, number: int) -> Path:
    """Return the file with the strokes of a frame, from 0."""
    return folder / FRAMES_FOLDER / f"{number:06d}.npy"


def write_frame(file: Path, tiles: Tensor, actions: Tensor, ids: Tensor, born: Tensor) -> None:
    """Write the strokes of a frame in painting order, atomically.

    tiles (N, 3) int64: x, y and side, px. actions (N, A). ids (N,) int64: the number that a stroke keeps for life, from
    which its noise follows. born (N,) int64: the frame in which it appeared.
    """
    table = np.zeros(len(ids), _row(actions.shape[1]))
    table["id"], table["born"] = ids.numpy(), born.numpy()
    table["tile"], table["action"] = tiles.numpy(), actions.numpy()
    with atomic(file) as temporary, temporary.open("wb") as stream:
        np.save(stream, table, allow_pickle=False)


def read_frame(file: Path, dimensions: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Read what `write_frame` wrote: tiles, actions, ids, born. Raises ArtkitError if the file is damaged."""
    try:
        table = np.load(file, allow_pickle=False)
        if not isinstance(table, np.ndarray) or table.dtype != _row(dimensions) or table.ndim != 1:
            raise ValueError("it is not a table of strokes")
        actions, tiles = torch.from_numpy(table["action"].copy()), torch.from_numpy(table["tile"].astype(np.int64))
        if not ((actions >= 0) & (actions <= 1)).all():  # also if one is not a number
            raise ValueError("a number of a stroke is not in [0, 1]")
        ids = torch.from_numpy(table["id"].copy())
        if not ((tiles.abs() <= _MAX_LENGTH).all() and (tiles[:, 2] >= 1).all() and (ids >= 0).all()):
            raise ValueError("a tile or a number of a stroke is out of range")
    except FileNotFoundError:
        raise ArtkitError(f"there is no {file}") from None
    except Exception as error:  # numpy's reader raises many kinds on a damaged file
        raise ArtkitError(f"{file} is damaged: {error}") from None
    return tiles, actions, ids, torch.from_numpy(table["born"].copy())


def _row(dimensions: int) -> np.dtype[Any]:
    return np.dtype([("id", "<i8"), ("born", "<i8"), ("tile", "<i4", (3,)), ("action", "<f4", (dimensions,))])
