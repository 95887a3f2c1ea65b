"""What all trainers of painters do: exact resume, streamed strokes, what they refuse, what they tell."""

from __future__ import annotations

import errno
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from artkit.engine.renderer_training import RendererTrainingTask
from artkit.engine.run import Run
from artkit.engine.task import Interrupted
from artkit.errors import ArtkitError, UsageError
from artkit.geometry.place import Place
from artkit.interfaces.scene import Scene
from artkit.recipes.reading import read_recipe
from artkit_painters import stroke_data as data
from artkit_painters import weights
from artkit_painters.stroke_data import StrokeSet

pytestmark = pytest.mark.usefixtures("mypaint")

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
    "dcgan": ("gan", {}),
    "discrete": ("discrete", {}),
    "vae": ("vae", {}),
}


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few strokes at a time, so that a training takes up several pieces of a stream."""
    monkeypatch.setattr(data, "CHUNK_SIZE", 16)
    monkeypatch.setattr(data, "PREFETCHED_CHUNKS", 1)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a recipe of a small training on streamed strokes."""

    def make(kind: str, *settings: str) -> Path:
        file = tmp_path / f"{kind}.toml"
        lines = [f"seed = 3\nsteps = {STEPS}\n[trainer]\nbatch = 12\nstrokes = 0", TRAINERS[kind], *settings]
        file.write_text("\n".join(lines))
        return file

    return make


@pytest.mark.parametrize("kind", TRAINERS)
def test_a_training_that_was_stopped_becomes_what_it_would_have(
    kind: str, write: Callable[..., Path], train: Callable[..., Run], tmp_path: Path, scene: Callable[..., Scene]
) -> None:
    """And its weights paint."""
    file = write(kind)
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
    _, facts, _ = weights.load(whole)
    assert facts["brush"] == "classic/dry_brush"
    name, settings = RENDERERS[kind]
    renderer = scene().make("renderer", name, weights=whole, **settings)
    actions = torch.rand(4, len(renderer.space), requires_grad=True)
    colour, coverage = renderer(actions, Place(torch.zeros(4, 2), 32, 8, torch.arange(4), (32, 32), 0))
    assert coverage.shape == (4, 1, 48, 48)
    assert torch.equal(colour.flatten(1), actions[:, 9:12])
    (slope,) = torch.autograd.grad(coverage.sum(), actions)
    assert slope[:, :9].abs().max() > 0


@pytest.mark.parametrize("kind", ["geometry", "dcgan", "vae"])
def test_it_learns(kind: str, write: Callable[..., Path], tmp_path: Path) -> None:
    """A few strokes that come again and again, whose errors chance makes little of."""
    regression = ["trainer.regression=1.0"] if kind == "dcgan" else []
    told = read_recipe([write(kind)], ["steps=80", "trainer.strokes=24", *regression])
    job = RendererTrainingTask(told, torch.device("cpu"), tmp_path / "run")
    job.prepare()
    errors = [job.step(step)["mse"] for step in range(40)]
    assert sum(errors[-8:]) < 0.7 * sum(errors[:8]), errors


def test_weights_of_one_action_space_do_not_paint_another(
    write: Callable[..., Path], train: Callable[..., Run], tmp_path: Path, scene: Callable[..., Scene]
) -> None:
    discrete = train(write("discrete"), tmp_path / "discrete").outputs[0]
    with pytest.raises(UsageError, match="action space mypaint-discrete-1, not mypaint-stroke-1"):
        scene().make("renderer", "gan", weights=discrete)
    vae = train(write("vae"), tmp_path / "vae").outputs[0]
    with pytest.raises(UsageError, match="do not tell their"):
        scene().make("renderer", "gan", weights=vae)


@pytest.mark.parametrize(
    ("brush", "message"),
    [
        ("classic/charcol", r'no brush "classic/charcol"\n.*classic/charcoal'),
        ("classic/smudge", r'"classic/smudge" uses smudge.*\n.*without smudging'),
        ("classic/short_grass", "uses change_color_h"),
    ],
)
def test_a_brush_that_cannot_be_learnt_is_refused_at_once(
    brush: str, message: str, write: Callable[..., Path], tmp_path: Path
) -> None:
    told = read_recipe([write("geometry", f'brush = "{brush}"')])
    with pytest.raises(UsageError, match=message):
        RendererTrainingTask(told, torch.device("cpu"), tmp_path / "run")


