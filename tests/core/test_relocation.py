"""Relocation: strokes that do nothing are moved to where the picture differs most from the target."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw

from artkit.engine.painting_task import PaintingTask
from artkit.engine.parallel_windows import ParallelWindows
from artkit.engine.run import Run
from artkit.errors import UsageError
from artkit.geometry.window import Window
from artkit.output.export import open_painting
from artkit.recipes.reading import read_recipe
from artkit.strokes.stroke_log import STROKES_FILE, StrokeLog

SIZE = (128, 96)
SQUARE = (80, 32, 112, 64)  # the detail of the target: left, upper, right, lower

RECIPE = """
seed = 3
steps = 6
size = [128, 96]
[canvas]
tile = 32
overlap = 16
strokes = 2
[renderer]
type = "mypaint"
[objective.look]
type = "pixel"
target = "target.png"
[optimizer]
decay = "none"
relocate = 0.1
relocate_at = [2, 4]
"""

WINDOWS = ["window=120"]

Start = Callable[..., Run]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """The recipe, with a target that is grey but for a pattern in a square."""
    image = Image.new("RGB", SIZE, (150, 150, 150))
    draw = ImageDraw.Draw(image)
    for y in range(SQUARE[1], SQUARE[3], 8):
        draw.rectangle((SQUARE[0], y, SQUARE[2] - 1, y + 3), fill=(20, 20, 120))
    image.save(tmp_path / "target.png")
    file = tmp_path / "recipe.toml"
    file.write_text(RECIPE)
    return file


@pytest.fixture
def execute(recipe: Path, tmp_path: Path) -> Start:
    """Executes a run: ``execute("folder", "steps=3", resume=True)``."""

    def run(name: str, *settings: str, resume: bool = False) -> Run:
        loaded = read_recipe([recipe], settings)
        return Run(tmp_path / name, loaded, PaintingTask(loaded, torch.device("cpu")), resume).execute()

    return run


def task(recipe: Path, *settings: str) -> PaintingTask:
    return PaintingTask(read_recipe([recipe], settings), torch.device("cpu"))


# ------------------------------------------------------------------------------------------ what is measured
def test_a_contribution_is_how_much_the_picture_changes_without_the_stroke(recipe: Path) -> None:
    painting = task(recipe)
    canvas, scene, window = painting.canvas, painting.scene, Window(0, 0, *SIZE)
    pressure = painting.renderer.space.index("start_pressure", "end_pressure")
    with torch.no_grad():
        actions = painting.actions(0.0)
        picture, indices, contributions = canvas.render_contributions(
            painting.renderer, actions, scene.base, scene.seed, window
        )
        assert torch.allclose(picture, canvas.render(painting.renderer, actions, scene.base, scene.seed), atol=1e-5)
        assert indices.sort().values.tolist() == list(range(canvas.stroke_count))
        for stroke in range(0, canvas.stroke_count, 9):
            without = actions.clone()
            without[:, stroke, pressure] = 0.0
            changed = canvas.render(painting.renderer, without, scene.base, scene.seed)
            expected = float((picture - changed).abs().mean(1).sum())
            assert float(contributions[indices == stroke]) == pytest.approx(expected, abs=1e-2, rel=1e-3)


# ------------------------------------------------------------------------------------------ what is moved
@pytest.mark.parametrize(("side", "windows"), [(32, 1), (16, 4)])
def test_strokes_without_effect_become_small_ones_on_top_in_the_detail(recipe: Path, side: int, windows: int) -> None:
    grid = [f"canvas.tile={side}", f"canvas.overlap={side // 2}"]
    painting = task(recipe, *grid, *WINDOWS * (windows > 1), "optimizer.relocate_at=[1]")
    epoch, count = painting.windows.count, painting.canvas.stroke_count
    assert epoch == windows
    before = painting.canvas.tiles()
    for step in range(epoch + 1):
        painting.step(step)
    tiles, rows = painting.canvas.tiles(), painting.canvas.noise_indices
    assert rows is not None
    assert rows.sort().values.tolist() == list(range(count))
    small = tiles[:, 2] == side // 2
    assert int(small.sum()) == round(0.1 * count)
    assert torch.equal(tiles[~small], before[rows[~small]])  # the others keep their tiles
    assert int(rows[small].unique().numel()) == round(0.1 * count)
    middles = tiles[small, :2] + side // 4
    left, upper, right, lower = SQUARE
    inside = (middles >= torch.tensor([left - 8, upper - 8])) & (middles <= torch.tensor([right + 8, lower + 8]))
    assert float(inside.all(1).float().mean()) > 0.5  # the square and 8 px around it are a fifth of the picture


def test_the_picture_is_that_of_the_stored_strokes(execute: Start, tmp_path: Path) -> None:
    run = execute("out")
    log = StrokeLog.load(tmp_path / "out" / STROKES_FILE)
    assert log.noise_indices is not None
    assert run.task.canvas.stroke_count == len(log.actions)  # type: ignore[attr-defined]
    with torch.no_grad():
        view = run.task._view(*run.task.windows.at(0, (0.0, 0.0)), 1.0)  # type: ignore[attr-defined]
    replayed = open_painting(tmp_path / "out").to_tensor()
    assert float((view.image[0] - replayed).abs().mean()) < 2 / 255


def test_detail_is_painted_better(execute: Start) -> None:
    settings = ("steps=24", 'optimizer.decay="cosine"', "optimizer.relocate_at=[6, 12]")
    losses = [execute(f"{share}", *settings, f"optimizer.relocate={share}").losses["look"] for share in (0, 0.1)]
    assert losses[1] < 0.98 * losses[0]


# ------------------------------------------------------------------------------------------ continuing
@pytest.mark.parametrize("before", [2, 3, 4])
def test_more_steps_give_the_same_as_all_steps_at_once(
    execute: Start, run_files: Any, tmp_path: Path, before: int
) -> None:
    execute("at once")
    execute("out", f"steps={before}")
    execute("out", resume=True)
    assert run_files.results(tmp_path / "out") == run_files.results(tmp_path / "at once")


def test_a_finished_painting_goes_on_exactly_in_another_folder(execute: Start, tmp_path: Path) -> None:
    execute("at once")
    execute("first", "steps=3")
    execute("second", "steps=3", f'agent.start="{tmp_path / "first"}"')
    strokes = [(tmp_path / name / STROKES_FILE).read_bytes() for name in ("at once", "second")]
    assert strokes[0] == strokes[1]


# ------------------------------------------------------------------------------------------ bad input
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (['constraint.a={type="connected"}'], "constraint.a needs the strokes where the canvas has them"),
        (['constraint.a={type="grayscale", levels=[1]}'], "constraint.a needs the strokes"),
        (['renderer={type="pixels"}'], 'the renderer "pixels" has no strokes to move'),
        (['agent={type="lstm"}'], 'the agent "lstm" cannot move strokes'),
        (["optimizer.relocate=0.7"], "optimizer.relocate: must be at most 0.5"),
        (["optimizer.relocate_at=[0]"], "optimizer.relocate_at"),
    ],
)
def test_what_cannot_be_moved_is_refused(recipe: Path, settings: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("[", r"\[")):
        task(recipe, *settings)


def test_workers_refuse_it(recipe: Path) -> None:
    with pytest.raises(UsageError, match="relocate moves strokes"):
        ParallelWindows(task(recipe, "canvas.tile=16", "canvas.overlap=8", *WINDOWS), None)  # type: ignore[arg-type]
