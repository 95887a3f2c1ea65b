"""The HTML pages that artkit writes, in a headless browser without network."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from artkit.engine.painting_task import PaintingTask
from artkit.engine.run import Run
from artkit.output.export import exporters, open_painting
from artkit.recipes.reading import read_recipe
from artkit.sweep import contact_sheet

RECIPE = """\
steps = 2
size = [160, 112]

[canvas]
type = "single"
strokes = 6

[renderer]
type = "gan"

[objective.look]
type = "pixel"
target = "target.png"
"""


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("painted")
    Image.linear_gradient("L").resize((160, 112)).save(folder / "target.png")
    (folder / "r.toml").write_text(RECIPE)
    recipe = read_recipe([folder / "r.toml"])
    Run(folder / "run", recipe, PaintingTask(recipe, torch.device("cpu"))).execute()
    return folder / "run"


@pytest.fixture(scope="module")
def browser(chromium: Any) -> Any:
    """A browser that is offline."""
    return chromium.new_context(offline=True, viewport={"width": 900, "height": 700})


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A new page. Script errors, failed requests and requests to the network fail the test."""
    opened = browser.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    opened.on("requestfailed", lambda request: errors.append(request.url))
    opened.on("request", lambda request: errors.append(request.url) if request.url.startswith("http") else None)
    yield opened
    opened.close()
    assert errors == []


def screenshot(element: Any) -> np.ndarray[Any, Any]:
    """Return a screenshot of an element, (h, w, 3)."""
    return np.asarray(Image.open(io.BytesIO(element.screenshot())).convert("RGB"), float)


def mean_difference(one: Any, other: Any) -> float:
    """Return the mean absolute difference of 8-bit pixels."""
    return float(np.abs(np.asarray(one, float) - np.asarray(other, float)).mean())


