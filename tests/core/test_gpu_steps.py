"""Runs on a GPU, simulated: the results of the CPU, and one copy to the CPU in a step, that of the losses."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from artkit import testing
from artkit.engine.agent_training import AgentTrainingTask
from artkit.engine.painting_task import PaintingTask
from artkit.engine.renderer_training import RendererTrainingTask
from artkit.engine.run import Run
from artkit.engine.task import Task
from artkit.errors import UsageError
from artkit.imaging.png import save_png
from artkit.recipes.reading import read_recipe
from artkit.rendering.rendered_painting import RenderedPainting
from artkit.strokes.stroke_log import StrokeLog
from artkit_mypaint.action_spaces import STROKE_SPACE

Write = Callable[..., Path]

PAINTING = """
seed = 5
steps = 4
size = [40, 32]
background = "target"
[canvas]
type = "grid"
tile = 16
overlap = 8
strokes = 2
[renderer]
type = "mypaint"
[objective.look]
type = "content"
target = "target.png"
"""

PICTURE = """
steps = 4
size = [24, 24]
[canvas]
type = "single"
strokes = 1
[renderer]
type = "cppn"
[objective.see]
type = "class-activation"
class = "starfish"
networks = ["efficientnet_lite0"]
views = 1
"""

AGENT = """
steps = 4
size = [32, 32]
[data]
type = "folder"
path = "pictures"
batch = 2
unseen = 0
[canvas]
type = "single"
strokes = 2
[renderer]
type = "mypaint"
[agent]
type = "lstm"
view = 16
channels = 4
cells = 8
see = "both"
revise = 1
[objective.match]
type = "pixel"
[objective.critic]
type = "adversarial"
view = 16
channels = 4
"""

TRAINING = """
steps = 4
[trainer]
type = "{}"
strokes = 100
batch = 4
"""

RECIPES = {
    "strokes": PAINTING,
    "windows": PAINTING.replace("size = [40, 32]", "size = [136, 64]\nwindow = 120").replace('"content"', '"pixel"'),
    "candidates": PAINTING + 'rotate = 3.0\n[agent]\ntype = "free"\ndrafts = 2\nchoose = 1.0\n',
    "constraints": PAINTING + '[constraint.one]\ntype = "connected"\n[constraint.two]\ntype = "grayscale"\n',
    "adaptive": PAINTING.replace(
        'type = "grid"\ntile = 16\noverlap = 8\nstrokes = 2', 'type = "adaptive"\nstrokes = 30'
    ),
    "samples": PAINTING.replace('"content"', '"pixel"').replace('type = "mypaint"', 'type = "gan"'),
    "mean": PAINTING.replace('"content"', '"pixel"').replace('"mypaint"', '"mypaint"\ngradient = "mean"'),
    "exact": PAINTING.replace('"content"', '"pixel"').replace('"mypaint"', '"mypaint"\ngradient = "exact"'),
    "picture": PICTURE,
    "agent": AGENT,
    "gan": TRAINING.format("gan") + "listen = 100\n",
    "gan critic": TRAINING.format("gan") + "listen = 100\nregression = 0\n",
    "dcgan critic": TRAINING.format("gan") + 'architecture = "dcgan"\nregression = 0\n',
    "mean painter": TRAINING.format("gan") + 'architecture = "geometry"\nreach = [2.0, 2.0]\n',
    "vae": TRAINING.format("vae"),
    "vae predictor": TRAINING.format("vae") + "autoencoder = 0.1\n",
}


@pytest.fixture
def recipe_of(tmp_path: Path, recipe_file: Write, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Returns a recipe of `RECIPES` by its name, with settings."""
    monkeypatch.chdir(tmp_path)
    save_png(testing.picture((60, 40))[0], tmp_path / "target.png")
    (tmp_path / "pictures").mkdir()
    for number in range(4):
        save_png(testing.picture((32, 32), number)[0], tmp_path / "pictures" / f"{number}.png")
    return lambda name, *settings: read_recipe([recipe_file(RECIPES[name])], settings)


