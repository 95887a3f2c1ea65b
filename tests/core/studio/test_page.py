"""The page of the studio in headless Chromium: watching, steering and painting, without faults of axe."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from artkit.engine.live_view import LIVE_FOLDER, LivePicture, LiveState, write_picture
from artkit.folder_lock import FolderLock
from artkit.geometry.window import Window

sys.path.insert(0, str(Path(__file__).parent))
from studio_pages import faults_of_axe, shown_colour, until, until_colour, visit


@pytest.fixture(scope="module")
def studio(two_runs: Any) -> Any:
    """The studio of this module."""
    return two_runs


# ---------------------------------------------------------------------------------------------------------- gallery
def test_the_gallery_and_its_search(page: Any, studio: Any) -> None:
    visit(page, studio)
    assert page.locator(".card").count() == 2
    until(page, "[...document.querySelectorAll('.card img')].every((image) => image.naturalWidth > 0)")
    page.get_by_role("searchbox").fill("two finished")
    assert page.locator(".card").count() == 1
    page.get_by_role("searchbox").fill("charcoal")
    assert page.locator(".card").count() == 0


def test_a_run_is_deleted_after_a_question_and_restored(page: Any, studio: Any) -> None:
    visit(page, studio)
    page.get_by_role("button", name="Delete two").click()
    page.get_by_role("button", name="Cancel").click()
    assert (studio.folder / "two").exists()
    page.get_by_role("button", name="Delete two").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    until(page, "document.querySelectorAll('.card').length === 1")
    page.get_by_role("button", name="Undo").click()
    until(page, "document.querySelectorAll('.card').length === 2")
    assert (studio.folder / "two" / "painting.png").exists()


def test_two_runs_are_compared_with_a_slider(page: Any, studio: Any) -> None:
    visit(page, studio)
    for name in ("one", "two"):
        page.get_by_label(f"Choose {name} for comparison").check()
    page.get_by_role("button", name="Compare 2").click()
    page.get_by_label("one | two").fill("200")
    page.get_by_text("Beside each other").click()
    assert page.get_by_label("one | two").is_hidden()


def test_several_runs_are_beside_each_other(page: Any, studio: Any) -> None:
    visit(page, studio, "#/compare/one,two,one")
    assert page.get_by_role("link", name="one", exact=True).count() == 2
    assert page.get_by_text("Slider").count() == 0
    canvas = "document.querySelector('.openseadragon-canvas canvas')"
    row = f"[...{canvas}.getContext('2d').getImageData(0, {canvas}.height / 2, {canvas}.width, 1).data]"
    gaps = f"{row}.filter((_, i) => i % 4 === 3).reduce((n, alpha, i, all) => n + (!alpha && !!all[i + 1]), 0)"
    until(page, f"{gaps} === 3")  # a margin, and two gaps between three pictures


def test_an_upload_is_painted_deleted_and_restored_from_the_trash(page: Any, studio: Any) -> None:
    shutil.copy(studio.folder / "one" / "painting.png", studio.folder / "uploads" / "lake.png")
    visit(page, studio, "#/files")
    page.get_by_role("link", name="Paint lake.png").click()
    page.get_by_text("lake.png, 160 × 112 px").wait_for()
    assert "../uploads/lake.png" in page.get_by_label("Recipe as TOML").input_value()
    visit(page, studio, "#/files")
    page.get_by_role("button", name="Delete target.png").click()
    page.get_by_text("Used by recipe r, and needed there").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Delete lake.png").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Restore uploads/lake.png").click()
    page.get_by_role("button", name="Delete lake.png").wait_for()
    page.get_by_role("link", name="Use r", exact=True).click()
    page.get_by_role("heading", name="New painting").wait_for()
    assert page.get_by_role("radio", name="r saved").is_checked()
    (studio.folder / "uploads" / "lake.png").unlink()


# --------------------------------------------------------------------------------------------------------- one run
def test_a_run_is_watched_live_and_then_finished(page: Any, studio: Any) -> None:
    live = studio.folder / "two" / LIVE_FOLDER
    live.mkdir(exist_ok=True)

    def write(step: int, value: float, width: int = 1200) -> None:
        size = (1200, 800)
        write_picture(live, LivePicture(torch.full((3, 800, width), value), Window(0, 0, width, 800), size))
        state = LiveState(step, 9, {"loss": 1.0}, 0.5, 1 << 30, 0, time.time(), size)
        (live / "state.json").write_text(json.dumps(state.__dict__))

    with FolderLock(studio.folder / "two").held():
        write(4, 0.2)
        visit(page, studio, "#/run/two")
        page.get_by_text("4 of 9").wait_for()
        page.get_by_text("1.1 GB").wait_for()
        requested: list[str] = []
        until(page, "'shown' in document.querySelector('.viewer').dataset")
        assert shown_colour(page) == pytest.approx([51] * 3, abs=2)
        page.on("response", lambda response: "/tiles/0/" in response.url and requested.append(response.url))
        page.evaluate("addEventListener('picture-shown', (event) => { window.shown = event.detail }, true)")
        page.evaluate(
            """() => { const canvas = document.querySelector('.openseadragon-canvas canvas');
            const { width, height } = canvas;
            const context = canvas.getContext('2d'), colours = window.colours = new Set();
            const look = () => { colours.add([...context.getImageData(width / 2, height / 2, 1, 1).data].join());
            requestAnimationFrame(look) }; look() }"""
        )
        write(5, 0.8, width=100)
        until(page, "window.shown?.step === 5")
        assert page.evaluate("colours.size") == 1, "nothing flashes where nothing has changed"
        sent = {url.split("/tiles/")[1].split("?")[0] for url in requested if not _from_cache(page, url)}
        assert sent == {"0/0/0", "0/0/1"}, "only changed tiles are sent"
        page.get_by_role("button", name="Stop").click()
        page.wait_for_timeout(300)
        assert (live / "stop").exists()
        (live / "stop").unlink()
    page.get_by_text("finished", exact=True).wait_for()
    page.get_by_text("160 × 112 px").wait_for()
    shutil.rmtree(live)


def _from_cache(page: Any, url: str) -> bool:
    size = page.evaluate("(url) => performance.getEntriesByName(url).at(-1)?.transferSize", url)
    return size == 0


def test_the_target_is_compared_with_the_picture(page: Any, studio: Any) -> None:
    visit(page, studio, "#/run/one")
    until(page, "'shown' in document.querySelector('.viewer').dataset")
    before = shown_colour(page)
    page.get_by_label("Slider").check()
    page.get_by_label("Picture | target").fill("0")
    until_colour(page, [127] * 3, 12)  # the middle of the gradient
    page.get_by_label("Picture | target").fill("1000")
    until_colour(page, before, 3)


def test_exports_keep_the_shape_of_the_picture(page: Any, studio: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    exported: list[Any] = []
    monkeypatch.setattr("artkit.studio.studio.start_export", lambda run, *values: exported.append(values) or run / "x")
    visit(page, studio, "#/run/one")
    until(page, "'shown' in document.querySelector('.viewer').dataset")
    page.locator("summary", has_text="Export and files").click()
    page.get_by_label("cm", exact=True).check()
    page.get_by_label("Width").fill("30")
    assert page.get_by_label("Height").input_value() == "21"
    page.get_by_text("About 3543 × 2480 px").wait_for()
    page.get_by_label("Another shape").check()
    page.get_by_label("Height").fill("30")
    assert page.get_by_label("Width").input_value() == "30"
    page.get_by_role("button", name="Export").click()
    page.get_by_role("link", name="Download x").wait_for()
    assert exported == [("png", "30x30cm", True, 300.0, None, None, "one-30x30cm")]


def test_a_picture_is_shown_as_a_whole_until_it_is_moved(page: Any, studio: Any) -> None:
    opaque = """() => { const canvas = document.querySelector('.openseadragon-canvas canvas');
        const { width, height } = canvas;
        const places = [[4, height / 2], [width - 4, height / 2], [width / 2, 4], [width / 2, height - 4]];
        return places.map(([x, y]) => canvas.getContext('2d').getImageData(x, y, 1, 1).data[3] > 0) }"""
    visit(page, studio, "#/run/one")
    until(page, "'shown' in document.querySelector('.viewer').dataset")
    for size in ((1200, 500), (700, 900)):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.wait_for_timeout(800)
        assert page.evaluate(opaque) == [False] * 4, "it has margins"
    for _ in range(4):
        page.get_by_role("button", name="Zoom in").click()
    page.set_viewport_size({"width": 1200, "height": 500})
    page.wait_for_timeout(800)
    assert page.evaluate(opaque) == [True] * 4


def test_a_palette_is_shown_with_its_colours(page: Any, studio: Any) -> None:
    visit(page, studio, "#/new")
    page.get_by_role("radio", name="style/charcoal").check()
    page.get_by_label("Colour 3", exact=True).wait_for()
    assert page.get_by_label("Colour 4", exact=True).count() == 0
    page.get_by_role("button", name="Remove the last colour").press("Enter")
    assert page.get_by_label("Colour 3", exact=True).count() == 0
    until(page, "document.querySelector('textarea').value.split('0.5569').length === 1")


def test_a_lost_connection_is_shown_until_it_is_back(page: Any, studio: Any) -> None:
    visit(page, studio)
    page.route("**/api/runs*", lambda route: route.abort())
    page.get_by_text("The studio does not answer").wait_for()
    page.unroute("**/api/runs*")
    until(page, "document.getElementById('offline').hidden")


def test_a_run_is_watched_again_when_the_server_answers_again(page: Any, studio: Any) -> None:
    page.route("**/events*", lambda route: route.abort())
    visit(page, studio, "#/run/one")
    page.get_by_text("The studio does not answer").wait_for()
    page.unroute("**/events*")
    until(page, "'shown' in document.querySelector('.viewer').dataset")
    assert page.get_by_text("The studio does not answer").is_hidden()


# ------------------------------------------------------------------------------------------------------ a new painting
def test_a_photo_is_dropped(page: Any, studio: Any) -> None:
    visit(page, studio, "#/new")
    content = list((studio.folder / "one" / "painting.png").read_bytes())
    page.evaluate(
        """(content) => { const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(content)], 'dropped.png', { type: 'image/png' }));
        const drop = new DragEvent('drop', { dataTransfer: transfer, bubbles: true });
        document.querySelector('.drop').dispatchEvent(drop) }""",
        content,
    )
    page.get_by_text("dropped.png, 160 × 112 px").wait_for()
    assert "../uploads/dropped.png" in page.get_by_label("Recipe as TOML").input_value()
    (studio.folder / "uploads" / "dropped.png").unlink()


def test_a_painting_is_set_up_and_started(
    page: Any, studio: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    launched: list[dict[str, Any]] = []
    monkeypatch.setattr(studio.app.state.studio, "launch", lambda path, tree: launched.append(tree))
    Image.linear_gradient("L").resize((90, 60)).save(tmp_path / "lake.png")
    visit(page, studio, "#/new")
    page.locator("#photo-file").set_input_files(tmp_path / "lake.png")
    page.get_by_text("lake.png, 90 × 60 px").wait_for()
    page.get_by_label("classic/pen", exact=True).check()
    page.get_by_label("Painted at, px").fill("96")
    page.get_by_text("Very fine").click()
    page.get_by_text("My own").click()
    until(page, "document.querySelector('textarea').value.includes('[constraint.palette]')")
    assert page.get_by_label("Name").input_value() == "lake-photo"
    with page.expect_response("**/api/runs?*"):
        page.get_by_role("button", name="Start painting").click()
    (tree,) = launched
    assert tree["objective"]["look"]["target"] == str(studio.folder.resolve() / "uploads" / "lake.png")
    assert (tree["renderer"]["brush"], tree["size"], tree["canvas"]["tile"]) == ("classic/pen", 96, 16)
    assert len(tree["constraint"]["palette"]["colours"]) == 4
    shutil.rmtree(studio.folder / "lake-photo", ignore_errors=True)


def test_the_recipe_of_a_run_is_painted_again(page: Any, studio: Any) -> None:
    visit(page, studio, "#/run/one")
    page.locator("summary", has_text="Recipe").last.click()
    page.get_by_role("link", name="New painting with it").click()
    page.get_by_role("heading", name="New painting").wait_for()
    assert page.get_by_label("Steps", exact=True).input_value() == "3"
    assert page.get_by_label("Name").input_value() == "one"


def test_errors_are_at_their_fields_and_toml_and_form_follow_each_other(page: Any, studio: Any) -> None:
    visit(page, studio, "#/new")
    page.locator("summary", has_text="All settings").click()
    page.locator("summary", has_text="Recipe as TOML").click()
    seed = page.get_by_label("seed", exact=True)
    seed.fill("-4")
    page.get_by_text("must be at least 0").first.wait_for()
    assert seed.get_attribute("aria-invalid") == "true"
    assert page.get_by_role("button", name="Start painting").is_disabled()
    seed.fill("11")
    until(page, "document.querySelector('textarea').value.includes('seed = 11')")
    toml = page.get_by_label("Recipe as TOML")
    toml.fill(toml.input_value().replace("seed = 11", "seed = 12"))
    until(page, "[...document.querySelectorAll('input')].some((input) => input.value === '12')")
    toml.fill("seed = ")
    page.get_by_role("complementary").get_by_text("not valid TOML").wait_for()
    assert page.get_by_text("not valid TOML").first.is_visible()
    assert page.get_by_role("button", name="Start painting").is_disabled()


# ------------------------------------------------------------------------------------------------- for all people
@pytest.mark.parametrize("width", [390, 1600])
@pytest.mark.parametrize("place", ["", "#/run/one", "#/new", "#/files", "#/compare/one,two"])
def test_axe_finds_no_serious_fault_and_nothing_is_cut_off(page: Any, studio: Any, place: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    visit(page, studio, place)
    for summary in page.locator("main details > summary").all():
        if summary.is_visible():
            summary.click()
    page.wait_for_timeout(400)
    assert faults_of_axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_page_that_is_left_is_not_served_any_more(page: Any, studio: Any) -> None:
    activity = studio.app.state.activity
    visit(page, studio, "#/run/one")
    until(page, "'shown' in document.querySelector('.viewer').dataset")
    assert activity.watching > 0
    page.goto("about:blank")
    deadline = time.monotonic() + 20
    while activity.watching:
        assert time.monotonic() < deadline
        time.sleep(0.05)
