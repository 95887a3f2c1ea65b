"""A folder belongs to one process at a time, and to none whose process has ended."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from artkit.engine.run import Run
from artkit.folder_lock import LOCK_FILE, FolderLock, FolderLocked

HOLDER = """
import sys
from pathlib import Path
from artkit.folder_lock import FolderLock
with FolderLock(Path(sys.argv[1])).held():
    print("held", flush=True)
    sys.stdin.read()
"""


def _hold(folder: Path) -> subprocess.Popen[str]:
    """Start a process that holds the lock until its standard input ends."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_process_is_refused_with_the_id_of_the_first(start: Callable[..., Run], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    holder = _hold(folder)
    with pytest.raises(FolderLocked) as caught:
        start(folder)
    assert caught.value.message == f"{folder} is used by another process (PID {holder.pid})"
    assert "--out" in caught.value.hint
    assert [file.name for file in folder.iterdir()] == [LOCK_FILE]
    holder.kill()
    holder.communicate()
    start(folder)  # the lock of a process ends with it
    assert not (folder / LOCK_FILE).exists()


def test_a_run_is_refused_while_another_one_of_this_process_is_being_iterated(
    start: Callable[..., Run], tmp_path: Path
) -> None:
    run = start(tmp_path / "out", "steps=1")
    run.task.steps = 2
    steps = iter(run)
    next(steps)
    with pytest.raises(FolderLocked, match="is used by this process"):
        start(tmp_path / "out", "steps=2", resume=True)
    for _ in steps:
        pass
    start(tmp_path / "out", "steps=2", resume=True)


def test_blocks_may_be_nested(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    with lock.held():
        with lock.held():
            pass
        with pytest.raises(FolderLocked), FolderLock(tmp_path).held():
            pass
    assert list(tmp_path.iterdir()) == []


def test_no_two_hold_it_at_a_time(tmp_path: Path) -> None:
    """The lock file is removed and created all the time."""
    owners: list[int] = []
    taken, violations = [0], []

    def work(number: int) -> None:
        while taken[0] < 300:
            try:
                with FolderLock(tmp_path).held():
                    owners.append(number)
                    taken[0] += 1
                    os.sched_yield()
                    violations.extend([owners[:]] if owners != [number] else [])
                    owners.clear()
            except FolderLocked:
                pass

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert violations == []
    assert list(tmp_path.iterdir()) == []
