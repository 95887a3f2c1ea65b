"""The studio in headless Chromium: page, live view, cost of watching, deep zoom and accessibility.

    python tests/benchmarks/studio.py [--size 352] [--steps 160] [--side 16384] [--repeats 10] [--parts PART]...

`page`: ms from the navigation until the gallery is there. `live`: s from the moment at which the process of a run holds
the lock of its folder until its first picture is drawn, and ms from the moment at which a run has written a picture
until it is drawn. `cost`: how much longer steps are while they are watched, without and with drawing, in REPEATS turns,
and the processor time that watching takes, of that of the run: the run's own, for what it writes, and that of server
and browser. Durations vary by 10 % and more, processor times by less.
`zoom`: s until a finished picture of SIDE x SIDE px is drawn, and ms of tiles at random places, while the picture is
decoded and afterwards. `axe`: the serious and critical faults on each page, also on that of a film.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from artkit.engine.live_view import TILE_SIDE
from artkit.folder_lock import FolderLock
from artkit.recipes.shipped import recipe_folder, shipped_recipes

PARTS = ("page", "live", "cost", "zoom", "axe")
BLOCK_SECONDS = 8.0  # of a run that is watched, or not, in turns


class Studio:
    """A studio in a process of its own, and a browser."""

    def __init__(self, folder: Path, browser: Any) -> None:
        command = [sys.executable, "-m", "artkit", "studio", str(folder), "--no-browser"]
        self.folder, self.browser = folder, browser
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().split()[-1]
        self.base, self.token = self.address.split("/?token=")

    def open(self, place: str = "") -> Any:
        """Open a page, and return it once it is there."""
        page = self.browser.new_context(viewport={"width": 1600, "height": 1000}).new_page()
        page.add_init_script(
            "window.shown = [];"
            "document.addEventListener('picture-shown', (event) => shown.push([Date.now(), event.detail.lag]))"
        )
        page.goto(f"{self.address}{place}")
        page.wait_for_selector("main[data-ready]")
        return page

    def post(self, path: str, values: Any) -> Any:
        """Send a request to the JSON interface."""
        request = urllib.request.Request(
            self.base + path, json.dumps(values).encode(),
            {"X-Artkit-Token": self.token, "Content-Type": "application/json"},
        )  # fmt: skip
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def start_run(self, size: int, steps: int) -> str:
        """Start a run of the photo recipe and return its name."""
        answer = self.post("/api/recipes/load", {"name": "photo"})
        toml = answer["toml"].replace("size = 352", f"size = {size}").replace("steps = 160", f"steps = {steps}")
        return str(self.post("/api/runs", {"toml": toml, "name": "benchmark"})["name"])

    def start_film(self) -> str:
        """Start a film of 3 frames and return its name."""
        tree = self.post("/api/recipes/load", {"name": "film"})["tree"]
        tree |= {"steps": 1, "size": 64, "film": {**tree["film"], "steps": 1, "seconds": 0.25}}
        toml = self.post("/api/recipes/format", {"tree": tree})["toml"]
        return str(self.post("/api/runs", {"toml": toml, "name": "film"})["name"])


def wait(condition: Callable[[], Any], seconds: float = 120.0) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("nothing happens")
        time.sleep(0.01)


def quantiles(values: Sequence[float]) -> str:
    """Return the median, the 95th percentile and the maximum as text."""
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    return f"median {statistics.median(ordered):.0f}, p95 {p95:.0f}, max {ordered[-1]:.0f} ({len(ordered)} values)"


def measure_page(studio: Studio, options: argparse.Namespace) -> None:
    """Print the time until the gallery is there."""
    times = []
    for _ in range(options.repeats):
        started = time.perf_counter()
        page = studio.open()
        times.append(1000 * (time.perf_counter() - started))
        page.context.close()
    print(f"page ready, ms: {quantiles(times)}")


def measure_live(studio: Studio, options: argparse.Namespace) -> None:
    """Print the time until the first picture, and the lag of all pictures of a run."""
    name = studio.start_run(options.size, options.steps)
    page = studio.open(f"#/run/{name}")
    lock = FolderLock(studio.folder / name)
    wait(lock.is_held)
    ready = time.time()
    wait(lambda: page.evaluate("shown.length"))
    print(f"first picture after the process is ready, s: {page.evaluate('shown[0][0]') / 1000 - ready:.2f}")
    while lock.is_held():
        page.wait_for_timeout(200)
    lags = [lag for _, lag in page.evaluate("shown") if lag is not None]
    print(f"preview lag, ms: {quantiles(lags)}")
    page.context.close()


class _Client:
    """Watches a run as the page does, without drawing: reads its events and fetches changed tiles."""

    def __init__(self, studio: Studio, name: str) -> None:
        self._runs, self._token = f"{studio.base}/api/runs/{name}", studio.token
        self._left = False
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        with urllib.request.urlopen(f"{self._runs}/events?token={self._token}") as events:
            while not self._left and (line := events.readline()):
                if line.startswith(b"data:") and b'"tiles"' in line:
                    change = json.loads(line[5:])
                    for level, column, row, version in change["tiles"]:
                        query = f"token={self._token}&key={change['key']}&v={version}"
                        with contextlib.suppress(urllib.error.HTTPError):  # there is a newer picture already
                            urllib.request.urlopen(f"{self._runs}/tiles/{level}/{column}/{row}?{query}").read()

    def close(self) -> None:
        self._left = True
        self._thread.join()


def processor_seconds(studio: Studio) -> dict[str, float]:
    """Return the processor time of the server, of the run that it has started, and of the browser's processes."""
    times, parents = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(folder.name)] = int(fields[1])
        times[int(folder.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    found = {"server": times[studio.process.pid], "run": 0.0, "browser": 0.0}
    for process in times:
        above, ancestor = [], process
        while ancestor in parents:
            above.append(ancestor)
            ancestor = parents[ancestor]
        if studio.process.pid in above[1:]:
            found["run"] += times[process]
        elif os.getpid() in above[1:] and process != studio.process.pid:
            found["browser"] += times[process]
    return found


@dataclass(frozen=True)
class Block:
    """Steps of a run: s a step, with all that is between them, and processor time a step of run, server and browser."""

    seconds: float
    processor: dict[str, float]


def measure_block(studio: Studio, log: Path) -> Block:
    """Measure the steps of the next `BLOCK_SECONDS`."""

    def next_end() -> tuple[float, dict[str, float]]:
        size = log.stat().st_size
        while log.stat().st_size == size:
            time.sleep(0.002)
        return time.monotonic(), processor_seconds(studio)

    start, before = next_end()
    end, after, steps = start, before, 0
    while end < start + BLOCK_SECONDS or not steps:
        (end, after), steps = next_end(), steps + 1
    return Block((end - start) / steps, {part: (after[part] - before[part]) / steps for part in before})


def measure_cost(studio: Studio, options: argparse.Namespace) -> None:
    """Print what it costs a run to be watched, by a client that draws nothing and by the page.

    Each is compared with the steps before and after, which nobody watches.
    """
    name = studio.start_run(options.size, 100 * options.steps)
    folder = studio.folder / name
    log = folder / "log.jsonl"
    wait(lambda: log.exists() and log.stat().st_size > 1000)
    time.sleep(30)  # until pictures come as often as in a run of some minutes

    def unwatched() -> Block:
        (folder / ".live" / "watching").unlink(missing_ok=True)
        time.sleep(1.5)
        return measure_block(studio, log)

    viewers: dict[str, Callable[[], Any]] = {
        "client": lambda: _Client(studio, name), "page": lambda: studio.open(f"#/run/{name}")
    }  # fmt: skip
    figures: dict[str, list[list[float]]] = {kind: [] for kind in viewers}
    before = unwatched()
    for _ in range(options.repeats):
        for kind, open_viewer in viewers.items():
            viewer = open_viewer()
            time.sleep(2.0)
            watched = measure_block(studio, log)
            (viewer if kind == "client" else viewer.context).close()
            after = unwatched()
            run = (before.processor["run"] + after.processor["run"]) / 2
            parts = (watched.processor["run"] - run, watched.processor["server"], watched.processor["browser"])
            seconds = 2 * watched.seconds / (before.seconds + after.seconds) - 1
            figures[kind].append([100 * value for value in (seconds, *(part / run for part in parts))])
            before = after
    for kind, rows in figures.items():
        names = ("duration of a step", "processor time of the run", "of the server", "of the browser")
        for part, values in zip(names, zip(*rows, strict=True), strict=True):
            spread = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
            print(f"watched by a {kind}: {part} {statistics.median(values):+.1f} % +- {spread:.1f}")
        print(f"watched by a {kind}: processor time in all {statistics.median(sum(row[1:]) for row in rows):+.1f} %")
    studio.post(f"/api/runs/{name}/stop", {})
    lock = FolderLock(folder)
    wait(lambda: not lock.is_held())  # it would go on without its folder, which is temporary


def measure_zoom(studio: Studio, options: argparse.Namespace) -> None:
    """Print the times of a large finished picture."""
    folder, side = studio.folder / "large", options.side
    folder.mkdir()
    (folder / "recipe.toml").write_text(f"size = [{side}, {side}]\nsteps = 0\n")
    with Image.open(recipe_folder() / "targets" / "coffee.jpg") as photo:
        photo.convert("RGB").resize((512, 512)).save(folder / "preview.png")
        photo.convert("RGB").resize((side, side), Image.Resampling.BICUBIC).save(
            folder / "painting.png", compress_level=1
        )
    started = time.time()
    page = studio.open("#/run/large")
    wait(lambda: page.evaluate("shown.length"))
    seconds = page.evaluate("shown[0][0]") / 1000 - started
    print(f"picture of {side * side / 1e6:.0f} megapixels drawn after, s: {seconds:.2f}")
    shape = page.evaluate(
        "async (url) => (await (await fetch(url)).json()).shape", f"{studio.base}/api/runs/large?token={studio.token}"
    )
    numbers = random.Random(0)

    def tile_times(count: int) -> list[float]:
        found = []
        for _ in range(count):
            level = numbers.randrange(shape["levels"])
            tiles = -(-side // (TILE_SIDE << level))
            place = f"{level}/{numbers.randrange(tiles)}/{numbers.randrange(tiles)}"
            url = f"{studio.base}/api/runs/large/tiles/{place}?token={studio.token}&v={numbers.random()}"
            found.append(page.evaluate(
                "async (url) => { const started = performance.now();"
                "await createImageBitmap(await (await fetch(url)).blob()); return performance.now() - started }", url
            ))  # fmt: skip
        return found

    decoding = time.time()
    early = tile_times(20)
    in_background = side * side > 1 << 25
    while in_background and page.evaluate("shown.length") < 2 and time.time() - decoding < 120:
        early += tile_times(5)
    print(f"decoded after, s: {time.time() - started:.1f}")
    print(f"tiles while it is decoded, ms: {quantiles(early)}")
    print(f"tiles afterwards, ms: {quantiles(tile_times(60))}")
    page.context.close()


def measure_axe(studio: Studio, _: argparse.Namespace) -> None:
    """Print the serious and critical faults of each page at two widths."""
    from axe_playwright_python.sync_playwright import Axe

    photo, film = studio.start_run(64, 2), studio.start_film()
    wait(lambda: all((studio.folder / name / "report.html").exists() for name in (photo, film)))
    for place in ("", "#/new", "#/files", f"#/run/{photo}", f"#/run/{film}", f"#/compare/{photo},{film}"):
        for width in (390, 1600):
            page = studio.open(place)
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(500)
            violations = Axe().run(page).response["violations"]
            faults = [v["id"] for v in violations if v["impact"] in ("serious", "critical")]
            print(f"axe, {place or 'gallery'} at {width} px: {', '.join(faults) or 'no serious fault'}")
            page.context.close()


def main() -> None:
    """Run the parts."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=352)
    parser.add_argument("--steps", type=int, default=160)
    parser.add_argument("--side", type=int, default=16384)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args()
    Image.MAX_IMAGE_PIXELS = None
    assert "photo" in shipped_recipes()
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    measures = {
        "page": measure_page,
        "live": measure_live,
        "cost": measure_cost,
        "zoom": measure_zoom,
        "axe": measure_axe,
    }
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        studio = Studio(Path(folder) / "runs", browser)
        try:
            for part in options.parts:
                measures[part](studio, options)
        finally:
            browser.close()
            studio.process.terminate()
            studio.process.wait()


if __name__ == "__main__":
    main()
