"""The stroke log: the strokes of a painting and everything needed to render them again."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import AfterValidator, BaseModel, Field, ValidationError
from torch import Tensor
from torch.nn import functional as F

from artkit.config import Colour, plain_message
from artkit.errors import ArtkitError
from artkit.files import atomic, read_text
from artkit.geometry.phase import Phase, stroke_tiles
from artkit.geometry.window import Window
from artkit.imaging.background_image import BackgroundImage

FORMAT = "artkit-strokes"
VERSION = 3
"""The latest version of the format. In version 1 every tile of a phase has a stroke; in version 2 the noise of a stroke
follows from its index."""
STROKES_FILE = "strokes.json"
"""Name of the log in a run folder."""
MAX_INLINE_STROKES = 200_000
"""Logs with this many strokes or more store their actions in a NumPy file beside the JSON file."""
_CHUNK_STROKES = 1 << 14
"""Strokes that are converted to JSON, or checked, at a time."""
_MAX_LENGTH = 1 << 20
"""The longest side of a picture or a tile, px; longer than any recipe allows."""


@dataclass(frozen=True)
class StrokeLog:
    """The strokes of a painting in painting order, and everything needed to render them again.

    size: width and height in px. background: RGB in [0, 1], or four zeros for paint on a transparent background. seed:
    of the strokes' random numbers. renderer: its type and settings. space: name of the action space; names: of its A
    dimensions. actions: (N, A) in [0, 1], or (1, A) if all strokes share one action. phases: the tiles of the strokes.
    clip: whether paint ends at the edge of its tile. background_image: the picture under the strokes instead of the
    colour, which is then its mean. noise_indices (N,) int64: the index from which the noise of each stroke follows, if
    it is not its index in painting order.

    Examples:
        >>> import artkit, pathlib, torch
        >>> phase = artkit.Phase(first=0, x=0, y=0, pitch=48, rows=1, columns=1, side=48)
        >>> space = artkit.brush().space
        >>> log = artkit.StrokeLog(
        ...     size=(48, 48), background=(1, 1, 1), seed=0, renderer={"type": "mypaint"}, space=space.name,
        ...     names=space.names, actions=torch.rand(1, 12), phases=(phase,),
        ... )
        >>> log.save(pathlib.Path("strokes.json"))
        >>> torch.equal(artkit.StrokeLog.load(pathlib.Path("strokes.json")).actions, log.actions)
        True
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
    background_image: BackgroundImage | None = None
    noise_indices: Tensor | None = None

    def tiles(self) -> Tensor:
        """Return the tile of each stroke: x, y and side in px, (N, 3) int64."""
        return stroke_tiles(self.phases)

    def near(self, window: Window, max_distance: float) -> tuple[Tensor, Tensor]:
        """Return the strokes whose tiles are at most `max_distance` tile sides away from a window.

        Returns their indices (m,) in painting order, and their tiles (m, 3): x, y and side in px of the recipe; int64.
        """
        indices, tiles = [], []
        for phase in self.phases:
            margin = max_distance * phase.side
            spans = []
            for start, length, first, count in (
                (window.y, window.height, phase.y, phase.rows),
                (window.x, window.width, phase.x, phase.columns),
            ):
                low = math.ceil((start / window.scale - margin - phase.side - first) / phase.pitch)
                high = math.floor(((start + length) / window.scale + margin - first) / phase.pitch) + 1
                spans.append(range(min(max(low, 0), count), min(max(high, 0), count)))
            in_phase = phase.indices_in(*spans)
            indices.append(phase.first + in_phase)
            tiles.append(F.pad(phase.origins_at(in_phase), (0, 1), value=phase.side))
        return torch.cat(indices), torch.cat(tiles)

    def lines(self, background_file: str = "") -> Iterator[str]:
        """Yield the log as lines of JSON, with 9 significant digits: float32 values are restored exactly.

        background_file: name of the file of the background image, if there is one beside the log.
        """
        yield self._header(background_file) + ',\n "strokes": ['
        end = "\n"
        for tile, row in self._rows():
            action = {name: float(f"{value:.9g}") for name, value in zip(self.names, row, strict=True)}
            yield end + json.dumps({"tile": tile, "action": action} if tile else {"action": action})
            end = ",\n"
        yield "\n]\n}\n"

    def _header(self, background_file: str) -> str:
        """Return everything but the strokes, as JSON without the closing brace."""
        header = {
            "format": FORMAT,
            "version": self._version,
            "size": list(self.size),
            "background": list(self.background),
            **({"background_image": background_file} if background_file else {}),
            "seed": self.seed,
            "renderer": self.renderer,
            "brush": self.renderer.get("brush"),
            "space": self.space,
            "names": list(self.names),
            "clip": self.clip,
            "phases": [_phase_numbers(phase) for phase in self.phases],
            **({} if self.noise_indices is None else {"noise_indices": self.noise_indices.tolist()}),
        }
        return json.dumps(header, indent=1)[:-2]

    @property
    def _version(self) -> int:
        """The first version of the format that has all of the log."""
        if self.noise_indices is not None:
            return VERSION
        return 1 if all(phase.cells is None for phase in self.phases) else 2

    def _rows(self) -> Iterator[tuple[list[int], list[float]]]:
        """Yield tile and action of each stroke, or an empty tile and the action that all strokes share."""
        if len(self.actions) != sum(phase.stroke_count for phase in self.phases):
            yield [], self.actions[0].tolist()
            return
        for phase in self.phases:
            for chunk in torch.split(torch.arange(phase.stroke_count), _CHUNK_STROKES):
                actions = self.actions[chunk + phase.first].tolist()
                for (x, y), action in zip(phase.origins_at(chunk).tolist(), actions, strict=True):
                    yield [x, y, phase.side], action

    def save(self, file: Path) -> None:
        """Write the log, atomically.

        With `MAX_INLINE_STROKES` strokes or more, the actions (N, A) go into a NumPy file of the same name with the
        suffix .npy. A background image goes into a PNG beside it.
        """
        background_file = self.background_image.save(file.parent).name if self.background_image else ""
        lines = self.lines(background_file)
        if len(self.actions) >= MAX_INLINE_STROKES:
            array_file = file.with_suffix(".npy")
            with atomic(array_file) as temporary, temporary.open("wb") as array:
                np.save(array, self.actions.numpy(), allow_pickle=False)
            lines = iter([f'{self._header(background_file)},\n "strokes": {json.dumps(array_file.name)}\n}}\n'])
        with atomic(file) as temporary, temporary.open("w", encoding="utf-8") as stream:
            stream.writelines(lines)

    @classmethod
    def load(cls, file: Path) -> StrokeLog:
        """Read a log. Raises ArtkitError if the file does not exist, is damaged or has a later version."""
        try:
            raw = json.loads(read_text(file))
        except FileNotFoundError:
            raise ArtkitError(f"{file.parent} holds no painting: there is no {file.name}") from None
        except (OSError, ValueError, RecursionError) as error:
            raise ArtkitError(f"{file} is damaged: {error}") from None
        try:
            content = _LogFile.model_validate(raw)
            phases = tuple(_read_phase(numbers) for numbers in content.phases)
            actions = _read_array(file, content) if isinstance(content.strokes, str) else _inline_actions(content)
            image = content.background_image
            background = BackgroundImage.load(file.parent / image, content.size) if image else None
            _check_strokes(actions, phases)
            noise_indices = _read_noise_indices(content, len(actions))
        except ValidationError as error:
            raise _format_error(file, error) from None
        except (KeyError, ValueError, OSError, EOFError, RuntimeError, OverflowError) as error:
            raise ArtkitError(f"{file} is damaged: {type(error).__name__}: {error}") from None
        return cls(
            size=content.size,
            background=content.background,
            seed=content.seed,
            renderer=content.renderer,
            space=content.space,
            names=content.names,
            actions=actions,
            phases=phases,
            clip=content.clip,
            background_image=background,
            noise_indices=noise_indices,
        )


