"""The canvas `adaptive`: where its strokes are, and that all which holds for full phases holds for sparse ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from artkit import Canvas, Scene, UsageError
from artkit.engine.painting_task import PaintingTask
from artkit.engine.run import Run
from artkit.geometry.window import Window
from artkit.imaging.target_image import TargetImage
from artkit.recipes.reading import read_recipe
from artkit.rendering.rendered_painting import RenderedPainting
from artkit.strokes.stroke_log import StrokeLog
from artkit.testing import check_canvas
from artkit_canvases.adaptive import distribute

SIZE = (128, 96)
OPTIONS = {"strokes": 150, "tiles": [48, 24, 12]}


def target_with_detail_on_the_right() -> TargetImage:
    """A gradient on the left half, and a pattern of 4 px on the right."""
    pixels = torch.linspace(0.4, 0.6, SIZE[0]).expand(1, 3, SIZE[1], SIZE[0]).clone()
    y, x = torch.meshgrid(torch.arange(SIZE[1]), torch.arange(SIZE[0]), indexing="ij")
    pattern = (((x // 2 + y // 2) % 2) * 0.6 - 0.3).float()
    pixels[..., SIZE[0] // 2 :] += pattern[:, SIZE[0] // 2 :]
    return TargetImage(pixels.clamp(0, 1))


@pytest.fixture
def make(scene: Callable[..., Scene]) -> Callable[..., Canvas]:
    """Returns the canvas for a target: ``make(target, **settings)``."""

    def build(target: TargetImage | None = None, size: tuple[int, int] = SIZE, **options: Any) -> Canvas:
        built = scene(size, target=target)
        built.renderer = built.make("renderer", "mypaint")
        canvas: Canvas = built.make("canvas", "adaptive", **{**OPTIONS, **options})
        return canvas

    return build


def strokes_by_half(canvas: Canvas, side: int) -> tuple[int, int]:
    """Return how many strokes on tiles of a side have their centre in the left, and in the right half."""
    x, _, sides = canvas.tiles().T
    left = (x + sides / 2 < SIZE[0] / 2) & (sides == side)
    right = (x + sides / 2 > SIZE[0] / 2) & (sides == side)
    return int(left.sum()), int(right.sum())


def test_the_interface_holds() -> None:
    check_canvas("adaptive", {"strokes": 71, "tiles": [32, 16, 8]})


@pytest.mark.parametrize("target", [None, target_with_detail_on_the_right()], ids=["no target", "target"])
@pytest.mark.parametrize("strokes", [24, 25, 150, 1000])
def test_the_number_of_strokes_is_exact_and_large_ones_are_below(
    target: TargetImage | None, strokes: int, make: Callable[..., Canvas]
) -> None:
    canvas = make(target, strokes=strokes)
    assert canvas.stroke_count == strokes
    sides = canvas.tiles()[:, 2]
    assert (sides.diff() <= 0).all()


def test_small_tiles_are_where_the_target_has_detail(make: Callable[..., Canvas]) -> None:
    canvas = make(target_with_detail_on_the_right())
    left, right = strokes_by_half(canvas, 12)
    assert right > 20
    assert left < 0.2 * right
    # The first level covers all of the picture.
    covered = torch.zeros(SIZE[1], SIZE[0], dtype=torch.bool)
    for x, y, side in canvas.tiles().tolist():
        if side == 48:
            covered[max(y, 0) : y + side, max(x, 0) : x + side] = True
    assert covered.all()


def test_a_picture_of_detail_moves_strokes_to_where_it_is_white(make: Callable[..., Canvas], tmp_path: Path) -> None:
    plain = TargetImage(torch.rand(1, 3, SIZE[1], SIZE[0], generator=torch.Generator().manual_seed(0)))
    mask = Image.new("L", (64, 48), 0)
    mask.paste(255, (0, 0, 32, 48))
    mask.save(tmp_path / "left.png")
    even_left, even_right = strokes_by_half(make(plain, strokes=400), 12)
    left, right = strokes_by_half(make(plain, strokes=400, detail=tmp_path / "left.png"), 12)
    assert abs(even_left - even_right) < 0.3 * even_right
    assert left > 2 * right
    same = make(plain, strokes=400, detail=tmp_path / "left.png", emphasis=1.0)
    assert strokes_by_half(same, 12) == (even_left, even_right)


def test_faces_get_smaller_tiles(scene: Callable[..., Scene]) -> None:
    data = pytest.importorskip("skimage.data")
    pixels = torch.from_numpy(data.astronaut()[:256, 96:352].copy()).permute(2, 0, 1)[None] / 255
    counts = []
    for detail in (None, "faces"):
        built = scene((256, 256), target=TargetImage(pixels))
        built.renderer = built.make("renderer", "mypaint")
        options = {"detail": detail} if detail else {}
        x, y, side = built.make("canvas", "adaptive", strokes=900, tiles=[64, 32, 16], **options).tiles().T
        # The face is at (91, 62) and has 97 px.
        face = (side == 16) & ((x - 132).abs() < 40) & ((y - 102).abs() < 40)
        counts.append(int(face.sum()))
    assert built.notes == ['canvas.detail = "faces": 1 face found in the target']
    assert counts[1] > 1.8 * counts[0]


def test_a_target_without_faces_is_noted(scene: Callable[..., Scene]) -> None:
    pytest.importorskip("skimage")
    built = scene(SIZE, target=target_with_detail_on_the_right())
    built.renderer = built.make("renderer", "mypaint")
    built.make("canvas", "adaptive", detail="faces", **OPTIONS)
    assert built.notes == ['canvas.detail = "faces": no face found in the target']


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strokes": 10}, "10 strokes are fewer than the 24 that cover the picture"),
        ({"tiles": [32, 32]}, "tiles [32, 32] must become smaller from level to level"),
    ],
)
def test_settings_that_cannot_be_met_are_refused(
    options: dict[str, Any], message: str, make: Callable[..., Canvas]
) -> None:
    with pytest.raises(UsageError) as error:
        make(**options)
    assert message in str(error.value)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.floats(1e-4, 10.0), min_size=1, max_size=12), st.integers(0, 60))
def test_strokes_are_distributed_as_one_after_the_other(worth: list[float], strokes: int) -> None:
    counts = distribute(torch.tensor(worth), strokes)
    assert int(counts.sum()) == strokes
    remaining = torch.tensor(worth).double() * 0.6 ** counts.double()
    given_last = torch.tensor(worth).double() * 0.6 ** (counts.double() - 1)
    if strokes:
        assert given_last[counts > 0].min() >= remaining.max() * (1 - 1e-6)


RECIPE = """
seed = 3
steps = 4
size = [96, 72]
[canvas]
type = "adaptive"
strokes = 61
tiles = [48, 24]
[renderer]
type = "mypaint"
[objective.look]
type = "pixel"
target = "target.png"
"""


@pytest.fixture
def recipe(recipe_file: Callable[..., Path], tmp_path: Path) -> Callable[..., PaintingTask]:
    image = (255 * target_with_detail_on_the_right().pixels[0]).byte().permute(1, 2, 0)
    Image.fromarray(image.numpy()).save(tmp_path / "target.png")
    file = recipe_file(RECIPE)
    return lambda *settings: PaintingTask(read_recipe([file], settings), torch.device("cpu"))


def test_a_run_is_replayed_and_resumed_exactly(recipe: Callable[..., PaintingTask], tmp_path: Path) -> None:
    pictures = []
    for name, stop in (("whole", None), ("resumed", 2)):
        task = recipe()
        run = Run(tmp_path / name, task.recipe, task)
        if stop:
            for progress in run:
                if progress.step == stop:
                    break
            task = recipe()
            run = Run(tmp_path / name, task.recipe, task, resume=True)
        run.execute()
        log = StrokeLog.load(tmp_path / name / "strokes.json")
        assert log.phases == task.canvas.phases
        assert any(phase.cells is not None for phase in log.phases)
        pictures.append(log.actions)
        composited = task.canvas.render(task.renderer, log.actions[None], torch.tensor(log.background), log.seed)[0]
        painting = RenderedPainting(log, task.renderer)
        torch.testing.assert_close(painting.to_tensor(), composited, atol=1 / 255, rtol=0)
        large, part = RenderedPainting(log, task.renderer, 3.0), Window(60, 30, 90, 77)
        whole = large.to_tensor()[:, part.y : part.y + part.height, part.x : part.x + part.width]
        assert torch.equal(large.window(part.x, part.y, part.width, part.height), whole)
    assert torch.equal(*pictures)


def test_a_painting_starts_another_one_with_its_strokes(recipe: Callable[..., PaintingTask], tmp_path: Path) -> None:
    task = recipe()
    Run(tmp_path / "first", task.recipe, task).execute()
    start = f'agent.start="{tmp_path / "first"}"'
    log, same = task.log(), recipe(start).log()
    assert same.phases == log.phases
    torch.testing.assert_close(same.actions, log.actions, atol=1e-5, rtol=0)
    # Where the canvas divides otherwise, most strokes find a tile.
    other = recipe(start, "canvas.strokes=90")
    assert "new and below the others" in other.notes[-1]
    assert int(other.notes[-1].split()[0]) > 0.8 * 61


def test_windows_give_every_stroke_a_gradient(recipe: Callable[..., PaintingTask]) -> None:
    task = recipe("size=[280, 72]", "canvas.strokes=150", "window=216")
    assert task.windows.count > 1
    before = task.actions(0.0) if not callable(task._actions(0.0)) else task._final_actions()
    for step in range(task.windows.count):
        task.step(step)
    moved = (task._final_actions() - before).abs().amax(-1) > 0
    x, y, side = task.canvas.tiles().T
    inside: Tensor = (x + side / 2 > 0) & (x + side / 2 < 280) & (y + side / 2 > 0) & (y + side / 2 < 72)
    assert moved[inside].float().mean() > 0.95
