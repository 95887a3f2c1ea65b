"""Pictures that are gone over window by window: who learns when, from what, and that nothing else changes."""

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
    """The job of the toy recipe, with settings over it; its objective looks 8 px around."""
    monkeypatch.setattr(toy.Flat, "margin", 8, raising=False)
    file = recipe_file(TOY)
    return lambda *settings, **told: PaintingTask(read_recipe([file], settings), torch.device("cpu"), **told)


# --------------------------------------------------------------------------------------------------------- geometry
sides = st.integers(8, 400)


@given(st.tuples(sides, sides), st.integers(90, 300), st.integers(0, 30), st.tuples(st.floats(-1, 1), st.floats(-1, 1)))
def test_cores_divide_the_plane_and_are_seen_with_their_margin(
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
        for axis, (start, seen, length) in enumerate(
            ((window.x, window.width, size[0]), (window.y, window.height, size[1]))
        ):
            own = points[inside][:, axis].clamp(0, length - 1)
            if len(own):
                assert start == 0 or int(own.min()) - start >= margin - 1
                assert start + seen == length or start + seen - 1 - int(own.max()) >= margin - 1
    assert (owners == 1).all(), "every stroke learns once"


def test_a_picture_that_fits_is_one_window() -> None:
    windows = WindowGrid.covering((100, 80), 100, 40)
    assert (windows.count, windows.width, windows.height) == (1, 100, 80)
    with pytest.raises(ValueError, match="too small"):
        WindowGrid.covering((200, 80), 100, 40)


# -------------------------------------------------------------------------------------------------------- optimizer
def test_each_row_moves_as_if_it_were_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(5, 3, generator=generator)
    ours = torch.nn.Parameter(start.clone())
    optimizer = LazyAdam([ours], 0.1)
    alone = [torch.nn.Parameter(start[row].clone()) for row in range(5)]
    theirs = [torch.optim.Adam([row], 0.1) for row in alone]
    for _ in range(12):
        rows = torch.randperm(5, generator=generator)[:2]
        weights = torch.randn(2, 3, generator=generator)
        optimizer.zero_grad()
        (F.embedding(rows, ours, sparse=True).square() * weights).sum().backward()
        optimizer.step()
        for row, weight in zip(rows.tolist(), weights, strict=True):
            theirs[row].zero_grad()
            (alone[row].square() * weight).sum().backward()
            theirs[row].step()
    torch.testing.assert_close(ours.detach(), torch.stack([row.detach() for row in alone]))


def test_a_dense_gradient_is_adam_as_it_is_known() -> None:
    start = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    parameters = [[torch.nn.Parameter(start.clone()), torch.nn.Parameter(torch.tensor(0.5))] for _ in range(2)]
    optimizers = [LazyAdam(parameters[0], 0.1), torch.optim.Adam(parameters[1], 0.1)]
    for _ in range(6):
        for mine, optimizer in zip(parameters, optimizers, strict=True):
            optimizer.zero_grad()
            ((mine[0] * mine[1] - 1).square().sum() + mine[0].sin().sum()).backward()
            optimizer.step()
    for ours, theirs in zip(*parameters, strict=True):
        torch.testing.assert_close(ours, theirs)


# ------------------------------------------------------------------------------------------------------------ steps
def view_of(image: torch.Tensor, job: PaintingTask, window: Window | None = None) -> Any:
    return View(image, None, window or Window(0, 0, *job.scene.size), 0.0)


def test_steps_are_of_windows_and_the_recipe_counts_sweeps(paint: Callable[..., PaintingTask]) -> None:
    job = paint()
    assert job.windows.count == 6
    assert job.steps == 3 * 6
    before = job.log().actions
    for step in range(6):
        job.step(step)
    (state,) = job.optimizer.state.values()
    assert (state["count"] == 1).all(), "each stroke has learnt once"
    assert (job.log().actions != before).any(1).all()


def test_a_step_moves_the_strokes_of_its_core_alone(paint: Callable[..., PaintingTask]) -> None:
    job = paint()
    before = job.log().actions
    job.step(0)
    x, y = job._shift.tolist()
    _, core = job.windows.at(int(job._order[0]), (x, y))
    tiles = job.canvas.tiles()
    centre = tiles[:, :2] + tiles[:, 2:] // 2
    low, size = torch.tensor([core.x, core.y]), torch.tensor([core.width, core.height])
    inside = ((centre >= low) & (centre < low + size)).all(1)
    assert 0 < int(inside.sum()) < len(inside)
    assert torch.equal((job.log().actions != before).any(1), inside)


def test_the_gradient_of_a_core_is_that_of_the_whole_picture(paint: Callable[..., PaintingTask]) -> None:
    """With an objective that looks at each pixel alone, a window's strokes learn what they would from the whole."""
    job = paint()
    whole = job._view(Window(0, 0, *job.scene.size), Window(-999, -999, 9999, 9999), 0.0).image
    job._score(view_of(whole, job))[1].backward()  # type: ignore[no-untyped-call]
    expected = job.agent.parameters_of_actions.grad.to_dense() * (150 * 120)
    for index in range(job.windows.count):
        job.optimizer.zero_grad(set_to_none=True)
        window, core = job.windows.at(index, (0.5, -0.5))
        job._score(view_of(job._view(window, core, 0.0).image, job, window))[1].backward()  # type: ignore[no-untyped-call]
        gradient = job.agent.parameters_of_actions.grad.coalesce()
        rows = gradient.indices()[0]
        assert len(rows) < job.canvas.stroke_count
        # What a wide stroke leaves beyond the window is not seen, so it is nearly the same rather than the same.
        far = (gradient.values() * (window.width * window.height) - expected[rows]).norm()
        assert far < 0.1 * expected[rows].norm()


def test_windows_reach_what_the_whole_reaches(paint: Callable[..., PaintingTask]) -> None:
    def loss(job: PaintingTask) -> float:
        for step in range(job.steps):
            job.step(step)
        with torch.no_grad():
            image = job.canvas.render(job.renderer, job.actions(1.0), job.scene.background, job.scene.seed)
        return float(job.objectives["look"](view_of(image, job)))

    assert loss(paint("steps=6")) == pytest.approx(loss(paint("steps=6", "window=200")), rel=0.1)


def test_a_run_that_was_stopped_in_the_middle_of_a_sweep_goes_on_as_it_would_have(
    paint: Callable[..., PaintingTask],
) -> None:
    one = paint("objective.look.shift=0.5")
    for step in range(9):
        one.step(step)
    state = copy.deepcopy(one.state_dict())
    # On a machine that would choose other windows it goes on with those that it began with.
    other = paint("objective.look.shift=0.5", "window=120")
    other.load_state_dict(state)
    assert (other.steps, other.windows) == (one.steps, one.windows)
    assert [one.step(step) for step in range(9, 16)] == [other.step(step) for step in range(9, 16)]
    assert torch.equal(one.log().actions, other.log().actions)


def test_until_it_is_done_there_is_a_preview(paint: Callable[..., PaintingTask], tmp_path: Path) -> None:
    job = paint("steps=1")
    for step in range(5):
        job.step(step)
    assert [file.name for file in job.write_outputs(tmp_path)] == ["preview.png"]
    job.step(5)
    assert [file.name for file in job.write_outputs(tmp_path)] == ["painting.png", "strokes.json", "preview.png"]
    large = Image.open(tmp_path / "painting.png")
    preview = Image.open(tmp_path / "preview.png")
    assert large.size == (150, 120)
    assert preview.size == (75, 60)
    far = np.abs(np.asarray(large.reduce(2), float) - np.asarray(preview)).mean()
    assert far < 1, "it is of the finished picture"


def test_constraints_that_look_at_all_strokes_get_all(paint: Callable[..., PaintingTask], monkeypatch: Any) -> None:
    from artkit_constraints.grayscale import Grayscale

    seen: list[int] = []
    forward = Grayscale.forward

    def watched(self: Grayscale, actions: torch.Tensor, progress: float) -> torch.Tensor:
        seen.append(actions.shape[1])
        return forward(self, actions, progress)

    monkeypatch.setattr(Grayscale, "forward", watched)
    job = paint('constraint.ink.type="grayscale"')
    seen.clear()
    job.step(0)
    assert max(seen) < job.canvas.stroke_count
    seen.clear()
    monkeypatch.setattr(Grayscale, "elementwise", False)
    before = job.agent.parameters_of_actions.clone()
    job.step(1)
    assert set(seen) == {job.canvas.stroke_count}
    moved = (job.agent.parameters_of_actions != before).any(1)
    assert 0 < int(moved.sum()) < 0.5 * len(moved), "but those of the core alone learn"


# ------------------------------------------------------------------------------------------------- before it starts
def test_what_it_will_take_is_told_and_changes_nothing(paint: Callable[..., PaintingTask], tmp_path: Path) -> None:
    one, other = paint("steps=8", folder=tmp_path), paint("steps=8", folder=tmp_path)
    told = one.forecast()
    assert "strokes, 48 steps of" in told
    assert "GB of memory, about" in told
    assert not paint("window=200").forecast(), "of what is done at once there is nothing to tell"
    assert [one.step(step) for step in range(8)] == [other.step(step) for step in range(8)]


def test_windows_are_chosen_by_the_memory_there_is(
    paint: Callable[..., PaintingTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert paint('window="auto"').windows.count == 1
    need = paint('window="auto"').cost.bytes(150, 120)
    monkeypatch.setattr(memory, "total_memory", lambda: 2 * need)
    assert paint('window="auto"').windows.count > 1
    monkeypatch.setattr(memory, "total_memory", lambda: need // 10)
    with pytest.raises(UsageError, match="GB") as caught:
        paint('window="auto"')
    assert "fewer strokes" in caught.value.hint


def test_a_window_that_is_lost_in_its_margins_is_refused(paint: Callable[..., PaintingTask]) -> None:
    with pytest.raises(UsageError, match="window: ") as caught:
        paint("window=64", "canvas.tile=48")
    assert "larger window" in caught.value.hint


def test_a_disk_that_is_too_small_is_told(paint: Callable[..., PaintingTask], tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("artkit.engine.memory_plan.shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(UsageError, match="disk") as caught:
        paint(folder=tmp_path).forecast()
    assert "--out" in caught.value.hint


# ------------------------------------------------------------------------------------------- what lies on the disk
def test_on_the_disk_it_is_the_same(paint: Callable[..., PaintingTask], tmp_path: Path, monkeypatch: Any) -> None:
    def actions() -> torch.Tensor:
        job = paint("steps=1", folder=tmp_path)
        for step in range(6):
            job.step(step)
        return job.log().actions.clone()

    expected = actions()
    monkeypatch.setattr(memmap, "MEMMAP_THRESHOLD_BYTES", 100)
    assert torch.equal(actions(), expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.toml", "site"], "nothing of it can be seen"


def test_a_log_of_many_strokes(paint: Callable[..., PaintingTask], tmp_path: Path, monkeypatch: Any) -> None:
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
def test_windows_of_a_large_target_are_parts_of_it(tmp_path: Path, monkeypatch: Any, fit: Fit) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (30, 50, 3), np.uint8)
    Image.fromarray(pixels).resize((100, 60)).save(tmp_path / "a.png")
    for size in ((280, 130), (40, 90)):
        whole = load_target_image(tmp_path / "a.png", size, fit)
        with monkeypatch.context() as patch:
            patch.setattr(loading, "_MAX_RESIZED_PIXELS", 10)
            large = load_target_image(tmp_path / "a.png", size, fit)
        assert large.size == whole.size == size
        # The whole is cut at whole px of the file first, so they agree but for a fraction of a px.
        assert (large.pixels - whole.pixels).abs().mean() < 0.03
        part = Window(7, 11, 30, 60)
        torch.testing.assert_close(
            large.window(part), large.pixels[:, :, 11:71, 7:37], atol=1.01 / 255, rtol=0, msg="a part of the whole"
        )
        small = Window(0, 0, size[0] // 2, size[1] // 2, 0.5)
        assert (large.window(small) - whole.window(small)).abs().mean() < 0.05


@pytest.mark.parametrize("scale", [1.0, 2.5, 0.5])
def test_strokes_near_a_window(paint: Callable[..., PaintingTask], scale: float) -> None:
    log = paint().log()
    everything, tiles = log.near(Window(0, 0, round(150 * scale), round(120 * scale), scale), 5)
    assert torch.equal(everything, torch.arange(len(log.actions)))
    assert torch.equal(tiles, log.tiles())
    numbers, some = log.near(
        Window(round(60 * scale), round(50 * scale), round(10 * scale), round(8 * scale), scale), 0.5
    )
    beyond = torch.maximum(tiles[:, :2] - torch.tensor([70, 58]), torch.tensor([60, 50]) - tiles[:, :2] - 16).amax(1)
    assert torch.equal(numbers, (beyond <= 8).nonzero()[:, 0])
    assert torch.equal(some, tiles[numbers])
