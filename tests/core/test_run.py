"""Runs: reproducible, and safe against every way of being stopped."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from artkit.engine import checkpoint
from artkit.engine import run as runs
from artkit.engine.painting_task import PaintingTask
from artkit.engine.renderer_training import RendererTrainingTask
from artkit.engine.run import CHECKPOINT, LOG, RECIPE, Run
from artkit.engine.task import Diverged, Interrupted
from artkit.errors import ArtkitError, UsageError
from artkit.output.report import REPORT
from artkit.recipes.reading import read_recipe
from artkit.strokes.stroke_log import StrokeLog

Write = Callable[..., Path]
Command = Callable[..., subprocess.CompletedProcess[str]]

TOY = """
seed = 5
steps = 6
size = [40, 24]
[canvas]
type = "grid"
tile = 16
overlap = 8
strokes = 1
[renderer]
type = "toy-blob"
[objective.look]
type = "toy-flat"
"""

LINE = 'steps = 6\n[trainer]\ntype = "toy-line"\n'

FILES = {"painting.png", "strokes.json", REPORT, RECIPE, LOG, CHECKPOINT}


class Crash(BaseException):
    """Stands for the end of a process."""


@pytest.fixture
def start(toy: Any, recipe_file: Write) -> Callable[..., Run]:
    """Starts a run of the toy recipe, or of another text, in this process."""

    def execute(folder: Path, *settings: str, resume: bool = False, text: str = TOY, progress: Any = None) -> Run:
        told = read_recipe([recipe_file(text)], settings)
        cpu = torch.device("cpu")
        job = RendererTrainingTask(told, cpu, folder) if told.trains_renderer else PaintingTask(told, cpu)
        run = Run(folder, told, job, resume, progress)
        run.execute()
        return run

    return execute


@pytest.fixture
def always_saves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after each step."""
    monkeypatch.setattr(runs, "SECONDS_BETWEEN_CHECKPOINTS", -1.0)


def _lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / LOG).read_text().splitlines()]


def _results(folder: Path) -> dict[str, Any]:
    """All of a run that must not depend on how often it was stopped."""
    told: dict[str, Any] = {
        file.name: file.read_bytes()
        for file in folder.iterdir()
        if file.name not in (LOG, CHECKPOINT, REPORT) and file.is_file()  # the report tells the time that it took
    }
    told[LOG] = [{key: value for key, value in line.items() if key != "seconds"} for line in _lines(folder)]
    return told


def _whole(folder: Path) -> bool:
    """Whether whatever lies in a run's folder can be read."""
    with contextlib.suppress(FileNotFoundError):
        tomllib.loads((folder / RECIPE).read_text())
    if (folder / "painting.png").exists():
        with Image.open(folder / "painting.png") as image:
            image.load()
    if (folder / "strokes.json").exists():
        StrokeLog.load(folder / "strokes.json")
    if (folder / CHECKPOINT).exists():
        checkpoint.load(folder / CHECKPOINT)
    return True


