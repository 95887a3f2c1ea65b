"""Figures of a finished painting that a paper can quote: likeness to the target, held-out networks, strokes."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import artkit
from artkit import RenderedPainting, UsageError
from artkit.config import FIRST_STAGE
from artkit.imaging.loading import load_target_image
from artkit.recipes.recipe import FIRST_PICTURE_FILE
from artkit.torchvision_compat import declare_missing_operators
from artkit_vision import networks
from artkit_vision.class_activation import ClassActivation
from artkit_vision.colour_difference import ciede2000, lab_from_srgb
from artkit_vision.content import Content

_SIDE_PX = 1024  # a painting whose longer side is at least twice as long is rendered smaller
_CURVE_POINTS = 33
_MAX_QUANTILE_PIXELS = 1 << 23  # torch sorts at most 2^24 values for a quantile
_SSIM_SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # weights of the scales, of Wang et al. (2003)
_SSIM_KERNEL_PX = 11


@torch.no_grad()
def evaluate(
    run: Path,
    painting: RenderedPainting,
    held_out: Sequence[str] = (),
    target: Path | None = None,
    device: str = "auto",
) -> dict[str, Any]:
    """Evaluate the painting in a run's folder.

    held_out: networks to evaluate with, besides those of the recipe's objectives. target: the image to compare with; by
    default that of the recipe's first objective that has one. A film, whose target changes, needs one: the painting is
    its last frame. Returns numbers, lists and dictionaries for JSON. Raises UsageError if the target is missing or
    torchmetrics is not installed.
    """
    tree = tomllib.loads((run / "recipe.toml").read_text(encoding="utf-8"))
    objectives = tree.get("objective", {})
    painting = painting.downscaled(_SIDE_PX)
    picture = painting.to_tensor()[None]
    figures: dict[str, Any] = {
        "run": str(run),
        "size": list(painting.log.size),
        "evaluated_size": list(painting.size),
        "renderer": painting.log.renderer,
        "seed": painting.log.seed,
        "strokes": stroke_statistics(painting),
    }
    if "film" in tree and target is None:
        raise UsageError(
            f"{run} is a film; its last frame would be evaluated",
            hint="name the last frame of the clip with --target FILE",
        )
    if found := _find_target(run, objectives, target):
        file, fit = found
        expected = load_target_image(file, painting.size, fit, torch.tensor(painting.log.background[:3])).pixels
        figures["target"] = str(file)
        figures |= likeness(picture, expected)
        figures["content"] = content_ratios(picture, expected, objectives, held_out, device)
    if rows := class_scores(painting, objectives, held_out, device):
        figures["classes"] = rows
    return figures


def _find_target(run: Path, objectives: dict[str, Any], target: Path | None) -> tuple[Path, Any] | None:
    """Return the target and how it is fitted, or None if the run has none."""
    fits = {Path(block["target"]): block.get("fit", "cover") for block in objectives.values() if "target" in block}
    if target is None and not fits:
        return None
    target = target or next(iter(fits))
    file = run / FIRST_PICTURE_FILE if target == FIRST_STAGE else target
    if not file.is_file():
        raise UsageError(f"the target {file} of the run is not there", hint="name the image with --target FILE")
    return file, fits.get(target, next(iter(fits.values()), "cover"))


def likeness(picture: Tensor, target: Tensor) -> dict[str, float | None]:
    """Compare pictures (1, 3, h, w) in [0, 1]: ``ms_ssim``, and the mean and 95th percentile of CIEDE2000.

    MS-SSIM uses as many of its five scales as fit into the picture, and is None if none does.
    """
    difference = ciede2000(lab_from_srgb(picture), lab_from_srgb(target)).flatten()
    sample = difference[:: len(difference) // _MAX_QUANTILE_PIXELS + 1]
    return {
        "ms_ssim": _ms_ssim(picture, target),
        "ciede2000_mean": round(float(difference.mean()), 3),
        "ciede2000_p95": round(float(sample.quantile(0.95)), 3),
    }


def _ms_ssim(picture: Tensor, target: Tensor) -> float | None:
    declare_missing_operators()  # torchmetrics imports torchvision
    try:
        from torchmetrics.functional.image import multiscale_structural_similarity_index_measure
    except ImportError:
        raise UsageError("torchmetrics is not installed", hint='pip install "neural-artkit[metrics]"') from None
    scales = min(len(_SSIM_SCALES), int(math.log2(max(1, (min(picture.shape[2:]) - 1) / (_SSIM_KERNEL_PX - 1)))))
    if not scales:
        return None
    weights = torch.tensor(_SSIM_SCALES[:scales])
    value = multiscale_structural_similarity_index_measure(
        picture, target, data_range=1.0, betas=tuple((weights / weights.sum()).tolist()), normalize="relu"
    )
    return round(float(value), 4)


def content_ratios(
    picture: Tensor, target: Tensor, objectives: dict[str, Any], held_out: Sequence[str], device: str
) -> list[dict[str, Any]]:
    """Compute the content loss of a picture over that of a blank white one, by each network.

    The networks are those of the recipe's content objectives and the held-out ones, at the layers of the objective
    `content` by default: mean absolute difference, without random transforms. 0 is the target itself.
    """
    own = [b.get("network", "efficientnet_lite0") for b in objectives.values() if b.get("type") in ("content", "style")]
    layers = Content.Config.model_fields["layers"].default
    on_device = artkit.scene(device=device).device
    rows = []
    for name in dict.fromkeys([*own, *held_out]):
        network = networks.load(name, on_device)
        network.check_layers(layers)
        blank, painted, expected = (
            network.features(image.to(on_device), layers) for image in (torch.ones_like(target), picture, target)
        )
        losses = [
            sum(float((a - b).abs().mean()) for a, b in zip(features, expected, strict=True)) / len(layers)
            for features in (painted, blank)
        ]
        row = {"network": name, "held_out": name not in own, "content_loss": round(losses[0], 4)}
        rows.append({**row, "content_ratio": round(losses[0] / losses[1], 4) if losses[1] else None})
    return rows


def class_scores(
    painting: RenderedPainting, objectives: dict[str, Any], held_out: Sequence[str], device: str
) -> list[dict[str, Any]]:
    """Classify a painting by the networks of its class-activation objectives and the held-out ones: a row each."""
    rows: list[dict[str, Any]] = []
    for block in objectives.values():
        if block.get("type") != ClassActivation.name:
            continue
        settings = {key: value for key, value in block.items() if key != "type"}
        own = settings.get("networks", ClassActivation.Config.model_fields["networks"].default)
        others = [name for name in (*settings.get("held_out", ()), *held_out) if name not in own]
        settings["held_out"] = list(dict.fromkeys(others))
        objective: ClassActivation = artkit.scene(painting.log.size, device=device).make(
            "objective", ClassActivation, **settings
        )
        rows += objective.evaluate(painting)
    return rows


def stroke_statistics(painting: RenderedPainting) -> dict[str, Any]:
    """Count and measure the strokes of a painting.

    count: those that leave paint; a lifted one does not. mean_length, total_length: of their curves in px of the
    recipe, if the action space has curves. coverage: share of the picture that paint covers, in [0, 1]. Empty for a
    picture without strokes.
    """
    log = painting.log
    tiles = log.tiles()
    if len(log.actions) != len(tiles):
        return {}
    index = {name: position for position, name in enumerate(log.names)}
    painted = log.actions[:, index["lift"]] <= 0.5 if "lift" in index else torch.ones(len(tiles), dtype=torch.bool)
    width, height = painting.size
    alpha = painting.render_phases(log.phases, 0, 0, width, height)[3]
    statistics: dict[str, Any] = {"count": int(painted.sum()), "coverage": round(float(alpha.mean()), 4)}
    points = [f"{point}_{axis}" for point in ("start", "middle", "end") for axis in "xy"]
    if set(points) <= index.keys():
        lengths = _curve_lengths(log.actions[:, [index[name] for name in points]]) * tiles[:, 2]
        lengths = lengths[painted].double()
        statistics["mean_length"] = round(float(lengths.mean()), 2) if len(lengths) else 0.0
        statistics["total_length"] = round(float(lengths.sum()), 1)
    return statistics


def _curve_lengths(points: Tensor) -> Tensor:
    """Return the lengths of quadratic curves through start, middle (t = 1/2) and end (m, 6): (m,), in the same unit."""
    start, middle, end = points.view(-1, 3, 1, 2).unbind(1)
    t = torch.linspace(0, 1, _CURVE_POINTS).view(1, -1, 1)
    control = 2 * middle - (start + end) / 2
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end
    lengths: Tensor = curve.diff(dim=1).norm(dim=2).sum(1)
    return lengths
