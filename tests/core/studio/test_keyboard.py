"""The studio with the keyboard alone: every page, without the pointer."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from studio_pages import focused, tab_to, until, visit


@pytest.fixture(scope="module")
def studio(two_runs: Any) -> Any:
    """The studio of this module."""
    return two_runs


def test_the_gallery_is_used_with_the_keyboard_alone(page: Any, studio: Any) -> None:
    visit(page, studio)
    reached = set()
    for _ in range(14):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent.trim()"
            )
        )
    assert {"New painting", "Search the runs", "one", "two", "Delete one", "Choose two for comparison"} <= reached
    page.get_by_role("link", name="one", exact=True).focus()
    page.keyboard.press("Enter")
    until(page, "location.hash === '#/run/one'")


def test_the_picture_is_moved_with_the_keyboard(page: Any, studio: Any) -> None:
    visit(page, studio, "#/run/one")
    until(page, "'shown' in document.querySelector('.viewer').dataset")
    canvas = page.get_by_role("application")
    canvas.focus()
    before = page.screenshot()
    for _ in range(4):
        page.keyboard.press("+")
    page.wait_for_timeout(600)
    assert page.screenshot() != before


def test_a_run_is_steered_with_a_mask_by_keyboard(page: Any, studio: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    launched: list[dict[str, Any]] = []
    monkeypatch.setattr(studio.app.state.studio, "launch", lambda path, tree: launched.append(tree))
    visit(page, studio, "#/run/one")
    until(page, "'shown' in document.querySelector('.viewer').dataset")
    for name in ("Change settings",):
        page.locator("summary", has_text=name).focus()
        page.keyboard.press("Enter")
    page.get_by_label("Steps in all").fill("8")
    page.get_by_role("button", name="Paint a mask").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    for _ in range(5):
        page.keyboard.press("Shift+ArrowRight")
    page.get_by_role("button", name="Change and go on").focus()
    page.keyboard.press("Enter")
    until(page, "!document.querySelector('.mask-canvas')")
    (tree,) = launched
    (change,) = tree["changes"]
    assert (change["step"], change["steps"]) == (3, 8)
    with Image.open(change["weight_images"]["look"]) as mask:
        grey = mask.convert("L").resize((160, 112))
        assert grey.getpixel((80, 56)) == 255
        assert grey.getpixel((5, 5)) == 0


def test_a_new_painting_is_set_up_with_the_keyboard_alone(
    page: Any, studio: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    launched: list[dict[str, Any]] = []
    monkeypatch.setattr(studio.app.state.studio, "launch", lambda path, tree: launched.append(tree))
    Image.linear_gradient("L").resize((90, 60)).save(tmp_path / "lake.png")
    page.on("filechooser", lambda chooser: chooser.set_files(tmp_path / "lake.png"))
    visit(page, studio, "#/new")
    tab_to(page, "Choose a file")
    page.keyboard.press("Enter")
    page.get_by_text("lake.png, 90 × 60 px").wait_for()
    page.keyboard.press("Tab")  # to the chosen recipe
    assert page.evaluate("document.activeElement.value") == "photo"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")  # the answers may come in another order
    tab_to(page, "Search brushes")
    page.keyboard.type("pen")
    tab_to(page, "classic/dry_brush")  # the chosen one is there, though it is not found
    page.keyboard.press("ArrowUp")
    tab_to(page, "All settings")
    page.keyboard.press("Enter")
    tab_to(page, "seed")
    page.keyboard.type("11")
    tab_to(page, "Painted at, px")
    page.keyboard.press("Control+A")
    page.keyboard.type("96")
    tab_to(page, "As the recipe")
    page.keyboard.press("ArrowRight")
    tab_to(page, "All colours")
    page.keyboard.press("ArrowRight")
    until(page, "document.querySelector('textarea').value.includes('[constraint.palette]')")
    tab_to(page, "Start painting")
    with page.expect_response("**/api/runs?*"):
        page.keyboard.press("Enter")
    (tree,) = launched
    assert (tree["renderer"]["brush"], tree["size"], tree["seed"]) == ("classic/pen", 96, 11)
    assert tree["constraint"]["palette"]["image"].endswith("lake.png")
    shutil.rmtree(studio.folder / "lake-photo", ignore_errors=True)
    (studio.folder / "uploads" / "lake.png").unlink()


def test_files_are_used_deleted_and_restored_with_the_keyboard_alone(page: Any, studio: Any) -> None:
    shutil.copy(studio.folder / "one" / "painting.png", studio.folder / "uploads" / "lake.png")
    shutil.copy(studio.folder / "recipes" / "r.toml", studio.folder / "recipes" / "mine.toml")
    visit(page, studio)
    tab_to(page, "Files")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Files").wait_for()
    for what, question in (("the recipe mine", "Delete the recipe mine"), ("lake.png", "Delete lake.png")):
        tab_to(page, question)
        page.keyboard.press("Enter")
        assert focused(page) == "Cancel"
        page.keyboard.press("Escape")
        page.get_by_role("dialog").wait_for(state="detached")
        assert focused(page) == question, "the focus is back where it was"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.get_by_text(f"{what} is in the trash").wait_for()
        page.get_by_role("button", name=question).wait_for(state="detached")
        assert page.evaluate("document.activeElement.closest('main') !== null"), "the focus is near by"
    tab_to(page, "Undo")  # of the recipe
    page.wait_for_timeout(200)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Delete the recipe mine").wait_for()
    tab_to(page, "Restore uploads/lake.png", "Shift+Tab")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Delete lake.png").wait_for()
    tab_to(page, "Paint lake.png", "Shift+Tab")
    page.keyboard.press("Enter")
    page.get_by_text("lake.png, 160 × 112 px").wait_for()
    visit(page, studio, "#/files")
    tab_to(page, "Use mine")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="New painting").wait_for()
    assert page.get_by_role("radio", name="mine saved").is_checked()
    (studio.folder / "uploads" / "lake.png").unlink()
    (studio.folder / "recipes" / "mine.toml").unlink()


def test_a_film_is_watched_steered_and_exported_with_the_keyboard_alone(
    films: Any, open_page: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    exported: list[tuple[Any, ...]] = []
    monkeypatch.setattr("artkit.studio.studio.start_export", lambda run, *values: exported.append(values) or run / "x")
    page = open_page(films)
    visit(page, films, "#/run/whole")
    page.get_by_text("3 of 3").wait_for()
    tab_to(page, "The film whole")
    assert page.evaluate("document.activeElement.controls")
    tab_to(page, "Film")
    page.keyboard.press("ArrowLeft")
    assert focused(page) == "Frame"
    until(page, "'shown' in document.querySelector('.viewer').dataset")
    tab_to(page, "whole: zoom with + and -, move with the arrow keys, 0 shows all of it", "Shift+Tab")
    before = page.screenshot()
    page.keyboard.press("-")
    page.wait_for_timeout(600)
    assert page.screenshot() != before
    page.keyboard.press("0")
    tab_to(page, "Zoom out")
    page.keyboard.press("Enter")
    tab_to(page, "Show all of it")
    page.keyboard.press("Enter")
    tab_to(page, "Off")
    page.keyboard.press("ArrowRight")
    tab_to(page, "Picture | target")
    page.keyboard.press("Home")
    assert page.evaluate("document.activeElement.value") == "0"
    tab_to(page, "Replay")
    tab_to(page, "Export and files")
    page.keyboard.press("Enter")
    until(page, "document.querySelectorAll('option').length > 5")
    tab_to(page, "Format")
    page.keyboard.type("jpg")
    tab_to(page, "Frame")
    page.keyboard.type("2")
    tab_to(page, "Export")
    with page.expect_response("**/exports?*"):
        page.keyboard.press("Enter")
    assert exported[0][0] == "jpg"
    assert 2 in exported[0]
    assert focused(page) == "Export", "the focus stays while an export runs"
    tab_to(page, "painting.mp4")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "painting.mp4"
    tab_to(page, "Recipe")
    page.keyboard.press("Enter")
    tab_to(page, "Delete", "Shift+Tab")
    page.keyboard.press("Enter")
    assert focused(page) == "Cancel"
    page.keyboard.press("Enter")
    assert focused(page) == "Delete"


def test_a_stopped_film_goes_on_with_the_keyboard_alone(
    films: Any, open_page: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[Path] = []
    monkeypatch.setattr(films.app.state.studio, "launch", lambda path, tree: launched.append(path))
    page = open_page(films)
    visit(page, films, "#/run/part")
    tab_to(page, "Go on")
    with page.expect_response("**/steer?*"):
        page.keyboard.press("Enter")
    assert [path.name for path in launched] == ["part"]
    assert focused(page) == "Go on"
