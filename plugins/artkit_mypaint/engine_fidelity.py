"""Compare the strokes of the compiled engine with those of libmypaint: their dabs, and their coverage."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from artkit_mypaint.action_spaces import STROKE_SPACE
from artkit_mypaint.engine.engine import Engine
from artkit_mypaint.engine.rasterizing import ONE
from artkit_mypaint.libmypaint_brush import LibMyPaintBrush
from artkit_mypaint.painting import dabs_of_strokes, paint_coverages
from artkit_mypaint.pen_paths import PenPaths
from artkit_mypaint.tracing import trace_actions

_CHUNK_STROKES = 250
_PATCH_TILES = 3  # side of the compared patches, with the tile in their middle


class _Comparison(NamedTuple):
    """equal: which strokes (m,) have as many dabs. dab_errors (k,): of these strokes' dabs, px. histogram (ONE + 1,):
    number of pixels by the error of their coverage, in units of 1 / ONE.
    """

    equal: npt.NDArray[np.bool_]
    dab_errors: npt.NDArray[np.float64]
    histogram: npt.NDArray[np.int64]


def compare(brush: str, strokes: int, seed: int, side: int = 32) -> dict[str, float]:
    """Compare the engine with libmypaint on random strokes of a brush, on tiles of `side` px.

    Brushes that change their colour within a stroke are compared by their coverage.

    Returns strokes; equal_counts: the share of strokes with the same number of dabs; dab_error_p99: 99th percentile
    over the dabs of these strokes of the largest error of x, y and radius in px, 0 if they have none;
    coverage_error_mean, coverage_error_p999, coverage_error_max: of the absolute errors of all pixels of all strokes.
    Raises UsageError for a brush whose strokes depend on the canvas, and MyPaintMissing without libmypaint.
    """
    engine, reference = Engine(brush), LibMyPaintBrush(brush)
    actions = torch.rand(strokes, len(STROKE_SPACE), generator=torch.Generator().manual_seed(seed))
    paths = trace_actions(actions, torch.zeros(strokes, 2), side, torch.arange(strokes), seed)
    chunks = [slice(start, start + _CHUNK_STROKES) for start in range(0, strokes, _CHUNK_STROKES)]
    comparisons = [_compare_strokes(engine, reference, paths.subset(chunk), side) for chunk in chunks]
    equal, dab_errors = (np.concatenate([comparison[i] for comparison in comparisons]) for i in (0, 1))
    histogram = sum((comparison.histogram for comparison in comparisons), np.zeros(ONE + 1, np.int64))
    cumulative = histogram.cumsum()
    return {
        "strokes": strokes,
        "equal_counts": float(equal.mean()),
        "dab_error_p99": float(np.quantile(dab_errors, 0.99)) if len(dab_errors) else 0.0,
        "coverage_error_mean": float(histogram @ np.arange(ONE + 1) / ONE / cumulative[-1]),
        "coverage_error_p999": float(np.searchsorted(cumulative, 0.999 * cumulative[-1]) / ONE),
        "coverage_error_max": float(np.flatnonzero(histogram)[-1] / ONE),
    }


def _compare_strokes(engine: Engine, reference: LibMyPaintBrush, paths: PenPaths, side: int) -> _Comparison:
    dabs, counts = engine.dabs(paths)
    expected = dabs_of_strokes(reference, paths)
    expected_counts = np.bincount(expected[:, 0].astype(int), minlength=len(paths))
    equal: npt.NDArray[np.bool_] = counts == expected_counts
    errors = np.abs(dabs[np.repeat(equal, counts), :3] - expected[np.repeat(equal, expected_counts), 2:5])
    corners, patch_size = np.full((len(paths), 2), -side * (_PATCH_TILES // 2)), side * _PATCH_TILES
    coverages = engine.paint(paths, corners, patch_size, patch_size).astype(np.int64)
    coverage_errors = np.abs(coverages - paint_coverages(reference, paths, corners, patch_size, patch_size))
    return _Comparison(equal, errors.max(1, initial=0), np.bincount(coverage_errors.ravel(), minlength=ONE + 1))
