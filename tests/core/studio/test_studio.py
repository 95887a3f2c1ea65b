"""The studio's server: runs, pictures, events."""

from __future__ import annotations

import io
import json
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from artkit.engine.live_view import LIVE_FOLDER, LivePicture, LiveState, read_versions, write_picture
from artkit.folder_lock import FolderLock, FolderLocked
from artkit.geometry.window import Window
from artkit.studio.folder import StudioFolder
from artkit.studio.pictures import LiveTiles, TiledPicture, open_finished
from artkit.studio.processes import Process


@pytest.fixture
def copied(tmp_path: Path, painted: Path, serve: Callable[[Path], Any]) -> Any:
    """A studio whose runs a test may change."""
    shutil.copytree(painted, tmp_path / "runs")
    return serve(tmp_path / "runs")


# ------------------------------------------------------------------------------------------------------------- runs
def test_the_gallery_lists_runs(studio: Any) -> None:
    (run,) = studio.get("/api/runs")["runs"]
    assert {key: run[key] for key in ("name", "state", "step", "steps", "pixels", "brush")} == {
        "name": "one", "state": "finished", "step": 3, "steps": 3, "pixels": [160, 112], "brush": "gan"
    }  # fmt: skip
    assert run["loss"] > 0
    assert {"target.png", "pixel", "gan"} <= set(run["words"].split())


def test_details_of_a_run(studio: Any) -> None:
    run = studio.get("/api/runs/one")
    assert run["recipe"]["steps"] == 3
    assert run["shape"]["width"] == 160
    assert {"one/painting.png", "one/recipe.toml"} <= {file["path"] for file in run["files"]}
    assert studio.request("GET", "/files/one/painting.png").content == (studio.folder / "one/painting.png").read_bytes()
    assert studio.request("GET", "/api/runs/two").status == 400


def test_the_recipe_of_a_run_sets_up_a_new_painting(copied: Any) -> None:
    recipe = copied.folder / "one" / "recipe.toml"
    recipe.write_text(recipe.read_text() + "[[changes]]\nstep = 1\nlr = 0.2\n")
    again = copied.get("/api/runs/one/recipe")
    assert (again["paints"], again["tree"]["steps"], again["tree"]["changes"][0]["lr"]) == ("picture", 3, 0.2)
    assert "record" not in again["tree"]


def test_runs_in_subfolders_are_found(copied: Any) -> None:
    shutil.copytree(copied.folder / "one", copied.folder / "sweep" / "seed=1")
    assert {run["name"] for run in copied.get("/api/runs")["runs"]} == {"one", "sweep/seed=1"}
    assert copied.get("/api/runs/sweep/seed%3D1")["state"] == "finished"


def test_a_deleted_run_is_in_the_trash_and_can_be_restored(copied: Any) -> None:
    before = {file.name: file.read_bytes() for file in (copied.folder / "one").iterdir() if file.is_file()}
    trashed = copied.request("DELETE", "/api/runs/one").json["trashed"]
    assert copied.get("/api/runs")["runs"] == []
    assert (copied.folder / "trash" / trashed / "painting.png").exists()
    copied.post(f"/api/trash/{trashed}/restore", {"name": "one"})
    assert {file.name: file.read_bytes() for file in (copied.folder / "one").iterdir() if file.is_file()} == before


def test_a_run_that_is_painted_is_not_deleted(copied: Any) -> None:
    with FolderLock(copied.folder / "one").held():
        assert copied.get("/api/runs")["runs"][0]["state"] == "running"
        assert copied.request("DELETE", "/api/runs/one").status == 400
        with pytest.raises(FolderLocked), FolderLock(copied.folder / "one").held():
            pass
    assert copied.get("/api/runs")["runs"][0]["state"] == "finished"


def test_errors_of_a_recipe_are_at_their_fields(studio: Any) -> None:
    answer = studio.post("/api/runs", {"toml": 'steps = -1\n[objective.look]\ntype = "pixle"\n'})
    assert [error["place"] for error in answer["errors"]] == ["steps", "objective.look.type"]
    answer = studio.request("POST", "/api/runs", {"toml": "steps = "})
    assert answer.status == 400
    assert "TOML" in answer.json["error"]


