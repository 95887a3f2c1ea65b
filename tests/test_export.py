"""``artkit export``: several files in one call, parts and grounds, and what was there stays whole."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from artkit.cli.main import cli
from artkit.geometry.phase import Phase
from artkit.strokes.stroke_log import StrokeLog
from artkit_mypaint.action_spaces import STROKE_SPACE

Call = Callable[..., Result]


@pytest.fixture(scope="session")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds a painting of random strokes, 48 x 32 px."""
    phases = tuple(Phase(number * 12, -8, -8, 20, 3, 4, 16) for number in range(2))
    actions = torch.rand(24, len(STROKE_SPACE), generator=torch.Generator().manual_seed(1))
    renderer = {"type": "gan", "brush": "classic/dry_brush"}
    folder = tmp_path_factory.mktemp("run")
    StrokeLog((48, 32), (1.0, 0.5, 0.25), 3, renderer, STROKE_SPACE.name, STROKE_SPACE.names, actions, phases).save(
        folder / "strokes.json"
    )
    return folder


@pytest.fixture(scope="session")
def painted_by_mypaint(painted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same strokes in a run of the real MyPaint whose surrogate's weights are gone."""
    log = StrokeLog.load(painted / "strokes.json")
    renderer = {"type": "mypaint", "brush": "classic/dry_brush", "surrogate_weights": "/gone.safetensors"}
    folder = tmp_path_factory.mktemp("real")
    replace(log, renderer=renderer).save(folder / "strokes.json")
    return folder


@pytest.fixture
def call() -> Call:
    """Runs ``artkit export`` in this process."""
    return lambda *arguments: CliRunner().invoke(cli, ["export", *map(str, arguments)])


def pixels(file: Path) -> Any:
    return np.asarray(Image.open(file))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_several_files_in_one_call(painted: Path, call: Call, tmp_path: Path) -> None:
    out = tmp_path / "out"
    files = [out / name for name in ("a.png", "b.tif", "c.dzi", "d.json")]
    done = call(painted, *files, "--scale", 2)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.split() == [str(file) for file in files]
    assert names(out) == ["a.png", "b.tif", "c.dzi", "c.html", "c_files", "d.json"]
    assert pixels(out / "a.png").shape == (64, 96, 3)
    done = call(painted, out / "c.dzi")
    assert done.exit_code == 0, done.stderr
    assert 'Width="48"' in (out / "c.dzi").read_text()
    assert names(out / "c_files")[-1] != "7", "the tiles of the larger one are gone"
    assert names(out) == ["a.png", "b.tif", "c.dzi", "c.html", "c_files", "d.json"]


def test_a_window_is_that_part_of_the_picture(painted: Path, call: Call, tmp_path: Path) -> None:
    for name, options in (("whole", []), ("part", ["--window", "10,5,20,16"])):
        assert call(painted, tmp_path / f"{name}.png", "--scale", 2, *options).exit_code == 0
    part, whole = pixels(tmp_path / "part.png"), pixels(tmp_path / "whole.png")
    assert part.shape == (32, 40, 3)
    assert np.abs(part.astype(int) - whole[10:42, 20:60]).max() <= 1


@pytest.mark.parametrize("name", ["a.ora", "a.gif"])
def test_the_real_brush_paints_layers_and_films_at_any_scale(
    painted_by_mypaint: Path, call: Call, tmp_path: Path, name: str, mypaint: None
) -> None:
    settings = () if name == "a.ora" else ("--set", "seconds=0.5", "--set", "hold=0.1")
    done = call(painted_by_mypaint, tmp_path / "b.png", tmp_path / name, "--scale", 1.3, *settings)
    assert done.exit_code == 0, done.stderr
    whole = pixels(tmp_path / "b.png")
    assert whole.shape == (42, 62, 3)
    if name == "a.ora":
        with zipfile.ZipFile(tmp_path / name) as file:
            layers = [member for member in sorted(file.namelist()) if member.startswith("data/")]
            laid = Image.new("RGBA", (62, 42))
            for member in layers:  # the ground, and the passes after it
                laid.alpha_composite(Image.open(file.open(member)).convert("RGBA"))
        assert np.abs(np.asarray(laid.convert("RGB"), float) - whole).mean() < 1
    else:
        with Image.open(tmp_path / name) as image:
            image.seek(image.n_frames - 1)  # type: ignore[attr-defined]
            assert np.abs(np.asarray(image.convert("RGB"), float) - whole).mean() < 12


def test_a_pixel_may_become_a_poster(
    painted: Path, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("artkit.memory.total_memory", lambda: 1 << 29)
    done = call(painted, tmp_path / "a.png", "--scale", 512, "--window", "0,0,1,1")
    assert done.exit_code == 0, done.stderr
    assert pixels(tmp_path / "a.png").shape == (512, 512, 3)


def test_another_ground(painted: Path, call: Call, tmp_path: Path) -> None:
    for ground in ("000000", "#ffffff"):
        done = call(painted, tmp_path / f"{ground[-1]}.png", "--background", ground)
        assert done.exit_code == 0, done.stderr
    assert (pixels(tmp_path / "f.png") >= pixels(tmp_path / "0.png")).all()
    assert pixels(tmp_path / "f.png").mean() > pixels(tmp_path / "0.png").mean() + 2


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--window", "1,2,3"], "1,2,3"),
        (["--window", "40,0,9,9"], "does not lie in it"),
        (["--window", "0,0,0,9"], "does not lie in it"),
        (["--background", "blue"], "blue"),
        (["--background", "12345"], "12345"),
        (["--set", "bits=9"], "bits"),
        (["--set", "seconds=9"], "seconds"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_one_message(
    painted: Path, call: Call, tmp_path: Path, options: list[str], told: str
) -> None:
    done = call(painted, tmp_path / "out" / "a.png", *options)
    assert done.exit_code == 2
    assert done.stderr.startswith("artkit: ")
    assert told in done.stderr
    assert not (tmp_path / "out").exists()


SLOW = """
import os, time
from artkit import hookimpl
from artkit.interfaces.exporter import Exporter

class Slow(Exporter):
    "Writes half of what it should."
    name = "slow"
    suffixes = (".slow",)
    def write(self, painting, file):
        file.write_bytes(b"half")
        (file.parent / "beside").write_bytes(b"half")
        print("half", flush=True)
        time.sleep(60)

@hookimpl
def artkit_exporters():
    return [Slow]
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_in_the_middle_nothing_is_left_and_the_earlier_file_is_whole(
    painted: Path, install: Callable[..., str], tmp_path: Path, how: signal.Signals
) -> None:
    install(SLOW)
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.slow").write_text("earlier")
    command = [sys.executable, "-m", "artkit", "export", str(painted), str(out / "a.slow")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half\n"
        assert len(names(out)) == 2
        process.send_signal(how)
        assert process.wait() != 0
    for _ in range(100):
        if names(out) == ["a.slow"]:
            break
        time.sleep(0.05)
    assert names(out) == ["a.slow"]
    assert (out / "a.slow").read_text() == "earlier"


@contextlib.contextmanager
def _little_room() -> Iterator[None]:
    """No file can grow beyond 300 bytes: as good as a full disk, for those who write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.dzi", "a.ora", "a.svg", "a.mp4", "a.gif", "a.webp", "a.json"])
def test_a_full_disk_leaves_the_earlier_file(painted: Path, call: Call, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("earlier")
    with _little_room():
        done = call(painted, tmp_path / name)
    assert done.exit_code == 1, done.stderr
    assert done.stderr.startswith("artkit: "), done.stderr
    assert "Traceback" not in done.stderr
    assert names(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "earlier"


def test_a_file_may_be_read_by_whom_the_umask_lets(painted: Path, call: Call, tmp_path: Path) -> None:
    assert call(painted, tmp_path / "a.png").exit_code == 0
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "a.png").stat().st_mode & 0o777 == 0o666 & ~mask
