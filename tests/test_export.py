"""``artkit export``: several files, windows and backgrounds; existing files survive failures."""

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
    """The same strokes in a run of MyPaint whose surrogate weights no longer exist."""
    log = StrokeLog.load(painted / "strokes.json")
    renderer = {"type": "mypaint", "brush": "classic/dry_brush", "surrogate_weights": "/gone.safetensors"}
    folder = tmp_path_factory.mktemp("real")
    replace(log, renderer=renderer).save(folder / "strokes.json")
    return folder


@pytest.fixture
def call() -> Call:
    """Run ``artkit export`` in this process."""
    return lambda *arguments: CliRunner().invoke(cli, ["export", *map(str, arguments)])


def pixels(file: Path) -> Any:
    return np.asarray(Image.open(file))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_several_files_in_one_call(painted: Path, call: Call, tmp_path: Path) -> None:
    out = tmp_path / "out"
    files = [out / name for name in ("a.png", "b.tif", "c.dzi", "d.json")]
    result = call(painted, *files, "--scale", 2)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split() == [str(file) for file in files]
    assert names(out) == ["a.png", "b.tif", "c.dzi", "c.html", "c_files", "d.json"]
    assert pixels(out / "a.png").shape == (64, 96, 3)
    result = call(painted, out / "c.dzi")
    assert result.exit_code == 0, result.stderr
    assert 'Width="48"' in (out / "c.dzi").read_text()
    assert names(out / "c_files")[-1] != "7", "the tiles of the larger picture are removed"
    assert names(out) == ["a.png", "b.tif", "c.dzi", "c.html", "c_files", "d.json"]


def test_window_is_that_part_of_the_picture(painted: Path, call: Call, tmp_path: Path) -> None:
    for name, options in (("picture", []), ("window", ["--window", "10,5,20,16"])):
        assert call(painted, tmp_path / f"{name}.png", "--scale", 2, *options).exit_code == 0
    window, picture = pixels(tmp_path / "window.png"), pixels(tmp_path / "picture.png")
    assert window.shape == (32, 40, 3)
    assert np.abs(window.astype(int) - picture[10:42, 20:60]).max() <= 1


@pytest.mark.parametrize("name", ["a.ora", "a.gif"])
def test_mypaint_renders_layers_and_videos_at_any_scale(
    painted_by_mypaint: Path, call: Call, tmp_path: Path, name: str
) -> None:
    settings = () if name == "a.ora" else ("--set", "seconds=0.5", "--set", "hold=0.1")
    result = call(painted_by_mypaint, tmp_path / "b.png", tmp_path / name, "--scale", 1.3, *settings)
    assert result.exit_code == 0, result.stderr
    picture = pixels(tmp_path / "b.png")
    assert picture.shape == (42, 62, 3)
    if name == "a.ora":
        with zipfile.ZipFile(tmp_path / name) as file:
            layers = [member for member in sorted(file.namelist()) if member.startswith("data/")]
            composited = Image.new("RGBA", (62, 42))
            for member in layers:  # the background first
                composited.alpha_composite(Image.open(file.open(member)).convert("RGBA"))
        assert np.abs(np.asarray(composited.convert("RGB"), float) - picture).mean() < 1
    else:
        with Image.open(tmp_path / name) as image:
            image.seek(image.n_frames - 1)  # type: ignore[attr-defined]
            assert np.abs(np.asarray(image.convert("RGB"), float) - picture).mean() < 12


def test_window_of_one_pixel_can_be_enlarged_with_little_memory(
    painted: Path, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("artkit.memory.total_memory", lambda: 1 << 29)
    result = call(painted, tmp_path / "a.png", "--scale", 512, "--window", "0,0,1,1")
    assert result.exit_code == 0, result.stderr
    assert pixels(tmp_path / "a.png").shape == (512, 512, 3)


def test_another_background(painted: Path, call: Call, tmp_path: Path) -> None:
    for background in ("000000", "#ffffff"):
        result = call(painted, tmp_path / f"{background[-1]}.png", "--background", background)
        assert result.exit_code == 0, result.stderr
    assert (pixels(tmp_path / "f.png") >= pixels(tmp_path / "0.png")).all()
    assert pixels(tmp_path / "f.png").mean() > pixels(tmp_path / "0.png").mean() + 2


@pytest.mark.parametrize(
    ("options", "message"),
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
def test_invalid_options_are_one_message(
    painted: Path, call: Call, tmp_path: Path, options: list[str], message: str
) -> None:
    result = call(painted, tmp_path / "out" / "a.png", *options)
    assert result.exit_code == 2
    assert result.stderr.startswith("artkit: ")
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


SLOW = """
import os, time
from artkit import Exporter, hookimpl

class Slow(Exporter):
    "Writes half of the file and waits."
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


@pytest.mark.slow
@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT])
def test_killed_export_leaves_the_earlier_file_and_nothing_else(
    painted: Path, install: Callable[..., str], tmp_path: Path, signal_number: signal.Signals
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
        process.send_signal(signal_number)
        assert process.wait() != 0
    for _ in range(100):
        if names(out) == ["a.slow"]:
            break
        time.sleep(0.05)
    assert names(out) == ["a.slow"]
    assert (out / "a.slow").read_text() == "earlier"


@contextlib.contextmanager
def _max_file_size() -> Iterator[None]:
    """Limit the size of files to 300 bytes, which for writers is the same as a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.dzi", "a.ora", "a.svg", "a.mp4", "a.gif", "a.webp", "a.json"])
def test_full_disk_leaves_the_earlier_file(painted: Path, call: Call, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("earlier")
    with _max_file_size():
        result = call(painted, tmp_path / name)
    assert result.exit_code == 1, result.stderr
    assert result.stderr.startswith("artkit: "), result.stderr
    assert "Traceback" not in result.stderr
    assert names(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "earlier"


def test_permissions_follow_the_umask(painted: Path, call: Call, tmp_path: Path) -> None:
    assert call(painted, tmp_path / "a.png").exit_code == 0
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "a.png").stat().st_mode & 0o777 == 0o666 & ~mask
