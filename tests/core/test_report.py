"""The report of a run: one page, whole in itself."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from artkit.engine.painting_task import PaintingTask
from artkit.engine.run import Run
from artkit.output import report
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
    """What a browser would see: tags with their attributes, and the text; raises if a tag is not closed."""

    EMPTY = ("meta", "img", "line", "polyline", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
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
        self.words += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def run(folder: Path, lines: list[dict[str, Any]], size: tuple[int, int] = (96, 64)) -> Page:
    Image.linear_gradient("L").resize(size).save(folder / "painting.png")
    Image.linear_gradient("L").resize((30, 20)).save(folder / "target.png")
    (folder / "recipe.toml").write_text(RECIPE.format(target=folder / "target.png"))
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Page(report.write(folder, folder / "painting.png").read_text(encoding="utf-8"))


def lines(count: int) -> list[dict[str, Any]]:
    return [{"step": i, "loss": 3.0 / (i + 1), "look": 1.0, "<b>&": 2.0 - i, "seconds": 0.5} for i in range(count)]


def test_shows_picture_target_curves_and_recipe(tmp_path: Path) -> None:
    page = run(tmp_path, lines(4))
    pictures = [
        Image.open(io.BytesIO(base64.b64decode(str(image["src"]).removeprefix("data:image/jpeg;base64,"))))
        for image in page.of("img")
    ]
    assert [picture.size for picture in pictures] == [(96, 64), (96, 64)]
    assert len(page.of("polyline")) == 3
    assert "target of look" in page.words
    assert "seed = 3" in page.words
    assert "4 steps in 2 s" in page.words
    assert "versions" not in page.words


def test_a_curve_falls_as_the_loss_does(tmp_path: Path) -> None:
    curve = str(run(tmp_path, lines(5000)).of("polyline")[0]["points"])
    heights = [float(point.split(",")[1]) for point in curve.split()]
    assert 100 < len(heights) <= 300
    assert heights == sorted(heights)  # down the page
    assert heights[0] < heights[-1]


def test_asks_nothing_of_the_net(tmp_path: Path) -> None:
    page = run(tmp_path, lines(2))
    assert not {"script", "link", "iframe", "b"} & {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        assert all(str(attributes.get(key, "data:")).startswith("data:") for key in ("src", "href"))
    assert "<b>&" in page.words


def test_verdicts_are_a_table(tmp_path: Path) -> None:
    log = lines(2)
    log[-1]["verdicts"] = [
        {"network": "a<b", "held_out": True, "rank": 1},
        {"network": "c", "held_out": False, "p": 0.5},
    ]
    page = run(tmp_path, log)
    assert [len(page.of(tag)) for tag in ("tr", "th", "td")] == [3, 4, 8]
    assert re.search(r"a<b\s*yes\s*1", page.words)
    assert "held out" in page.words


def test_a_large_picture_becomes_small(tmp_path: Path) -> None:
    page = run(tmp_path, lines(1), (3000, 1500))
    assert [page.of("img")[0][side] for side in ("width", "height")] == ["720", "360"]
    assert (tmp_path / report.REPORT).stat().st_size < 200_000


@pytest.mark.parametrize("name", ["loss", "look"])
def test_a_single_objective_has_one_curve(tmp_path: Path, name: str) -> None:
    page = run(tmp_path, [{"step": 0, "loss": 1.0, name: 1.0, "seconds": 1.0}])
    assert len(page.of("polyline")) == 1


def test_a_loss_that_comes_and_goes_has_a_curve_of_its_own_steps(tmp_path: Path) -> None:
    log = [{"step": i, "loss": 1.0, **({"gap": 2.0} if i > 4 else {"mse": 3.0}), "seconds": 1.0} for i in range(9)]
    page = run(tmp_path, log)
    assert [len(str(curve["points"]).split()) for curve in page.of("polyline")] == [9, 5, 4]


def finished(folder: Path, *settings: str) -> Run:
    Image.linear_gradient("L").resize((40, 30)).save(folder / "target.png")
    file = folder / "r.toml"
    file.write_text(
        'steps = 2\nsize = [64, 48]\n[canvas]\ntype = "single"\nstrokes = 5\n[renderer]\ntype = "gan"\n'
        '[objective.look]\ntype = "pixel"\ntarget = "target.png"\n'
    )
    recipe = read_recipe([file], settings)
    made = Run(folder / "run", recipe, PaintingTask(recipe, torch.device("cpu")))
    made.execute()
    return made


def test_of_a_picture_painted_by_windows_the_preview_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "_STROKES", 10)
    grid = 'canvas={type="grid", tile=16, overlap=8, strokes=1}'
    made = finished(tmp_path, "size=[160, 120]", "window=120", "steps=1", grid)
    page = Page(made.outputs[-1].read_text(encoding="utf-8"))
    assert [page.of("img")[0][side] for side in ("width", "height")] == ["80", "60"]
    assert made.picture().size == (80, 60)


def test_a_target_is_shown_as_it_was_painted(tmp_path: Path) -> None:
    turned = Image.new("RGB", (20, 30), "red")
    exif = turned.getexif()
    exif[0x0112] = 6  # to be turned, as phones write them
    lines_ = lines(1)
    Image.linear_gradient("L").resize((96, 64)).save(tmp_path / "painting.png")
    turned.save(tmp_path / "target.jpg", exif=exif)
    (tmp_path / "recipe.toml").write_text(RECIPE.format(target=tmp_path / "target.jpg").replace("[96, 64]", "[30, 20]"))
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines_))
    page = Page(report.write(tmp_path, tmp_path / "painting.png").read_text(encoding="utf-8"))
    assert [page.of("img")[1][side] for side in ("width", "height")] == ["30", "20"]


def test_a_report_that_cannot_be_made_costs_nobody_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow refuses more
    made = finished(tmp_path)
    assert [file.name for file in made.outputs] == ["painting.png", "strokes.json"]
    assert "note: no report was written (DecompressionBombError" in capsys.readouterr().err


def test_a_painting_is_shown_as_it_comes_about(tmp_path: Path, mypaint: None) -> None:
    """And as MyPaint paints it, since another painter did."""
    made = finished(tmp_path)
    assert made.outputs[-1] == tmp_path / "run" / report.REPORT
    page = Page(made.outputs[-1].read_text(encoding="utf-8"))
    (slider,) = page.of("input")
    frames = [image for image in page.of("img") if re.fullmatch(r"\d strokes", str(image["alt"]))]
    assert [frame["alt"] for frame in frames] == [f"{count} strokes" for count in range(1, 6)]
    assert ["hidden" in frame for frame in frames] == [True] * 4 + [False]
    assert slider["max"] == "4"
    assert len({frame["src"] for frame in frames}) == 5, "each stroke is seen"
    assert re.search(r"by MyPaint; it differs by 0\.\d+ on average", page.words)
