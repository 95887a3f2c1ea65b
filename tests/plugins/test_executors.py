"""The executors `local` and `ray`: processes, their threads and GPUs, deaths, Ctrl-C, and error messages."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from artkit import ArtkitError, Job, UsageError
from artkit.cli.main import cli
from artkit_executors.local import Local
from artkit_executors.ray import Ray

JOBS = """
import os, time

def environment(names):
    yield
    time.sleep(0.2)
    return [os.environ.get(name) for name in names]

def print_something():
    print("no event", flush=True)
    yield
    return "done"
"""

PAUSED = "steps = 20\n" + (Path(__file__).parents[1] / "core/toy.toml").read_text() + "pause = 0.05\n"


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module with jobs that other processes can import."""
    (tmp_path / "jobs_of_test.py").write_text(JOBS)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    return "jobs_of_test"


def results(executor: Any, jobs: list[Job]) -> list[Any]:
    with executor:
        ends = {event.job: event for event in executor.execute(jobs) if event.kind in ("finished", "failed")}
    assert all(event.kind == "finished" for event in ends.values()), ends
    return [ends[job.name].value for job in jobs]


def test_threads_are_divided_and_gpus_are_assigned(jobs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artkit_executors.local._cores", lambda: 9)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    names = ["OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES"]
    both = [Job(name, f"{jobs}:environment", {"names": names}) for name in "ab"]
    assert results(Local(Local.Config(), 2), both) == [["4", os.environ.get(names[1])]] * 2
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert Local(Local.Config(), 2).threads == 2
    assert sorted(results(Local(Local.Config(threads=3, gpus=(5, 7)), 2), both)) == [["3", "5"], ["3", "7"]]


def test_what_a_job_prints_is_no_event(jobs: str) -> None:
    assert results(Local(Local.Config(), 1), [Job("a", f"{jobs}:print_something")]) == ["done"]


@pytest.mark.parametrize(
    ("function", "arguments", "cause"),
    [("os:abort", {}, "SIGABRT"), ("os:_exit", {"status": 3}, "exit code 3")],
)
def test_a_job_whose_worker_always_dies_fails_at_last(function: str, arguments: dict[str, int], cause: str) -> None:
    jobs = [Job("dies", function, arguments), Job("other", "artkit.sample_jobs:count", {"steps": 0})]
    with Local(Local.Config(restarts=1), 1) as executor:
        events = list(executor.execute(jobs))
    kinds = [event.kind for event in events if event.job == "dies"]
    assert kinds == ["started", "restarted", "started", "failed"]
    (failed,) = (event for event in events if event.kind == "failed")
    assert failed.value["error"] == f"its worker died 2 times, at last by {cause}"
    assert "--workers" in failed.value["hint"]
    assert events[-1].kind == "finished"


def _children(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in children.read_text().split()]


def _is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    try:
        return "\nState:\tZ" not in status.read_text()
    except FileNotFoundError:
        return False


def _wait_until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "nothing happened within a minute"
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.usefixtures("toy")
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
def test_interrupted_and_killed_sweeps_resume_with_the_same_bytes(
    tmp_path: Path, recipe_file: Callable[..., Path]
) -> None:
    """Workers are killed, then the command is interrupted, then it is killed; resuming does what is left."""
    recipe = recipe_file(PAUSED)
    options = ["--workers", "2", "--executor-set", "threads=1", "--out", str(tmp_path / "out"), "--resume"]
    command = [sys.executable, "-m", "artkit", "sweep", str(recipe), "--seeds", "2", *options]

    def rows() -> list[dict[str, Any]]:
        table = tmp_path / "out/sweep.jsonl"
        return [json.loads(line) for line in table.read_text().splitlines()] if table.exists() else []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
        _wait_until(lambda: sum(row["status"] == "running" for row in rows()) == 2)
        return process

    process = start()
    for worker in _children(process.pid):
        os.kill(worker, signal.SIGKILL)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in errors
    assert "the runs are saved in" in errors

    process = start()
    workers = _children(process.pid)
    assert len(workers) == 2
    process.kill()
    process.communicate(timeout=60)
    _wait_until(lambda: not any(map(_is_alive, workers)))
    assert list((tmp_path / "out").glob("*/checkpoint.safetensors")), "the workers have not saved"

    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert [row["status"] for row in rows()] == ["finished"] * 2
    for seed in range(2):
        alone = tmp_path / f"alone-{seed}"
        arguments = ["run", str(recipe), "--set", f"seed={seed}", "--out", str(alone)]
        assert CliRunner().invoke(cli, arguments).exit_code == 0
        for name in ("painting.png", "strokes.json", "checkpoint.safetensors"):
            assert (tmp_path / f"out/seed={seed}" / name).read_bytes() == (alone / name).read_bytes(), name


def test_without_ray_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError) as raised:
        Ray(Ray.Config())
    assert raised.value.hint == "pip install 'neural-artkit[ray]'"


def test_an_address_without_a_cluster_is_an_error() -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ArtkitError) as raised:
        Ray(Ray.Config(address=f"127.0.0.1:{port}"))
    assert f"no Ray cluster answers at 127.0.0.1:{port} (" in str(raised.value)
    assert "ray start --head" in raised.value.hint