def test_a_brush_of_hard_dabs_can_be_learnt(write: Callable[..., Path], tmp_path: Path) -> None:
    """Their edges fade over nothing."""
    told = read_recipe([write("dabs", 'brush = "deevad/pen"')], ["trainer.regression=1.0"])
    job = RendererTrainingTask(told, torch.device("cpu"), tmp_path / "run")
    assert all(math.isfinite(loss) for step in range(5) for loss in job.step(step).values())


def test_a_training_whose_loss_is_no_number_keeps_its_weights(write: Callable[..., Path], tmp_path: Path) -> None:
    told = read_recipe([write("geometry")])
    job = RendererTrainingTask(told, torch.device("cpu"), tmp_path / "run")
    job.prepare()
    job.trainer.painter.leave.bias.data[0] = math.nan  # type: ignore[union-attr]
    before = {name: weight.clone() for name, weight in job.trainer.state_dict().items()}
    with pytest.raises(ArtkitError, match=r"gradient is not finite\n.*lower learning rate"):
        job.step(0)
    for name, weight in job.trainer.state_dict().items():
        torch.testing.assert_close(weight, before[name], rtol=0, atol=0, equal_nan=True)


def test_discrete_strokes_are_the_paper_s_painter_s(write: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match="needs architecture"):
        read_recipe([write("geometry", "discrete = true")])


def test_strokes_of_another_action_space_are_not_learnt_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from artkit_mypaint.workers import Workers

    monkeypatch.setattr(data, "SHARD_SIZE", 8)
    workers = Workers("classic/dry_brush", 1)
    list(StrokeSet("classic/dry_brush", 8).store(tmp_path, workers))
    with pytest.raises(ArtkitError, match=r"other strokes: space = mypaint-stroke-1\n.*another folder"):
        list(StrokeSet("classic/dry_brush", 8, discrete=True).store(tmp_path, workers))


def test_discrete_strokes_are_lifted_or_of_a_level() -> None:
    from artkit_mypaint.workers import Workers

    told = StrokeSet("classic/dry_brush", 40, discrete=True)
    actions, sheets = told.actions(0), told.paint(0, Workers("classic/dry_brush", 1))
    lifted = actions[:, 12] == 1
    assert set(actions[:, 12].tolist()) == {0.0, 1.0}
    levels = actions[:, 6:9] * 9
    torch.testing.assert_close(levels, levels.round(), atol=1e-5, rtol=0)
    paint = torch.from_numpy(sheets.astype(float)).amax((1, 2))
    assert paint[lifted].max() == 0
    assert (paint[~lifted & (actions[:, 6:8].amin(1) > 0.2)] > 20).all()


def test_a_full_disk_is_told(write: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(data, "SHARD_SIZE", 16)
    monkeypatch.setattr(data.np, "save", full)
    job = RendererTrainingTask(
        read_recipe([write("geometry")], ["trainer.strokes=16"]), torch.device("cpu"), tmp_path / "run"
    )
    with pytest.raises(ArtkitError, match=r"no space left on the disk.*\n.*--resume"):
        job.prepare()


def test_tensorboard_gets_losses_and_a_sheet(
    write: Callable[..., Path], train: Callable[..., Run], tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(write("geometry", "tensorboard = true"), tmp_path / "run")
    told = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert [event.step for event in told.Scalars("mse")] == list(range(STEPS))
    assert [event.step for event in told.Images("sheet")] == [0]


def test_tensorboard_that_is_not_there_is_told(
    write: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    told = read_recipe([write("geometry", "tensorboard = true")])
    with pytest.raises(UsageError, match=r"TensorBoard is not installed\n.*pip install"):
        RendererTrainingTask(told, torch.device("cpu"), tmp_path / "run")
