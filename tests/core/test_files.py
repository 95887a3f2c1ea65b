"""Writing: what was there stays whole until what is new is complete, and the user hears what to do."""

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
def _largest_file(size: int) -> Iterator[None]:
    """No file can grow beyond `size` bytes: as good as a full disk, for those who write."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_is_written_and_its_folder_made(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "c.txt"
    write_text(file, "größer")
    assert file.read_text(encoding="utf-8") == "größer"
    write_text(file, "new")
    assert file.read_text() == "new"
    assert [f.name for f in file.parent.iterdir()] == ["c.txt"]


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt(), OSError(errno.EIO, "broken disk")])
def test_the_earlier_file_stays_when_the_writer_fails(tmp_path: Path, error: BaseException) -> None:
    file = tmp_path / "a.txt"
    file.write_text("earlier")

    def write() -> None:
        with atomic(file) as temporary:
            temporary.write_text("half of wh")
            assert file.read_text() == "earlier"
            raise error

    with pytest.raises((type(error), ArtkitError)):
        write()
    assert file.read_text() == "earlier"
    assert [f.name for f in tmp_path.iterdir()] == ["a.txt"], "nothing partial is left"


def test_readers_never_see_half_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("earlier")
    with file.open() as reader, atomic(file) as temporary:
        assert temporary.parent == file.parent, "moving into place works within one file system only"
        assert temporary.suffix == file.suffix, "writers choose the format by it"
        temporary.write_text("later")
        assert file.read_text() == "earlier"
    assert file.read_text() == "later"
    assert reader.closed


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_a_file_may_be_read_by_whom_the_umask_lets(tmp_path: Path) -> None:
    mask = os.umask(0)
    os.umask(mask)
    write_text(tmp_path / "a.txt", "x")
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o666 & ~mask


def test_a_folder_that_cannot_be_written_to(unwritable: Path) -> None:
    with pytest.raises(ArtkitError) as caught, atomic(unwritable / "a.txt"):
        pytest.fail("nothing can be written here")
    assert str(unwritable) in caught.value.message
    assert "cannot be written to" in caught.value.message
    assert "--out" in caught.value.hint
    assert list(unwritable.iterdir()) == []


def test_a_folder_whose_parent_cannot_be_written_to(unwritable: Path) -> None:
    with pytest.raises(ArtkitError, match="cannot be written to"):
        write_text(unwritable / "new" / "a.txt", "x")


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    for file in (tmp_path / "runs" / "a.txt", tmp_path / "runs" / "b" / "a.txt"):
        with pytest.raises(ArtkitError, match="is not a folder") as caught:
            write_text(file, "x")
        assert "--out" in caught.value.hint
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(ArtkitError, match=r"a\.txt"):
        write_text(tmp_path / "a.txt", "x")


def test_a_full_disk(tmp_path: Path) -> None:
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
def test_what_can_be_mended_comes_with_a_remedy(code: int) -> None:
    assert cannot_write(Path("x/y"), OSError(code, "?")).hint
    assert "x" in cannot_write(Path("x/y"), OSError(code, "?")).message


def test_every_writer_tells_when_a_file_cannot_grow(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("earlier")
    large = torch.rand(3, 300, 400)
    writers = {
        "text": lambda: write_text(file, "x" * 300_000),
        "png": lambda: save_png(large, file),
        "checkpoint": lambda: checkpoint.save({"large": large}, file),
    }
    for name, write in writers.items():
        with _largest_file(100_000), pytest.raises(ArtkitError) as caught:
            write()
        assert str(file) in caught.value.message, name
        assert file.read_text() == "earlier", name
        assert [f.name for f in tmp_path.iterdir()] == ["a"], name


def test_leftovers_of_killed_writers_go_and_nothing_else(tmp_path: Path) -> None:
    keep = tmp_path / "painting.png"
    keep.touch()
    with atomic(tmp_path / "a.txt") as temporary:
        # A writer that is killed does not tidy up.
        left = temporary.with_name(temporary.name + "x")
        left.write_text("half")
    (tmp_path / "a.txt").unlink()
    assert left.exists()
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [keep]


def test_a_folder_that_a_writer_left_goes_and_one_in_use_stays(tmp_path: Path) -> None:
    left = tmp_path / ".artkit-left"
    (left / "new").mkdir(parents=True)
    (left / "new" / "a.tif").touch()
    with staged(tmp_path / "b.tif") as file:
        assert not left.exists()
        file.touch()
        remove_leftovers(tmp_path)
        with staged(tmp_path / "c.tif") as other:
            other.touch()
        assert file.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tif", "c.tif"]


def test_tiles_stay_with_their_picture_if_it_cannot_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "a_files").mkdir()
    (tmp_path / "a_files" / "old").touch()
    (tmp_path / "a.html").mkdir()  # no file can take its place
    (tmp_path / "a.html" / "kept").touch()

    def write() -> None:
        with staged(tmp_path / "a.dzi") as file:
            for name in ("a_files/new", "a.html", "a.dzi"):
                (file.parent / name).parent.mkdir(exist_ok=True)
                (file.parent / name).touch()

    with pytest.raises(ArtkitError, match="cannot write"):
        write()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "a_files"]
    assert [path.name for path in (tmp_path / "a_files").iterdir()] == ["old"]


def test_killed_between_two_moves_the_earlier_tiles_come_back(tmp_path: Path) -> None:
    """The writer dies when it has made room for its tiles and not moved them yet."""
    (tmp_path / "a_files").mkdir()
    (tmp_path / "a_files" / "old").touch()
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom artkit.files import staged\n"
        "with staged(Path(sys.argv[1])) as file:\n"
        "    there = Path(sys.argv[1]).with_name('a_files')\n"
        "    there.replace(file.parents[1] / 'old' / 'a_files')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path / "a.dzi"], check=False)
    until = time.monotonic() + 20
    while [path.name for path in tmp_path.iterdir()] != ["a_files"] and time.monotonic() < until:
        time.sleep(0.05)
    assert [path.name for path in (tmp_path / "a_files").iterdir()] == ["old"]


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert sha256(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()