# ------------------------------------------------------------------------------------------------------- live view
def picture(x: int, y: int, width: int, height: int, value: float, size: tuple[int, int] = (1200, 600)) -> LivePicture:
    return LivePicture(torch.full((3, height, width), value), Window(x, y, width, height), size, (0.0, 1.0, 0.0))


def test_only_changed_tiles_get_new_versions(tmp_path: Path) -> None:
    write_picture(tmp_path, picture(0, 0, 1200, 600, 0.2))
    write_picture(tmp_path, picture(0, 0, 1200, 600, 0.2))
    assert read_versions(tmp_path, (1200, 600)).tolist() == [[1, 1, 1], [1, 1, 1]]  # type: ignore[union-attr]
    write_picture(tmp_path, picture(600, 10, 40, 40, 0.4))
    assert read_versions(tmp_path, (1200, 600)).tolist() == [[1, 2, 1], [1, 1, 1]]  # type: ignore[union-attr]


def test_tiles_are_the_pixels_that_the_run_has_written(tmp_path: Path) -> None:
    pixels = torch.rand(3, 600, 1200)
    write_picture(tmp_path, LivePicture(pixels, Window(0, 0, 1200, 600), (1200, 600)))
    state = LiveState(1, 2, {}, 1.0, 1, 0, time.time(), (1200, 600))
    (tmp_path / "state.json").write_text(json.dumps(state.__dict__))
    _, tiles = LiveTiles(tmp_path).read()
    assert tiles is not None
    expected = (pixels * 255).round().permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(tiles.pixels(0, 2, 1), expected[512:, 1024:])
    blocks = expected.reshape(300, 2, 600, 2, 3).mean((1, 3))
    assert np.abs(tiles.pixels(1, 1, 0) - blocks[:, 512:]).max() <= 0.5
    assert len(tiles.levels) == 3
    assert tiles.pixels(2, 0, 0).shape == (150, 300, 3)


def test_what_is_not_painted_yet_has_the_background(tmp_path: Path) -> None:
    write_picture(tmp_path, picture(10, 10, 20, 20, 1.0))
    pixels = np.fromfile(tmp_path / "picture.rgb", np.uint8).reshape(600, 1200, 3)
    assert pixels[0, 0].tolist() == [0, 255, 0]
    assert pixels[15, 15].tolist() == [255, 255, 255]
    assert read_versions(tmp_path, (1200, 600)).tolist() == [[1, 0, 0], [0, 0, 0]]  # type: ignore[union-attr]


def test_coarse_tiles_follow_changed_ones(tmp_path: Path) -> None:
    base = np.zeros((1024, 1024, 3), np.uint8)
    tiles = TiledPicture(base, np.ones((2, 2), np.int64), tmp_path)
    assert tiles.pixels(1, 0, 0).max() == 0
    before = tiles.versions
    base[600:, 600:] = 200
    tiles.update(np.array([[1, 1], [1, 2]]))
    assert tiles.changed(before) == [(0, 1, 1, 2), (1, 0, 0, 5)]
    assert tiles.pixels(1, 0, 0)[400, 400].tolist() == [200] * 3


