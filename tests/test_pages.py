"""The pages that artkit writes, in a real browser that has no network."""

from __future__ import annotations

import io
import shutil
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
def browser() -> Iterator[Any]:
    """A headless Chromium that is offline; skips where none is installed."""
    sync_api = pytest.importorskip("playwright.sync_api")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("Chromium is not installed")
    quiet = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with sync_api.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=found, args=quiet)
        yield opened.new_context(offline=True, viewport={"width": 900, "height": 700})
        opened.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page of its own; errors in scripts and files that are asked for and not there fail the test."""
    opened = browser.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda told: wrong.append(told.text) if told.type == "error" else None)
    opened.on("requestfailed", lambda request: wrong.append(request.url))
    opened.on("request", lambda request: wrong.append(request.url) if request.url.startswith("http") else None)
    yield opened
    opened.close()
    assert wrong == []


def seen(image: Any) -> np.ndarray[Any, Any]:
    """What the browser shows of an element, (h, w, 3)."""
    return np.asarray(Image.open(io.BytesIO(image.screenshot())).convert("RGB"), float)


def far(one: Any, other: Any) -> float:
    """Mean difference of 8-bit pixels."""
    return float(np.abs(np.asarray(one, float) - np.asarray(other, float)).mean())


def test_the_slider_of_a_report_goes_through_the_strokes(painted: Path, page: Any) -> None:
    page.goto((painted / "report.html").as_uri())
    drawn = "images => images.every(image => image.complete && image.naturalWidth > 0)"
    assert page.locator("img").evaluate_all(drawn)
    painting = page.get_by_alt_text("painting", exact=True)
    with Image.open(painted / "painting.png") as image:
        shown = seen(painting)  # it may lie between two of the screen's px
        assert far(shown, image.convert("RGB").resize((shown.shape[1], shown.shape[0]))) < 6, "a JPEG of it"
    figure = page.locator("figure").filter(has=page.get_by_label("strokes"))
    slider, caption = page.get_by_label("strokes"), figure.locator("figcaption")
    assert caption.inner_text() == "6 strokes"
    complete = seen(figure.locator("img:visible"))
    slider.focus()
    for left in (5, 4):
        slider.press("ArrowLeft")
        assert caption.inner_text() == f"{left} strokes"
        assert figure.locator("img:visible").get_attribute("alt") == f"{left} strokes"
    assert far(seen(figure.locator("img:visible")), complete) > 0.1
    slider.press("End")
    np.testing.assert_array_equal(seen(figure.locator("img:visible")), complete)


def test_the_viewer_of_tiles_shows_the_picture_and_its_details(painted: Path, page: Any, tmp_path: Path) -> None:
    painting = open_painting(painted, 12.0)
    file = tmp_path / "large & small.dzi"
    exporters([file], ['tiles="png"'])[0].write(painting, file)
    page.goto((tmp_path / "large & small.html").as_uri())
    page.wait_for_load_state("networkidle")
    pixels = painting.pixels()
    fitted = Image.fromarray(pixels).resize((900, 630), Image.Resampling.BOX)  # 1920 x 1344 px before
    whole = seen(page.locator("#view"))
    assert whole.shape == (700, 900, 3)
    assert far(whole[35:665], fitted) < 6
    assert (whole[:30] == 0x22).all(), "nothing beside it"

    def finest() -> list[str]:
        sources = page.locator("#view img").evaluate_all("images => images.map(image => image.src)")
        return [source for source in sources if "_files/11/" in source]

    for _ in range(4):  # from 900 px to more than the picture's 1920
        page.mouse.move(450, 350)
        page.mouse.wheel(0, -100)
    page.wait_for_function(
        "[...document.querySelectorAll('#view img')].every(image => image.complete && image.naturalWidth)"
    )
    assert 4 <= len(finest()) <= 12, "of the finest level, what is in view"
    scale = np.e * 900 / 1920
    left, top = (960 - 450 / scale, 672 - 350 / scale)
    part = Image.fromarray(pixels).resize(
        (900, 700), Image.Resampling.BILINEAR, box=(left, top, left + 900 / scale, top + 700 / scale)
    )
    assert far(seen(page.locator("#view")), part) < 3
    page.mouse.down()
    page.mouse.move(350, 350)
    page.mouse.up()
    assert far(seen(page.locator("#view"))[:, :800], np.asarray(part)[:, 100:]) < 3, "drags"
    page.keyboard.press("0")
    assert far(seen(page.locator("#view")), whole) < 1, "all of it again"
