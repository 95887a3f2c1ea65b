"""Run: the loop, its log and hooks, divergence, a full disk, Ctrl-C."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from artkit.engine import checkpoint
from artkit.engine import run as run_module
from artkit.engine.painting_task import PaintingTask
from artkit.engine.run import Run
from artkit.engine.run_folder import CHECKPOINT_FILE, LOG_FILE, RECIPE_FILE
from artkit.engine.task import Diverged, Interrupted
from artkit.errors import ArtkitError
from artkit.recipes.reading import read_recipe
from artkit.strokes.stroke_log import StrokeLog

Start = Callable[..., Run]


# --------------------------------------------------------------------------------------------------- files and hooks
def test_the_files_of_a_run(start: Start, run_files: Any, tmp_path: Path) -> None:
    run = start(tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == run_files.names
    assert run.outputs[0] == tmp_path / "out" / "painting.png"
    with Image.open(run.outputs[0]) as image:
        assert image.size == (40, 24)
        assert image.text["artkit:seed"] == "5"  # type: ignore[attr-defined]
        recipe = tomllib.loads(image.text["artkit:recipe"])  # type: ignore[attr-defined]
    assert recipe["objective"]["look"]["type"] == "toy-flat"
    assert recipe["steps"] == 6


def test_the_log_has_a_line_for_each_step(start: Start, run_files: Any, tmp_path: Path) -> None:
    start(tmp_path / "out", 'objective.more.type="toy-flat"')
    lines = run_files.log(tmp_path / "out")
    assert [line["step"] for line in lines] == list(range(6))
    for line in lines:
        assert list(line) == ["step", "loss", "look", "more", "seconds"]
        assert line["loss"] == pytest.approx(line["look"] + line["more"])
        assert line["seconds"] >= 0


def test_the_recipe_in_the_folder_reproduces_the_run(start: Start, tmp_path: Path) -> None:
    first = start(tmp_path / "out")
    recipe = read_recipe([tmp_path / "out" / RECIPE_FILE])
    assert recipe.resolved() == first.recipe.resolved()
    Run(tmp_path / "again", recipe, PaintingTask(recipe, torch.device("cpu"))).execute()
    assert (tmp_path / "again" / "painting.png").read_bytes() == first.outputs[0].read_bytes()
    written = tomllib.loads((tmp_path / "out" / RECIPE_FILE).read_text())
    assert written["record"]["versions"]["torch"] == torch.__version__.split("+")[0] or torch.__version__
    assert written["canvas"]["clip"] is False, "defaults are included"


def test_progress_is_called_after_each_step(start: Start, run_files: Any, tmp_path: Path) -> None:
    calls: list[tuple[int, float]] = []
    start(tmp_path / "out", progress=lambda step, losses: calls.append((step, losses["loss"])))
    assert [step for step, _ in calls] == [1, 2, 3, 4, 5, 6]
    assert [loss for _, loss in calls] == [line["loss"] for line in run_files.log(tmp_path / "out")]


def test_plugins_are_called_after_each_step(
    start: Start, run_files: Any, install: Callable[..., str], tmp_path: Path
) -> None:
    install(
        "from artkit import hookimpl\ncalls = []\n"
        "@hookimpl\ndef artkit_step(run, step, losses):\n    calls.append((step, losses['loss'], run.folder))\n",
        module="plugin_with_step_hook",
    )
    install("from artkit import hookimpl\n@hookimpl\ndef artkit_step():\n    raise LookupError('lost')\n")
    start(tmp_path / "out")
    calls = sys.modules["plugin_with_step_hook"].calls
    assert [step for step, _, _ in calls] == list(range(6))
    assert [loss for _, loss, _ in calls] == [line["loss"] for line in run_files.log(tmp_path / "out")]
    assert {folder for _, _, folder in calls} == {tmp_path / "out"}


def test_components_that_use_the_default_generator_follow_the_seed(
    start: Start, run_files: Any, tmp_path: Path
) -> None:
    for seed in (1, 2):
        torch.manual_seed(seed)
        start(tmp_path / f"out-{seed}", recipe="training")
        assert torch.initial_seed() == seed, "the state of the default generator is restored"
    assert run_files.results(tmp_path / "out-1") == run_files.results(tmp_path / "out-2")
    start(tmp_path / "other", "seed=1", recipe="training")
    assert run_files.log(tmp_path / "other")[0]["mse"] != run_files.log(tmp_path / "out-1")[0]["mse"]


# ------------------------------------------------------------------------------------------------- divergence, errors
def test_a_loss_that_is_not_finite_stops_the_run_in_its_last_good_state(
    start: Start, run_files: Any, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(Diverged) as caught:
        start(out, "objective.look.nan_from=0.55")  # from step 3 of 6 on
    assert caught.value.exit_code == 1
    for part in ("look", "before step 3", str(out), "optimizer.lr"):
        assert part in str(caught.value)
    assert [line["step"] for line in run_files.log(out)] == [0, 1, 2]
    assert checkpoint.load(out / CHECKPOINT_FILE)["step"] == 3
    actions = StrokeLog.load(out / "strokes.json").actions
    assert bool(actions.isfinite().all())
    run_files.check_readable(out)
    agent_state = checkpoint.load(out / CHECKPOINT_FILE)["state"]["agent"]
    assert all(bool(value.isfinite().all()) for value in agent_state.values())
    with pytest.raises(Interrupted):
        start(tmp_path / "good", progress=_press_ctrl_c_after(3))
    assert torch.equal(StrokeLog.load(tmp_path / "good" / "strokes.json").actions, actions), "the state before step 3"


def test_a_training_that_diverges_stops(
    start: Start, run_files: Any, toy: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    original_step = toy.Line.step

    def step(self: Any, step: int) -> dict[str, float]:
        return {"mse": math.inf} if step == 3 else original_step(self, step)

    monkeypatch.setattr(toy.Line, "step", step)
    with pytest.raises(Diverged, match="mse"):
        start(tmp_path / "out", recipe="training")
    assert [line["step"] for line in run_files.log(tmp_path / "out")] == [0, 1, 2]


def test_a_full_disk_is_one_message(start: Start, run_files: Any, checkpoint_each_step: None, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    previous = resource.getrlimit(resource.RLIMIT_FSIZE)
    out = tmp_path / "out"

    def fill_disk(step: int, losses: dict[str, float]) -> None:
        if step == 3:
            # No file may become larger than the log is now, so that its next line does not fit.
            patch.setattr(run_module, "SECONDS_BETWEEN_CHECKPOINTS", math.inf)
            resource.setrlimit(resource.RLIMIT_FSIZE, ((out / LOG_FILE).stat().st_size, previous[1]))

    try:
        with pytest.MonkeyPatch.context() as patch, pytest.raises(ArtkitError) as caught:
            start(out, progress=fill_disk)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, previous)
    assert LOG_FILE in caught.value.message
    run_files.check_readable(out)
    assert start(out, resume=True).first_step == 2, "the last checkpoint is unchanged"
    start(tmp_path / "uninterrupted")
    assert run_files.results(out) == run_files.results(tmp_path / "uninterrupted")


# --------------------------------------------------------------------------------------------------------------- Ctrl-C
def _press_ctrl_c_after(
    last_step: int, number: signal.Signals = signal.SIGINT
) -> Callable[[int, dict[str, float]], None]:
    def progress(step: int, losses: dict[str, float]) -> None:
        if step == last_step:
            os.kill(os.getpid(), number)

    return progress


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_finishes_the_step_and_saves(
    start: Start, run_files: Any, tmp_path: Path, number: signal.Signals
) -> None:
    handler = signal.getsignal(number)
    with pytest.raises(Interrupted) as caught:
        start(tmp_path / "out", progress=_press_ctrl_c_after(2, number))
    assert caught.value.message == f"stopped after step 2 of 6; saved in {tmp_path / 'out'}"
    assert "--resume" in caught.value.hint
    assert signal.getsignal(number) == handler, "the handler is restored"
    assert start(tmp_path / "out", resume=True).first_step == 2
    start(tmp_path / "uninterrupted")
    assert run_files.results(tmp_path / "out") == run_files.results(tmp_path / "uninterrupted")


def test_signals_that_are_ignored_stay_ignored(start: Start, tmp_path: Path) -> None:
    """As nohup does."""
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        start(tmp_path / "out", progress=_press_ctrl_c_after(2, signal.SIGHUP))
    finally:
        signal.signal(signal.SIGHUP, previous)


def test_a_second_ctrl_c_stops_at_once(start: Start, run_files: Any, tmp_path: Path) -> None:
    events: list[object] = []

    def press_twice(step: int, losses: dict[str, float]) -> None:
        events.append(step)
        if step == 2:
            os.kill(os.getpid(), signal.SIGINT)
            events.append("after the first")
            os.kill(os.getpid(), signal.SIGINT)
            events.append("after the second")

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "out", progress=press_twice)
    assert events == [1, 2, "after the first"]
    assert signal.getsignal(signal.SIGINT) == handler, "the handler is restored"
    run_files.check_readable(tmp_path / "out")


MYPAINT_RECIPE = """
seed = 3
steps = {steps}
size = [48, 32]
[canvas]
tile = 32
overlap = 8
strokes = 1
[renderer]
type = "{renderer}"
[objective.look]
type = "toy-flat"
pause = {pause}
"""


def _start_process(recipe: Path, out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "artkit", "run", recipe, "--out", out],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "timeout"
        time.sleep(0.002)


@pytest.fixture(params=["mypaint", "libmypaint"])
def renderer(request: pytest.FixtureRequest) -> str:
    """A renderer that paints MyPaint's strokes: in threads, or in processes of libmypaint."""
    if request.param == "libmypaint":
        request.getfixturevalue("mypaint")
    return str(request.param)


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_saves_and_names_resume(
    renderer: str, start: Start, run_files: Any, tmp_path: Path
) -> None:
    out, log = tmp_path / "out", tmp_path / "out" / LOG_FILE
    recipe = MYPAINT_RECIPE.format(steps=8, pause=0.05, renderer=renderer)
    start(tmp_path / "uninterrupted", recipe=recipe)
    process = _start_process(tmp_path / "r.toml", out)
    _wait_until(lambda: log.exists() and log.read_text().count("\n") >= 2, process)
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to all processes of the group, libmypaint's too
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in stderr
    assert "--resume" in stderr
    assert str(out) in stderr
    assert stdout == "", "only finished results are listed"
    step = checkpoint.load(out / CHECKPOINT_FILE)["step"]
    assert 2 <= step < 8
    assert [line["step"] for line in run_files.log(out)] == list(range(step))
    run_files.check_readable(out)
    assert (out / "painting.png").exists()
    start(out, recipe=recipe, resume=True)
    assert run_files.results(out) == run_files.results(tmp_path / "uninterrupted")


