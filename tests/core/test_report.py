"""The report of a run: one HTML page without external files."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from artkit.engine.painting_task import PaintingTask
from artkit.engine.run import Run
from artkit.output import report
from artkit.output.plot import ticks
from artkit.recipes.reading import read_recipe

RECIPE = """\
seed = 3
size = [96, 64]

[objective.look]
type = "content"
target = "{target}"

[objective."<b>&"]
type = "pixel"

[record.versions]
torch = "1"
"""


class Page(HTMLParser):
    """Parsed HTML: tags with their attributes, and the text. Fails if a tag is not closed."""

    EMPTY = ("meta", "img", "line", "polyline", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def embedded_image(attributes: dict[str, str | None]) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(str(attributes["src"]).removeprefix("data:image/jpeg;base64,"))))


def write_report(folder: Path, lines: list[dict[str, Any]], size: tuple[int, int] = (96, 64)) -> Page:
    Image.linear_gradient("L").resize(size).save(folder / "painting.png")
    Image.linear_gradient("L").resize((30, 20)).save(folder / "target.png")
    (folder / "recipe.toml").write_text(RECIPE.format(target=folder / "target.png"))
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Page(report.write(folder, folder / "painting.png").read_text(encoding="utf-8"))


def log_lines(count: int) -> list[dict[str, Any]]:
    return [{"step": i, "loss": 3.0 / (i + 1), "look": 1.0, "<b>&": 2.0 - i, "seconds": 0.5} for i in range(count)]


def test_shows_picture_target_curves_and_recipe(tmp_path: Path) -> None:
    page = write_report(tmp_path, log_lines(4))
    pictures = [embedded_image(image) for image in page.all("img")]
    assert [picture.size for picture in pictures] == [(96, 64), (96, 64)]
    assert len(page.all("polyline")) == 3
    assert "target.png, target of look" in page.text
    assert "seed = 3" in page.text
    assert [tag for tag, _ in page.tags if tag in ("details", "summary")] == ["details", "summary"], "it is folded"
    assert "4 steps in 2 s" in page.text
    assert "versions" not in page.text


def test_curve_falls_with_the_loss(tmp_path: Path) -> None:
    curve = str(write_report(tmp_path, log_lines(5000)).all("polyline")[0]["points"])
    heights = [float(point.split(",")[1]) for point in curve.split()]
    assert 100 < len(heights) <= 300
    assert heights == sorted(heights)  # y points down
    assert heights[0] < heights[-1]


def test_curves_have_axes(tmp_path: Path) -> None:
    write_report(tmp_path, [{"step": i, "loss": 9.0, "look": 4.1 - i / 100, "seconds": 0.5} for i in range(301)])
    text = (tmp_path / report.REPORT).read_text()
    rows = re.findall(r'<span style="top:([\d.]+)%">([\d.]+)</span>', text)
    assert [label for _, label in rows[:5]] == ["1", "2", "3", "4", "5"]
    assert [float(place) for place, _ in rows[:5]] == [100, 75, 50, 25, 0]
    columns = re.findall(r'<span style="left:([\d.]+)%">([\d.]+)</span>', text)
    assert [label for _, label in columns[:7]] == ["0", "50", "100", "150", "200", "250", "300"]
    assert "look by step; it ends at 1.1" in text


@pytest.mark.parametrize(
    ("low", "high", "count", "expected"),
    [
        (0, 300, 6, [0, 50, 100, 150, 200, 250, 300]),
        (3.61, 5.25, 5, [3.5, 4, 4.5, 5, 5.5]),
        (-0.004, 0.0031, 5, [-0.004, -0.002, 0, 0.002, 0.004]),
        (2, 2, 5, [2, 2.5]),
        (0, 0, 5, [0, 0.2]),
        (0, 1, 6, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (1e9, 3e9, 2, [1e9, 2e9, 3e9]),
    ],
)
def test_ticks_are_round_and_enclose_the_values(low: float, high: float, count: int, expected: list[float]) -> None:
    assert ticks(low, high, count) == pytest.approx(expected)


def test_loads_nothing_from_the_network(tmp_path: Path) -> None:
    page = write_report(tmp_path, log_lines(2))
    assert not {"script", "link", "iframe", "b"} & {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        assert all(str(attributes.get(key, "data:")).startswith("data:") for key in ("src", "href"))
    assert "<b>&" in page.text


def test_evaluation_is_a_table(tmp_path: Path) -> None:
    log = log_lines(2)
    log[-1]["verdicts"] = [
        {"network": "a<b", "held_out": True, "rank": 1},
        {"network": "c", "held_out": False, "p": 0.5},
    ]
    page = write_report(tmp_path, log)
    assert [len(page.all(tag)) for tag in ("tr", "th", "td")] == [3, 4, 8]
    assert re.search(r"a<b\s*yes\s*1", page.text)
    assert "held out" in page.text


def test_large_picture_is_downscaled(tmp_path: Path) -> None:
    page = write_report(tmp_path, log_lines(1), (3000, 1500))
    assert [page.all("img")[0][side] for side in ("width", "height")] == ["1400", "700"]
    assert (tmp_path / report.REPORT).stat().st_size < 400_000


@pytest.mark.parametrize("name", ["loss", "look"])
def test_single_objective_has_one_curve(tmp_path: Path, name: str) -> None:
    page = write_report(tmp_path, [{"step": 0, "loss": 1.0, name: 1.0, "seconds": 1.0}])
    assert len(page.all("polyline")) == 1


def test_curve_has_the_steps_that_have_the_loss(tmp_path: Path) -> None:
    log = [{"step": i, "loss": 1.0, **({"gap": 2.0} if i > 4 else {"mse": 3.0}), "seconds": 1.0} for i in range(9)]
    page = write_report(tmp_path, log)
    assert [len(str(curve["points"]).split()) for curve in page.all("polyline")] == [9, 5, 4]


def finished_run(folder: Path, *settings: str) -> Run:
    Image.linear_gradient("L").resize((40, 30)).save(folder / "target.png")
    file = folder / "r.toml"
    file.write_text(
        'steps = 2\nsize = [64, 48]\n[canvas]\ntype = "single"\nstrokes = 5\n[renderer]\ntype = "gan"\n'
        '[objective.look]\ntype = "pixel"\ntarget = "target.png"\n'
    )
    recipe = read_recipe([file], settings)
    run = Run(folder / "run", recipe, PaintingTask(recipe, torch.device("cpu")))
    run.execute()
    return run


def test_shows_the_preview_of_a_picture_painted_by_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "_MAX_RENDERED_STROKES", 10)
    grid = 'canvas={type="grid", tile=16, overlap=8, strokes=1}'
    run = finished_run(tmp_path, "size=[160, 120]", "window=120", "steps=1", grid)
    page = Page(run.outputs[-1].read_text(encoding="utf-8"))
    assert [page.all("img")[0][side] for side in ("width", "height")] == ["80", "60"]
    assert run.picture().size == (80, 60)


def test_shows_the_target_with_its_exif_orientation(tmp_path: Path) -> None:
    rotated = Image.new("RGB", (20, 30), "red")
    rotated.paste("blue", (0, 15, 20, 30))
    exif = rotated.getexif()
    exif[0x0112] = 6  # to be shown rotated by 90 degrees, as phones write it
    Image.linear_gradient("L").resize((96, 64)).save(tmp_path / "painting.png")
    rotated.save(tmp_path / "target.jpg", exif=exif)
    (tmp_path / "recipe.toml").write_text(RECIPE.format(target=tmp_path / "target.jpg").replace("[96, 64]", "[30, 20]"))
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log_lines(1)))
    page = Page(report.write(tmp_path, tmp_path / "painting.png").read_text(encoding="utf-8"))
    target = embedded_image(page.all("img")[1]).convert("RGB")
    assert target.size == (96, 64)
    assert np.asarray(target)[:, 4].mean(0) == pytest.approx((0, 0, 255), abs=10), "the lower half is on the left"
    assert np.asarray(target)[:, -4].mean(0) == pytest.approx((255, 0, 0), abs=10)


def test_run_finishes_without_a_report_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow refuses more
    run = finished_run(tmp_path)
    assert [file.name for file in run.outputs] == ["painting.png", "strokes.json"]
    assert "note: no report was written (DecompressionBombError" in capsys.readouterr().err


def test_shows_how_strokes_build_up_the_painting(tmp_path: Path) -> None:
    """And the painting as rendered by MyPaint, since another renderer painted it."""
    run = finished_run(tmp_path)
    assert run.outputs[-1] == tmp_path / "run" / report.REPORT
    page = Page(run.outputs[-1].read_text(encoding="utf-8"))
    (slider,) = page.all("input")
    frames = [image for image in page.all("img") if re.fullmatch(r"\d strokes?", str(image["alt"]))]
    assert [frame["alt"] for frame in frames] == ["1 stroke", "2 strokes", "3 strokes", "4 strokes", "5 strokes"]
    assert ["hidden" in frame for frame in frames] == [True] * 4 + [False]
    assert slider["max"] == "4"
    assert len({frame["src"] for frame in frames}) == 5, "each stroke changes the picture"
    assert re.search(r"rendered by MyPaint; mean difference 0\.\d+", page.text)
