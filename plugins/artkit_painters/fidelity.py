"""How well a painter knows its brush: its strokes beside MyPaint's on actions that it never saw.

A brush may be random: two real strokes of one action differ. So every error stands beside what the brush itself allows.
The best painter of the mean has the squared error of `floor`, half of that between two real strokes; a painter that
draws a perfect sample each time has that of `sampler`, twice the floor.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from artkit import Renderer
from artkit_mypaint.action_spaces import DISCRETE_SPACE
from artkit_mypaint.workers import Workers
from artkit_painters.patches import comparison_image, gradient_energy, paint_patches
from artkit_painters.stroke_data import SHARD_SIZE, Sheets, StrokeSet

UNSEEN = 1 << 40
"""Added to the seed of a measurement, so that its strokes are none that a training with a usual seed has seen."""

FOOTPRINT = 0.1
"""Coverage from which on a pixel counts as painted."""

_CHUNK = 250


@torch.no_grad()
def measure(painter: Renderer, brush: str, workers: Workers, strokes: int = 2000, seed: int = 0) -> dict[str, float]:
    """Figures of a painter against the brush, on `strokes` random strokes and tiles of 64 px, cut at the tile.

    mse, floor, sampler: squared errors of coverage. iou, iou_real: overlap of footprints, of painted and real strokes
    and of two real ones. energy: gradient energy over that of the real strokes. spectrum: mean absolute difference of
    the logarithms of the radial power spectra. mse_small, floor_small and so on: squared errors and their floor for the
    smaller and larger brushes and the lower and higher (light and heavy) pressures.
    """
    told = StrokeSet(brush, strokes, seed + UNSEEN, discrete=painter.space == DISCRETE_SPACE)
    sums = dict.fromkeys(("mse", "sampler", "inter", "union", "inter_real", "union_real", "energy", "energy_real"), 0.0)
    power = {"painted": torch.zeros(16), "real": torch.zeros(16)}
    halves: dict[str, list[Tensor]] = {"error": [], "real": [], "size": [], "pressure": []}
    for shard in told.shards():
        actions = told.actions(shard)
        one, two = (_inside(told, told.paint(shard, workers, grain)) for grain in (0, 1))
        for start in range(0, len(actions), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            a = actions[chunk]
            real, other = (sheets[chunk][:, None] for sheets in (one, two))
            painted = paint_patches(painter, a, told.side, seed, shard * SHARD_SIZE + start)[:, None]
            error, between = (painted - real).square(), (other - real).square()
            sums["mse"] += float(error.mean((1, 2, 3)).sum())
            sums["sampler"] += float(between.mean((1, 2, 3)).sum())
            for key, sheet in (("", painted), ("_real", other)):
                sums[f"inter{key}"] += float(((sheet > FOOTPRINT) & (real > FOOTPRINT)).sum())
                sums[f"union{key}"] += float(((sheet > FOOTPRINT) | (real > FOOTPRINT)).sum())
            sums["energy"] += float(gradient_energy(painted)) * len(a)
            sums["energy_real"] += float(gradient_energy(real)) * len(a)
            power["painted"] = power["painted"] + _spectrum(painted)
            power["real"] = power["real"] + _spectrum(real)
            halves["error"].append(error.mean((1, 2, 3)))
            halves["real"].append(between.mean((1, 2, 3)) / 2)
            halves["size"].append(a[:, 8])
            halves["pressure"].append(a[:, 6:8].mean(1))
    figures = {
        "mse": sums["mse"] / strokes,
        "floor": sums["sampler"] / strokes / 2,
        "sampler": sums["sampler"] / strokes,
        "iou": sums["inter"] / max(sums["union"], 1),
        "iou_real": sums["inter_real"] / max(sums["union_real"], 1),
        "energy": sums["energy"] / sums["energy_real"],
        "spectrum": float((power["painted"] / power["real"]).log().abs().mean()),
    }
    flat = {key: torch.cat(values) for key, values in halves.items()}
    for by, low, high in (("size", "small", "large"), ("pressure", "light", "heavy")):
        upper = flat[by] > 0.5
        for part, chosen in ((low, ~upper), (high, upper)):
            figures[f"mse_{part}"] = float(flat["error"][chosen].mean())
            figures[f"floor_{part}"] = float(flat["real"][chosen].mean())
    return figures


def table(figures: Mapping[str, float]) -> list[tuple[str, str, str]]:
    """The figures of a painter in words: what was measured, the figure, and what it is to be compared with."""
    rows = [
        ("footprint IoU", "iou", f"two real strokes {figures['iou_real']:.3f}"),
        ("gradient energy", "energy", "real 1"),
        ("spectrum distance", "spectrum", "real 0"),
    ]
    told = [(what, f"{figures[key]:.5g}", yardstick) for what, key, yardstick in rows]
    parts = {"": "", "_small": ", small brushes", "_large": ", large brushes"}
    parts |= {"_light": ", light pressure", "_heavy": ", heavy pressure"}
    errors = []
    for part, name in parts.items():
        floor = figures[f"floor{part}"]
        comparison_image = f"best mean {floor:.5f}, perfect sample {2 * floor:.5f}"
        errors.append((f"squared error{name}", f"{figures[f'mse{part}']:.5g}", comparison_image))
    told = [errors[0], *told, *errors[1:]]
    if "accuracy" in figures:
        error = f"{100 * figures['accuracy_error']:.1f}"
        told.append(("told from real ones by a judge", f"{100 * figures['accuracy']:.1f} %", f"± {error}; a coin 50 %"))
    return told


@torch.no_grad()
def sheet(painter: Renderer, brush: str, workers: Workers, seed: int = 0, strokes: int = 32) -> Tensor:
    """A picture (3, h, w) of the first strokes that `measure` measures: real ones, and below each the painted one."""
    told = StrokeSet(brush, strokes, seed + UNSEEN, discrete=painter.space == DISCRETE_SPACE)
    return comparison_image(
        _inside(told, told.paint(0, workers)), paint_patches(painter, told.actions(0), told.side, seed)
    )


def _inside(told: StrokeSet, sheets: Sheets) -> Tensor:
    """The tiles (m, side, side) in [0, 1] of sheets."""
    return torch.from_numpy(sheets[:, told.inside, told.inside].astype(np.float32) / 255)


def _spectrum(sheets: Tensor) -> Tensor:
    """Power (16,) of sheets (m, 1, s, s) in rings of spatial frequency, up to Nyquist's."""
    side = sheets.shape[-1]
    power = torch.fft.fft2(sheets).abs().square().sum((0, 1))
    f = torch.fft.fftfreq(side)
    ring = ((f[:, None].square() + f[None].square()).sqrt() * 2 * 16).long()
    return torch.stack([power[ring == r].sum() for r in range(16)]) + 1e-9
