"""The table `[output]` of a recipe: size and files of the finished picture."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from artkit.engine.run import Run
from artkit.engine.task import Interrupted
from artkit.errors import UsageError
from artkit.output.export import open_painting
from artkit.recipes.reading import read_recipe
from artkit.recipes.recipe import OutputConfig

Start = Callable[..., Run]


def read_picture(file: Path) -> Any:
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def test_the_finished_picture_is_rendered_from_the_strokes(start: Start, run_files: Any, tmp_path: Path) -> None:
    start(tmp_path / "small")
    run = start(tmp_path / "large", "output.long_side=120")
    picture = read_picture(tmp_path / "large" / "painting.png")
    assert picture.shape == (72, 120, 3)
    np.testing.assert_array_equal(picture, open_painting(tmp_path / "small", 3.0).pixels())
    assert run_files.log(tmp_path / "large")[-1]["loss"] == run_files.log(tmp_path / "small")[-1]["loss"]
    assert run.picture().size == (120, 72)


def test_an_unfinished_picture_has_the_size_of_the_recipe(start: Start, tmp_path: Path) -> None:
    def press_ctrl_c(step: int, losses: dict[str, float]) -> None:
        if step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        start(tmp_path / "out", "output.scale=2", progress=press_ctrl_c)
    assert read_picture(tmp_path / "out" / "painting.png").shape == (24, 40, 3)
    start(tmp_path / "out", "output.scale=2", resume=True)
    assert read_picture(tmp_path / "out" / "painting.png").shape == (48, 80, 3)


def test_formats_are_written_with_the_resolution(start: Start, tmp_path: Path) -> None:
    run = start(tmp_path / "out", 'output={formats=["jpg", "png", "jpg"], width_cm=1.27, dpi=160}')
    names = [file.name for file in run.outputs]
    assert names == ["painting.png", "strokes.json", "painting.jpg", "report.html"]
    for name in ("painting.png", "painting.jpg"):
        with Image.open(tmp_path / "out" / name) as image:
            assert image.size == (80, 48)
            assert image.info["dpi"] == pytest.approx((160, 160), rel=1e-4)
            assert image.info["icc_profile"]


def test_another_output_renders_a_finished_run_again(start: Start, run_files: Any, tmp_path: Path) -> None:
    start(tmp_path / "out")
    before = run_files.log(tmp_path / "out")
    calls: list[int] = []
    start(tmp_path / "out", "output.scale=2", resume=True, progress=lambda step, losses: calls.append(step))
    assert calls == []
    assert run_files.log(tmp_path / "out") == before
    assert read_picture(tmp_path / "out" / "painting.png").shape == (48, 80, 3)


def test_the_nearest_scale_that_the_renderer_can_render(start: Start, tmp_path: Path) -> None:
    """The toy renders scales at which its tiles, 16 px wide and 8 px apart, lie on whole px."""
    run = start(tmp_path / "exact", "output.scale=2.75")
    assert run.task.notes == []
    assert read_picture(tmp_path / "exact" / "painting.png").shape == (66, 110, 3)
    run = start(tmp_path / "nearest", "output.scale=2.3")
    (note,) = run.task.notes
    assert "cannot render 2.3 times as large; the finished picture will be 2 times" in note
    assert read_picture(tmp_path / "nearest" / "painting.png").shape == (48, 80, 3)


def test_a_file_that_cannot_be_written_does_not_fail_the_run(
    start: Start, run_files: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("artkit_exporters.jpg.Jpg.max_side", 30)
    run = start(tmp_path / "out", 'output.formats=["jpg", "json"]')
    assert [file.name for file in run.outputs] == ["painting.png", "strokes.json", "painting.json", "report.html"]
    (note,) = run.task.notes
    reason = "the picture has 40 x 24 px; .jpg allows at most 30 a side"
    assert note == f"{tmp_path / 'out' / 'painting.jpg'} was not written: {reason}"


def test_a_large_picture_gets_a_preview(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artkit.engine.painting_task._MAX_REPORT_PIXELS", 80 * 48)
    assert not (start(tmp_path / "small", "output.scale=2").folder / "preview.png").exists()
    run = start(tmp_path / "large", "output.scale=30")
    assert read_picture(run.folder / "painting.png").shape == (720, 1200, 3)
    assert read_picture(run.folder / "preview.png").shape == (240, 400, 3)
    assert run.picture().size == (400, 240)


def test_an_output_that_does_not_fit_on_the_disk_is_refused(start: Start, tmp_path: Path) -> None:
    run = start(tmp_path / "out")
    run.task.output_scale = 1e6  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="of the disk"):
        run.task.forecast()


def test_a_later_size_replaces_an_earlier_one(recipe_file: Callable[..., Path]) -> None:
    file = recipe_file('[output]\nlong_side = 700\ndpi = 200\n[objective.look]\ntype = "pixel"\ntarget = "t.png"\n')
    Image.new("RGB", (8, 8)).save(file.with_name("t.png"))
    assert read_recipe([file]).settings.output == OutputConfig(long_side=700, dpi=200)
    assert read_recipe([file], ["output.scale=2"]).settings.output == OutputConfig(scale=2, dpi=200)
    assert read_recipe([file], ['output.formats=["tif"]']).settings.output.long_side == 700


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("output={scale=2, long_side=80}", "output: scale and long_side all set the size"),
        ('output.formats=["png", "bmp"]', 'output.formats: no exporter writes "bmp"; there are: avif, dzi'),
        ("output.long_side=3", "output.long_side: "),
        ("output.sclae=2", 'output.sclae: unknown key; did you mean "scale"?'),
    ],
)
def test_wrong_outputs_are_named(start: Start, tmp_path: Path, setting: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        start(tmp_path / "out", setting)
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_sizes_of_the_output() -> None:
    assert OutputConfig().scale_for((300, 200)) == 1
    assert OutputConfig(long_side=900).scale_for((200, 300)) == 3
    assert OutputConfig(width_cm=2.54).scale_for((150, 100)) == 2, "300 dpi"
    assert OutputConfig(width_cm=5.08, dpi=150).scale_for((150, 100)) == 2
    assert OutputConfig(dpi=150).scale_for((150, 100)) == 1
    assert (OutputConfig(dpi=150).resolution, OutputConfig(width_cm=1).resolution) == (150, 300)