def _phase_numbers(phase: Phase) -> list[Any]:
    """Return a phase as in the file."""
    numbers = [phase.first, phase.x, phase.y, phase.pitch, phase.rows, phase.columns, phase.side]
    return numbers if phase.cells is None else [*numbers, list(phase.cells)]


def _read_phase(entry: Sequence[Any]) -> Phase:
    """Return a phase of the file. Raises ValueError if its cells are not different ones of its lattice."""
    phase = Phase(*entry[:7], *map(tuple, entry[7:]))
    if phase.cells is not None:
        if max(phase.cells) >= phase.rows * phase.columns:
            raise ValueError("a cell of a phase is not on its lattice")
        if len(set(phase.cells)) < len(phase.cells):
            raise ValueError("a cell of a phase has two strokes")
    return phase


class _StrokeEntry(BaseModel):
    """A stroke in the file. Its tile, which the phases determine, is written for other programs."""

    action: dict[str, float]


_Length = Annotated[int, Field(ge=1, le=_MAX_LENGTH)]
_Coordinate = Annotated[int, Field(ge=-_MAX_LENGTH, le=_MAX_LENGTH)]
_Count = Annotated[int, Field(ge=0, le=_MAX_LENGTH**2)]


def _with_type(renderer: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(renderer.get("type"), str):
        raise ValueError("it has no type")
    return renderer


RendererSettings = Annotated[dict[str, Any], AfterValidator(_with_type)]
"""The settings of a renderer in a file, with its `type`."""

_Cells = Annotated[list[_Count], Field(min_length=1)]
_FullPhase = tuple[_Count, _Coordinate, _Coordinate, _Length, _Length, _Length, _Length]
_SparsePhase = tuple[_Count, _Coordinate, _Coordinate, _Length, _Length, _Length, _Length, _Cells]


class _LogFile(BaseModel):
    """The contents of the file."""

    format: Literal["artkit-strokes"]
    version: Annotated[int, Field(le=VERSION)]
    size: tuple[_Length, _Length]
    background: Colour
    background_image: Annotated[str, Field(pattern=r"^[^/\\\\]+\.png$")] | None = None
    seed: Annotated[int, Field(ge=0, lt=1 << 63)]
    renderer: RendererSettings
    space: str
    names: Annotated[tuple[str, ...], Field(min_length=1)]
    clip: bool
    phases: list[_FullPhase | _SparsePhase]
    noise_indices: list[_Count] | None = None
    strokes: list[_StrokeEntry] | Annotated[str, Field(pattern=r"^[^/\\\\]+\.npy$")]


def _check_strokes(actions: Tensor, phases: Sequence[Phase]) -> None:
    """Raise ValueError if phases do not follow each other, tiles overlap, or actions do not fit or are out of range."""
    count = 0
    for phase in phases:
        if phase.first != count:
            raise ValueError(f"a phase begins with stroke {phase.first} instead of {count}")
        if phase.stroke_count > 1 and phase.pitch < phase.side:
            raise ValueError(f"tiles of {phase.side} px overlap")
        count += phase.stroke_count
    if len(actions) not in (1, count):
        raise ValueError(f"{len(actions)} strokes for {count} tiles")
    for chunk in torch.split(actions, _CHUNK_STROKES):
        if not ((chunk >= 0) & (chunk <= 1)).all():  # also if one is not a number
            raise ValueError("a number of a stroke is not in [0, 1]")


def _read_noise_indices(content: _LogFile, count: int) -> Tensor | None:
    """Return the noise indices of a file. Raises ValueError if there is not one for each stroke."""
    if content.noise_indices is None:
        return None
    if len(content.noise_indices) != count:
        raise ValueError(f"{len(content.noise_indices)} noise indices for {count} strokes")
    return torch.tensor(content.noise_indices, dtype=torch.int64)


def _format_error(file: Path, error: ValidationError) -> ArtkitError:
    """Return an error for the first problem in a file; another format or a later version is not called damaged."""
    first = error.errors()[0]
    if first["loc"] in (("format",), ("version",)) and first["type"] in ("literal_error", "less_than_equal"):
        return ArtkitError(
            f"{file} is not a stroke log that this version of artkit can read",
            hint="update artkit to the latest version",
        )
    place = ".".join(str(step) for step in first["loc"])
    return ArtkitError(f"{file} is damaged: {place}: {plain_message(first)}")


def _inline_actions(content: _LogFile) -> Tensor:
    strokes = [stroke for stroke in content.strokes if isinstance(stroke, _StrokeEntry)]
    rows = [[stroke.action[name] for name in content.names] for stroke in strokes]
    return torch.tensor(rows, dtype=torch.float32).reshape(len(rows), len(content.names))


def _read_array(file: Path, content: _LogFile) -> Tensor:
    """Memory-map the actions of a NumPy file beside the log. Raises ValueError or OSError."""
    try:
        array = np.load(file.parent / str(content.strokes), mmap_mode="c", allow_pickle=False)
    except FileNotFoundError:
        raise ValueError(f"there is no {content.strokes} beside it") from None
    except Exception as error:  # numpy's reader raises many kinds on a damaged header
        raise ValueError(f"{content.strokes} cannot be read ({error})") from None
    if not isinstance(array, np.ndarray) or array.dtype != np.float32 or array.shape[1:] != (len(content.names),):
        raise ValueError(f"{content.strokes} is not a float32 array of {len(content.names)} columns")
    return torch.from_numpy(array)
