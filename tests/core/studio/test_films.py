"""Films in the studio: uploaded, watched while they are painted, and played."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from artkit.engine.live_view import LIVE_FOLDER
from artkit.studio.pictures import LiveTiles

sys.path.insert(0, str(Path(__file__).parents[1]))
from film_clips import av, panned, write_video

SIZE = (64, 48)


def frame_times(content: bytes, file: Path) -> list[float]:
    file.write_bytes(content)
    with av.open(str(file)) as container:
        return [frame.time for frame in container.decode(video=0)]


def test_a_film_that_is_painted_shows_its_frame_and_plays_so_far(films: Any, tmp_path: Path) -> None:
    run = films.get("/api/runs/part")
    assert (run["is_film"], run["state"], run["step"], run["steps"], run["has_target"]) == (
        True, "stopped", 2, 3, True
    )  # fmt: skip
    state, tiles = LiveTiles(films.folder / "part" / LIVE_FOLDER).read()
    assert state is not None
    assert tiles is not None
    assert (state.steps, tiles.width, tiles.height) == (3, *SIZE)
    assert run["film"] > 0
    times = frame_times(films.request("GET", "/api/runs/part/film").content, tmp_path / "film.mp4")
    assert times == pytest.approx([0, 1 / 12])


def test_the_target_of_a_film_is_the_frame_of_its_clip(films: Any) -> None:
    clip = panned(3, SIZE)

    def target(query: str, run: str = "whole") -> Image.Image:
        content = films.request("GET", f"/api/runs/{run}/target?side=64{query}").content
        return Image.open(io.BytesIO(content))

    def nearest(image: Image.Image) -> int:
        differences = [np.abs(np.asarray(image, float) - np.asarray(frame, float)).mean() for frame in clip]
        return int(np.argmin(differences)) + 1

    assert target("").size == SIZE
    assert [nearest(target(f"&frame={frame}")) for frame in (1, 3, 2, 99, -5)] == [1, 3, 2, 3, 1]
    assert [nearest(target(f"&seconds={seconds}")) for seconds in (0, 1 / 12, 0.2, "1e308")] == [1, 2, 3, 3]
    assert (nearest(target("", "part")), nearest(target(""))) == (2, 3), "that of the shown frame"
    for query in ("frame=x", "seconds=nan", "frame=1.5"):
        assert films.request("GET", f"/api/runs/whole/target?{query}").status == 400


def test_a_finished_film_is_sent_in_ranges(films: Any, tmp_path: Path) -> None:
    assert films.get("/api/runs/whole")["state"] == "finished"
    whole = films.request("GET", "/api/runs/whole/film")
    assert whole.content == (films.folder / "whole" / "painting.mp4").read_bytes()
    assert len(frame_times(whole.content, tmp_path / "film.mp4")) == 3
    part = films.request("GET", "/api/runs/whole/film", headers={"Range": "bytes=100-199"})
    assert (part.status, part.content) == (206, whole.content[100:200])
    assert part.headers["content-type"] == "video/mp4"


def test_a_run_without_film_and_a_damaged_one(films: Any, painted: Path, tmp_path: Path, serve: Any) -> None:
    shutil.copytree(painted, tmp_path / "runs")
    shutil.copytree(films.folder / "part", tmp_path / "runs" / "damaged")
    (tmp_path / "runs" / "damaged" / "preview.ts").write_bytes(b"no video")
    studio = serve(tmp_path / "runs")
    for name in ("one", "damaged"):
        answer = studio.request("GET", f"/api/runs/{name}/film")
        assert answer.status == 400, name
        assert answer.json["error"]


def test_an_uploaded_clip_is_painted_by_the_recipe_of_films(films: Any) -> None:
    clip = write_video(films.folder.parent / "mine.mp4", panned(4, SIZE), rate=4).read_bytes()
    uploaded = films.request("POST", "/api/uploads?name=mine.mp4", body=clip).json
    assert (uploaded["width"], uploaded["height"], uploaded["seconds"]) == (*SIZE, 1.0)
    loaded = films.post("/api/recipes/load", {"name": "film", "picture": uploaded["path"]})
    assert loaded["errors"] == []
    assert loaded["tree"]["film"]["clip"] == loaded["tree"]["objective"]["look"]["target"] == uploaded["path"]
    photo = films.post("/api/recipes/load", {"name": "photo", "picture": uploaded["path"]})
    assert photo["tree"]["objective"]["look"]["target"] != uploaded["path"], "a clip is no photo"
    assert films.request("GET", f"/api/picture?path={uploaded['path']}").headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize("content", [b"", b"no clip", b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/passwd\n"])
def test_uploads_that_are_no_clip_are_refused(films: Any, content: bytes) -> None:
    before = sorted((films.folder / "uploads").iterdir()) if (films.folder / "uploads").exists() else []
    answer = films.request("POST", "/api/uploads?name=clip.mp4", body=content)
    assert answer.status == 400
    assert ".artkit-" not in answer.json["error"]
    assert sorted((films.folder / "uploads").iterdir()) == before
