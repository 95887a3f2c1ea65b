"""Stroke data: pairs of random actions and the coverage that the real MyPaint gives them (paper §2).

Stroke i of a seed is always the same, whichever process paints it, so data are made by all cores, streamed or stored,
and go on where they were interrupted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from artkit import ActionSpace, ArtkitError
from artkit.files import atomic, sha256, write_text
from artkit_mypaint import libmypaint, stroke_geometry
from artkit_mypaint.action_spaces import DISCRETE_SPACE, LIFT, STROKE_SPACE, quantize
from artkit_mypaint.brush_files import find_brush
from artkit_mypaint.libmypaint import ONE
from artkit_mypaint.pen_paths import stroke_seeds
from artkit_mypaint.tracing import trace_actions
from artkit_mypaint.workers import Workers
from artkit_painters import geometry_painter

SHARD_SIZE = 5000
"""Strokes that are made, and stored, at a time."""

CHUNK_SIZE = 256
"""Strokes of a stream that are painted at a time, and"""

PREFETCHED_CHUNKS = 4
"""how many such pieces are painted ahead of what is asked for."""

Sheets = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class StrokeSet:
    """Which strokes: of a brush, on tiles of `side` px and `margin` px around; `count` of the random ones of `seed`.
    discrete: whether they are of the action space `DISCRETE_SPACE`.
    """

    brush: str
    count: int
    seed: int = 0
    side: int = stroke_geometry.REFERENCE_SIDE
    margin: int = 16
    discrete: bool = False

    @property
    def space(self) -> ActionSpace:
        """The action space of the strokes."""
        return DISCRETE_SPACE if self.discrete else STROKE_SPACE

    @property
    def inside(self) -> slice:
        """Rows, and columns, of a sheet in which its tile lies."""
        return slice(self.margin, self.margin + self.side)

    def shards(self) -> range:
        """The numbers of the shards."""
        return range(-(-self.count // SHARD_SIZE))

    def actions(self, shard: int) -> Tensor:
        """The actions of a shard: (<= SHARD, A), uniform in [0, 1] or among the discrete ones."""
        generator = torch.Generator().manual_seed(hash_seed(self.seed, shard))
        size = min(SHARD_SIZE, self.count - shard * SHARD_SIZE)
        actions = torch.rand(SHARD_SIZE, len(self.space), generator=generator)[:size]
        return quantize(actions) if self.discrete else actions

    def paint(self, shard: int, workers: Workers, grain: int = 0) -> Sheets:
        """The coverages of a shard: (<= SHARD, S, S) uint8, 255 for 1. Another `grain`, another sample of the brush's
        randomness for the same actions.
        """
        actions = self.actions(shard)
        size = geometry_painter.sheet_size(self.side, self.margin)
        corners = np.full((len(actions), 2), -self.margin)
        numbers = torch.arange(len(actions)) + shard * SHARD_SIZE
        traces = trace_actions(
            actions[:, : len(STROKE_SPACE)],
            torch.zeros(len(actions), 2),
            self.side,
            numbers,
            hash_seed(self.seed, grain),
        )
        coverage = workers.paint(traces, corners, size, size)
        if self.discrete:
            coverage[actions[:, LIFT].numpy() == 1] = 0
        return ((coverage.astype(np.uint32) * 255 + ONE // 2) // ONE).astype(np.uint8)

    def store(self, folder: Path, workers: Workers) -> Iterator[int]:
        """Paint what is not in `folder` yet, a file a shard; yields how many strokes are there, as it grows.

        Raises ArtkitError if the folder holds the strokes of another brush, seed or size, or if the disk is full.
        """
        self._claim(folder)
        missing = [shard for shard in self.shards() if self._stored(folder, shard) < len(self.actions(shard))]
        done = self.count - sum(len(self.actions(shard)) for shard in missing)
        yield done
        for shard in missing:
            sheets = self.paint(shard, workers)
            with atomic(self.file(folder, shard)) as temporary, temporary.open("wb") as stream:
                np.save(stream, sheets)
            done += len(sheets)
            yield done

    def _stored(self, folder: Path, shard: int) -> int:
        """How many strokes of a shard there are; the last one of a smaller set is not whole."""
        file = self.file(folder, shard)
        return len(np.load(file, mmap_mode="r", allow_pickle=False)) if file.exists() else 0

    def file(self, folder: Path, shard: int) -> Path:
        """Where a shard is stored."""
        return folder / f"shard-{shard:05}.npy"

    def load(self, folder: Path) -> tuple[Tensor, list[Sheets]]:
        """What `store` stored: all actions (count, A), and the shards' coverages, mapped from the disk."""
        actions = torch.cat([self.actions(shard) for shard in self.shards()])
        sheets = [np.load(self.file(folder, shard), mmap_mode="r", allow_pickle=False) for shard in self.shards()]
        sheets[-1] = sheets[-1][: self.count - SHARD_SIZE * (len(sheets) - 1)]
        return actions, sheets

    def _claim(self, folder: Path) -> None:
        told = folder / "strokes.json"
        brush = find_brush(self.brush)
        mine = {**asdict(self), "count": None, "space": self.space.name, "brush_sha256": sha256(brush)}
        del mine["discrete"]  # the space tells
        mine["libmypaint"] = libmypaint.version()
        if told.exists():
            try:
                theirs = json.loads(told.read_text())
            except ValueError:
                raise ArtkitError(f"{told} is damaged", hint="remove the folder, to paint the strokes anew") from None
            if different := sorted(key for key in mine if mine[key] != theirs.get(key)):
                raise ArtkitError(
                    f"{folder} holds other strokes: {', '.join(f'{k} = {theirs.get(k)}' for k in different)}",
                    hint="choose another folder, or remove it",
                )
        else:
            write_text(told, json.dumps(mine, indent=1))


class StrokeStream:
    """Endless strokes that are painted while they are learnt from, each used once: worker processes paint ahead.

    Stroke i is always the same, so that a training goes on where it was.
    """

    def __init__(self, told: StrokeSet, workers: Workers) -> None:
        self._told, self._workers = told, workers
        self._painter = ThreadPoolExecutor(max_workers=1)  # it waits for the processes
        self._pieces: dict[int, Future[tuple[Tensor, Sheets]]] = {}

    def take(self, first: int, count: int) -> tuple[Tensor, Sheets]:
        """The strokes `first` to `first + count - 1`: actions (count, A) and coverages (count, S, S)."""
        start, end = first // CHUNK_SIZE, (first + count - 1) // CHUNK_SIZE
        self._pieces = {number: piece for number, piece in self._pieces.items() if number >= start}
        for number in range(start, end + 1 + PREFETCHED_CHUNKS):
            if number not in self._pieces:
                self._pieces[number] = self._painter.submit(self._piece, number)
        parts = [self._pieces[number].result() for number in range(start, end + 1)]
        wanted = slice(first - start * CHUNK_SIZE, first - start * CHUNK_SIZE + count)
        return torch.cat([actions for actions, _ in parts])[wanted], np.concatenate([s for _, s in parts])[wanted]

    def _piece(self, number: int) -> tuple[Tensor, Sheets]:
        piece = replace(self._told, count=CHUNK_SIZE, seed=hash_seed(self._told.seed + 1, number))
        return piece.actions(0), piece.paint(0, self._workers)


def hash_seed(seed: int, number: int) -> int:
    """A seed for part `number` of what `seed` stands for."""
    return int(stroke_seeds(np.array([number]), seed)[0])
