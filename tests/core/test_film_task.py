"""Films: strokes persist from frame to frame, and a film goes on after it was killed at any frame."""

from __future__ import annotations

import filecmp
import json
import math
import shutil
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import artkit
from artkit import testing
from artkit.engine import run as run_module
from artkit.engine.film_frames import FramePainter, FrameResult
from artkit.engine.film_task import FilmTask
from artkit.engine.task import OutOfMemory
from artkit.errors import ArtkitError, UsageError
from artkit.output.export import exporters, open_painting, write_painting
from artkit.recipes.reading import read_recipe
from artkit.strokes.film_log import FilmLog, frame_file, read_frame
from artkit_exporters.film_sound import FilmSound

sys.path.insert(0, str(Path(__file__).parent))
from film_clips import av, panned, scenery, write_video

SIZE = (64, 48)
pytest.importorskip("cv2")


def _settings(clip: Path, **film: Any) -> dict[str, Any]:
    return {
        "seed": 3,
        "steps": 12,
        "size": list(SIZE),
        "background": "target",
        "film": {"clip": str(clip), "steps": 2, **film},
        "canvas": {"type": "grid", "tile": 24, "overlap": 12, "strokes": 2},
        "objective": {"look": {"type": "pixel", "scales": [1, 4]}, "steady": {"type": "temporal"}},
    }


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pan of 5 frames and, after a cut, 2 frames of another scene, with sound."""
    other = [frame.transpose(Image.Transpose.FLIP_LEFT_RIGHT).rotate(180) for frame in panned(2, SIZE, speed=1)]
    other = [Image.eval(frame, lambda value: 255 - value) for frame in other]
    return write_video(tmp_path_factory.mktemp("clip") / "clip.mp4", [*panned(5, SIZE), *other], sound=True)


@pytest.fixture(scope="module")
def film(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a painted film."""
    folder = tmp_path_factory.mktemp("film") / "run"
    artkit.paint(_settings(clip), out=folder).execute()
    return folder


def _ids(folder: Path, number: int) -> set[int]:
    return set(read_frame(frame_file(folder, number), 12)[2].tolist())


def test_strokes_persist_and_move_with_the_picture(film: Path) -> None:
    log = FilmLog.load(film)
    assert (log.frames, log.fps, log.size) == (7, 12, SIZE)
    first, fifth = _ids(film, 0), _ids(film, 4)
    assert len(first & fifth) > 0.6 * len(first)
    tiles, _, ids, _ = read_frame(frame_file(film, 1), 12)
    later_tiles, _, later_ids, _ = read_frame(frame_file(film, 3), 12)
    places = dict(zip(ids.tolist(), tiles[:, :2].tolist(), strict=True))
    later = dict(zip(later_ids.tolist(), later_tiles[:, :2].tolist(), strict=True))
    moves = torch.tensor([[later[i][axis] - places[i][axis] for axis in (0, 1)] for i in places if i in later]).float()
    assert moves.median(0).values.tolist() == pytest.approx([-4, 0], abs=1)


def test_what_comes_into_view_is_painted_at_once(film: Path) -> None:
    log = FilmLog.load(film)
    pressure = log.names.index("start_pressure")
    for number in (2, 3, 4):
        tiles, actions, _, born = read_frame(frame_file(film, number), len(log.names))
        new = (born == number) & (tiles[:, 0] + tiles[:, 2] / 2 > SIZE[0] - 8)
        assert actions[new, pressure].max() > 0.4


def test_a_cut_begins_a_new_shot(film: Path) -> None:
    assert [shot.frame for shot in FilmLog.load(film).shots] == [0, 5]
    assert not _ids(film, 4) & _ids(film, 5)


def test_a_film_has_the_frames_and_the_sound_of_its_clip(film: Path) -> None:
    with av.open(str(film / "painting.mp4")) as container:
        assert len(container.streams.audio) == 1
        assert float(container.duration) / 1e6 == pytest.approx(7 / 12, abs=0.05)
        frames = [frame.to_image() for frame in container.decode(video=0)]
    assert len(frames) == 7
    still = open_painting(film, frame=3)
    distances = [np.abs(still.pixels().astype(int) - np.asarray(frame).astype(int)).mean() for frame in frames]
    assert np.argmin(distances) == 2
    with av.open(str(film / "preview.ts")) as container:
        assert len(list(container.decode(video=0))) == 7


