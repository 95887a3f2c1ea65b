"""Large pictures: the window grid, LazyAdam, steps on windows, and arrays on the disk."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional as F

from artkit import memmap, memory
from artkit.engine.optimizer import LazyAdam
from artkit.engine.painting_task import PaintingTask
from artkit.errors import ArtkitError, UsageError
from artkit.geometry.window import Window
from artkit.geometry.window_grid import WindowGrid
from artkit.imaging import loading
from artkit.imaging.loading import Fit, load_target_image
from artkit.interfaces.view import View
from artkit.recipes.reading import read_recipe
from artkit.strokes.stroke_log import StrokeLog

Write = Callable[..., Path]

TOY = """
seed = 5
steps = 3
size = [150, 120]
window = 100
background = [1.0, 0.5, 0.25]
[canvas]
type = "grid"
tile = 16
overlap = 8
strokes = 2
[renderer]
type = "toy-blob"
[objective.look]
type = "toy-flat"
shift = 0.0
"""


@pytest.fixture
def paint(toy: Any, recipe_file: Write, monkeypatch: pytest.MonkeyPatch) -> Callable[..., PaintingTask]:
    """Returns the task of the toy recipe with settings; its objective has a margin of 8 px."""
    monkeypatch.setattr(toy.Flat, "margin", 8, raising=False)
    file = recipe_file(TOY)
    return lambda *settings, **options: PaintingTask(read_recipe([file], settings), torch.device("cpu"), **options)


# --------------------------------------------------------------------------------------------------------- geometry
sides = st.integers(8, 400)


@given(st.tuples(sides, sides), st.integers(90, 300), st.integers(0, 30), st.tuples(st.floats(-1, 1), st.floats(-1, 1)))
def test_cores_partition_the_plane_and_windows_contain_their_margin(
    size: tuple[int, int], side: int, margin: int, shift: tuple[float, float]
) -> None:
    windows = WindowGrid.covering(size, side, margin)
    assert windows.width <= max(side, 1)
    assert windows.height <= side
    points = torch.tensor([[x, y] for x in range(-40, size[0] + 40, 7) for y in range(-40, size[1] + 40, 7)])
    owners = torch.zeros(len(points), dtype=torch.int64)
    for index in range(windows.count):
        window, core = windows.at(index, shift)
        assert (window.width, window.height) == (windows.width, windows.height)
        assert 0 <= window.x <= size[0] - window.width
        assert 0 <= window.y <= size[1] - window.height
        inside = (points[:, 0] >= core.x) & (points[:, 0] < core.x + core.width)
        inside &= (points[:, 1] >= core.y) & (points[:, 1] < core.y + core.height)
        owners += inside
        for axis, (start, window_side, length) in enumerate(
            ((window.x, window.width, size[0]), (window.y, window.height, size[1]))
        ):
            own = points[inside][:, axis].clamp(0, length - 1)
            if len(own):
                assert start == 0 or int(own.min()) - start >= margin - 1
                assert start + window_side == length or start + window_side - 1 - int(own.max()) >= margin - 1
    assert (owners == 1).all(), "each stroke is in one core"


def test_a_picture_that_fits_is_one_window() -> None:
    windows = WindowGrid.covering((100, 80), 100, 40)
    assert (windows.count, windows.width, windows.height) == (1, 100, 80)
    with pytest.raises(ValueError, match="too small"):
        WindowGrid.covering((200, 80), 100, 40)


# -------------------------------------------------------------------------------------------------------- optimizer
def test_each_row_moves_as_by_an_adam_of_its_own() -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(5, 3, generator=generator)
    table = torch.nn.Parameter(start.clone())
    optimizer = LazyAdam([table], 0.1)
    separate_rows = [torch.nn.Parameter(start[row].clone()) for row in range(5)]
    row_optimizers = [torch.optim.Adam([row], 0.1) for row in separate_rows]
    for _ in range(12):
        rows = torch.randperm(5, generator=generator)[:2]
        weights = torch.randn(2, 3, generator=generator)
        optimizer.zero_grad()
        (F.embedding(rows, table, sparse=True).square() * weights).sum().backward()
        optimizer.step()
        for row, weight in zip(rows.tolist(), weights, strict=True):
            row_optimizers[row].zero_grad()
            (separate_rows[row].square() * weight).sum().backward()
            row_optimizers[row].step()
    torch.testing.assert_close(table.detach(), torch.stack([row.detach() for row in separate_rows]))


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.5, 0.99)])
def test_with_dense_gradients_it_is_adam(betas: tuple[float, float]) -> None:
    start = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    parameters = [[torch.nn.Parameter(start.clone()), torch.nn.Parameter(torch.tensor(0.5))] for _ in range(2)]
    optimizers = [LazyAdam(parameters[0], 0.1, betas), torch.optim.Adam(parameters[1], 0.1, betas)]
    for _ in range(6):
        for (matrix, scalar), optimizer in zip(parameters, optimizers, strict=True):
            optimizer.zero_grad()
            ((matrix * scalar - 1).square().sum() + matrix.sin().sum()).backward()
            optimizer.step()
    for actual, expected in zip(*parameters, strict=True):
        torch.testing.assert_close(actual, expected)


# ------------------------------------------------------------------------------------------------------------ steps
def view_of(image: torch.Tensor, task: PaintingTask, window: Window | None = None) -> Any:
    return View(image, None, window or Window(0, 0, *task.scene.size), 0.0)


def test_a_step_is_a_window_and_the_recipe_counts_epochs(paint: Callable[..., PaintingTask]) -> None:
    task = paint()
    assert task.windows.count == 6
    assert task.steps == 3 * 6
    before = task.log().actions
    for step in range(6):
        task.step(step)
    (state,) = task.optimizer.state.values()
    assert (state["count"] == 1).all(), "each stroke was updated once"
    assert (task.log().actions != before).any(1).all()


def test_a_step_updates_only_the_strokes_of_its_core(paint: Callable[..., PaintingTask]) -> None:
    task = paint()
    before = task.log().actions
    task.step(0)
    x, y = task.epoch.shift.tolist()
    _, core = task.windows.at(int(task.epoch.order[0]), (x, y))
    tiles = task.canvas.tiles()
    centre = tiles[:, :2] + tiles[:, 2:] // 2
    low, size = torch.tensor([core.x, core.y]), torch.tensor([core.width, core.height])
    inside = ((centre >= low) & (centre < low + size)).all(1)
    assert 0 < int(inside.sum()) < len(inside)
    assert torch.equal((task.log().actions != before).any(1), inside)


def test_the_gradient_of_a_core_is_that_of_the_whole_picture(paint: Callable[..., PaintingTask]) -> None:
    """With an objective that is a mean over pixels."""
    task = paint()
    whole = task._view(Window(0, 0, *task.scene.size), Window(-999, -999, 9999, 9999), 0.0).image
    task.score(view_of(whole, task))[1].backward()  # type: ignore[no-untyped-call]
    expected = task.agent.parameters_of_actions.grad.to_dense() * (150 * 120)
    for index in range(task.windows.count):
        task.optimizer.zero_grad(set_to_none=True)
        window, core = task.windows.at(index, (0.5, -0.5))
        task.score(view_of(task._view(window, core, 0.0).image, task, window))[1].backward()  # type: ignore[no-untyped-call]
        gradient = task.agent.parameters_of_actions.grad.coalesce()
        rows = gradient.indices()[0]
        assert len(rows) < task.canvas.stroke_count
        # Nearly the same: what a wide stroke paints outside the window does not count.
        error = (gradient.values() * (window.width * window.height) - expected[rows]).norm()
        assert error < 0.1 * expected[rows].norm()


def test_windows_reach_the_loss_of_a_single_window(paint: Callable[..., PaintingTask]) -> None:
    def loss(task: PaintingTask) -> float:
        for step in range(task.steps):
            task.step(step)
        with torch.no_grad():
            image = task.canvas.render(task.renderer, task.actions(1.0), task.scene.background, task.scene.seed)
        return float(task.objectives["look"](view_of(image, task)))

    assert loss(paint("steps=6")) == pytest.approx(loss(paint("steps=6", "window=200")), rel=0.1)


def test_a_task_restored_in_the_middle_of_an_epoch_continues_as_without_interruption(
    paint: Callable[..., PaintingTask],
) -> None:
    task = paint("objective.look.shift=0.5")
    for step in range(9):
        task.step(step)
    state = copy.deepcopy(task.state_dict())
    # It keeps its windows, even where others would be chosen.
    other = paint("objective.look.shift=0.5", "window=120")
    other.load_state_dict(state)
    assert (other.steps, other.windows) == (task.steps, task.windows)
    assert [task.step(step) for step in range(9, 16)] == [other.step(step) for step in range(9, 16)]
    assert torch.equal(task.log().actions, other.log().actions)


def test_an_unfinished_painting_has_a_preview_only(paint: Callable[..., PaintingTask], tmp_path: Path) -> None:
    task = paint("steps=1")
    for step in range(5):
        task.step(step)
    assert [file.name for file in task.write_outputs(tmp_path)] == ["preview.png"]
    task.step(5)
    names = [file.name for file in task.write_outputs(tmp_path, finished=True)]
    assert names == ["painting.png", "strokes.json", "preview.png"]
    large = Image.open(tmp_path / "painting.png")
    preview = Image.open(tmp_path / "preview.png")
    assert large.size == (150, 120)
    assert preview.size == (75, 60)
    error = np.abs(np.asarray(large.reduce(2), float) - np.asarray(preview)).mean()
    assert error < 1, "the preview shows the finished picture"


def test_constraints_that_are_not_elementwise_get_all_strokes(
    paint: Callable[..., PaintingTask], monkeypatch: Any
) -> None:
    from artkit_constraints.grayscale import Grayscale

    counts: list[int] = []
    forward = Grayscale.forward

    def counting_forward(self: Grayscale, actions: torch.Tensor, progress: float) -> torch.Tensor:
        counts.append(actions.shape[1])
        return forward(self, actions, progress)

    monkeypatch.setattr(Grayscale, "forward", counting_forward)
    task = paint('constraint.ink.type="grayscale"')
    counts.clear()
    task.step(0)
    assert max(counts) < task.canvas.stroke_count
    counts.clear()
    monkeypatch.setattr(Grayscale, "elementwise", False)
    before = task.agent.parameters_of_actions.clone()
    task.step(1)
    assert set(counts) == {task.canvas.stroke_count}
    updated = (task.agent.parameters_of_actions != before).any(1)
    assert 0 < int(updated.sum()) < 0.5 * len(updated), "only those of the core are updated"


# ---------------------------------------------------------------------------------------- forecast, memory and disk
def test_a_forecast_changes_nothing(paint: Callable[..., PaintingTask], tmp_path: Path) -> None:
    task, other = paint("steps=8", folder=tmp_path), paint("steps=8", folder=tmp_path)
    forecast = task.forecast()
    assert "strokes, 48 steps of" in forecast
    assert "GB of memory, about" in forecast
    assert not paint("window=200").forecast(), "a short run has no forecast"
    assert [task.step(step) for step in range(8)] == [other.step(step) for step in range(8)]


def test_the_window_size_follows_from_the_memory(
    paint: Callable[..., PaintingTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert paint('window="auto"').windows.count == 1
    required = paint('window="auto"').memory_plan.bytes(150, 120)
    monkeypatch.setattr(memory, "total_memory", lambda: 2 * required)
    assert paint('window="auto"').windows.count > 1
    monkeypatch.setattr(memory, "total_memory", lambda: required // 10)
    with pytest.raises(UsageError, match="GB") as caught:
        paint('window="auto"')
    assert "fewer strokes" in caught.value.hint


def test_a_window_smaller_than_its_margins_is_refused(paint: Callable[..., PaintingTask]) -> None:
    with pytest.raises(UsageError, match="window: ") as caught:
        paint("window=64", "canvas.tile=48")
    assert "larger window" in caught.value.hint


def test_a_disk_that_is_too_small_is_refused(
    paint: Callable[..., PaintingTask], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("artkit.engine.memory_plan.shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(UsageError, match="disk") as caught:
        paint(folder=tmp_path).forecast()
    assert "--out" in caught.value.hint


# ------------------------------------------------------------------------------------------------ arrays on the disk
def test_memory_mapped_arrays_give_the_same_result(
    paint: Callable[..., PaintingTask], tmp_path: Path, monkeypatch: Any
) -> None:
    def final_actions() -> torch.Tensor:
        task = paint("steps=1", folder=tmp_path)
        for step in range(6):
            task.step(step)
        return task.log().actions.clone()

    expected = final_actions()
    monkeypatch.setattr(memmap, "MEMMAP_THRESHOLD_BYTES", 100)
    assert torch.equal(final_actions(), expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.toml", "site"], (
        "the memory-mapped files have no name"
    )


def test_a_stroke_log_of_many_strokes(paint: Callable[..., PaintingTask], tmp_path: Path, monkeypatch: Any) -> None:
    log = paint().log()
    monkeypatch.setattr("artkit.strokes.stroke_log.MAX_INLINE_STROKES", 100)
    log.save(tmp_path / "strokes.json")
    again = StrokeLog.load(tmp_path / "strokes.json")
    assert torch.equal(again.actions, log.actions)
    assert (again.phases, again.names) == (log.phases, log.names)
    assert (tmp_path / "strokes.json").stat().st_size < 10_000
    np.save(tmp_path / "strokes.npy", np.zeros((3, 6), np.float32))
    with pytest.raises(ArtkitError, match="damaged"):
        StrokeLog.load(tmp_path / "strokes.json")
    (tmp_path / "strokes.npy").unlink()
    with pytest.raises(ArtkitError, match="damaged"):
        StrokeLog.load(tmp_path / "strokes.json")


@pytest.mark.parametrize("fit", ["cover", "contain", "stretch"])
def test_windows_of_a_large_target_are_regions_of_it(tmp_path: Path, monkeypatch: Any, fit: Fit) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (30, 50, 3), np.uint8)
    Image.fromarray(pixels).resize((100, 60)).save(tmp_path / "a.png")
    for size in ((280, 130), (40, 90)):
        whole = load_target_image(tmp_path / "a.png", size, fit)
        with monkeypatch.context() as patch:
            patch.setattr(loading, "_MAX_RESIZED_PIXELS", 10)
            large = load_target_image(tmp_path / "a.png", size, fit)
        assert large.size == whole.size == size
        # The whole is cropped at integer px of the file first, so they agree up to a fraction of a px.
        assert (large.pixels - whole.pixels).abs().mean() < 0.03
        region, expected = large.window(Window(7, 11, 30, 60)), large.pixels[:, :, 11:71, 7:37]
        torch.testing.assert_close(region, expected, atol=1.01 / 255, rtol=0)
        small = Window(0, 0, size[0] // 2, size[1] // 2, 0.5)
        assert (large.window(small) - whole.window(small)).abs().mean() < 0.05


@pytest.mark.parametrize("scale", [1.0, 2.5, 0.5])
def test_strokes_near_a_window(paint: Callable[..., PaintingTask], scale: float) -> None:
    log = paint().log()
    indices, tiles = log.near(Window(0, 0, round(150 * scale), round(120 * scale), scale), 5)
    assert torch.equal(indices, torch.arange(len(log.actions)))
    assert torch.equal(tiles, log.tiles())
    indices, near_tiles = log.near(
        Window(round(60 * scale), round(50 * scale), round(10 * scale), round(8 * scale), scale), 0.5
    )
    distance = torch.maximum(tiles[:, :2] - torch.tensor([70, 58]), torch.tensor([60, 50]) - tiles[:, :2] - 16).amax(1)
    assert torch.equal(indices, (distance <= 8).nonzero()[:, 0])
    assert torch.equal(near_tiles, tiles[indices])
