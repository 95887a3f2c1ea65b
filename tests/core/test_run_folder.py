"""The folder of a run: which folders are refused, and resuming after any interruption."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from artkit.engine import checkpoint
from artkit.engine.run import Run
from artkit.engine.run_folder import CHECKPOINT_FILE, LOG_FILE, RECIPE_FILE
from artkit.errors import ArtkitError, UsageError
from artkit.output.report import REPORT

Start = Callable[..., Run]


class Crash(BaseException):
    """Stands for the end of the process."""


# ---------------------------------------------------------------------------------------------------- claiming a folder
def test_the_folder_of_another_recipe_is_refused(start: Start, run_files: Any, tmp_path: Path) -> None:
    start(tmp_path / "out")
    before = run_files.results(tmp_path / "out")
    for resume in (False, True):
        with pytest.raises(UsageError) as caught:
            start(tmp_path / "out", "seed=6", "canvas.strokes=2", resume=resume)
        assert str(tmp_path / "out") in caught.value.message
        assert "seed" in caught.value.message
        assert "canvas.strokes" in caught.value.message
        assert "--out" in caught.value.hint
    assert run_files.results(tmp_path / "out") == before


@pytest.mark.parametrize("recipe", ["painting", "training"])
def test_a_folder_with_other_files_is_refused_before_anything_is_written(
    start: Start, toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str
) -> None:
    monkeypatch.setattr(toy.Line, "prepare", lambda self: pytest.fail("called before the folder was claimed"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("precious")
    with pytest.raises(UsageError, match="has other files in it, and no run"):
        start(tmp_path / "out", recipe=recipe)
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_an_empty_folder_is_used(start: Start, run_files: Any, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    start(tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == run_files.names


def test_a_folder_that_is_not_writable_is_refused(
    start: Start, unwritable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The fixture drops privileges; building the run needs those of the user that runs the tests.
    unprivileged, user = os.geteuid(), os.getuid()
    execute = Run.execute

    def execute_unprivileged(self: Run) -> Run:
        os.seteuid(unprivileged)
        return execute(self)

    monkeypatch.setattr(Run, "execute", execute_unprivileged)
    for folder in (unwritable, unwritable / "new"):
        try:
            os.seteuid(user)
            with pytest.raises(ArtkitError) as caught:
                start(folder)
        finally:
            os.seteuid(unprivileged)
        assert "cannot be written to" in caught.value.message
        assert "--out" in caught.value.hint
    assert list(unwritable.iterdir()) == []


def test_a_file_in_place_of_the_folder_is_refused(start: Start, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(ArtkitError, match="is not a folder"):
        start(tmp_path / "out")
    assert (tmp_path / "out").read_text() == "a file"


def test_a_damaged_recipe_in_the_folder_is_named(start: Start, tmp_path: Path) -> None:
    start(tmp_path / "out")
    for text in ("seed = = 3", 'record = 3\nseed = "x"\n'):
        (tmp_path / "out" / RECIPE_FILE).write_text(text)
        with pytest.raises(ArtkitError) as caught:
            start(tmp_path / "out")
        assert str(tmp_path / "out") in str(caught.value)


def test_a_changed_input_file_is_refused(start: Start, tmp_path: Path) -> None:
    Image.new("RGB", (40, 24), (9, 9, 9)).save(tmp_path / "a.png")
    objective = f'objective.see={{type="content", target="{tmp_path / "a.png"}"}}'
    start(tmp_path / "out", objective, "steps=1")
    Image.new("RGB", (40, 24), (8, 8, 8)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match=r"sha256.*objective\.see\.target"):
        start(tmp_path / "out", objective, "steps=1", resume=True)


def test_leftovers_of_a_killed_process_are_removed(start: Start, run_files: Any, tmp_path: Path) -> None:
    start(tmp_path / "out")
    (tmp_path / "out" / ".artkit-abc.png").write_text("half")
    start(tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == run_files.names


# ------------------------------------------------------------------------------------------------------------- resuming
@contextlib.contextmanager
def _crash_at_write(count: int, after: bool) -> Iterator[list[int]]:
    """Crash just before or after the `count`-th file is moved to its destination; yields the number of moves so far."""
    moves = [0]
    replace = Path.replace

    def counting_replace(self: Path, target: Any) -> Path:
        moves[0] += 1
        if moves[0] == count and not after:
            raise Crash
        result = replace(self, target)
        if moves[0] == count:
            raise Crash
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", counting_replace)
        yield moves


def _crash_after(last_step: int) -> Callable[[int, dict[str, float]], None]:
    def progress(step: int, losses: dict[str, float]) -> None:
        if step == last_step:
            raise Crash

    return progress


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("recipe", ["painting", "training"])
def test_a_run_resumes_after_a_crash_at_any_write(
    start: Start, run_files: Any, checkpoint_each_step: None, tmp_path: Path, recipe: str, after: bool
) -> None:
    start(tmp_path / "uninterrupted", "steps=2", recipe=recipe)
    expected = run_files.results(tmp_path / "uninterrupted")
    crashes = 0
    for count in range(1, 100):
        folder = tmp_path / f"crashed-{count}"
        with _crash_at_write(count, after) as moves, contextlib.suppress(Crash):
            start(folder, "steps=2", recipe=recipe)
        if moves[0] < count:
            break
        crashes += 1
        run_files.check_readable(folder)
        if (folder / CHECKPOINT_FILE).exists() and checkpoint.load(folder / CHECKPOINT_FILE)["step"] == 2:
            assert run_files.results(folder) == expected, "the checkpoint of the last step is written after the results"
        start(folder, "steps=2", recipe=recipe, resume=True)
        assert run_files.results(folder) == expected, f"crash at write {count}"
        assert not (folder / "earlier").exists(), "no unfinished picture is kept"
        shutil.rmtree(folder)
    assert crashes >= 2 + 2 * 2, "recipe and log, and at each step results and checkpoint"


@pytest.mark.parametrize("recipe", ["painting", "training"])
def test_a_run_resumes_after_a_crash_at_any_step(
    start: Start, run_files: Any, checkpoint_each_step: None, tmp_path: Path, recipe: str
) -> None:
    start(tmp_path / "uninterrupted", recipe=recipe)
    for step in (2, 3, 5):
        with pytest.raises(Crash):
            start(tmp_path / "out", recipe=recipe, resume=True, progress=_crash_after(step))
        run_files.check_readable(tmp_path / "out")
    run = start(tmp_path / "out", recipe=recipe, resume=True)
    assert run.first_step > 0
    assert run_files.results(tmp_path / "out") == run_files.results(tmp_path / "uninterrupted")


def test_an_unfinished_run_is_refused_without_resume(
    start: Start, run_files: Any, checkpoint_each_step: None, tmp_path: Path
) -> None:
    with pytest.raises(Crash):
        start(tmp_path / "out", progress=_crash_after(4))
    before = run_files.results(tmp_path / "out")
    with pytest.raises(UsageError) as caught:
        start(tmp_path / "out")
    assert "stopped at step 3 of 6" in caught.value.message
    assert "--resume" in caught.value.hint
    assert run_files.results(tmp_path / "out") == before


def test_resuming_a_finished_run_changes_nothing(start: Start, run_files: Any, tmp_path: Path) -> None:
    start(tmp_path / "out")
    before = run_files.results(tmp_path / "out")
    calls: list[int] = []
    run = start(tmp_path / "out", resume=True, progress=lambda step, losses: calls.append(step))
    assert calls == []
    assert run.outputs
    assert run_files.results(tmp_path / "out") == before


def test_resuming_a_run_that_does_not_exist_starts_it(start: Start, run_files: Any, tmp_path: Path) -> None:
    start(tmp_path / "out", resume=True)
    start(tmp_path / "other")
    assert run_files.results(tmp_path / "out") == run_files.results(tmp_path / "other")


def test_a_finished_run_can_be_repeated(start: Start, run_files: Any, tmp_path: Path) -> None:
    start(tmp_path / "out")
    before = run_files.results(tmp_path / "out")
    start(tmp_path / "out")
    assert run_files.results(tmp_path / "out") == before


def test_an_incomplete_last_line_of_the_log_is_removed(
    start: Start, run_files: Any, checkpoint_each_step: None, tmp_path: Path
) -> None:
    start(tmp_path / "uninterrupted")
    with pytest.raises(Crash):
        start(tmp_path / "out", progress=_crash_after(4))
    with (tmp_path / "out" / LOG_FILE).open("a") as log:
        log.write('{"step": 4, "lo')
    start(tmp_path / "out", resume=True)
    assert run_files.results(tmp_path / "out") == run_files.results(tmp_path / "uninterrupted")


def test_the_hint_for_a_damaged_checkpoint_works(
    start: Start, run_files: Any, checkpoint_each_step: None, tmp_path: Path
) -> None:
    start(tmp_path / "out")
    expected = run_files.results(tmp_path / "out")
    (tmp_path / "out" / CHECKPOINT_FILE).write_bytes(b"damaged")
    with pytest.raises(ArtkitError) as caught:
        start(tmp_path / "out", resume=True)
    assert "damaged" in caught.value.message
    assert caught.value.hint == "run again without --resume"
    start(tmp_path / "out")
    assert run_files.results(tmp_path / "out") == expected


def test_a_checkpoint_with_other_contents_is_named(start: Start, tmp_path: Path) -> None:
    start(tmp_path / "out")
    for state in ({}, {"step": 2, "state": {}}, {"step": 2, "state": {"agent": {}}}):
        checkpoint.save(state, tmp_path / "out" / CHECKPOINT_FILE)
        with pytest.raises(ArtkitError) as caught:
            start(tmp_path / "out", resume=True)
        assert CHECKPOINT_FILE in str(caught.value)


# ------------------------------------------------------------------------------------------------------- real processes
MYPAINT_RECIPE = """
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
{settings}
"""


@pytest.mark.slow
def test_the_same_recipe_gives_the_same_bytes_in_two_processes(
    start: Start,
    run_files: Any,
    command: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    target = Image.linear_gradient("L").resize((48, 32)).convert("RGB")
    target.save(tmp_path / "a.png")
    recipe = MYPAINT_RECIPE.format(steps=3, objective="content", settings='target = "a.png"')
    start(tmp_path / "one", recipe=recipe)
    process = command("run", tmp_path / "r.toml", "--out", tmp_path / "two")
    assert process.returncode == 0, process.stderr
    outputs = [str(tmp_path / "two" / name) for name in ("painting.png", "strokes.json", REPORT)]
    assert process.stdout.splitlines() == outputs
    assert "step 3/3" in process.stderr
    assert "loss" in process.stderr
    assert run_files.results(tmp_path / "one") == run_files.results(tmp_path / "two")
    losses = [line["loss"] for line in run_files.log(tmp_path / "one")]
    assert len(set(losses)) == 3, "the picture changes"
    with Image.open(tmp_path / "one" / "painting.png") as image:
        assert len(image.getcolors(48 * 32)) > 20
