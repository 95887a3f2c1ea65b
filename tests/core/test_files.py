"""Atomic writing: the earlier file stays until the new one is complete, and errors come with a hint."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from artkit.engine import checkpoint
from artkit.errors import ArtkitError, UsageError
from artkit.files import atomic, cannot_write, remove_leftovers, sha256, staged, write_text
from artkit.imaging.png import save_png


@contextlib.contextmanager
def _max_file_size(size: int) -> Iterator[None]:
    """Limit the size of files to `size` bytes, which makes writing fail like a full disk."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_and_its_folder_are_created(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "c.txt"
    write_text(file, "größer")
    assert file.read_text(encoding="utf-8") == "größer"
    write_text(file, "new")
    assert file.read_text() == "new"
    assert [f.name for f in file.parent.iterdir()] == ["c.txt"]


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt(), OSError(errno.EIO, "broken disk")])
def test_the_earlier_file_stays_when_writing_fails(tmp_path: Path, error: BaseException) -> None:
    file = tmp_path / "a.txt"
    file.write_text("earlier")

    def write() -> None:
        with atomic(file) as temporary:
            temporary.write_text("incomp")
            assert file.read_text() == "earlier"
            raise error

    with pytest.raises((type(error), ArtkitError)):
        write()
    assert file.read_text() == "earlier"
    assert [f.name for f in tmp_path.iterdir()] == ["a.txt"], "the temporary file is removed"


def test_readers_never_see_an_incomplete_file(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("earlier")
    with file.open() as reader, atomic(file) as temporary:
        assert temporary.parent == file.parent, "a rename is atomic within one file system only"
        assert temporary.suffix == file.suffix, "libraries choose the format by the suffix"
        temporary.write_text("later")
        assert file.read_text() == "earlier"
    assert file.read_text() == "later"
    assert reader.closed


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX file modes")
def test_the_mode_of_a_file_follows_the_umask(tmp_path: Path) -> None:
    mask = os.umask(0)
    os.umask(mask)
    write_text(tmp_path / "a.txt", "x")
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o666 & ~mask


def test_a_folder_that_cannot_be_written_to_is_an_error(unwritable: Path) -> None:
    with pytest.raises(ArtkitError) as caught, atomic(unwritable / "a.txt"):
        pytest.fail("the folder cannot be written to")
    assert str(unwritable) in caught.value.message
    assert "cannot be written to" in caught.value.message
    assert "--out" in caught.value.hint
    assert list(unwritable.iterdir()) == []


def test_a_folder_that_cannot_be_created_is_an_error(unwritable: Path) -> None:
    with pytest.raises(ArtkitError, match="cannot be written to"):
        write_text(unwritable / "new" / "a.txt", "x")


def test_a_file_in_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    for file in (tmp_path / "runs" / "a.txt", tmp_path / "runs" / "b" / "a.txt"):
        with pytest.raises(ArtkitError, match="is not a folder") as caught:
            write_text(file, "x")
        assert "--out" in caught.value.hint
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(ArtkitError, match=r"a\.txt"):
        write_text(tmp_path / "a.txt", "x")


def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("earlier")

    def write() -> None:
        with atomic(file) as temporary:
            temporary.write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ArtkitError) as caught:
        write()
    assert caught.value.message == f"no space left on the disk for {file}"
    assert "--resume" in caught.value.hint
    assert not isinstance(caught.value, UsageError)
    assert file.read_text() == "earlier"
    assert [f.name for f in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR])
def test_errors_that_the_user_can_correct_have_a_hint(code: int) -> None:
    assert cannot_write(Path("x/y"), OSError(code, "?")).hint
    assert "x" in cannot_write(Path("x/y"), OSError(code, "?")).message


def test_every_writer_reports_a_file_that_cannot_grow(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("earlier")
    large = torch.rand(3, 300, 400)
    writers = {
        "text": lambda: write_text(file, "x" * 300_000),
        "png": lambda: save_png(large, file),
        "checkpoint": lambda: checkpoint.save({"large": large}, file),
    }
    for name, write in writers.items():
        with _max_file_size(100_000), pytest.raises(ArtkitError) as caught:
            write()
        assert str(file) in caught.value.message, name
        assert file.read_text() == "earlier", name
        assert [f.name for f in tmp_path.iterdir()] == ["a"], name


def test_only_leftovers_of_killed_writers_are_removed(tmp_path: Path) -> None:
    other = tmp_path / "painting.png"
    other.touch()
    with atomic(tmp_path / "a.txt") as temporary:
        # A killed writer leaves a file with such a name.
        leftover = temporary.with_name(temporary.name + "x")
        leftover.write_text("half")
    (tmp_path / "a.txt").unlink()
    assert leftover.exists()
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [other]


def test_staged_removes_abandoned_folders_and_keeps_those_in_use(tmp_path: Path) -> None:
    leftover = tmp_path / ".artkit-left"
    (leftover / "new").mkdir(parents=True)
    (leftover / "new" / "a.tif").touch()
    with staged(tmp_path / "b.tif") as file:
        assert not leftover.exists()
        file.touch()
        remove_leftovers(tmp_path)
        with staged(tmp_path / "c.tif") as other:
            other.touch()
        assert file.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tif", "c.tif"]


def test_staged_restores_earlier_folders_if_a_file_cannot_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "a_files").mkdir()
    (tmp_path / "a_files" / "old").touch()
    (tmp_path / "a.html").mkdir()  # a file cannot replace a folder that is not empty
    (tmp_path / "a.html" / "file").touch()

    def write() -> None:
        with staged(tmp_path / "a.dzi") as file:
            for name in ("a_files/new", "a.html", "a.dzi"):
                (file.parent / name).parent.mkdir(exist_ok=True)
                (file.parent / name).touch()

    with pytest.raises(ArtkitError, match="cannot write"):
        write()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "a_files"]
    assert [path.name for path in (tmp_path / "a_files").iterdir()] == ["old"]


def test_staged_restores_earlier_folders_if_the_process_is_killed(tmp_path: Path) -> None:
    """The process is killed after it has moved the earlier folder away, before it moves the new one in."""
    (tmp_path / "a_files").mkdir()
    (tmp_path / "a_files" / "old").touch()
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom artkit.files import staged\n"
        "with staged(Path(sys.argv[1])) as file:\n"
        "    tiles = Path(sys.argv[1]).with_name('a_files')\n"
        "    tiles.replace(file.parents[1] / 'old' / 'a_files')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path / "a.dzi"], check=False)
    deadline = time.monotonic() + 20
    while [path.name for path in tmp_path.iterdir()] != ["a_files"] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [path.name for path in (tmp_path / "a_files").iterdir()] == ["old"]


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert sha256(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()
