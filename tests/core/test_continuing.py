"""Continuing a painting: more steps for a run, and a painting as the start of another run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from artkit.engine import checkpoint
from artkit.engine.run import Run
from artkit.engine.run_folder import CHECKPOINT_FILE
from artkit.errors import ArtkitError, UsageError
from artkit.strokes.stroke_log import STROKES_FILE, StrokeLog

Start = Callable[..., Run]

NO_DECAY = 'optimizer.decay="none"'


# ----------------------------------------------------------------------------------------------------------- more steps
@pytest.mark.parametrize("recipe", ["painting", "training"])
def test_more_steps_give_the_same_as_all_steps_at_once(
    start: Start, run_files: Any, tmp_path: Path, recipe: str
) -> None:
    settings = [NO_DECAY] if recipe == "painting" else []
    start(tmp_path / "at once", *settings, "steps=6", recipe=recipe)
    start(tmp_path / "out", *settings, "steps=2", recipe=recipe)
    run = start(tmp_path / "out", *settings, "steps=6", resume=True, recipe=recipe)
    assert (run.first_step, run.step) == (2, 6)
    assert run_files.results(tmp_path / "out") == run_files.results(tmp_path / "at once")


def test_only_the_final_result_is_evaluated(start: Start, run_files: Any, toy: Any, tmp_path: Path) -> None:
    recipe = ("objective.look.type='toy-flat'", NO_DECAY)
    toy.Flat.evaluate = lambda self, painting: [{"sees": "a flat picture"}]
    try:
        start(tmp_path / "out", *recipe, "steps=2")
        assert [line["step"] for line in run_files.log(tmp_path / "out") if "verdicts" in line] == [1]
        start(tmp_path / "out", *recipe, "steps=4", resume=True)
    finally:
        del toy.Flat.evaluate
    assert [line["step"] for line in run_files.log(tmp_path / "out") if "verdicts" in line] == [3]


def test_a_stopped_run_may_get_more_or_fewer_steps(start: Start, run_files: Any, tmp_path: Path) -> None:
    for steps in (4, 8):
        folder = tmp_path / f"stopped {steps}"
        with pytest.raises(KeyboardInterrupt):
            start(folder, NO_DECAY, "steps=6", progress=_interrupt_after(3))
        start(folder, NO_DECAY, f"steps={steps}", resume=True)
        start(tmp_path / f"at once {steps}", NO_DECAY, f"steps={steps}")
        assert run_files.results(folder) == run_files.results(tmp_path / f"at once {steps}")


def _interrupt_after(last_step: int) -> Callable[[int, dict[str, float]], None]:
    def progress(step: int, losses: dict[str, float]) -> None:
        if step == last_step:
            raise KeyboardInterrupt

    return progress


def test_more_steps_without_resume_are_explained(start: Start, run_files: Any, tmp_path: Path) -> None:
    start(tmp_path / "out", "steps=2")
    before = run_files.results(tmp_path / "out")
    with pytest.raises(UsageError) as caught:
        start(tmp_path / "out", "steps=4")
    assert "has 2 steps, not 4" in caught.value.message
    assert "to go on to 4 steps add --resume" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        start(tmp_path / "out", "steps=1", resume=True)
    assert "already done 2 steps" in caught.value.message
    assert "--set steps=2" in caught.value.hint
    with pytest.raises(UsageError, match="other settings: seed, steps"):
        start(tmp_path / "out", "steps=4", "seed=8", resume=True)
    assert run_files.results(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ([NO_DECAY], None),
        ([], "optimizer.decay"),
        ([NO_DECAY, "objective.look.weight=[[0.0, 1.0], [1.0, 2.0]]"], "objective.look.weight"),
        ([NO_DECAY, 'constraint.few={type="palette", colours=[[1, 0, 0], [0, 0, 1]]}'], "constraint.few.colours"),
        ([NO_DECAY, "agent={type='free', drafts=2}"], "agent.choose"),
    ],
)
def test_schedules_that_depend_on_the_number_of_steps_say_so(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: list[str], named: str | None
) -> None:
    start(tmp_path / "out", *settings, "steps=2")
    start(tmp_path / "out", *settings, "steps=2", resume=True)
    assert "depend" not in capsys.readouterr().err, "nothing has changed"
    start(tmp_path / "out", *settings, "steps=4", resume=True)
    note = capsys.readouterr().err
    if named is None:
        assert "depend" not in note
    else:
        assert "had 2 steps and now has 4" in note
        assert f"depend on that number: {named}. " in note


# ------------------------------------------------------------------------------------------------ from another painting
def _strokes(folder: Path) -> torch.Tensor:
    return StrokeLog.load(folder / STROKES_FILE).actions


@pytest.mark.parametrize(
    "settings", [(), ("optimizer.warmup=4",), ("size=[200, 24]", "window=128")], ids=["plain", "warm-up", "windows"]
)
def test_a_painting_goes_on_exactly_where_nothing_else_changes(
    start: Start, tmp_path: Path, settings: tuple[str, ...]
) -> None:
    start(tmp_path / "at once", NO_DECAY, *settings, "steps=6")
    start(tmp_path / "first", NO_DECAY, *settings, "steps=2")
    begin = f'agent.start="{tmp_path / "first"}"'
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "second", NO_DECAY, *settings, "steps=4", begin, progress=_interrupt_after(3))
    start(tmp_path / "second", NO_DECAY, *settings, "steps=4", begin, resume=True)
    expected = (tmp_path / "at once" / STROKES_FILE).read_bytes()
    assert (tmp_path / "second" / STROKES_FILE).read_bytes() == expected
    start(tmp_path / "third", NO_DECAY, *settings, "steps=1", f'agent.start="{tmp_path / "second"}"')
    start(tmp_path / "at once", NO_DECAY, *settings, "steps=7", resume=True)
    assert torch.equal(_strokes(tmp_path / "third"), _strokes(tmp_path / "at once"))


@pytest.mark.parametrize(
    "settings",
    [
        ("seed=9",),
        ("size=[80, 48]", "canvas.tile=32", "canvas.overlap=16"),
    ],
    ids=["seed", "size"],
)
def test_a_painting_is_the_start_of_another_recipe(
    start: Start, toy: Any, tmp_path: Path, settings: tuple[str, ...]
) -> None:
    start(tmp_path / "first")
    for source in (tmp_path / "first", tmp_path / "first" / STROKES_FILE):
        out = tmp_path / f"from {source.name}"
        start(out, *settings, "steps=0", f'agent.start="{source}"', "agent.drafts=2")
        torch.testing.assert_close(_strokes(out), _strokes(tmp_path / "first"), atol=1e-3, rtol=0)


def test_new_strokes_are_counted(start: Start, tmp_path: Path) -> None:
    start(tmp_path / "first")
    run = start(tmp_path / "more", "steps=0", "canvas.strokes=3", f'agent.start="{tmp_path / "first"}"')
    count = len(_strokes(tmp_path / "first"))
    assert f"{count} of the {count} strokes of" in run.task.notes[-1]
    assert f"{2 * count} of them new" in run.task.notes[-1]


def test_a_folder_without_a_painting_is_named(start: Start, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UsageError) as caught:
            start(tmp_path / "out", f'agent.start="{path}"')
        assert "agent.start" in caught.value.message
        assert str(path) in caught.value.message
    assert not (tmp_path / "out").exists()


def test_a_damaged_checkpoint_of_the_other_run_is_named(start: Start, tmp_path: Path) -> None:
    start(tmp_path / "first")
    (tmp_path / "first" / CHECKPOINT_FILE).write_bytes(b"damaged")
    begin = f'agent.start="{tmp_path / "first"}"'
    with pytest.raises(ArtkitError, match=r"checkpoint.*damaged") as caught:
        start(tmp_path / "out", begin)
    assert STROKES_FILE in caught.value.hint
    start(tmp_path / "out", begin, "seed=9")


# -------------------------------------------------------------------------------------------------- damaged checkpoints
def _damage(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        state = checkpoint.load(file)
        change(state)
        checkpoint.save(state, file)

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        _damage(lambda saved: saved.update(step="2")),
        _damage(lambda saved: saved.update(step=-1)),
        _damage(lambda saved: saved["state"]["windows"].update(width="a")),
        _damage(lambda saved: saved["state"]["windows"].update(columns=10**12)),
        _damage(lambda saved: saved["state"]["windows"].update(size=[8, 8], width=8, height=8)),
        _damage(lambda saved: saved["state"]["sweep"].update(order=torch.tensor([5, 5]))),
        _damage(lambda saved: saved["state"]["sweep"].update(shift=torch.zeros(3))),
        _damage(lambda saved: saved["state"].update(before="x")),
        _damage(lambda saved: saved["state"]["agent"]["parameters_of_actions"].fill_(float("nan"))),
        _damage(lambda saved: saved["state"]["optimizer"].update(state=3)),
        _damage(lambda saved: saved["state"]["optimizer"]["state"][0]["square"].fill_(-1.0)),
        _damage(lambda saved: saved["state"]["optimizer"]["state"][0].update(mean=torch.zeros(1))),
    ],
    ids=[
        "step",
        "negative",
        "width",
        "columns",
        "size",
        "order",
        "shift",
        "before",
        "not numbers",
        "optimizer",
        "negative",
        "shape",
    ],
)
def test_a_damaged_state_is_an_error(start: Start, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    start(tmp_path / "out", "steps=2")
    damage(tmp_path / "out" / CHECKPOINT_FILE)
    with pytest.raises(ArtkitError, match=CHECKPOINT_FILE) as caught:
        start(tmp_path / "out", "steps=4", resume=True)
    assert caught.value.hint == "run again without --resume"
