"""A short form of each campaign, and the harness: it finds what campaigns look for."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from artkit.errors import ArtkitError

FOLDER = Path(__file__).parent
DAMAGED = ("brushes", "checkpoints", "data", "films", "pictures", "recipes", "strokes", "studio", "weights")
DISTURBED = ("determinism", "kills", "limits", "plugins", "processes", "writes")

SHORT_FORM = """
import importlib, json, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from harness import Campaign
for name in sys.argv[4:]:
    module = importlib.import_module(name)
    prepare = getattr(module, "prepare_short", module.prepare)
    campaign = Campaign(prepare, Path(sys.argv[2]) / name, seed=7, keep=None, case_seconds=100)
    print(json.dumps({"campaign": name, **campaign.run(0, int(sys.argv[3]), 60)}), flush=True)
"""


def test_the_files_are_all_campaigns() -> None:
    helpers = {"commands", "fuzz", "harness", "mutations", "results", "soak", "test_campaigns"}
    assert {file.stem for file in FOLDER.glob("*.py")} - helpers == {*DAMAGED, *DISTURBED}


def _run(names: Sequence[str], count: int, folder: Path) -> list[dict[str, Any]]:
    """Run some cases of campaigns, one after the other in a process."""
    process = subprocess.run(
        [sys.executable, "-c", SHORT_FORM, FOLDER, folder, str(count), *names],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    results = [json.loads(line) for line in process.stdout.splitlines() if line.startswith('{"campaign"')]
    assert [result["campaign"] for result in results] == list(names)
    for result in results:
        assert result["faults"] == 0, result
        assert result["cases"] == count
    return results


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.timeout(300)
def test_no_damaged_input_is_a_fault(tmp_path: Path) -> None:
    for result in _run(DAMAGED, 5, tmp_path):
        assert result["refused"] > 0, "the inputs are damaged"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
@pytest.mark.timeout(300)
def test_no_disturbed_command_is_a_fault(tmp_path: Path) -> None:
    for result in _run(DISTURBED, 3, tmp_path):
        assert result["accepted"] == 3


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
def test_memory_and_files_stay_flat() -> None:
    arguments = ["--steps", "80", "--runs", "8", "--seconds", "30"]
    process = subprocess.run(
        [sys.executable, FOLDER / "soak.py", *arguments], capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stdout + process.stderr
    result = json.loads(process.stdout)
    assert (result["steps"]["done"], result["runs"]["done"]) == (80, 8)


# ------------------------------------------------------------------------------------------------------------- harness
@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Runs three cases of a campaign: ``run(case)``."""
    monkeypatch.syspath_prepend(FOLDER)
    import harness

    monkeypatch.setattr(harness, "CASE_SECONDS", 0.5)
    monkeypatch.setattr(harness, "FIRST_CASE_SECONDS", 0.5)

    def execute(case: Callable[[random.Random], None]) -> dict[str, Any]:
        def only_damaged(rng: random.Random | None, folder: Path) -> None:
            if rng:
                case(rng)

        result: dict[str, Any] = harness.Campaign(lambda _: only_damaged, tmp_path / "c", 0, None).run(0, 3, 60)
        return result

    return execute


def _raise(error: Exception) -> Callable[[random.Random], None]:
    def case(rng: random.Random) -> None:
        raise error

    return case


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
@pytest.mark.parametrize(
    ("case", "kind"),
    [
        (_raise(KeyError("a")), "KeyError in"),
        (_raise(ArtkitError("")), "unreadable message"),
        (_raise(ArtkitError("a\n" * 20_000)), "unreadable message"),
        (lambda rng: time.sleep(60), "hang: more than"),
        (lambda rng: os.kill(os.getpid(), signal.SIGKILL), "crash: exit status -9"),
        (lambda rng: bytearray(3 << 30), "MemoryError in"),
    ],
    ids=["exception", "empty message", "endless message", "hang", "crash", "memory"],
)
def test_the_harness_finds_faults(
    run: Callable[..., dict[str, Any]], case: Callable[[random.Random], None], kind: str
) -> None:
    result = run(case)
    assert (result["cases"], result["faults"]) == (3, 3)
    (name,) = result["kinds"]
    assert name.startswith(kind)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_accepted_and_refused_inputs_are_no_faults(run: Callable[..., dict[str, Any]]) -> None:
    def case(rng: random.Random) -> None:
        if rng.random() < 0.5:
            raise ArtkitError("no")

    result = run(case)
    expected = sum(random.Random(f"0 {index}").random() < 0.5 for index in range(3))
    assert (result["refused"], result["accepted"], result["faults"]) == (expected, 3 - expected, 0)
