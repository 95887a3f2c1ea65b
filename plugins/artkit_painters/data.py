"""Stroke data: pairs of random actions and the coverage that the real MyPaint gives them (paper §2).

Stroke i of a seed is always the same, whichever process paints it, so data are made by all cores, streamed or stored,
and go on where they were interrupted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from artkit.errors import ArtkitError
from artkit.files import atomic, sha256, write_text
from artkit_painters import engine, geometry, libmypaint, stroke
from artkit_painters.libmypaint import ONE
from artkit_painters.tracing import trace
from artkit_painters.workers import Workers

SHARD = 5000
"""Strokes that are made, and stored, at a time."""

Sheets = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class StrokeSet:
    """Which strokes: of a brush, on tiles of `side` px and `margin` px around; `count` of the random ones of `seed`."""

    brush: str
    count: int
    seed: int = 0
    side: int = stroke.REFERENCE_SIDE
    margin: int = 16

    def shards(self) -> range:
        """The numbers of the shards."""
        return range(-(-self.count // SHARD))

    def actions(self, shard: int) -> Tensor:
        """The actions of a shard: (<= SHARD, 12), uniform in [0, 1]."""
        generator = torch.Generator().manual_seed(hash_seed(self.seed, shard))
        size = min(SHARD, self.count - shard * SHARD)
        return torch.rand(SHARD, len(stroke.SPACE), generator=generator)[:size]

    def paint(self, shard: int, workers: Workers, grain: int = 0) -> Sheets:
        """The coverages of a shard: (<= SHARD, S, S) uint8, 255 for 1. Another `grain`, another sample of the brush's
        randomness for the same actions.
        """
        actions = self.actions(shard)
        size = geometry.sheet_size(self.side, self.margin)
        corners = np.full((len(actions), 2), -self.margin)
        numbers = torch.arange(len(actions)) + shard * SHARD
        traces = trace(actions, torch.zeros(len(actions), 2), self.side, numbers, hash_seed(self.seed, grain))
        coverage = workers.paint(traces, corners, size, size)
        return ((coverage.astype(np.uint32) * 255 + ONE // 2) // ONE).astype(np.uint8)

    def stream(self, workers: Workers) -> Iterator[tuple[Tensor, Sheets]]:
        """Actions and coverages, shard by shard."""
        for shard in self.shards():
            yield self.actions(shard), self.paint(shard, workers)

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
        """What `store` stored: all actions (count, 12), and the shards' coverages, mapped from the disk."""
        actions = torch.cat([self.actions(shard) for shard in self.shards()])
        sheets = [np.load(self.file(folder, shard), mmap_mode="r", allow_pickle=False) for shard in self.shards()]
        sheets[-1] = sheets[-1][: self.count - SHARD * (len(sheets) - 1)]
        return actions, sheets

    def _claim(self, folder: Path) -> None:
        told = folder / "strokes.json"
        brush = engine.find_brush(self.brush)
        mine = {**asdict(self), "count": None, "space": stroke.SPACE.name, "brush_sha256": sha256(brush)}
        mine["libmypaint"] = libmypaint.version()
        if told.exists():
            try:
                theirs = json.loads(told.read_text())
            except ValueError:
                raise ArtkitError(f"{told} is damaged", remedy="remove the folder, to paint the strokes anew") from None
            if different := sorted(key for key in mine if mine[key] != theirs.get(key)):
                raise ArtkitError(
                    f"{folder} holds other strokes: {', '.join(f'{k} = {theirs.get(k)}' for k in different)}",
                    remedy="choose another folder, or remove it",
                )
        else:
            write_text(told, json.dumps(mine, indent=1))


def hash_seed(seed: int, number: int) -> int:
    """A seed for part `number` of what `seed` stands for."""
    return int(engine.stroke_seeds(np.array([number]), seed)[0])
