"""Stroke data: pairs of random actions and the coverage that MyPaint paints for them (paper §2).

Stroke i of a seed is the same whichever process paints it. So data can be made by all cores, streamed or stored, and
continued after an interruption.
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
from artkit_mypaint import stroke_geometry
from artkit_mypaint.action_spaces import DISCRETE_SPACE, LIFT, STROKE_SPACE, quantize
from artkit_mypaint.brush_files import find_brush
from artkit_mypaint.engine.engine import ENGINE_VERSION, Engine
from artkit_mypaint.engine.rasterizing import ONE
from artkit_mypaint.stroke_seeds import stroke_seeds
from artkit_mypaint.tracing import trace_actions
from artkit_painters import cell_blocks

SHARD_SIZE = 5000
"""Strokes that are painted and stored at a time."""

CHUNK_SIZE = 256
"""Strokes of a stream that are painted at a time."""

PREFETCHED_CHUNKS = 4
"""Chunks of a stream that are painted ahead of the requested ones."""

PatchArray = npt.NDArray[np.uint8]
"""Coverage of stroke patches (m, S, S), 255 for 1."""


@dataclass(frozen=True)
class StrokeSet:
    """A set of random strokes of a brush: the first `count` strokes of `seed`.

    Patches are tiles of `side` px with `margin` px around them. discrete: whether the actions are of `DISCRETE_SPACE`.
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
    def tile_slice(self) -> slice:
        """Rows and columns of a patch that are its tile."""
        return slice(self.margin, self.margin + self.side)

    def shards(self) -> range:
        """The indices of the shards."""
        return range(-(-self.count // SHARD_SIZE))

    def actions(self, shard: int) -> Tensor:
        """Return the actions of a shard: (<= SHARD_SIZE, A), uniform in [0, 1], quantized if discrete."""
        generator = torch.Generator().manual_seed(hash_seed(self.seed, shard))
        size = min(SHARD_SIZE, self.count - shard * SHARD_SIZE)
        actions = torch.rand(SHARD_SIZE, len(self.space), generator=generator)[:size]
        return quantize(actions) if self.discrete else actions

    def paint(self, shard: int, engine: Engine, sample: int = 0) -> PatchArray:
        """Paint a shard: patches (<= SHARD_SIZE, S, S). sample: index of the sample of the brush's randomness."""
        actions = self.actions(shard)
        size = cell_blocks.patch_size(self.side, self.margin)
        corners = np.full((len(actions), 2), -self.margin)
        indices = torch.arange(len(actions)) + shard * SHARD_SIZE
        paths = trace_actions(
            actions[:, : len(STROKE_SPACE)],
            torch.zeros(len(actions), 2),
            self.side,
            indices,
            hash_seed(self.seed, sample),
        )
        coverage = engine.paint(paths, corners, size, size)
        if self.discrete:
            coverage[actions[:, LIFT].numpy() == 1] = 0
        return ((coverage.astype(np.uint32) * 255 + ONE // 2) // ONE).astype(np.uint8)

    def store(self, folder: Path, engine: Engine) -> Iterator[int]:
        """Paint the shards that `folder` lacks, a file each; yield the number of strokes stored so far.

        Raises ArtkitError if the folder holds strokes of another brush, seed or size, or if the disk is full.
        """
        self._claim(folder)
        missing = [shard for shard in self.shards() if self._stored_count(folder, shard) < len(self.actions(shard))]
        stored = self.count - sum(len(self.actions(shard)) for shard in missing)
        yield stored
        for shard in missing:
            patches = self.paint(shard, engine)
            with atomic(self.shard_file(folder, shard)) as temporary, temporary.open("wb") as stream:
                np.save(stream, patches)
            stored += len(patches)
            yield stored

    def load(self, folder: Path) -> tuple[Tensor, list[PatchArray]]:
        """Load stored strokes: all actions (count, A), and the patches of each shard, memory-mapped."""
        actions = torch.cat([self.actions(shard) for shard in self.shards()])
        patches = [
            np.load(self.shard_file(folder, shard), mmap_mode="r", allow_pickle=False) for shard in self.shards()
        ]
        patches[-1] = patches[-1][: self.count - SHARD_SIZE * (len(patches) - 1)]
        return actions, patches

    def shard_file(self, folder: Path, shard: int) -> Path:
        """Return the file of a shard."""
        return folder / f"shard-{shard:05}.npy"

    def _stored_count(self, folder: Path, shard: int) -> int:
        """Number of stored strokes of a shard; the last shard of a smaller set is incomplete."""
        file = self.shard_file(folder, shard)
        return len(np.load(file, mmap_mode="r", allow_pickle=False)) if file.exists() else 0

    def _claim(self, folder: Path) -> None:
        """Write ``strokes.json``, or check that it describes this set."""
        file = folder / "strokes.json"
        expected = {
            **asdict(self),
            "count": None,
            "space": self.space.name,
            "brush_sha256": sha256(find_brush(self.brush)),
            "engine": ENGINE_VERSION,
        }
        del expected["discrete"]  # implied by the action space
        if not file.exists():
            write_text(file, json.dumps(expected, indent=1))
            return
        try:
            actual = json.loads(file.read_text())
        except ValueError:
            raise ArtkitError(f"{file} is damaged", hint="remove the folder to paint the strokes again") from None
        if different := sorted(key for key in expected if expected[key] != actual.get(key)):
            raise ArtkitError(
                f"{folder} holds other strokes: {', '.join(f'{key} = {actual.get(key)}' for key in different)}",
                hint="choose another folder, or remove it",
            )


class StrokeStream:
    """Endless strokes, each used once, that a thread paints ahead during training.

    Stroke i is always the same, so that a resumed training continues with the next strokes.
    """

    def __init__(self, strokes: StrokeSet, engine: Engine) -> None:
        self._strokes, self._engine = strokes, engine
        self._executor = ThreadPoolExecutor(max_workers=1)  # paints during the training steps
        self._chunks: dict[int, Future[tuple[Tensor, PatchArray]]] = {}

    def take(self, first: int, count: int) -> tuple[Tensor, PatchArray]:
        """Return the strokes `first` to `first + count - 1`: actions (count, A) and patches (count, S, S)."""
        start, end = first // CHUNK_SIZE, (first + count - 1) // CHUNK_SIZE
        self._chunks = {index: chunk for index, chunk in self._chunks.items() if index >= start}
        for index in range(start, end + 1 + PREFETCHED_CHUNKS):
            if index not in self._chunks:
                self._chunks[index] = self._executor.submit(self._paint_chunk, index)
        chunks = [self._chunks[index].result() for index in range(start, end + 1)]
        requested = slice(first - start * CHUNK_SIZE, first - start * CHUNK_SIZE + count)
        actions, patches = zip(*chunks, strict=True)
        return torch.cat(actions)[requested], np.concatenate(patches)[requested]

    def _paint_chunk(self, index: int) -> tuple[Tensor, PatchArray]:
        chunk = replace(self._strokes, count=CHUNK_SIZE, seed=hash_seed(self._strokes.seed + 1, index))
        return chunk.actions(0), chunk.paint(0, self._engine)


def hash_seed(seed: int, index: int) -> int:
    """Derive the seed of an item from its index."""
    return int(stroke_seeds(torch.tensor(index), seed))
