"""A picture, or the painting of an earlier run, under the strokes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from artkit.engine.painting_task import PaintingTask
from artkit.engine.run import Run
from artkit.errors import ArtkitError, UsageError
from artkit.imaging import background_image
from artkit.output.export import open_painting
from artkit.recipes.reading import read_recipe
from artkit.rendering.rendered_painting import RenderedPainting
from artkit.strokes.stroke_log import StrokeLog

SIZE = (40, 24)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture of noise, 80 x 48 px: the shape of the toy recipe's painting."""
    pixels = np.random.default_rng(0).integers(0, 256, (12, 20, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def _setting(background: Path) -> str:
    return f"background={json.dumps(str(background))}"


def _pixels(file: Path) -> torch.Tensor:
    return torch.from_numpy(np.asarray(Image.open(file).convert("RGB")).copy()).permute(2, 0, 1) / 255


def test_strokes_are_painted_on_the_picture(start: Callable[..., Run], photo: Path, tmp_path: Path) -> None:
    run = start(tmp_path / "out", _setting(photo), "steps=2")
    task = run.task
    assert isinstance(task, PaintingTask)
    scene = task.scene
    with torch.no_grad():
        picture = task.canvas.render(task.renderer, task.actions(1.0), scene.base, scene.seed)[0]
    torch.testing.assert_close(_pixels(tmp_path / "out/painting.png"), picture.clamp(0, 1), rtol=0, atol=2 / 255)
    paint = RenderedPainting(task.log(), task.renderer).render_phases(task.canvas.phases, 0, 0, *SIZE)
    reduced = torch.from_numpy(np.asarray(Image.open(photo).resize(SIZE, Image.Resampling.LANCZOS)).copy())
    expected = paint[:3] + (1 - paint[3]) * reduced.permute(2, 0, 1) / 255
    torch.testing.assert_close(picture, expected, rtol=0, atol=2 / 255)
    torch.testing.assert_close(scene.background, _pixels(photo).mean((1, 2)), rtol=0, atol=1e-3)


def test_the_run_can_be_exported_without_the_picture(start: Callable[..., Run], photo: Path, tmp_path: Path) -> None:
    start(tmp_path / "out", _setting(photo), "steps=1")
    reference = _pixels(photo)
    photo.unlink()
    large = open_painting(tmp_path / "out", 2.0)
    bare = large.background(0, 0, 80, 48)
    torch.testing.assert_close(bare, reference, rtol=0, atol=1 / 255)  # at scale 2 the stored pixels are shown
    torch.testing.assert_close(large.background(10, 20, 30, 8), bare[:, 20:28, 10:40], rtol=0, atol=1 / 255)
    whole = large.to_tensor()
    torch.testing.assert_close(large.window(10, 20, 30, 8), whole[:, 20:28, 10:40], rtol=0, atol=2 / 255)
    coloured = open_painting(tmp_path / "out", background=(1.0, 0.0, 0.0))
    assert torch.equal(coloured.background(0, 0, 3, 2), torch.tensor([1.0, 0, 0]).view(3, 1, 1).expand(3, 2, 3))
    assert not torch.allclose(coloured.to_tensor(), open_painting(tmp_path / "out").to_tensor(), atol=0.1)


def test_an_interrupted_run_on_a_picture_gives_the_same_files(
    start: Callable[..., Run], run_files: Any, photo: Path, tmp_path: Path, checkpoint_each_step: None
) -> None:
    class Stop(BaseException):
        pass

    def stop(step: int, losses: dict[str, float]) -> None:
        if step == 2:
            raise Stop

    start(tmp_path / "whole", _setting(photo), "steps=4")
    with pytest.raises(Stop):
        start(tmp_path / "halves", _setting(photo), "steps=4", progress=stop)
    start(tmp_path / "halves", _setting(photo), "steps=4", resume=True)
    assert run_files.results(tmp_path / "halves") == run_files.results(tmp_path / "whole")
    Image.new("RGB", SIZE).save(photo)
    with pytest.raises(UsageError, match=r"background: .* is not the file of this run"):
        read_recipe([tmp_path / "whole/recipe.toml"])


def test_the_painting_of_an_earlier_run_is_rendered_again(start: Callable[..., Run], tmp_path: Path) -> None:
    start(tmp_path / "first", "steps=3")
    start(tmp_path / "second", _setting(tmp_path / "first"), "steps=1", "seed=9")
    below = open_painting(tmp_path / "second", 4.0).background(0, 0, 160, 96)
    torch.testing.assert_close(below, open_painting(tmp_path / "first", 4.0).to_tensor(), rtol=0, atol=0.03)
    log = StrokeLog.load(tmp_path / "second/strokes.json")
    assert len(log.actions) == len(StrokeLog.load(tmp_path / "first/strokes.json").actions)  # its own strokes alone
    third = start(tmp_path / "third", _setting(tmp_path / "second"), "steps=1")  # and so on
    assert third.outputs


def test_a_large_painting_starts_as_the_picture_and_is_painted_on_it_by_windows(
    toy: Any, photo: Path, recipe_file: Callable[..., Path], start: Callable[..., Run], tmp_path: Path
) -> None:
    settings = (_setting(photo), "size=[200, 120]", "window=120", "steps=1")
    run = start(tmp_path / "out", *settings)
    assert isinstance(run.task, PaintingTask)
    assert run.task.windows.count > 1
    painted = RenderedPainting(run.task.log(), run.task.renderer).to_tensor()
    torch.testing.assert_close(_pixels(tmp_path / "out/painting.png"), painted, rtol=0, atol=2 / 255)
    (preview,) = PaintingTask(run.recipe, torch.device("cpu")).write_outputs(tmp_path)
    width, height = Image.open(preview).size
    reduced = torch.from_numpy(np.asarray(Image.open(photo).resize((width, height), Image.Resampling.LANCZOS)).copy())
    torch.testing.assert_close(_pixels(preview), reduced.permute(2, 0, 1) / 255, rtol=0, atol=0.02)


def test_the_picture_has_the_shape_of_the_background_without_a_target(
    toy: Any, photo: Path, recipe_file: Callable[..., Path]
) -> None:
    file = recipe_file('[objective.look]\ntype = "toy-flat"\n')
    assert read_recipe([file], [_setting(photo), "size=40"]).size == SIZE
    assert read_recipe([file], ["size=40"]).size == (40, 40)


def test_a_picture_of_another_shape_is_cut_with_a_note(
    toy: Any, photo: Path, start: Callable[..., Run], tmp_path: Path
) -> None:
    run = start(tmp_path / "out", _setting(photo), "steps=1", "size=[24, 24]")
    (note,) = [note for note in run.task.notes if "cut off" in note]
    assert str(photo) in note
    assert "40% are cut off, left and right" in note


def test_a_large_picture_is_stored_reduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_image, "MAX_BACKGROUND_SIDE", 50)
    image = background_image.BackgroundImage.from_image(Image.new("RGB", (400, 240)), SIZE, torch.device("cpu"))
    with Image.open(image.save(tmp_path)) as stored:
        assert stored.size == (50, 30)
    assert [file.name for file in tmp_path.iterdir()] == [image.file_name]


@pytest.mark.parametrize(
    ("background", "words"),
    [("nowhere.png", "there is no file or folder"), ("empty", "holds no painting"), ("notes.txt", "cannot be read")],
)
def test_a_background_that_is_no_picture_is_an_error(
    start: Callable[..., Run], tmp_path: Path, background: str, words: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UsageError, match=words):
        start(tmp_path / "out", _setting(tmp_path / background), "steps=1")
    assert not (tmp_path / "out").exists()


def test_the_padding_of_a_target_has_the_colour_of_the_background(toy: Any, recipe_file: Callable[..., Path]) -> None:
    file = recipe_file(
        'size = [40, 40]\nbackground = "target"\n[renderer]\ntype = "toy-blob"\n'
        '[objective.look]\ntype = "pixel"\ntarget = "red.png"\nfit = "contain"\n'
    )
    Image.new("RGB", (40, 10), (200, 40, 0)).save(file.with_name("red.png"))
    task = PaintingTask(read_recipe([file]), torch.device("cpu"))
    red = torch.tensor([200, 40, 0]) / 255
    torch.testing.assert_close(task.scene.background, red)
    assert task.scene.target is not None
    torch.testing.assert_close(task.scene.target.pixels, red.view(1, 3, 1, 1).expand(1, 3, 40, 40))


def test_agents_are_not_trained_on_a_picture(photo: Path, recipe_file: Callable[..., Path]) -> None:
    file = recipe_file(f'[data]\ntype = "folder"\npath = "{photo.parent}"\n[objective.match]\ntype = "pixel"\n')
    with pytest.raises(UsageError, match="background: agents are trained on a colour"):
        read_recipe([file], [_setting(photo)])


def test_a_log_without_its_picture_is_damaged(start: Callable[..., Run], photo: Path, tmp_path: Path) -> None:
    start(tmp_path / "out", _setting(photo), "steps=1")
    log = StrokeLog.load(tmp_path / "out/strokes.json")
    assert log.background_image is not None
    (tmp_path / "out" / log.background_image.file_name).unlink()
    with pytest.raises(ArtkitError, match="damaged"):
        StrokeLog.load(tmp_path / "out/strokes.json")