# ------------------------------------------------------------------------------------------------------- the folder
def test_a_run_leaves_its_files(start: Callable[..., Run], tmp_path: Path) -> None:
    run = start(tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == FILES
    assert run.outputs[0] == tmp_path / "out" / "painting.png"
    with Image.open(run.outputs[0]) as image:
        assert image.size == (40, 24)
        assert image.text["artkit:seed"] == "5"  # type: ignore[attr-defined]
        told = tomllib.loads(image.text["artkit:recipe"])  # type: ignore[attr-defined]
    assert told["objective"]["look"]["type"] == "toy-flat"
    assert told["steps"] == 6


def test_the_log_has_a_line_a_step(start: Callable[..., Run], tmp_path: Path) -> None:
    start(tmp_path / "out", 'objective.more.type="toy-flat"')
    lines = _lines(tmp_path / "out")
    assert [line["step"] for line in lines] == list(range(6))
    for line in lines:
        assert list(line) == ["step", "loss", "look", "more", "seconds"]
        assert line["loss"] == pytest.approx(line["look"] + line["more"])
        assert line["seconds"] >= 0


def test_the_recipe_of_a_run_gives_the_run_again(start: Callable[..., Run], tmp_path: Path) -> None:
    first = start(tmp_path / "out")
    again = read_recipe([tmp_path / "out" / RECIPE])
    assert again.resolved() == first.recipe.resolved()
    run = Run(tmp_path / "again", again, PaintingTask(again, torch.device("cpu")))
    run.execute()
    assert (tmp_path / "again" / "painting.png").read_bytes() == first.outputs[0].read_bytes()
    told = tomllib.loads((tmp_path / "out" / RECIPE).read_text())
    assert told["record"]["versions"]["torch"] == torch.__version__.split("+")[0] or torch.__version__
    assert told["canvas"]["clip"] is False, "defaults are written out"


def test_progress_is_told_after_each_step(start: Callable[..., Run], tmp_path: Path) -> None:
    told: list[tuple[int, float]] = []
    start(tmp_path / "out", progress=lambda step, losses: told.append((step, losses["loss"])))
    assert [step for step, _ in told] == [1, 2, 3, 4, 5, 6]
    assert [loss for _, loss in told] == [line["loss"] for line in _lines(tmp_path / "out")]


def test_plugins_watch_the_steps(start: Callable[..., Run], install: Callable[..., str], tmp_path: Path) -> None:
    install(
        "from artkit import hookimpl\nseen = []\n"
        "@hookimpl\ndef artkit_step(run, step, losses):\n    seen.append((step, losses['loss'], run.folder))\n",
        module="watcher_of_steps",
    )
    install("from artkit import hookimpl\n@hookimpl\ndef artkit_step():\n    raise LookupError('lost')\n")
    start(tmp_path / "out")
    seen = sys.modules["watcher_of_steps"].seen
    assert [step for step, _, _ in seen] == list(range(6))
    assert [loss for _, loss, _ in seen] == [line["loss"] for line in _lines(tmp_path / "out")]
    assert {folder for _, _, folder in seen} == {tmp_path / "out"}


def test_the_folder_of_another_recipe_is_refused(start: Callable[..., Run], tmp_path: Path) -> None:
    start(tmp_path / "out")
    before = _results(tmp_path / "out")
    for resume in (False, True):
        with pytest.raises(UsageError) as caught:
            start(tmp_path / "out", "seed=6", "canvas.strokes=2", resume=resume)
        assert str(tmp_path / "out") in caught.value.message
        assert "seed" in caught.value.message
        assert "canvas.strokes" in caught.value.message
        assert "--out" in caught.value.hint
    assert _results(tmp_path / "out") == before


def test_a_folder_of_something_else_is_refused(start: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("precious")
    with pytest.raises(UsageError, match="is not empty and holds no run"):
        start(tmp_path / "out")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_a_folder_of_something_else_is_refused_before_a_training_fills_it(
    start: Callable[..., Run], toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy.Line, "prepare", lambda self: pytest.fail("prepared in a folder that is not its own"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("precious")
    with pytest.raises(UsageError, match="is not empty"):
        start(tmp_path / "out", text=LINE)


def test_an_empty_folder_is_taken(start: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    start(tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == FILES


def test_a_folder_that_cannot_be_written_to(start: Callable[..., Run], unwritable: Path, monkeypatch: Any) -> None:
    for folder in (unwritable, unwritable / "new"):
        with pytest.raises(ArtkitError) as caught:
            _without_privileges_needed(start, folder)
        assert "cannot be written to" in caught.value.message
        assert "--out" in caught.value.hint
    assert list(unwritable.iterdir()) == []


def _without_privileges_needed(start: Callable[..., Run], folder: Path) -> None:
    """Builds the run as whoever runs the tests, and opens its folder as the one who may not write there."""
    mine, who = os.geteuid(), os.getuid()
    open_it = Run._open

    def as_who_may_not(self: Run) -> None:
        os.seteuid(mine)
        open_it(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "_open", as_who_may_not)
        try:
            os.seteuid(who)
            start(folder)
        finally:
            os.seteuid(mine)


def test_a_file_where_the_folder_should_be(start: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(ArtkitError, match="is not a folder"):
        start(tmp_path / "out")
    assert (tmp_path / "out").read_text() == "a file"


def test_a_spoilt_recipe_in_the_folder_is_named(start: Callable[..., Run], tmp_path: Path) -> None:
    start(tmp_path / "out")
    for text in ("seed = = 3", 'record = 3\nseed = "x"\n'):
        (tmp_path / "out" / RECIPE).write_text(text)
        with pytest.raises(ArtkitError) as caught:
            start(tmp_path / "out")
        assert str(tmp_path / "out") in str(caught.value)


def test_an_input_that_changed_is_refused(start: Callable[..., Run], tmp_path: Path) -> None:
    Image.new("RGB", (40, 24), (9, 9, 9)).save(tmp_path / "a.png")
    look = f'objective.see={{type="content", target="{tmp_path / "a.png"}"}}'
    start(tmp_path / "out", look, "steps=1")
    Image.new("RGB", (40, 24), (8, 8, 8)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match=r"sha256.*objective\.see\.target"):
        start(tmp_path / "out", look, "steps=1", resume=True)


def test_a_part_that_draws_from_torchs_own_generator_follows_the_seed(
    start: Callable[..., Run], tmp_path: Path
) -> None:
    for seed in (1, 2):
        torch.manual_seed(seed)
        start(tmp_path / f"out-{seed}", text=LINE)
        assert torch.initial_seed() == seed, "the program around keeps its own"
    assert _results(tmp_path / "out-1") == _results(tmp_path / "out-2")
    start(tmp_path / "other", "seed=1", text=LINE)
    assert _lines(tmp_path / "other")[0]["mse"] != _lines(tmp_path / "out-1")[0]["mse"]


# ------------------------------------------------------------------------------------------------ stopped, and going on
@contextlib.contextmanager
def _crash_at_write(count: int, after: bool) -> Iterator[list[int]]:
    """The process ends just before or after it moves its `count`-th file into place."""
    moved = [0]
    replace = Path.replace

    def counting(self: Path, target: Any) -> Path:
        moved[0] += 1
        if moved[0] == count and not after:
            raise Crash
        result = replace(self, target)
        if moved[0] == count:
            raise Crash
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", counting)
        yield moved


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("text", [TOY, LINE], ids=["painting", "training"])
def test_a_run_that_ends_at_any_write_goes_on(
    start: Callable[..., Run], always_saves: None, tmp_path: Path, text: str, after: bool
) -> None:
    start(tmp_path / "whole", "steps=2", text=text)
    wanted = _results(tmp_path / "whole")
    ended = 0
    for count in range(1, 100):
        folder = tmp_path / f"stopped-{count}"
        with _crash_at_write(count, after) as moved, contextlib.suppress(Crash):
            start(folder, "steps=2", text=text)
        if moved[0] < count:
            break
        ended += 1
        assert _whole(folder)
        if (folder / CHECKPOINT).exists() and checkpoint.load(folder / CHECKPOINT)["step"] == 2:
            assert _results(folder) == wanted, "a checkpoint that says done has its results beside it"
        start(folder, "steps=2", text=text, resume=True)
        assert _results(folder) == wanted, f"ended at write {count}"
        shutil.rmtree(folder)
    assert ended >= 2 + 2 * 2, "a run writes results, checkpoint, recipe and log"


@pytest.mark.parametrize("text", [TOY, LINE], ids=["painting", "training"])
def test_a_run_that_ends_after_any_step_goes_on(
    start: Callable[..., Run], always_saves: None, tmp_path: Path, text: str
) -> None:
    start(tmp_path / "whole", text=text)

    def end(step: int, losses: dict[str, float]) -> None:
        if step in (2, 3, 5):
            ends.append(step)
            if ends.count(step) == 1:
                raise Crash

    ends: list[int] = []
    while True:
        try:
            run = start(tmp_path / "out", text=text, resume=True, progress=end)
        except Crash:
            assert _whole(tmp_path / "out")
        else:
            break
    assert sorted(set(ends)) == [2, 3, 5]
    assert run.first_step > 0
    assert _results(tmp_path / "out") == _results(tmp_path / "whole")


def test_an_unfinished_run_is_refused_without_resume(
    start: Callable[..., Run], always_saves: None, tmp_path: Path
) -> None:
    def end(step: int, losses: dict[str, float]) -> None:
        if step == 4:
            raise Crash

    with pytest.raises(Crash):
        start(tmp_path / "out", progress=end)
    before = _results(tmp_path / "out")
    with pytest.raises(UsageError) as caught:
        start(tmp_path / "out")
    assert "unfinished" in caught.value.message
    assert "at step 3 of 6" in caught.value.message
    assert "--resume" in caught.value.hint
    assert _results(tmp_path / "out") == before


def test_to_resume_what_is_finished_changes_nothing(start: Callable[..., Run], tmp_path: Path) -> None:
    start(tmp_path / "out")
    before = _results(tmp_path / "out")
    told: list[int] = []
    run = start(tmp_path / "out", resume=True, progress=lambda step, losses: told.append(step))
    assert told == []
    assert run.outputs
    assert _results(tmp_path / "out") == before


def test_to_resume_what_has_not_begun_begins(start: Callable[..., Run], tmp_path: Path) -> None:
    start(tmp_path / "out", resume=True)
    start(tmp_path / "other")
    assert _results(tmp_path / "out") == _results(tmp_path / "other")


def test_a_finished_run_can_be_run_again(start: Callable[..., Run], tmp_path: Path) -> None:
    start(tmp_path / "out")
    before = _results(tmp_path / "out")
    start(tmp_path / "out")
    assert _results(tmp_path / "out") == before


def test_a_log_that_ends_in_half_a_line_is_mended(
    start: Callable[..., Run], always_saves: None, tmp_path: Path
) -> None:
    start(tmp_path / "whole")

    def end(step: int, losses: dict[str, float]) -> None:
        if step == 4:
            raise Crash

    with pytest.raises(Crash):
        start(tmp_path / "out", progress=end)
    with (tmp_path / "out" / LOG).open("a") as log:
        log.write('{"step": 4, "lo')
    start(tmp_path / "out", resume=True)
    assert _results(tmp_path / "out") == _results(tmp_path / "whole")


def test_leftovers_of_a_killed_process_go(start: Callable[..., Run], tmp_path: Path) -> None:
    start(tmp_path / "out")
    (tmp_path / "out" / ".artkit-abc.png").write_text("half")
    start(tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == FILES


def test_the_remedy_for_a_damaged_checkpoint_works(
    start: Callable[..., Run], always_saves: None, tmp_path: Path
) -> None:
    start(tmp_path / "out")
    wanted = _results(tmp_path / "out")
    (tmp_path / "out" / CHECKPOINT).write_bytes(b"damaged")
    with pytest.raises(ArtkitError) as caught:
        start(tmp_path / "out", resume=True)
    assert "damaged" in caught.value.message
    assert caught.value.hint == "run again without --resume"
    start(tmp_path / "out")
    assert _results(tmp_path / "out") == wanted


def test_a_checkpoint_of_something_else_is_told(start: Callable[..., Run], tmp_path: Path) -> None:
    start(tmp_path / "out")
    for state in ({}, {"step": 2, "state": {}}, {"step": 2, "state": {"agent": {}}}):
        checkpoint.save(state, tmp_path / "out" / CHECKPOINT)
        with pytest.raises(ArtkitError) as caught:
            start(tmp_path / "out", resume=True)
        assert CHECKPOINT in str(caught.value)


# ------------------------------------------------------------------------------------------------------- diverging
def test_a_loss_that_is_no_number_stops_the_run_in_its_last_good_state(
    start: Callable[..., Run], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(Diverged) as caught:
        start(out, "objective.look.nan_from=0.55")  # from step 3 of 6 on
    assert caught.value.exit_code == 1
    for told in ("look", "before step 3", str(out), "optimizer.lr"):
        assert told in str(caught.value)
    assert [line["step"] for line in _lines(out)] == [0, 1, 2]
    assert checkpoint.load(out / CHECKPOINT)["step"] == 3
    actions = StrokeLog.load(out / "strokes.json").actions
    assert bool(actions.isfinite().all())
    assert _whole(out)
    good = checkpoint.load(out / CHECKPOINT)["state"]["agent"]
    assert all(bool(value.isfinite().all()) for value in good.values())

    def end(step: int, losses: dict[str, float]) -> None:
        if step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        start(tmp_path / "good", progress=end)
    assert torch.equal(StrokeLog.load(tmp_path / "good" / "strokes.json").actions, actions), "the state before step 3"


def test_a_training_that_diverges_stops(start: Callable[..., Run], toy: Any, tmp_path: Path, monkeypatch: Any) -> None:
    step_of = toy.Line.step
    monkeypatch.setattr(toy.Line, "step", lambda self, step: {"mse": math.inf} if step == 3 else step_of(self, step))
    with pytest.raises(Diverged, match="mse"):
        start(tmp_path / "out", text=LINE)
    assert [line["step"] for line in _lines(tmp_path / "out")] == [0, 1, 2]


# ----------------------------------------------------------------------------------------------------- things that fail
def test_a_disk_that_fills_up_is_one_message(start: Callable[..., Run], always_saves: None, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    out = tmp_path / "out"

    def fill(step: int, losses: dict[str, float]) -> None:
        if step == 3:
            # No file grows beyond what the log has now, so the next line does not fit.
            patch.setattr(runs, "SECONDS_BETWEEN_CHECKPOINTS", math.inf)
            resource.setrlimit(resource.RLIMIT_FSIZE, ((out / LOG).stat().st_size, before[1]))

    try:
        with pytest.MonkeyPatch.context() as patch, pytest.raises(ArtkitError) as caught:
            start(out, progress=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert LOG in caught.value.message
    assert _whole(out)
    assert start(out, resume=True).first_step == 2, "the last checkpoint is as it was"
    start(tmp_path / "whole")
    assert _results(out) == _results(tmp_path / "whole")


def test_a_second_ctrl_c_stops_at_once(start: Callable[..., Run], tmp_path: Path) -> None:
    told: list[int] = []

    def press_twice(step: int, losses: dict[str, float]) -> None:
        told.append(step)
        if step == 2:
            os.kill(os.getpid(), signal.SIGINT)
            told.append(-1)  # the first one lets the step come to its end
            os.kill(os.getpid(), signal.SIGINT)
            told.append(-2)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "out", progress=press_twice)
    assert told == [1, 2, -1]
    assert signal.getsignal(signal.SIGINT) == handler, "the program around keeps its own"
    assert _whole(tmp_path / "out")


# ----------------------------------------------------------------------------------------------- processes, for real
REAL = """
seed = 3
steps = {steps}
size = [48, 32]
[canvas]
tile = 32
overlap = 8
strokes = 1
[renderer]
type = "mypaint"
[objective.look]
type = "{objective}"
{more}
"""


def test_the_same_recipe_and_seed_give_the_same_picture_in_two_processes(
    mypaint: None, start: Callable[..., Run], command: Command, tmp_path: Path
) -> None:
    target = Image.linear_gradient("L").resize((48, 32)).convert("RGB")
    target.save(tmp_path / "a.png")
    start(tmp_path / "one", text=REAL.format(steps=3, objective="content", more='target = "a.png"'))
    done = command("run", tmp_path / "r.toml", "--out", tmp_path / "two")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        str(tmp_path / "two" / name) for name in ("painting.png", "strokes.json", REPORT)
    ]
    assert "step 3/3" in done.stderr
    assert "loss" in done.stderr
    assert _results(tmp_path / "one") == _results(tmp_path / "two")
    losses = [line["loss"] for line in _lines(tmp_path / "one")]
    assert len(set(losses)) == 3, "something was painted"
    with Image.open(tmp_path / "one" / "painting.png") as image:
        assert len(image.getcolors(48 * 32)) > 20


# Imports once and forks a process for each attempt, which is killed after a while.
KILLER = """
import os, random, signal, sys, time, traceback
from pathlib import Path
from artkit.engine import run
from artkit.cli.main import cli
from artkit.registry.plugin_registry import KIND_HOOKS, get_registry
import artkit.engine.painting_task

base = Path(sys.argv[1])
run.SECONDS_BETWEEN_CHECKPOINTS = -1.0
os.cpu_count = lambda: 1
for kind in KIND_HOOKS:
    plugins().parts(kind)

def attempt(renderer, folder, seconds):
    "Whether the process came to its end before it was killed."
    child = os.fork()
    if not child:
        code = 9
        try:
            setting = f'renderer.type="{renderer}"'
            cli.main(["run", str(base / "r.toml"), "--set", setting, "--out", str(folder), "--resume"])
        except SystemExit as ended:
            code = ended.code or 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    end = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0, status
            return True
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            return os.WIFEXITED(status)
        time.sleep(0.001)

chance = random.Random(4)
for renderer, wanted in (("toy-blob", 10), ("mypaint", 3)):
    began = time.monotonic()
    assert attempt(renderer, base / renderer / "whole", 1000)
    whole = time.monotonic() - began
    killed = number = 0
    while killed < wanted:
        number += 1
        folder = base / renderer / f"killed-{number}"
        while not attempt(renderer, folder, chance.uniform(0, 0.9) * whole if killed < wanted else 1000):
            killed += 1
        assert number < 50
    print("killed", killed)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_run_that_is_killed_at_any_moment_goes_on(
    mypaint: None, toy: Any, recipe_file: Write, tmp_path: Path
) -> None:
    recipe_file(REAL.format(steps=6, objective="toy-flat", more=""))
    done = subprocess.run(
        [sys.executable, "-c", KILLER, tmp_path], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("killed")] == ["killed 10", "killed 3"]
    for renderer in ("toy-blob", "mypaint"):
        wanted = _results(tmp_path / renderer / "whole")
        assert len(wanted[LOG]) == 6
        folders = sorted((tmp_path / renderer).glob("killed-*"))
        assert folders
        for folder in folders:
            assert _results(folder) == wanted


def _start(*arguments: object, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "artkit", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        start_new_session=True,
    )


def _wait_for(there: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while not there():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "nothing happens"
        time.sleep(0.002)


def test_ctrl_c_saves_and_tells_how_to_go_on(mypaint: None, start: Callable[..., Run], tmp_path: Path) -> None:
    out = tmp_path / "out"
    text = REAL.format(steps=8, objective="toy-flat", more="pause = 0.05")
    start(tmp_path / "whole", text=text)
    file = tmp_path / "r.toml"
    process = _start("run", file, "--out", out, cwd=tmp_path)
    log = out / LOG
    _wait_for(lambda: log.exists() and log.read_text().count("\n") >= 2, process)
    # As a terminal does: to every process of the group, those that paint too.
    os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in stderr
    assert "--resume" in stderr
    assert str(out) in stderr
    assert stdout == "", "what is not done is not announced as a result"
    saved = checkpoint.load(out / CHECKPOINT)["step"]
    assert 2 <= saved < 8
    assert [line["step"] for line in _lines(out)] == list(range(saved))
    assert _whole(out)
    assert (out / "painting.png").exists()
    start(out, text=text, resume=True)
    assert _results(out) == _results(tmp_path / "whole")


def test_ctrl_c_before_the_first_step_is_one_message(
    mypaint: None, toy: Any, recipe_file: Write, tmp_path: Path
) -> None:
    # The processes that paint are just starting then.
    file = recipe_file(REAL.format(steps=500, objective="toy-flat", more=""))
    process = _start("run", file, "--out", tmp_path / "out", cwd=tmp_path)
    _wait_for((tmp_path / "out" / LOG).exists, process)
    time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in stderr
    assert "stopped" in stderr


def test_a_process_that_paints_and_dies_is_one_message(
    mypaint: None, toy: Any, recipe_file: Write, tmp_path: Path
) -> None:
    if not Path(f"/proc/self/task/{threading.get_native_id()}/children").exists():
        pytest.skip("this system does not tell which processes one has started")
    out = tmp_path / "out"
    text = REAL.format(steps=500, objective="toy-flat", more="pause = 0.05")
    process = _start("run", recipe_file(text), "--out", out, cwd=tmp_path)
    _wait_for(lambda: (out / LOG).exists() and (out / LOG).read_text().count("\n") >= 2, process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert children
    os.kill(int(children[0]), signal.SIGKILL)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert stderr.startswith("artkit: ")
    assert "paints" in stderr
    assert "--resume" in stderr
    assert "Traceback" not in stderr
    assert _whole(out)