@pytest.mark.slow
def test_slider_of_a_report_shows_the_strokes(painted: Path, page: Any) -> None:
    page.goto((painted / "report.html").as_uri())
    all_loaded = "images => images.every(image => image.complete && image.naturalWidth > 0)"
    assert page.locator("img").evaluate_all(all_loaded)
    painting = page.get_by_alt_text("painting", exact=True)
    with Image.open(painted / "painting.png") as image:
        shown = screenshot(painting)  # its position may be fractional
        assert mean_difference(shown, image.convert("RGB").resize((shown.shape[1], shown.shape[0]))) < 6, (
            "up to JPEG compression"
        )
    figure = page.locator("figure").filter(has=page.get_by_label("strokes"))
    slider, caption = page.get_by_label("strokes"), figure.locator("figcaption")
    assert caption.inner_text() == "6 strokes"
    all_strokes = screenshot(figure.locator("img:visible"))
    slider.focus()
    for left in (5, 4):
        slider.press("ArrowLeft")
        assert caption.inner_text() == f"{left} strokes"
        assert figure.locator("img:visible").get_attribute("alt") == f"{left} strokes"
    assert mean_difference(screenshot(figure.locator("img:visible")), all_strokes) > 0.1
    slider.press("End")
    np.testing.assert_array_equal(screenshot(figure.locator("img:visible")), all_strokes)


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1600])
def test_pictures_of_a_report_are_as_wide_as_the_page(painted: Path, page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto((painted / "report.html").as_uri())
    margin = 16 if width < 1432 else (width - 1400) / 2
    boxes = page.locator("img:visible").evaluate_all(
        "images => images.map(image => image.getBoundingClientRect()).map(box => [box.left, box.right])"
    )
    assert len(boxes) == 4, "the painting, the target, by MyPaint, and the strokes"
    assert boxes == [pytest.approx([margin, width - margin], abs=1)] * len(boxes)
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing is wider than the page"
    recipe = page.locator("details pre")
    assert not recipe.is_visible()
    page.get_by_text("Recipe", exact=True).click()
    assert "type = " in recipe.inner_text()
    assert page.locator("pre").first.inner_text().count("artkit ") == 3


@pytest.mark.slow
def test_tile_viewer_shows_the_picture_and_its_details(painted: Path, page: Any, tmp_path: Path) -> None:
    painting = open_painting(painted, 12.0)
    file = tmp_path / "large & small.dzi"
    exporters([file], ['tiles="png"'])[0].write(painting, file)
    page.goto((tmp_path / "large & small.html").as_uri())
    page.wait_for_load_state("networkidle")
    pixels = painting.pixels()
    fitted = Image.fromarray(pixels).resize((900, 630), Image.Resampling.BOX)  # 1920 x 1344 px before
    overview = screenshot(page.locator("#view"))
    assert overview.shape == (700, 900, 3)
    assert mean_difference(overview[35:665], fitted) < 6
    assert (overview[:30] == 0x22).all(), "the rest is empty"

    def finest_tiles() -> list[str]:
        sources = page.locator("#view img").evaluate_all("images => images.map(image => image.src)")
        return [source for source in sources if "_files/11/" in source]

    for _ in range(4):  # from 900 px to more than the picture's 1920
        page.mouse.move(450, 350)
        page.mouse.wheel(0, -100)
    page.wait_for_function(
        "[...document.querySelectorAll('#view img')].every(image => image.complete && image.naturalWidth)"
    )
    assert 4 <= len(finest_tiles()) <= 12, "only the tiles of the finest level that are in view"
    scale = np.e * 900 / 1920
    left, top = (960 - 450 / scale, 672 - 350 / scale)
    expected = Image.fromarray(pixels).resize(
        (900, 700), Image.Resampling.BILINEAR, box=(left, top, left + 900 / scale, top + 700 / scale)
    )
    assert mean_difference(screenshot(page.locator("#view")), expected) < 3
    page.mouse.down()
    page.mouse.move(350, 350)
    page.mouse.up()
    assert mean_difference(screenshot(page.locator("#view"))[:, :800], np.asarray(expected)[:, 100:]) < 3, (
        "dragging moves the picture"
    )
    page.keyboard.press("0")
    assert mean_difference(screenshot(page.locator("#view")), overview) < 1, "the key 0 shows the overview"


@pytest.fixture(scope="module")
def contact_sheet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A contact sheet of three finished runs and one that has failed, with text that would be markup."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "thumbnails").mkdir()
    rows: list[dict[str, Any]] = []
    for lr, loss in ((0.1, 3.0), (0.02, 1.5), (0.5, 10.0)):
        name = f"lr={lr}"
        Image.new("RGB", (60, 40), "red").save(folder / f"thumbnails/{name}.jpg")
        files = dict.fromkeys(("picture", "report", "thumbnail"), f"thumbnails/{name}.jpg")
        verdicts = [{"objective": "see", "network": "lite2", "rank": int(10 * loss), "first": False}]
        rows.append(
            {"name": name, "settings": {"optimizer.lr": lr, "agent.text": "</script>a"}, "status": "finished"}
            | {
                "loss": loss,
                "objectives": {"look": loss / 2, "see": 1.0},
                "verdicts": verdicts,
                "seconds": 2.0,
                **files,
            }
        )
    failed = {
        "name": "<b>",
        "settings": {"optimizer.lr": 9.0, "agent.text": "<b>"},
        "status": "failed",
        "error": "<i>x",
    }
    (folder / "index.html").write_text(contact_sheet.page("<title>", [*rows, failed]), encoding="utf-8")
    return folder / "index.html"


def test_the_contact_sheet_sorts_and_plots(contact_sheet_file: Path, page: Any) -> None:
    page.goto(contact_sheet_file.as_uri())

    def names() -> list[str]:
        return [figure.get_attribute("id") for figure in page.query_selector_all("figure")]

    assert page.title() == "<title>"
    assert names() == ["lr=0.02", "lr=0.1", "lr=0.5", "<b>"], "by loss; the failed run is last"
    page.click("#direction")
    assert names() == ["lr=0.5", "lr=0.1", "lr=0.02", "<b>"]
    columns = [option.text_content() for option in page.query_selector_all("#sort option")]
    assert columns == ["name", "lr", "text", "loss", "look", "see", "see lite2 rank", "seconds"]
    page.select_option("#sort", "lr")
    assert names() == ["<b>", "lr=0.5", "lr=0.1", "lr=0.02"]
    loaded = "Array.from(document.images).every(image => image.complete && image.naturalWidth == 60)"
    page.wait_for_function(loaded)
    assert "failed: <i>x" in page.inner_text("figure:first-of-type")

    circles = page.query_selector_all("circle")
    assert len(circles) == 3, "one for each run with a loss"
    positions = {circle.get_attribute("data-name"): circle.bounding_box() for circle in circles}
    assert positions["lr=0.02"]["x"] < positions["lr=0.1"]["x"] < positions["lr=0.5"]["x"]
    assert positions["lr=0.02"]["y"] > positions["lr=0.1"]["y"] > positions["lr=0.5"]["y"]
    page.click('circle[data-name="lr=0.1"]')
    assert page.query_selector("figure.chosen").get_attribute("id") == "lr=0.1"
    page.select_option("#x", "text")
    assert len(page.query_selector_all("circle")) == 3