def make_task(recipe: Any, device: torch.device, folder: Path) -> Task:
    if recipe.trains_renderer:
        return RendererTrainingTask(recipe, device, folder)
    return (AgentTrainingTask if "data" in recipe.blocks else PaintingTask)(recipe, device)


@pytest.mark.parametrize("name", RECIPES)
def test_a_step_on_a_device_has_the_losses_of_the_cpu_and_waits_once(
    name: str, recipe_of: Callable[..., Any], tmp_path: Path, gpu: torch.device
) -> None:
    pytest.importorskip("triton")
    recipe = recipe_of(name)
    task = make_task(recipe, torch.device("cpu"), tmp_path / "cpu")
    task.prepare()
    expected = [task.step(step) for step in range(3)]
    task = make_task(recipe, gpu, tmp_path / "gpu")
    task.prepare()
    losses = [task.step(step) for step in range(2)]
    with testing.record_synchronisations() as found:
        losses.append(task.step(2))
    simulated = gpu.index == 63
    assert losses == [pytest.approx(each, rel=1e-4 if simulated else 2e-2) for each in expected]
    assert len(found) == 1, "\n".join(found)
    assert found[0].startswith("copy to the CPU at engine/task.py")


@pytest.mark.parametrize("name", ["strokes", "windows", "agent", "dcgan critic"])
@pytest.mark.parametrize("first", ["cpu", "gpu"])
def test_a_run_is_resumed_on_another_device(
    name: str, first: str, recipe_of: Callable[..., Any], tmp_path: Path, gpu: torch.device
) -> None:
    pytest.importorskip("triton")
    recipe, cpu = recipe_of(name, "steps=2"), torch.device("cpu")
    whole = Run(tmp_path / "whole", recipe, make_task(recipe, cpu, tmp_path / "whole")).execute()

    def part(device: torch.device, stop: bool) -> Run:
        run = Run(tmp_path / "part", recipe, make_task(recipe, device, tmp_path / "part"), resume=not stop)
        if stop:
            next(iter(run))
        return run if stop else run.execute()

    if first == "cpu":
        part(cpu, stop=True)
    resumed = part(gpu, stop=first == "gpu")
    if first == "gpu":
        resumed = part(cpu, stop=False)
    assert resumed.losses == pytest.approx(whole.losses, rel=1e-4 if gpu.index == 63 else 2e-2)


@pytest.mark.parametrize("brush", ["classic/dry_brush", "experimental/fur"])
def test_an_export_on_a_device_has_the_pixels_of_the_cpu(brush: str, gpu: torch.device) -> None:
    pytest.importorskip("triton")
    scene = testing.scene((40, 32), renderer="mypaint", canvas="pyramid", device="cpu")
    assert scene.canvas is not None
    actions = torch.rand(scene.action_count, 12, generator=torch.Generator().manual_seed(0))
    log = StrokeLog(
        size=(40, 32), background=(1.0, 0.5, 0.2), seed=3, renderer={"type": "mypaint"}, space="mypaint-stroke-1",
        names=STROKE_SPACE.names, actions=actions, phases=tuple(scene.canvas.phases),
    )  # fmt: skip
    pictures = []
    for device in ("cpu", None):  # None: the GPU
        renderer = testing.scene(device=device).make("renderer", "mypaint", brush=brush)
        with testing.record_synchronisations() as found:
            pictures.append(RenderedPainting(log, renderer, 2.0).pixels(16).astype(int))
        assert len(found) == (0 if device else 1), found
    assert np.abs(pictures[0] - pictures[1]).max() <= (0 if gpu.index == 63 else 40)


@pytest.mark.parametrize("name", ["strokes", "samples", "exact"])
def test_strokes_on_a_device_without_triton_are_one_message(
    name: str, recipe_of: Callable[..., Any], tmp_path: Path, gpu: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make_task(recipe_of(name), gpu, tmp_path)
    monkeypatch.setitem(sys.modules, "triton", None)
    with pytest.raises(UsageError, match="need Triton on cuda") as caught:
        task.step(0)
    assert "pip install triton" in caught.value.hint
    assert "--device cpu" in caught.value.hint