@pytest.mark.slow
def test_ctrl_c_before_the_first_step_is_one_message(
    renderer: str, toy: Any, recipe_file: Callable[..., Path], tmp_path: Path
) -> None:
    recipe = recipe_file(MYPAINT_RECIPE.format(steps=500, pause=0.0, renderer=renderer))
    process = _start_process(recipe, tmp_path / "out")
    _wait_until((tmp_path / "out" / LOG_FILE).exists, process)
    time.sleep(0.05)  # libmypaint's processes are starting now, or the engine's kernels are loaded
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in stderr
    assert "stopped" in stderr


@pytest.mark.slow
def test_a_libmypaint_process_that_dies_is_one_message(
    mypaint: None, toy: Any, run_files: Any, recipe_file: Callable[..., Path], tmp_path: Path
) -> None:
    if not Path(f"/proc/self/task/{threading.get_native_id()}/children").exists():
        pytest.skip("this system does not list child processes")
    out, log = tmp_path / "out", tmp_path / "out" / LOG_FILE
    recipe = recipe_file(MYPAINT_RECIPE.format(steps=500, pause=0.05, renderer="libmypaint"))
    process = _start_process(recipe, out)
    _wait_until(lambda: log.exists() and log.read_text().count("\n") >= 2, process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert children
    os.kill(int(children[0]), signal.SIGKILL)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert len([line for line in stderr.splitlines() if line.startswith("artkit: ")]) == 1
    assert "MyPaint" in stderr
    assert "--resume" in stderr
    assert "Traceback" not in stderr
    run_files.check_readable(out)
