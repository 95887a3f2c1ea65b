"""Tests of what all trainers of painters do: resuming, streamed strokes, TensorBoard and their errors."""

from __future__ import annotations

import errno
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from artkit.engine.renderer_training import RendererTrainingTask
from artkit.engine.run import Run
from artkit.engine.task import Interrupted
from artkit.errors import ArtkitError, UsageError
from artkit.geometry.place import Place
from artkit.interfaces.scene import Scene
from artkit.recipes.reading import read_recipe
from artkit_painters import stroke_data, weights

STEPS = 6
TRAINERS = {
    "dabs": 'type = "gan"\nlisten = 16\nregression = 0.5\ncritic_steps = 2',
    "geometry": 'type = "gan"\narchitecture = "geometry"\nreach = [2, 2]\nchannels = 8',
    "dcgan": 'type = "gan"\narchitecture = "dcgan"\nregression = 0.5\ncritic_steps = 1\nlr = 1e-3',
    "discrete": 'type = "gan"\narchitecture = "dcgan"\ndiscrete = true\nregression = 0.5\ncritic_steps = 1\nlr = 1e-3',
    "vae": 'type = "vae"\nautoencoder = 0.5',
}
RENDERERS: dict[str, tuple[str, dict[str, Any]]] = {
    "dabs": ("gan", {}),
    "geometry": ("gan", {"grain": False}),
    "dcgan": ("dcgan", {}),
    "discrete": ("discrete", {}),
    "vae": ("vae", {}),
}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short training takes several chunks of the stream."""
    monkeypatch.setattr(stroke_data, "CHUNK_SIZE", 16)
    monkeypatch.setattr(stroke_data, "PREFETCHED_CHUNKS", 1)


@pytest.fixture
def write_recipe(tmp_path: Path) -> Callable[..., Path]:
    """Write the recipe of a short training on streamed strokes: ``write_recipe(kind, *lines)``."""

    def write(kind: str, *lines: str) -> Path:
        file = tmp_path / f"{kind}.toml"
        common = f"seed = 3\nsteps = {STEPS}\n[trainer]\nbatch = 12\nstrokes = 0"
        file.write_text("\n".join([common, TRAINERS[kind], *lines]))
        return file

    return write


def build_task(file: Path, folder: Path, *settings: str) -> RendererTrainingTask:
    return RendererTrainingTask(read_recipe([file], list(settings)), torch.device("cpu"), folder)


@pytest.mark.slow
# ------------------------------------------------------------------------------------------------------------- training
@pytest.mark.parametrize("kind", TRAINERS)
def test_resumed_training_gives_the_same_weights_and_they_can_be_rendered(
    kind: str, write_recipe: Callable[..., Path], train: Callable[..., Run], tmp_path: Path, scene: Callable[..., Scene]
) -> None:
    file = write_recipe(kind)
    torch.manual_seed(1)
    whole = train(file, tmp_path / "whole").outputs[0]
    with pytest.raises(Interrupted):
        train(file, tmp_path / "stopped", stop_after=4)
    torch.manual_seed(2)
    assert train(file, tmp_path / "stopped", resume=True).outputs[0].read_bytes() == whole.read_bytes()
    lines = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert len(lines) == STEPS
    assert all(math.isfinite(value) for line in lines for value in line.values())
    assert (tmp_path / "whole" / "sheet.png").exists()
    _, metadata, _ = weights.load(whole)
    assert metadata["brush"] == "classic/dry_brush"
    name, settings = RENDERERS[kind]
    renderer = scene().make("renderer", name, weights=whole, **settings)
    actions = torch.rand(4, len(renderer.space), requires_grad=True)
    colour, coverage = renderer(actions, Place(torch.zeros(4, 2), 32, 8, torch.arange(4), (32, 32), 0))
    assert coverage.shape == (4, 1, 48, 48)
    assert torch.equal(colour.flatten(1), actions[:, 9:12])
    (gradient,) = torch.autograd.grad(coverage.sum(), actions)
    assert gradient[:, :9].abs().max() > 0


@pytest.mark.parametrize("kind", ["geometry", "dcgan", pytest.param("vae", marks=pytest.mark.slow)])
def test_error_decreases_on_few_strokes(kind: str, write_recipe: Callable[..., Path], tmp_path: Path) -> None:
    regression = ["trainer.regression=1.0"] if kind == "dcgan" else []
    task = build_task(write_recipe(kind), tmp_path / "run", "steps=80", "trainer.strokes=24", *regression)
    task.prepare()
    errors = [task.step(step)["mse"] for step in range(40)]
    assert sum(errors[-8:]) < 0.7 * sum(errors[:8]), errors


def test_brush_with_hard_dabs_has_finite_losses(write_recipe: Callable[..., Path], tmp_path: Path) -> None:
    file = write_recipe("dabs", 'brush = "deevad/pen"')
    task = build_task(file, tmp_path / "run", "trainer.regression=1.0")
    assert all(math.isfinite(loss) for step in range(5) for loss in task.step(step).values())


def test_infinite_gradient_stops_the_training_before_weights_change(
    write_recipe: Callable[..., Path], tmp_path: Path
) -> None:
    task = build_task(write_recipe("geometry"), tmp_path / "run")
    task.prepare()
    task.trainer.get_parameter("painter.leave.bias").data[0] = math.nan
    before = {name: weight.clone() for name, weight in task.trainer.state_dict().items()}
    with pytest.raises(ArtkitError, match=r"loss is not finite \(mse\)\n.*lower learning rate"):
        task.step(0)
    for name, weight in task.trainer.state_dict().items():
        torch.testing.assert_close(weight, before[name], rtol=0, atol=0, equal_nan=True)


# --------------------------------------------------------------------------------------------------------------- errors
def test_error_for_weights_of_another_action_space_or_architecture(
    write_recipe: Callable[..., Path], train: Callable[..., Run], tmp_path: Path, scene: Callable[..., Scene]
) -> None:
    discrete = train(write_recipe("discrete"), tmp_path / "discrete").outputs[0]
    with pytest.raises(UsageError, match=r"mypaint-discrete-1.*mypaint-stroke-1"):
        scene().make("renderer", "gan", weights=discrete)
    vae = train(write_recipe("vae"), tmp_path / "vae").outputs[0]
    with pytest.raises(UsageError, match="incomplete: they lack channels"):
        scene().make("renderer", "gan", weights=vae)


@pytest.mark.parametrize(
    ("brush", "message"),
    [
        ("classic/charcol", r'no brush "classic/charcol"\n.*classic/charcoal'),
        ("smudge.myb", r'smudge.myb" uses smudge.*\n.*does not smudge'),
        ("change_color_h.myb", "uses change_color_h"),
    ],
)
def test_error_for_an_unknown_or_unsupported_brush(
    brush: str,
    message: str,
    write_recipe: Callable[..., Path],
    changed_brush: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for setting in ("smudge", "change_color_h"):
        changed_brush(setting, 0.5)
    with pytest.raises(UsageError, match=message):
        build_task(write_recipe("geometry", f'brush = "{brush}"'), tmp_path / "run")


def test_error_for_discrete_strokes_without_dcgan(write_recipe: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match="needs architecture"):
        read_recipe([write_recipe("geometry", "discrete = true")])


def test_full_disk_is_reported(
    write_recipe: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(stroke_data, "SHARD_SIZE", 16)
    monkeypatch.setattr(np, "save", save)
    task = build_task(write_recipe("geometry"), tmp_path / "run", "trainer.strokes=16")
    with pytest.raises(ArtkitError, match=r"no space left on the disk.*\n.*--resume"):
        task.prepare()


# ------------------------------------------------------------------------------------------------------ older recipes
def test_tensorboard_is_a_setting_of_the_run(write_recipe: Callable[..., Path]) -> None:
    assert "tensorboard" not in read_recipe([write_recipe("dabs", "tensorboard = false")]).resolved()["trainer"]
    with pytest.raises(UsageError, match="now a top-level key"):
        read_recipe([write_recipe("dabs", "tensorboard = true")])
