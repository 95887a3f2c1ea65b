"""Take the pictures of the page on the studio.

``python docs/studio_pictures.py`` takes all of them, ``python docs/studio_pictures.py NAME ...`` only the named ones.
``--samples`` writes those of the recipes instead, which the page itself shows: small copies of the gallery's.
It needs the extras `studio` and `video`, playwright and Chromium. The runs that are shown are painted into
``runs/studio`` first, which takes some minutes; finished ones are not painted again. One is painted while the pictures
are taken.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageOps

from artkit.recipes.shipped import recipe_folder
from artkit.studio.folder import RECIPES, UPLOADS
from artkit.studio.recipes import SAMPLES, sample_file

DOCS = Path(__file__).parent
IMAGES = DOCS / "images" / "studio"
RUNS = Path("runs", "studio")
PAINTED = "being-painted"
"""Name of the run that is painted while the pictures are taken."""

_SAMPLE_SIZE = (264, 176)  # px
_FILM_FRAME = (0, 0, 468, 313)  # of the sheet of frames
_QUALITY = 84
_GAP = 16  # between the pictures of a narrow page, px


class Painting(NamedTuple):
    """A run to show: its recipe, what it paints, and changed settings."""

    recipe: str
    target: str
    settings: tuple[str, ...]


PAINTINGS = {
    "pagoda": Painting("photo", "pagoda.jpg", ("steps=160",)),
    "cat-oil": Painting("style/oil", "cat.jpg", ("steps=150", "size=256", "output.long_side=900")),
    "coffee-six": Painting("six", "coffee.jpg", ("steps=60", "size=256", "output.long_side=900")),
    "pagoda-night": Painting("style/night", "pagoda.jpg", ("steps=60", "size=256", "output.long_side=900")),
    "coffee-pan": Painting("film", "coffee-pan.webp", ("steps=80", "size=200", "film.seconds=1", "output.scale=3")),
}


class Shot(NamedTuple):
    """A picture: the page that it shows, the width and height of the window, px, and what to do on the page before."""

    place: str
    size: tuple[int, int] = (1600, 1000)
    dark: bool = False
    act: Callable[[Any], None] = lambda page: None


def _loaded(page: Any) -> None:
    page.wait_for_selector("main[data-ready]")
    page.wait_for_timeout(1500)


def _compare(page: Any) -> None:
    page.get_by_label("Slider").check()
    page.wait_for_timeout(1500)


def _beside(page: Any) -> None:
    page.get_by_label("Frame", exact=True).first.check()
    page.get_by_label("Beside").check()
    page.wait_for_timeout(2500)


def _paint_mask(page: Any) -> None:
    page.locator("summary", has_text="Change settings").click()
    page.get_by_role("button", name="Paint a mask").click()
    box = page.locator(".mask-canvas").bounding_box()
    x, y = box["x"] + 0.5 * box["width"], box["y"] + 0.3 * box["height"]
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, 30):
        page.mouse.move(x + (step % 5 - 2) * 0.02 * box["width"], y + step / 60 * box["height"])
    page.mouse.up()
    page.wait_for_timeout(500)


def _choose(page: Any) -> None:
    page.get_by_role("radio", name="style/oil").check()
    page.get_by_text("Of the photo", exact=True).click()
    page.wait_for_timeout(8000)  # until the brushes are painted


def _top(place: str) -> Shot:
    return Shot(place, (390, 844))


SHOTS: dict[str, tuple[Shot, ...]] = {
    "gallery": (Shot("#/"),),
    "painting": (Shot(f"#/run/{PAINTED}"),),
    "run": (Shot("#/run/pagoda", act=_compare),),
    "dark": (Shot("#/run/pagoda-night", dark=True),),
    "film": (Shot("#/run/coffee-pan", act=_beside),),
    "new": (Shot("#/new?upload=cat.jpg", (1600, 1500), act=_choose),),
    "mask": (Shot("#/run/cat-oil", act=_paint_mask),),
    "files": (Shot("#/files", (1600, 900)),),
    "phone": (_top("#/"), _top("#/run/pagoda"), _top("#/new?upload=cat.jpg"), _top("#/files")),
}


def paint(name: str, painting: Painting) -> None:
    """Paint a run, unless it is painted."""
    if (RUNS / name / "report.html").exists():
        return
    file = RUNS / UPLOADS / painting.target
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(recipe_folder() / "targets" / painting.target, file)
    settings = [word for setting in painting.settings for word in ("--set", setting)]
    command = ["run", painting.recipe, str(file), *settings, "--out", str(RUNS / name), "--resume"]
    subprocess.run([sys.executable, "-m", "artkit", *command], check=True)


class Studio:
    """The studio of the runs, with a run that is painted."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.base, self.token = address.split("/?token=")

    def request(self, method: str, path: str, values: Any = None) -> Any:
        """Send a request to the JSON interface."""
        headers = {"X-Artkit-Token": self.token, "Content-Type": "application/json"}
        request = urllib.request.Request(self.base + path, json.dumps(values or {}).encode(), headers, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def start(self) -> None:
        """Start the run that is painted, and wait for its first picture."""
        loaded = self.request("POST", "/api/recipes/load", {"name": "photo", "picture": f"../{UPLOADS}/coffee.jpg"})
        self.request("POST", "/api/runs", {"toml": loaded["toml"], "name": PAINTED})

    def end(self) -> None:
        """Stop the run that is painted."""
        self.request("POST", f"/api/runs/{PAINTED}/stop")
        while self.request("POST", f"/api/runs/{PAINTED}/replay").get("running"):
            time.sleep(0.2)


@contextmanager
def studio() -> Iterator[Studio]:
    """Serve the runs, a saved recipe and something in the trash."""
    (RUNS / RECIPES).mkdir(exist_ok=True)
    shutil.copy(recipe_folder() / "style" / "oil.toml", RUNS / RECIPES / "my-oil.toml")
    for leftover in (RUNS / "trash", RUNS / PAINTED):
        shutil.rmtree(leftover, ignore_errors=True)
    (RUNS / "trash").mkdir()
    shutil.copy(recipe_folder() / "targets" / "hopper.jpg", RUNS / "trash" / "uploads~hopper.jpg")
    command = [sys.executable, "-m", "artkit", "studio", str(RUNS), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        served = Studio(process.stdout.readline().split()[-1])
        try:
            yield served
        finally:
            process.terminate()


def take(browser: Any, served: Studio, shot: Shot) -> Image.Image:
    """Return a picture of a page."""
    width, height = shot.size
    scheme = "dark" if shot.dark else "light"
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{served.address}{shot.place}")
    _loaded(page)
    shot.act(page)
    content = page.screenshot()
    context.close()
    return Image.open(io.BytesIO(content)).convert("RGB")


def beside(images: list[Image.Image]) -> Image.Image:
    """Return images beside each other."""
    width = sum(image.width for image in images) + _GAP * (len(images) - 1)
    page, x = Image.new("RGB", (width, images[0].height), "white"), 0
    for image in images:
        page.paste(image, (x, 0))
        x += image.width + _GAP
    return page


def write_samples() -> None:
    """Write a small picture for each recipe that the gallery shows as it is, and for that of films."""
    from gallery import GALLERY

    sources = {
        picture.recipe: Image.open(DOCS / "images" / "gallery" / f"{picture.name}.jpg")
        for section in GALLERY.values()
        for picture in section
        if not picture.settings
    }
    sources["film"] = Image.open(DOCS / "images" / "film.jpg").crop(_FILM_FRAME)
    SAMPLES.mkdir(exist_ok=True)
    for recipe, source in sources.items():
        top = 0.35  # portraits have their faces above the middle
        sample = ImageOps.fit(source.convert("RGB"), _SAMPLE_SIZE, Image.Resampling.LANCZOS, centering=(0.5, top))
        sample.save(SAMPLES / sample_file(recipe), quality=78)


def main(names: list[str]) -> None:
    """Take the named pictures, or all."""
    if names == ["--samples"]:
        write_samples()
        return
    from playwright.sync_api import sync_playwright

    for name, painting in PAINTINGS.items():
        paint(name, painting)
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    wanted = names or list(SHOTS)
    with studio() as served, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        if {"painting", "gallery"} & set(wanted):
            served.start()
            time.sleep(30)
        for name in wanted:
            beside([take(browser, served, shot) for shot in SHOTS[name]]).save(IMAGES / f"{name}.jpg", quality=_QUALITY)
            print(IMAGES / f"{name}.jpg")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
