"""The page of a film in headless Chromium: from the upload of a clip to an exported frame."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from artkit.engine.live_view import LIVE_FOLDER, LivePicture, LiveState, write_picture
from artkit.folder_lock import FolderLock
from artkit.geometry.window import Window

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))
from film_clips import panned, write_video
from studio_pages import faults_of_axe, until, until_colour, visit

SIZE = (64, 48)
RECIPE = """\
steps = 1
size = [64, 48]
[film]
clip = "{clip}"
steps = 1
[canvas]
type = "grid"
tile = 24
overlap = 12
strokes = 1
[objective.look]
type = "pixel"
"""


def test_a_film_is_played_and_its_frame_compared_with_the_clip(films: Any, open_page: Callable[[Any], Any]) -> None:
    page = open_page(films)
    visit(page, films, "#/run/whole")
    page.get_by_text("3 of 3").wait_for()
    video = page.locator("video")
    loaded = video.evaluate(
        """(video) => new Promise((resolve) => { video.onloadedmetadata = video.onerror = () => resolve();
        if (video.readyState || video.error) resolve() }).then(() => video.error ? "no codec" : video.videoWidth)"""
    )
    assert loaded in (SIZE[0], "no codec")
    page.get_by_label("Beside").check()
    target = page.get_by_alt_text("The frame of the clip")
    until(page, "document.querySelector('img.target').naturalWidth === 1024")
    if loaded != "no codec":
        before = target.get_attribute("src")
        video.evaluate("(video) => { video.pause(); video.currentTime = 0.17 }")
        until(page, "/seconds=0.1[67]/.test(document.querySelector('img.target').src)")
        assert target.get_attribute("src") != before
    page.get_by_label("Frame", exact=True).first.check()
    assert video.is_hidden()
    assert target.is_hidden()
    until(page, "'shown' in document.querySelector('.viewer').dataset")
    page.get_by_label("Slider").check()
    page.get_by_label("Picture | target").fill("0")
    until_colour(page, panned(3, SIZE)[2].getpixel((SIZE[0] // 2, SIZE[1] // 2)), 12)  # the last frame of the clip
    for width in (390, 1600):
        page.set_viewport_size({"width": width, "height": 900})
        for view in ("Frame", "Film"):
            page.get_by_label(view, exact=True).first.check()
            assert faults_of_axe(page) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_target_follows_the_frame_that_is_painted(
    films: Any, tmp_path: Path, serve: Callable[[Path], Any], open_page: Callable[[Any], Any]
) -> None:
    folder = tmp_path / "runs" / "part"
    shutil.copytree(films.folder / "part", folder)
    studio, live = serve(tmp_path / "runs"), folder / LIVE_FOLDER

    def write(frame: int) -> None:
        picture = torch.full((3, SIZE[1], SIZE[0]), frame / 4)
        write_picture(live, LivePicture(picture, Window(0, 0, *SIZE), SIZE))
        state = LiveState(frame, 3, {"loss": 1.0}, 0.5, 1 << 20, 0, time.time(), SIZE)
        (live / "state.json").write_text(json.dumps(state.__dict__))

    with FolderLock(folder).held():
        write(2)
        page = open_page(studio)
        visit(page, studio, "#/run/part")
        until(page, "document.querySelector('.viewer').dataset.shown === '2'")
        with page.expect_response(lambda response: "frame=2" in response.url) as shown:
            page.get_by_label("Beside").check()
        assert shown.value.status == 200
        with page.expect_response(lambda response: "frame=3" in response.url) as shown:
            write(3)
        assert shown.value.status == 200


@pytest.mark.slow
def test_a_clip_is_uploaded_painted_and_a_frame_exported(
    tmp_path: Path, serve: Callable[[Path], Any], open_page: Callable[[Any], Any]
) -> None:
    pytest.importorskip("cv2")
    clip = write_video(tmp_path / "mine.mp4", panned(3, SIZE))
    studio = serve(tmp_path / "runs")
    studio.app.state.studio.form._sampled = True  # no sheet of brushes
    page = open_page(studio)
    page.set_default_timeout(120_000)
    visit(page, studio, "#/new")
    page.locator("#photo-file").set_input_files(clip)
    page.get_by_text("mine.mp4, 64 × 48 px").wait_for()
    assert page.get_by_role("radio", name="film").is_checked()
    page.locator("summary", has_text="Recipe as TOML").click()
    toml = page.get_by_label("Recipe as TOML")
    assert 'clip = "../uploads/mine.mp4"' in toml.input_value()
    toml.fill(RECIPE.format(clip="../uploads/mine.mp4"))
    page.get_by_role("button", name="Start painting").click()
    page.get_by_text("3 of 3").wait_for()
    page.get_by_text("finished", exact=True).wait_for()
    page.get_by_label("Film", exact=True).check()
    until(page, "document.querySelector('video').src !== ''")
    page.locator("summary", has_text="Export and files").click()
    page.get_by_label("Format").select_option("png")
    page.get_by_label("Frame", exact=True).last.fill("2")
    page.get_by_role("button", name="Export").click()
    link = page.get_by_role("link", name="exports/mine-film-frame-2.png")
    link.wait_for()
    with page.expect_download() as download:
        link.click()
    with Image.open(download.value.path()) as frame:
        assert frame.size == SIZE
