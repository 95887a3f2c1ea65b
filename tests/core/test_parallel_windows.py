"""`artkit run --executor`: windows that do not touch, optimised by workers, give the bytes of one after the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from artkit import Agent, Config, Constraint, Executor, Job, JobEvent, Scene
from artkit.cli.main import cli
from artkit.engine.painting_task import PaintingTask
from artkit.geometry.window_grid import WindowGrid
from artkit.recipes.reading import read_recipe
from artkit.registry.plugin_registry import get_registry

TOY = """
seed = 5
steps = 4
size = [280, 64]
window = 64
background = [1.0, 0.5, 0.25]
[canvas]
tile = 8
overlap = 4
strokes = 1
[renderer]
type = "toy-blob"
[objective.look]
type = "toy-flat"
"""
FILES = ("painting.png", "strokes.json", "checkpoint.safetensors")

executed: list[list[str]] = []


class Reversed(Executor):
    """Runs the jobs in this process in reverse order, with arguments and results as text."""

    name = "reversed"

    def execute(self, jobs: Sequence[Job]) -> Iterator[JobEvent]:
        executed.append([job.name for job in jobs])
        for job in reversed(jobs):
            arguments = json.loads(json.dumps(dict(job.arguments)))
            for event in Job(job.name, job.function, arguments).run():
                yield JobEvent(event.job, event.kind, json.loads(json.dumps(event.value)))


class Broken(Executor):
    """Fails at its second group of jobs."""

    name = "broken"

    def execute(self, jobs: Sequence[Job]) -> Iterator[JobEvent]:
        executed.append([job.name for job in jobs])
        if len(executed) > 1:
            yield JobEvent(jobs[0].name, "failed", {"error": "no disk", "hint": "buy one", "traceback": ""})
        else:
            yield from (event for job in jobs for event in job.run())


@pytest.fixture(autouse=True)
def narrow_margin(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toy.Flat, "margin", 8, raising=False)


@pytest.fixture
def run(toy: Any, recipe_file: Callable[..., Path], tmp_path: Path) -> Callable[..., Result]:
    """Runs the toy recipe, ``run(folder, *arguments)``."""
    for executor in (Reversed, Broken):
        get_registry().register_component("executor", executor)
    executed.clear()
    file = recipe_file(TOY)
    return lambda folder, *arguments: CliRunner().invoke(
        cli, ["run", str(file), "--out", str(tmp_path / folder), *arguments], catch_exceptions=False
    )


def assert_same(first: Path, second: Path) -> None:
    for name in FILES:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


# ------------------------------------------------------------------------------------------------------------ groups
sides = st.integers(20, 400)


@given(
    size=st.tuples(sides, sides),
    margin=st.integers(2, 12),
    reach=st.integers(1, 12),
    shift=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
    seed=st.integers(0, 999),
)
def test_windows_of_a_group_do_not_touch(
    size: tuple[int, int], margin: int, reach: int, shift: tuple[float, float], seed: int
) -> None:
    grid = WindowGrid.covering(size, 5 * margin, margin)
    order = grid.random_order(shift, reach, torch.Generator().manual_seed(seed))
    assert sorted(order.tolist()) == list(range(grid.count))
    starts = grid.groups(order, shift, reach)
    ends = [*starts[1:], grid.count]
    assert starts[0] == 0
    for start, end in zip(starts, ends, strict=True):
        group = order[start:end].tolist()
        for index in group:
            window, _ = grid.at(index, shift)
            for other in group:
                _, core = grid.at(other, shift)
                # The centres of tiles whose paint reaches the window; those of the core must be somewhere else.
                left, right = max(core.x, window.x - reach), min(core.x + core.width, window.x + window.width + reach)
                top, bottom = max(core.y, window.y - reach), min(core.y + core.height, window.y + window.height + reach)
                assert other == index or left >= right or top >= bottom


def test_a_large_grid_has_few_groups() -> None:
    grid = WindowGrid.covering((4096, 4096), 512, 40)
    order = grid.random_order((0.5, -0.5), 60, torch.Generator().manual_seed(0))
    assert grid.count == 100
    assert len(grid.groups(order, (0.5, -0.5), 60)) <= 6  # four sets of windows that do not touch


@pytest.mark.parametrize("index", range(5))
def test_strokes_in_a_window_are_those_that_are_rendered(
    toy: Any, recipe_file: Callable[..., Path], index: int
) -> None:
    task = PaintingTask(read_recipe([recipe_file(TOY)]), torch.device("cpu"))
    window, core = task.windows.at(index, (0.0, 0.0))
    actions = task.actions(0.0)
    looked_up: list[torch.Tensor] = []

    def look_up(indices: torch.Tensor) -> torch.Tensor:
        looked_up.append(indices)
        return actions[:, indices]

    task.canvas.render(task.renderer, look_up, task.scene.base, 0, window, core)
    expected = torch.cat(looked_up).sort().values
    assert 0 < len(expected) < task.canvas.stroke_count
    assert torch.equal(task.canvas.strokes_in(task.renderer, window).sort().values, expected)


# ------------------------------------------------------------------------------------------------------- the results
def test_bytes_are_those_of_one_window_after_the_other(run: Callable[..., Result], tmp_path: Path) -> None:
    assert run("alone").exit_code == 0
    assert executed == []
    result = run("executed", "--executor", "reversed")
    assert result.exit_code == 0, result.output
    assert_same(tmp_path / "alone", tmp_path / "executed")
    steps = [int(name) for names in executed for name in names]
    assert steps == list(range(len(steps)))  # each window of each epoch once
    assert max(map(len, executed)) > 1


def test_bytes_are_the_same_after_a_failure(run: Callable[..., Result], tmp_path: Path) -> None:
    assert run("alone").exit_code == 0
    result = run("executed", "--executor", "broken")
    assert result.exit_code == 1
    step = executed[1][0]
    assert f"artkit: step {step}: no disk\n  buy one" in result.stderr
    assert run("executed", "--executor", "reversed", "--resume").exit_code == 0
    assert_same(tmp_path / "alone", tmp_path / "executed")


@pytest.mark.slow
def test_bytes_are_the_same_with_processes(run: Callable[..., Result], tmp_path: Path) -> None:
    settings = [
        "--set",
        'renderer={type="mypaint"}',
        "--set",
        "canvas.tile=16",
        "--set",
        "steps=2",
        "--set",
        "window=128",
    ]
    settings += ["--set", 'objective.look={type="total-variation", of="picture"}']
    result = run("alone", *settings)
    assert result.exit_code == 0, result.output
    result = run("executed", *settings, "--executor", "local", "--workers", "2")
    assert result.exit_code == 0, result.output
    assert_same(tmp_path / "alone", tmp_path / "executed")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("window=400", "this picture is painted in one window"),
        ('agent.type="trained"', 'agent.type = "trained" cannot be divided among workers'),
        ('objective.look.type="trained"', "objective.look trains a network at each step"),
        ("constraint.line={type='whole'}", "constraint.line needs all strokes at once"),
    ],
)
def test_what_cannot_be_divided(run: Callable[..., Result], toy: Any, setting: str, message: str) -> None:
    class TrainedObjective(toy.Flat):  # type: ignore[misc, name-defined]
        """Trains at each step."""

        name = "trained"

        def training_step(self, view: Any) -> None:
            """Train nothing."""

    class TrainedAgent(Agent):
        """All strokes from one parameter."""

        name = "trained"

        def __init__(self, config: Config, scene: Scene) -> None:
            super().__init__(config, scene)
            assert scene.renderer
            self.logit = torch.nn.Parameter(torch.zeros(1))
            self.shape = (1, scene.action_count, len(scene.renderer.space))

        def forward(self, scene: Scene, targets: torch.Tensor | None = None) -> torch.Tensor:
            return self.logit.sigmoid().expand(self.shape)

    class Whole(Constraint):
        """Changes nothing, but gets all strokes."""

        name = "whole"
        elementwise = False

        def forward(self, actions: torch.Tensor, progress: float) -> torch.Tensor:
            return actions

    get_registry().register_component("objective", TrainedObjective)
    get_registry().register_component("constraint", Whole)
    get_registry().register_component("agent", TrainedAgent)
    result = run("executed", "--executor", "reversed", "--set", setting)
    assert result.exit_code == 2, result.output
    assert message in result.stderr


def test_workers_without_an_executor(run: Callable[..., Result]) -> None:
    result = run("executed", "--workers", "2")
    assert result.exit_code == 2
    assert "add --executor local" in result.stderr