def test_a_large_finished_picture_shows_its_preview_until_it_is_decoded(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("artkit.studio.pictures._MAX_DIRECT_PIXELS", 1000)
    noise = np.random.default_rng(0).integers(0, 255, (1400, 1040, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "painting.png")
    Image.new("RGB", (52, 70), (9, 9, 9)).save(tmp_path / "preview.png")
    ready = threading.Event()
    tiles = open_finished(tmp_path / "painting.png", tmp_path / "preview.png", tmp_path, ready)
    assert ready.wait(20)
    np.testing.assert_array_equal(tiles.pixels(0, 1, 2), noise[1024:, 512:1024])
    assert tiles.versions[0].min() == 2


class _Reader:
    """Reads events of a run from the server."""

    def __init__(self, studio: Any, name: str) -> None:
        import http.client

        self.connection = http.client.HTTPConnection("127.0.0.1", studio.port, timeout=20)
        self.connection.request("GET", f"/api/runs/{name}/events?token={studio.token}")
        self.stream = self.connection.getresponse()

    def next(self, wanted: str) -> Any:
        event = ""
        while True:
            line = self.stream.readline().decode().strip()
            if line.startswith("event:"):
                event = line[6:].strip()
            elif line.startswith("data:") and event == wanted:
                return json.loads(line[5:])


def test_events_of_a_run(copied: Any) -> None:
    live = copied.folder / "one" / LIVE_FOLDER
    live.mkdir(exist_ok=True)
    with FolderLock(copied.folder / "one").held():
        write_picture(live, picture(0, 0, 1200, 600, 0.2))
        state = LiveState(4, 9, {"loss": 1.0}, 0.5, 1 << 20, 0, time.time(), (1200, 600))
        (live / "state.json").write_text(json.dumps(state.__dict__))
        events = _Reader(copied, "one")
        shown = events.next("state")
        assert (shown["state"], shown["step"], shown["steps"], shown["memory"]) == ("running", 4, 9, 1 << 20)
        assert shown["seconds_left"] == 2  # 5 steps of half a second, to the nearest even number
        assert events.next("picture")["width"] == 1200
        first = events.next("tiles")
        assert len(first["tiles"]) == 6 + 2 + 1
        assert (live / "watching").exists(), "the run is told that somebody watches"
        write_picture(live, picture(0, 0, 20, 20, 0.9))
        changed = events.next("tiles")
        assert [tile[:3] for tile in changed["tiles"]] == [[0, 0, 0], [1, 0, 0], [2, 0, 0]]
        level, column, row, version = changed["tiles"][0]
        answer = copied.request("GET", f"/api/runs/one/tiles/{level}/{column}/{row}?key={changed['key']}&v={version}")
        assert "immutable" in answer.headers["cache-control"]
        tile = Image.open(io.BytesIO(answer.content))
        assert tile.size == (512, 512)
        assert tile.getpixel((5, 5)) > (220,) * 3  # type: ignore[operator]
    assert events.next("state")["state"] == "finished"
    assert events.next("picture")["width"] == 160
    events.connection.close()


@pytest.mark.parametrize(("age", "live_shown"), [(0.0, True), (100.0, False)])
def test_the_live_picture_may_be_some_steps_old_but_not_older_than_its_viewers(
    copied: Any, age: float, live_shown: bool
) -> None:
    live = copied.folder / "one" / LIVE_FOLDER
    live.mkdir(exist_ok=True)
    write_picture(live, picture(0, 0, 1200, 600, 0.2))
    state = LiveState(4, 99, {"loss": 1.0}, 0.01, 1 << 20, 0, time.time() - age, (1200, 600))
    (live / "state.json").write_text(json.dumps(state.__dict__))
    with (copied.folder / "one" / "log.jsonl").open("a") as log:
        log.writelines(json.dumps({"step": step, "loss": 1.0}) + "\n" for step in range(3, 60))
    with FolderLock(copied.folder / "one").held():
        assert copied.get("/api/runs/one")["shape"]["width"] == (1200 if live_shown else 160)


def test_a_watched_run_writes_its_picture_and_stops_on_request(painted: Path, tmp_path: Path) -> None:
    from artkit.api import create_run
    from artkit.engine.task import Interrupted
    from artkit.recipes.reading import read_recipe

    live = tmp_path / "run" / LIVE_FOLDER
    live.mkdir(parents=True)
    (live / "watching").touch()
    run = create_run(read_recipe([painted / "one/recipe.toml"]), tmp_path / "run")

    def stop_after_the_first_step(step: int, _: Any) -> None:
        (live / "stop").touch()

    run.progress = stop_after_the_first_step
    with pytest.raises(Interrupted):
        run.execute()
    state, tiles = LiveTiles(live).read()
    assert state is not None
    assert tiles is not None
    assert (state.step, state.steps, tiles.width) == (1, 3, 160)
    assert not (live / "stop").exists()
    resumed = create_run(read_recipe([painted / "one/recipe.toml"]), tmp_path / "run", resume=True).execute()
    assert resumed.outputs[0].read_bytes() == (painted / "one/painting.png").read_bytes()


# -------------------------------------------------------------------------------------------------------- processes
def wait(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_process_is_found_again_and_leaves_its_exit_status(tmp_path: Path) -> None:
    process = Process(tmp_path / "live", "job")
    process.start(["timeit", "-n", "1", "-r", "1", "-s", "import time", "time.sleep(0.5)"], tmp_path)
    assert Process(tmp_path / "live", "job").alive(), "as another server would see it"
    wait(lambda: not process.alive())
    assert not process.failed()
    process.start(["artkit_no_such_module"], tmp_path)
    wait(lambda: not process.alive())
    assert process.failed()
    assert "artkit_no_such_module" in process.error()


@pytest.mark.slow
def test_a_run_from_start_to_replay(copied: Any) -> None:
    toml = (copied.folder / "recipes" / "r.toml").read_text().replace("steps = 3", "steps = 2")
    assert copied.post("/api/runs", {"toml": toml, "name": "one"}) == {"name": "one-2"}
    wait(lambda: copied.get("/api/runs/one-2")["state"] == "finished")
    run = copied.get("/api/runs/one-2")
    assert (run["step"], run["steps"]) == (2, 2)
    copied.post("/api/runs/one-2/replay")
    wait(lambda: not copied.get("/api/runs/one-2/replay")["running"])
    replay = copied.get("/api/runs/one-2/replay")
    assert replay["strokes"][-1] == 6
    assert replay["count"] == len(replay["strokes"]) > 3
    last = Image.open(io.BytesIO(copied.request("GET", f"/api/runs/one-2/replay/{replay['count'] - 1}").content))
    painting = Image.open(copied.folder / "one-2/painting.png").resize(last.size)
    assert np.abs(np.asarray(last, float) - np.asarray(painting, float)).mean() < 12


@pytest.mark.slow
def test_a_run_that_cannot_be_painted_says_why(copied: Any) -> None:
    toml = (
        (copied.folder / "recipes" / "r.toml").read_text().replace('type = "gan"', 'type = "gan"\nbrush = "none/such"')
    )
    name = copied.post("/api/runs", {"toml": toml, "name": "bad"})["name"]
    wait(lambda: copied.get(f"/api/runs/{name}")["state"] == "failed")
    assert "none/such" in copied.get(f"/api/runs/{name}")["error"]


def test_a_second_studio_is_told_where_the_first_is(painted: Path, tmp_path: Path) -> None:
    from artkit.studio.server import serve

    folder = StudioFolder(tmp_path / "runs")
    assert folder.serving_address() is None
    folder.write_port(4321)
    shown: list[str] = []
    with folder.lock.held():
        serve(tmp_path / "runs", None, False, shown.append)
    assert shown == [f"http://127.0.0.1:4321/?token={folder.token()}"]


def test_a_finished_picture_is_shown_though_its_preview_is_newer(copied: Any) -> None:
    Image.new("RGB", (16, 11)).save(copied.folder / "one" / "preview.png")
    assert copied.get("/api/runs/one")["shape"]["width"] == 160


def test_losses_that_are_not_finite_have_no_point(copied: Any) -> None:
    with (copied.folder / "one" / "log.jsonl").open("a") as log:
        log.write('{"step": 3, "loss": NaN, "look": Infinity, "seconds": 1.0}\n')
    assert copied.get("/api/runs")["runs"][0]["loss"] is None
    events = _Reader(copied, "one")
    assert events.next("losses")["losses"]["look"][-1] is None
    events.connection.close()


def test_a_run_with_a_damaged_picture_is_shown_without_it(copied: Any) -> None:
    (copied.folder / "one" / "painting.png").write_bytes(b"no picture")
    run = copied.get("/api/runs/one")
    assert run["shape"] is None
    assert "painting.png cannot be read" in run["picture_error"]
    events = _Reader(copied, "one")
    assert events.next("state")["state"] == "finished"
    events.connection.close()
