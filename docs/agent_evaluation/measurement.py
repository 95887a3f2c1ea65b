"""Measurement of a run: paint test images with its agent, compute metrics, and read its training curve."""

from __future__ import annotations

import itertools
import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from agent_evaluation.classifier import Classifier, load_or_train_classifier
from agent_evaluation.stroke_order import DIGITS, measure_stroke_order
from artkit import ArtkitError
from artkit.devices import choose_device
from artkit.engine.agent_training import AGENT_FILE, AgentTrainingTask
from artkit.imaging.png import save_png
from artkit.recipes.reading import read_recipe
from artkit.recipes.recipe import RECORD, Recipe
from artkit.strokes.stroke_examples import POINT_NAMES

MSE_SIDE = 64
"""Side, px, of the images whose mean squared error is computed."""
ERROR_LEVELS = (0.03, 0.02, 0.015, 0.01, 0.008, 0.006)
"""Training errors for which the page reports when they were first reached."""
CURVE_INTERVAL_STEPS = 50
"""Steps that are averaged for each point of a training curve."""

_MAX_CURVE_POINTS = 200
_GRID_COLUMNS = 12
_MAX_BATCH = 50  # images painted together


@dataclass(frozen=True)
class Paintings:
    """Test images and their paintings.

    target (n, 3, h, w): the test images. painter, mypaint (n, 3, h, w): their paintings, rendered by the neural painter
    and by MyPaint. actions (n, N, A). labels (n,) or None.
    """

    target: Tensor
    painter: Tensor
    mypaint: Tensor
    actions: Tensor
    labels: Tensor | None