def test_a_film_that_was_killed_goes_on_with_the_same_bytes(
    clip: Path, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    monkeypatch.setattr(run_module, "_SLOW_CHECKPOINT_SECONDS", math.inf)  # also on a busy machine
    killed = tmp_path / "killed"
    for progress in artkit.paint(_settings(clip), out=tmp_path / "run"):
        if progress.step == 3:
            shutil.copyfile(tmp_path / "run" / "checkpoint.safetensors", tmp_path / "checkpoint")
        if progress.step == 4:  # killed after the fourth frame was written, and before its checkpoint was
            shutil.copytree(tmp_path / "run", killed)
            shutil.copyfile(tmp_path / "checkpoint", killed / "checkpoint.safetensors")
            break
    run = artkit.paint(_settings(clip), out=killed, resume=True)
    run.execute()
    assert run.first_step == 3
    names = ["painting.mp4", "painting.png", "film.json", "strokes.json", "preview.ts"]
    names += [f"frames/{number:06d}.npy" for number in range(7)]
    assert [name for name in names if not filecmp.cmp(killed / name, film / name, shallow=False)] == []


def test_the_steps_of_a_frame_wait_once_for_a_device(clip: Path, tmp_path: Path, gpu: torch.device) -> None:
    pytest.importorskip("triton")

    def waits(steps: int) -> list[str]:
        task = FilmTask(read_recipe([_settings(clip, steps=steps) | {"steps": 2}]), gpu, tmp_path / str(steps))
        for frame in range(2):
            task.step(frame)
        with testing.record_synchronisations() as found:
            task.step(2)
        return found

    more = Counter(waits(4)) - Counter(waits(2))
    assert more.total() == 2
    assert all(place.startswith("copy to the CPU at engine/task.py") for place in more)


def test_a_frame_that_does_not_fit_into_memory_loses_no_other(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint = FramePainter.paint

    def limited(self: FramePainter, *arguments: Any) -> FrameResult:
        if arguments[-1] == 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return paint(self, *arguments)

    monkeypatch.setattr(FramePainter, "paint", limited)
    settings = _settings(clip, seconds=0.33)
    with pytest.raises(OutOfMemory, match="step 2 does not fit"):
        artkit.paint(settings, out=tmp_path / "run").execute()
    with av.open(str(tmp_path / "run" / "preview.ts")) as container:
        assert len(list(container.decode(video=0))) == 2
    monkeypatch.undo()
    run = artkit.paint(settings, out=tmp_path / "run", resume=True).execute()
    assert run.first_step == 2
    assert len(list((tmp_path / "run" / "frames").iterdir())) == run.step == 4


@pytest.mark.parametrize("name", ["loop.gif", "loop.webp"])
def test_loops(film: Path, tmp_path: Path, name: str) -> None:
    painting = open_painting(film, scale=0.5)
    write_painting(painting, exporters([Path(name)])[0], tmp_path / name)
    with Image.open(tmp_path / name) as opened:
        assert (opened.n_frames, opened.size, opened.info["loop"]) == (7, (32, 24), 0)


def test_a_frame_is_a_picture_of_its_own(film: Path, tmp_path: Path) -> None:
    painting = open_painting(film, scale=2, frame=2)
    write_painting(painting, exporters([Path("a.json")])[0], tmp_path / "a.json")
    log = artkit.StrokeLog.load(tmp_path / "a.json")
    assert log.noise_indices is not None
    assert set(log.noise_indices.tolist()) == _ids(film, 1)
    assert torch.equal(artkit.RenderedPainting(log, painting.renderer, 2).to_tensor(), painting.to_tensor())
    for name in ("a.ora", "a.svg"):
        write_painting(painting, exporters([Path(name)])[0], tmp_path / name)
    assert open_painting(film, brush="classic/pencil").renderer.config.brush == "classic/pencil"
    with pytest.raises(UsageError, match="no frame 8"):
        open_painting(film, frame=8)


def test_what_a_film_cannot_use_is_one_message(clip: Path, tmp_path: Path) -> None:
    for change, message in (
        ({"renderer": {"type": "cppn"}}, "no points"),
        ({"constraint": {"few": {"type": "strokes", "most": 9}}}, "constraint.few"),
        ({"film": {"clip": str(tmp_path / "none.mp4")}}, "no file or folder"),
        ({"background": str(clip)}, "on a colour"),
        ({"optimizer": {"relocate": 0.1, "relocate_at": [1]}}, "optimizer.relocate"),
        ({"window": 140, "size": [256, 192]}, "smaller size"),
    ):
        with pytest.raises(UsageError, match=message):
            artkit.paint({**_settings(clip), **change}, out=tmp_path / "run")


def test_a_folder_of_frames_and_a_single_frame(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    scenery(*SIZE).save(folder / "one.png")
    run = artkit.paint(_settings(folder), out=tmp_path / "run").execute()
    assert run.step == 1
    assert (tmp_path / "run" / "painting.mp4").exists()


def test_damaged_logs_are_one_message(film: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(film, copy)
    frame_file(copy, 1).write_bytes(b"x")
    with pytest.raises(ArtkitError, match="is damaged"):
        open_painting(copy, frame=2)
    header = json.loads((copy / "film.json").read_text())
    for damaged in (
        {},
        {**header, "renderer": {}},
        {**header, "shots": [{"frame": 1, "background": [1, 1, 1]}]},
        {**header, "frames": 10**400},
    ):
        (copy / "film.json").write_text(json.dumps(damaged))
        with pytest.raises(ArtkitError, match="is damaged"):
            open_painting(copy)


def test_sound_whose_channels_change_keeps_its_length(film: Path, clip: Path, tmp_path: Path) -> None:
    """Parts of a transport stream can follow each other; here the second has another number of channels."""
    parts = b"".join(_sound(tmp_path / f"{layout}.ts", layout) for layout in ("mono", "stereo"))
    (tmp_path / "both.ts").write_bytes(parts)
    log = replace(FilmLog.load(film), clip=str(tmp_path / "both.ts"))
    with av.open(str(tmp_path / "a.mp4"), "w") as container, FilmSound.of_film(log, av, "aac") as sound:
        sound.add_to(container)
        sound.finish(container)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert 0.5 < container.duration / av.time_base < 0.6


def _sound(file: Path, layout: str) -> bytes:
    """Return a transport stream of 0.25 s."""
    with av.open(str(file), "w") as container:
        track = container.add_stream("mp2", rate=48000, layout=layout)
        channels = 1 if layout == "mono" else 2
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 12_000 * channels), np.int16), format="s16", layout=layout)
        tone.rate = 48000
        container.mux(track.encode(tone))
        container.mux(track.encode())
    return file.read_bytes()
