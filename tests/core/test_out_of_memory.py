"""Runs on a device whose memory is too small: windows and batches become smaller, and nothing is lost."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import artkit
from artkit import memory, testing
from artkit.api import create_run
from artkit.devices import choose_device
from artkit.engine.agent_training import AgentTrainingTask
from artkit.engine.checkpoint import load
from artkit.engine.memory_plan import MemoryPlan
from artkit.engine.run import Run
from artkit.engine.task import OutOfMemory
from artkit.errors import UsageError
from artkit.geometry.phase import Phase
from artkit.geometry.window import Window
from artkit.geometry.window_grid import WindowGrid
from artkit.imaging.png import save_png
from artkit.interfaces.renderer import Renderer
from artkit.memory import check_memory
from artkit.recipes.reading import read_recipe
from artkit.rendering.rendered_painting import RenderedPainting
from artkit.strokes.stroke_log import STROKES_FILE, StrokeLog
from artkit_painters import adversarial
from artkit_painters.adversarial import AdversarialBatch

Write = Callable[..., Path]

PAINTING = """
seed = 5
steps = 3
size = [400, 32]
[canvas]
type = "grid"
tile = 16
overlap = 0
strokes = 1
[renderer]
type = "toy-blob"
[objective.look]
type = "toy-flat"
"""

AGENT = """
steps = 3
size = [24, 24]
[data]
type = "folder"
path = "pictures"
batch = 4
unseen = 0
[canvas]
type = "single"
strokes = 2
[renderer]
type = "gan"
grain = false
[agent]
type = "lstm"
view = 16
channels = 4
cells = 8
[objective.match]
type = "pixel"
"""


def limit(run: Run, fits: Callable[[Tensor], bool]) -> Run:
    """Let the objectives of a run exhaust the memory of the device if the pictures (n, 3, h, w) do not fit."""
    for objective in run.task.objectives.values():  # type: ignore[attr-defined]
        forward = objective.forward

        def limited(view: Any, forward: Any = forward) -> Tensor:
            if not fits(view.image):
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return forward(view)  # type: ignore[no-any-return]

        objective.forward = limited
    return run


@pytest.fixture
def paint(toy: Any, recipe_file: Write) -> Callable[..., Run]:
    """Returns a run of the painting on a device whose memory holds windows of `width` px: ``paint(folder, 150)``."""
    recipe = read_recipe([recipe_file(PAINTING)])
    return lambda folder, width, resume=False: limit(
        create_run(recipe, folder, resume, "cpu"), lambda image: image.shape[-1] * image.shape[-2] <= 32 * width
    )


def log_of(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]


def test_a_device_out_of_memory_gets_smaller_windows(
    paint: Callable[..., Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = paint(tmp_path / "run", 150).execute()
    notes = [line for line in capsys.readouterr().err.splitlines() if "out of memory" in line]
    assert [note.split(" with ")[1] for note in notes] == ["windows of 200 x 32 px", "windows of 120 x 32 px"]
    windows: WindowGrid = run.task.windows  # type: ignore[attr-defined]
    assert windows.width == 120
    assert [line["step"] for line in log_of(run)] == list(range(3 * windows.count))
    before = paint(tmp_path / "other", 400).task.log()  # type: ignore[attr-defined]
    after = StrokeLog.load(tmp_path / "run" / STROKES_FILE)
    assert (after.actions != before.actions).any(1).all(), "each stroke is optimised"


def test_a_device_that_runs_out_of_memory_later_loses_no_step(paint: Callable[..., Run], tmp_path: Path) -> None:
    run = paint(tmp_path / "run", 400)
    steps = iter(run)
    next(steps)
    actions = run.task.log().actions  # type: ignore[attr-defined]
    limit(run, lambda image: image.shape[-1] * image.shape[-2] <= 32 * 200)
    next(steps)
    count = run.task.windows.count  # type: ignore[attr-defined]
    assert count > 1
    assert [line["step"] for line in log_of(run)] == [0, count], "the second epoch begins with the first small window"
    changed = (run.task.log().actions != actions).any(1)  # type: ignore[attr-defined]
    assert changed.any()
    assert not changed.all(), "it goes on from the strokes of the first step"
    steps.close()  # type: ignore[attr-defined]
    resumed = paint(tmp_path / "run", 200, resume=True).execute()
    assert resumed.first_step == count + 1
    assert log_of(resumed)[-1]["step"] == 3 * count - 1


def test_resuming_after_the_device_was_out_of_memory_changes_nothing(paint: Callable[..., Run], tmp_path: Path) -> None:
    whole = paint(tmp_path / "whole", 150).execute()
    stopped = iter(paint(tmp_path / "stopped", 150))
    for _ in range(5):
        next(stopped)
    stopped.close()  # type: ignore[attr-defined]
    resumed = paint(tmp_path / "stopped", 150, resume=True).execute()
    assert resumed.first_step == 5
    assert resumed.losses == whole.losses
    for name in (STROKES_FILE, "painting.png"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_device_without_memory_for_the_smallest_window_is_reported(paint: Callable[..., Run], tmp_path: Path) -> None:
    run = paint(tmp_path / "run", 400)
    steps = iter(run)
    next(steps)
    limit(run, lambda _: False)
    with pytest.raises(OutOfMemory, match=r"step \d+ does not fit") as caught:
        next(steps)
    assert "--device cpu" in caught.value.hint
    saved = load(tmp_path / "run" / "checkpoint.safetensors")
    assert saved["step"] == run.step > 1
    assert log_of(run)[-1]["step"] == 0


def test_a_device_out_of_memory_gets_smaller_batches(
    recipe_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(6):
        (tmp_path / "pictures").mkdir(exist_ok=True)
        save_png(testing.picture((24, 24), number)[0], tmp_path / "pictures" / f"{number}.png")
    recipe = read_recipe([recipe_file(AGENT)])
    run = limit(create_run(recipe, tmp_path / "run", False, "cpu"), lambda image: len(image) <= 2)
    drawn: list[Tensor] = []
    task = run.task
    assert isinstance(task, AgentTrainingTask)
    next_batch = task._next_batch
    monkeypatch.setattr(task, "_next_batch", lambda: drawn.append(next_batch()) or drawn[-1])
    run.execute()
    assert "goes on with batches of 2" in capsys.readouterr().err
    assert drawn[0][:2].tolist() == drawn[1].tolist(), "the images of the failed step are drawn again"
    assert sorted(torch.cat(drawn[1:]).tolist()) == list(range(6))
    assert load(tmp_path / "run" / "checkpoint.safetensors")["state"]["batch"] == 2


def test_a_picture_that_cannot_be_evaluated_in_memory_is_finished(
    paint: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = paint(tmp_path / "run", 400)

    def fail() -> list[dict[str, Any]]:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(run.task, "evaluate", fail)
    run.execute()
    assert "the result is not evaluated" in capsys.readouterr().err
    assert (tmp_path / "run" / "painting.png").exists()


TRAINING = """
steps = 3
[trainer]
type = "gan"
architecture = "dcgan"
strokes = 40
batch = 4
regression = 0
critic_steps = 2
"""


def test_a_device_out_of_memory_trains_a_painter_with_smaller_batches(
    recipe_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    critic_losses = adversarial.critic_losses
    failures: list[int] = []

    def limited(batch: AdversarialBatch, *arguments: Any) -> tuple[Tensor, Tensor]:
        losses = critic_losses(batch, *arguments)
        if len(batch.real) > 2 and len(failures) % 2:  # in the second step of the critic, after it has changed
            failures.append(1)
            raise torch.OutOfMemoryError("CUDA out of memory.")
        failures.append(0)
        return losses

    def trained(name: str, *settings: str) -> Run:
        return create_run(read_recipe([recipe_file(TRAINING)], settings), tmp_path / name, False, "cpu").execute()

    monkeypatch.setattr(adversarial, "critic_losses", limited)
    run = trained("halved")
    assert sum(failures) == 1
    assert "goes on with batches of 2 strokes" in capsys.readouterr().err
    assert run.task.trainer.batch_size == 2  # type: ignore[attr-defined]
    assert load(tmp_path / "halved" / "checkpoint.safetensors")["state"]["memory_reductions"] == 1
    resumed = create_run(run.recipe, tmp_path / "halved", True, "cpu").execute()
    assert resumed.task.trainer.batch_size == 2  # type: ignore[attr-defined]
    expected = trained("small", "trainer.batch=2")
    assert run.losses == pytest.approx(expected.losses, rel=1e-4), "the step that failed has left no trace"


def test_a_device_out_of_memory_exports_smaller_windows(toy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def painting(limit: int) -> RenderedPainting:
        renderer = testing.scene().make("renderer", "mypaint")
        replay = renderer.replay

        def limited(log: StrokeLog, window: Window) -> Tensor:
            if window.width * window.height > limit:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return replay(log, window)

        renderer.replay = limited
        phase = Phase(first=0, x=0, y=0, pitch=32, rows=4, columns=6, side=32)
        actions = torch.rand(24, 12, generator=torch.Generator().manual_seed(0))
        log = StrokeLog(
            size=(200, 130), background=(1.0, 1.0, 1.0), seed=0, renderer={"type": "mypaint"},
            space=renderer.space.name, names=renderer.space.names, actions=actions, phases=(phase,),
        )  # fmt: skip
        return RenderedPainting(log, renderer)

    assert np.array_equal(painting(100 * 70).pixels(), painting(200 * 130).pixels())
    assert capsys.readouterr().err.splitlines() == [
        "note: the GPU ran out of memory; rendering goes on with windows of 100 x 130 px",
        "note: the GPU ran out of memory; rendering goes on with windows of 100 x 65 px",
    ]
    with pytest.raises(torch.OutOfMemoryError):
        painting(10).pixels()


def test_windows_are_planned_for_the_free_memory_of_the_device(toy: Any) -> None:
    def plan(memory: int) -> tuple[MemoryPlan, WindowGrid]:
        with testing.simulated_gpu(memory):
            scene = testing.scene((800, 400))
            assert isinstance(scene.renderer, Renderer)
            plan = MemoryPlan(scene.canvas, scene.renderer, 10)  # type: ignore[arg-type]
            return plan, plan.windows("auto")

    plan_16, windows = plan(16 << 30)
    assert windows.count == 1
    step = plan_16.bytes(800, 400)
    assert plan(2 * step + 1)[1].count == 1, "a step may take half of what is free"
    with pytest.raises(UsageError, match=r"about .* GB of memory; of cuda:63 0\.\d GB are free"):
        plan(step // 2)


def test_less_memory_of_the_device_means_smaller_windows() -> None:
    with testing.simulated_gpu() as gpu:
        check_memory(10 << 30, "it takes", "hint", gpu)
        with pytest.raises(UsageError, match=r"about 13 GB of memory; of cuda:63 16\.0 GB are free"):
            check_memory(13 << 30, "it takes", "hint", gpu)


@pytest.mark.parametrize(
    ("error", "reason", "hint"),
    [
        (
            "The NVIDIA driver is too old (found version 11040).",
            "supports CUDA 11.4",
            "update the driver",
        ),
        ("No CUDA GPUs are available", "no NVIDIA GPU and driver", "nvidia-smi"),
        ("CUDA error: no kernel image is available", "no kernels for Tesla K80", "pytorch.org"),
        ("CUDA error: out of memory", "its memory is full", "nvidia-smi"),
        ("CUDA error: devices are busy or unavailable", "busy or unavailable", "nvidia-smi"),
    ],
)
def test_why_a_device_cannot_be_used(error: str, reason: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError(error)

    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "init", fail)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _=None: "Tesla K80")
    with pytest.raises(UsageError) as caught:
        choose_device("cuda")
    assert reason in caught.value.message
    assert hint in caught.value.hint
    assert "--device cpu" in caught.value.hint
    assert choose_device("auto").type == "cpu"


def test_a_device_index_that_does_not_exist_is_refused_with_those_that_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index=0: f"H{index}00")
    with pytest.raises(UsageError, match=r"cuda:0 \(H000\), cuda:1 \(H100\)"):
        choose_device("cuda:2")


def test_a_limit_of_the_address_space_is_the_memory_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    unlimited = memory.total_memory()
    mapped = 4096 * int(Path("/proc/self/statm").read_text().split()[0]) if sys.platform == "linux" else 0
    monkeypatch.setattr(resource, "getrlimit", lambda _: (mapped + (1 << 30), resource.RLIM_INFINITY))
    assert 0.8 * 2**30 < memory.total_memory() <= 1 << 30 < unlimited
    with pytest.raises(UsageError, match=r"a step takes about 2\.0 GB of memory; this process may use (0\.9|1\.0) GB"):
        check_memory(2 << 30, "a step takes", "")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (mapped, resource.RLIM_INFINITY))
    with pytest.raises(UsageError, match=r"artkit takes at least about 0\.3 GB of memory"):
        artkit.paint("photo")