# ---------------------------------------------------------------------------------------------------------------- run
def read_run_recipe(run: Path) -> dict[str, Any]:
    """Return the recipe of a run. Raises ArtkitError if there is none."""
    try:
        recipe = tomllib.loads((run / "recipe.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtkitError(f"{run} is not the folder of a run: {error}") from None
    recipe.pop(RECORD, None)
    return recipe


def open_run(run: Path) -> tuple[AgentTrainingTask, Recipe]:
    """Return the task of a run, with its trained agent and the test images. Raises ArtkitError if it trains none."""
    overrides = {"data": {"part": "test"}, "agent": {"weights": str((run / AGENT_FILE).resolve())}, "device": "cpu"}
    recipe = read_recipe([read_run_recipe(run)], [overrides])
    if not recipe.trains_agent:
        raise ArtkitError(f"{run} does not train an agent: its recipe has no [data]")
    return AgentTrainingTask(recipe, choose_device("cpu")), recipe


@torch.no_grad()
def paint(task: AgentTrainingTask, recipe: Recipe, count: int) -> Paintings:
    """Paint `count` test images, evenly spaced in the test set."""
    scene, block = task.scene, recipe.blocks["renderer"]
    settings = {"brush": brush} if (brush := getattr(block.config, "brush", None)) else {}
    mypaint = scene.make("renderer", "mypaint", surrogate="", **settings)
    is_mypaint = block.type == "mypaint"
    painter = scene.make("renderer", block.config.surrogate, **settings) if is_mypaint else task.renderer
    indices = torch.linspace(0, len(task.dataset) - 1, min(count, len(task.dataset))).round().long().unique()
    batches: list[tuple[Tensor, ...]] = []
    for batch in torch.split(indices, _MAX_BATCH):
        targets = task.dataset.images(batch)
        actions = scene.constrain(task.agent(scene, targets), 1.0)
        paintings = (task.canvas.render(r, actions, scene.background, scene.seed) for r in (painter, mypaint))
        batches.append((targets, *(painting.clamp(0, 1) for painting in paintings), actions))
    return Paintings(*(torch.cat(tensors) for tensors in zip(*batches, strict=True)), task.dataset.labels(indices))


# ------------------------------------------------------------------------------------------------------------- metrics
def mean_squared_error(images: Tensor, targets: Tensor) -> float:
    """Return the mean squared error of images at `MSE_SIDE` px."""
    resized, expected = (F.interpolate(i, (MSE_SIDE, MSE_SIDE), mode="area") for i in (images, targets))
    return float((resized - expected).square().mean())


def sharpness(images: Tensor, targets: Tensor) -> float:
    """Return the ratio of the images' total variation to that of the targets."""
    variation = [i.diff(dim=-1).abs().mean() + i.diff(dim=-2).abs().mean() for i in (images, targets)]
    return float(variation[0] / variation[1].clamp(min=1e-9))


@torch.no_grad()
def accuracies(classifier: Classifier, paintings: Paintings) -> dict[str, float]:
    """Return a classifier's accuracy on the real images, the neural painter's and MyPaint's."""
    images = {"real": paintings.target, "painter": paintings.painter, "mypaint": paintings.mypaint}
    assert paintings.labels is not None
    return {name: float((classifier(i).argmax(1) == paintings.labels).float().mean()) for name, i in images.items()}


@torch.no_grad()
def retrieval_rates(classifier: Classifier, paintings: Paintings) -> dict[str, float]:
    """Return how often the real image nearest to a MyPaint painting in feature space is the right one.

    itself: it is the painting's target. character: it has the class of the target, which is excluded from the search.
    character, real: the same for real images instead of paintings.
    """
    assert paintings.labels is not None
    labels = paintings.labels
    real, painted = classifier.features(paintings.target), classifier.features(paintings.mypaint)
    similarity, own_index = painted @ real.T, torch.arange(len(real))
    is_own = torch.eye(len(real), dtype=torch.bool)
    others, real_others = (matrix.masked_fill(is_own, -2) for matrix in (similarity, real @ real.T))
    return {
        "itself": float((similarity.argmax(1) == own_index).float().mean()),
        "character": float((labels[others.argmax(1)] == labels).float().mean()),
        "character, real": float((labels[real_others.argmax(1)] == labels).float().mean()),
    }


# ------------------------------------------------------------------------------------------------------ training curve
def training_curve(run: Path, recipe: Recipe) -> list[tuple[float, float]]:
    """Return a training's error over time: pairs of seconds and the mean error of `CURVE_INTERVAL_STEPS` steps.

    The error is the objective called `mse` if there is one, otherwise the first `pixel` objective or the first of all.
    """
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    logged = dict.fromkeys(name for line in lines for name in line if name not in ("step", "loss", "seconds"))
    pixel = [name for name, block in recipe.named["objective"].items() if block.type == "pixel"]
    name = next((name for name in ("mse", *pixel, *logged) if name in logged), "loss")
    seconds = list(itertools.accumulate(line["seconds"] for line in lines))
    points = []
    for first in range(0, len(lines), CURVE_INTERVAL_STEPS):
        last = min(first + CURVE_INTERVAL_STEPS, len(lines))
        errors = [line[name] for line in lines[first:last] if name in line]
        if errors:
            points.append((seconds[last - 1], sum(errors) / len(errors)))
    return points


def seconds_to_reach(points: Sequence[tuple[float, float]], level: float) -> float | None:
    """Return when a training curve first is at most `level`, s; None if it never is."""
    return next((seconds for seconds, value in points if value <= level), None)


# --------------------------------------------------------------------------------------------------------- all figures
def measure(run: Path, count: int, classifiers: Path, images: Path) -> dict[str, Any]:
    """Return the figures of a run from `count` test images, and write a grid of paintings into the folder `images`.

    classifiers: folder in which trained classifiers are cached.
    """
    task, recipe = open_run(run)
    paintings = paint(task, recipe, count)
    blank = task.scene.background.view(1, 3, 1, 1).expand_as(paintings.target)
    both = {"painter": paintings.painter, "mypaint": paintings.mypaint}
    curve = training_curve(run, recipe)
    initial_weights = read_run_recipe(run).get("agent", {}).get("weights", "")
    renderer = recipe.blocks["renderer"]
    figures: dict[str, Any] = {
        "data": recipe.blocks["data"].type,
        "pictures": len(paintings.target),
        "strokes": task.canvas.stroke_count,
        "steps": recipe.settings.steps,
        "seconds": curve[-1][0] if curve else 0.0,
        "after": Path(initial_weights).parent.name or initial_weights,
        "objectives": {name: block.type for name, block in recipe.named["objective"].items()},
        "renderer": renderer.type if getattr(renderer.config, "grain", True) else f"{renderer.type}, mean",
        "mse": {name: mean_squared_error(i, paintings.target) for name, i in {**both, "blank": blank}.items()},
        "sharpness": {name: sharpness(i, paintings.target) for name, i in both.items()},
        "course": curve[:: max(1, len(curve) // _MAX_CURVE_POINTS)],
        "levels": {f"{level:g}": seconds_to_reach(curve, level) for level in ERROR_LEVELS},
    }
    if task.dataset.classes:
        classifier = load_or_train_classifier(recipe, task.scene, classifiers)
        if figures["data"] == "omniglot":  # its test images have other classes than its training images
            figures["retrieved"] = retrieval_rates(classifier, paintings)
        else:
            figures["recognised"] = accuracies(classifier, paintings)
    space = task.renderer.space
    has_path = space.has(*POINT_NAMES, "start_pressure", "end_pressure")
    if task.dataset.classes == DIGITS and has_path and paintings.labels is not None:
        figures["order"] = measure_stroke_order(paintings.actions, paintings.labels, space)
    _save_grid([paintings.target, *both.values()], images / f"{run.resolve().name}.png")
    return figures


def _save_grid(rows: Sequence[Tensor], file: Path) -> None:
    """Save a grid with one row per tensor (n, 3, h, w); its columns are evenly spaced in the n images."""
    n = len(rows[0])
    columns = torch.linspace(0, n - 1, min(_GRID_COLUMNS, n)).round().long()
    strips = [torch.cat([F.pad(image, (1,) * 4, value=0.5) for image in row[columns]], dim=2) for row in rows]
    file.parent.mkdir(parents=True, exist_ok=True)
    save_png(torch.cat(strips, dim=1), file)
