"""Fidelity of a painter: its strokes compared with MyPaint's, on actions that no training contains.

A brush may be stochastic: two real strokes of one action differ. So each error is compared with what the brush allows.
The best painter of the mean has the squared error `floor`, half of that between two real strokes. A painter that draws
a perfect sample has the squared error `sampler`, twice the floor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from artkit import Renderer
from artkit_mypaint.action_spaces import DISCRETE_SPACE
from artkit_mypaint.engine.engine import Engine
from artkit_painters.patches import comparison_image, gradient_energy, paint_patches
from artkit_painters.stroke_data import SHARD_SIZE, PatchArray, StrokeSet

HELD_OUT_SEED_OFFSET = 1 << 40
"""Added to the seed of a measurement, so that its strokes are none of a training with a usual seed."""

FOOTPRINT_COVERAGE = 0.1
"""Coverage above which a pixel belongs to the footprint of a stroke."""

_CHUNK_STROKES = 250
_SPECTRUM_BINS = 16


class _Chunk(NamedTuple):
    """Actions (m, A) with coverages (m, 1, side, side): of two real samples, and painted."""

    actions: Tensor
    real: Tensor
    other: Tensor
    painted: Tensor


@torch.no_grad()
def measure(painter: Renderer, brush: str, engine: Engine, strokes: int = 2000, seed: int = 0) -> dict[str, float]:
    """Compare a painter with the brush on `strokes` random strokes, on tiles of 64 px, cropped to the tile.

    Returns mse, floor, sampler: squared errors of coverage. iou, iou_real: overlap of footprints, of painted and real
    strokes and of two real ones. energy: gradient energy over that of the real strokes. spectrum: mean absolute
    difference of the logarithms of the radial power spectra. mse_small, floor_small and so on: squared errors and their
    floor for small and large brushes, and for low and high (light and heavy) pressures.
    """
    stroke_set = _stroke_set(painter, brush, strokes, seed)
    sums = dict.fromkeys(("mse", "sampler", "inter", "union", "inter_real", "union_real", "energy", "energy_real"), 0.0)
    power = {"painted": torch.zeros(_SPECTRUM_BINS), "real": torch.zeros(_SPECTRUM_BINS)}
    per_stroke: dict[str, list[Tensor]] = {"mse": [], "floor": [], "size": [], "pressure": []}
    for chunk in _chunks(painter, stroke_set, engine, seed):
        error = (chunk.painted - chunk.real).square().mean((1, 2, 3))
        error_real = (chunk.other - chunk.real).square().mean((1, 2, 3))
        sums["mse"] += float(error.sum())
        sums["sampler"] += float(error_real.sum())
        for suffix, coverage in (("", chunk.painted), ("_real", chunk.other)):
            footprint, real_footprint = coverage > FOOTPRINT_COVERAGE, chunk.real > FOOTPRINT_COVERAGE
            sums[f"inter{suffix}"] += float((footprint & real_footprint).sum())
            sums[f"union{suffix}"] += float((footprint | real_footprint).sum())
        sums["energy"] += float(gradient_energy(chunk.painted)) * len(chunk.actions)
        sums["energy_real"] += float(gradient_energy(chunk.real)) * len(chunk.actions)
        power["painted"] = power["painted"] + _power_spectrum(chunk.painted)
        power["real"] = power["real"] + _power_spectrum(chunk.real)
        per_stroke["mse"].append(error)
        per_stroke["floor"].append(error_real / 2)
        per_stroke["size"].append(chunk.actions[:, 8])
        per_stroke["pressure"].append(chunk.actions[:, 6:8].mean(1))
    figures = {
        "mse": sums["mse"] / strokes,
        "floor": sums["sampler"] / strokes / 2,
        "sampler": sums["sampler"] / strokes,
        "iou": sums["inter"] / max(sums["union"], 1),
        "iou_real": sums["inter_real"] / max(sums["union_real"], 1),
        "energy": sums["energy"] / sums["energy_real"],
        "spectrum": float((power["painted"] / power["real"]).log().abs().mean()),
    }
    return figures | _errors_by_half({name: torch.cat(values) for name, values in per_stroke.items()})


def table(figures: Mapping[str, float]) -> list[tuple[str, str, str]]:
    """Format the figures of a painter as rows: name, value, and what to compare it with."""
    subsets = {
        "": "",
        "_small": ", small brushes",
        "_large": ", large brushes",
        "_light": ", light pressure",
        "_heavy": ", heavy pressure",
    }
    errors = []
    for suffix, description in subsets.items():
        floor = figures[f"floor{suffix}"]
        reference = f"best mean {floor:.5f}, perfect sample {2 * floor:.5f}"
        errors.append((f"squared error{description}", f"{figures[f'mse{suffix}']:.5g}", reference))
    references = (
        ("footprint IoU", "iou", f"two real strokes {figures['iou_real']:.3f}"),
        ("gradient energy", "energy", "real 1"),
        ("spectrum distance", "spectrum", "real 0"),
    )
    rows = [errors[0], *((name, f"{figures[key]:.5g}", reference) for name, key, reference in references), *errors[1:]]
    if "accuracy" in figures:
        error = f"{100 * figures['accuracy_error']:.1f}"
        rows.append(("two-sample test accuracy", f"{100 * figures['accuracy']:.1f} %", f"± {error}; chance 50 %"))
    return rows


@torch.no_grad()
def stroke_image(painter: Renderer, brush: str, engine: Engine, seed: int = 0, strokes: int = 32) -> Tensor:
    """Return an image (3, h, w) of the first strokes that `measure` compares: real ones, each painted one below."""
    stroke_set = _stroke_set(painter, brush, strokes, seed)
    real = _to_tiles(stroke_set, stroke_set.paint(0, engine))
    return comparison_image(real, paint_patches(painter, stroke_set.actions(0), stroke_set.side, seed))


def _stroke_set(painter: Renderer, brush: str, strokes: int, seed: int) -> StrokeSet:
    return StrokeSet(brush, strokes, seed + HELD_OUT_SEED_OFFSET, discrete=painter.space == DISCRETE_SPACE)


def _chunks(painter: Renderer, stroke_set: StrokeSet, engine: Engine, seed: int) -> Iterator[_Chunk]:
    for shard in stroke_set.shards():
        actions = stroke_set.actions(shard)
        real, other = (_to_tiles(stroke_set, stroke_set.paint(shard, engine, sample)) for sample in (0, 1))
        for start in range(0, len(actions), _CHUNK_STROKES):
            chunk = slice(start, start + _CHUNK_STROKES)
            painted = paint_patches(painter, actions[chunk], stroke_set.side, seed, shard * SHARD_SIZE + start)
            yield _Chunk(actions[chunk], real[chunk][:, None], other[chunk][:, None], painted[:, None])


def _errors_by_half(per_stroke: Mapping[str, Tensor]) -> dict[str, float]:
    """Average errors over the strokes in the lower and upper half of size and pressure."""
    figures = {}
    for key, low, high in (("size", "small", "large"), ("pressure", "light", "heavy")):
        upper = per_stroke[key] > 0.5
        for half, mask in ((low, ~upper), (high, upper)):
            figures[f"mse_{half}"] = float(per_stroke["mse"][mask].mean())
            figures[f"floor_{half}"] = float(per_stroke["floor"][mask].mean())
    return figures


def _to_tiles(stroke_set: StrokeSet, patches: PatchArray) -> Tensor:
    """Crop patches to their tiles (m, side, side), in [0, 1]."""
    return torch.from_numpy(patches[:, stroke_set.tile_slice, stroke_set.tile_slice].astype(np.float32) / 255)


def _power_spectrum(coverage: Tensor) -> Tensor:
    """Power (_SPECTRUM_BINS,) of coverages (m, 1, s, s) in rings of spatial frequency, up to Nyquist's."""
    side = coverage.shape[-1]
    power = torch.fft.fft2(coverage).abs().square().sum((0, 1))
    f = torch.fft.fftfreq(side)
    ring = ((f[:, None].square() + f[None].square()).sqrt() * 2 * _SPECTRUM_BINS).long()
    return torch.stack([power[ring == r].sum() for r in range(_SPECTRUM_BINS)]) + 1e-9
