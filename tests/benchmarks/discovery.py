"""How much many installed plugins add to the time of ``artkit --help``: ``python tests/benchmarks/discovery.py``."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PLUGIN = """
from artkit import hookimpl


@hookimpl
def artkit_objectives():
    from artkit.interfaces.objective import Objective

    class Dummy(Objective):
        name = "dummy-{number}"

        def forward(self, view):
            return view.image.mean((1, 2, 3))

    return (Dummy,)
"""


def install(site: Path, number: int) -> None:
    """A package with an objective, as pip would have installed it."""
    (site / f"artkit_dummy_{number}.py").write_text(PLUGIN.format(number=number))
    info = site / f"artkit_dummy_{number}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: artkit-dummy-{number}\nVersion: 1.0\nRequires-Dist: neural-artkit>=0.1,<9\n"
    )
    (info / "entry_points.txt").write_text(f"[artkit]\ndummy-{number} = artkit_dummy_{number}\n")


def seconds(site: Path | None, runs: int) -> float:
    """Median time of ``artkit --help`` in seconds, with a folder of packages in its path."""
    env = os.environ | ({"PYTHONPATH": str(site)} if site else {})
    times = []
    for _ in range(runs + 1):  # the first one writes bytecode
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "artkit", "--help"], env=env, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plugins", type=int, default=50)
    parser.add_argument("--runs", type=int, default=9)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(told.plugins):
            install(Path(folder), number)
        alone, many = seconds(None, told.runs), seconds(Path(folder), told.runs)
    print(json.dumps({"alone": round(alone, 3), "plugins": told.plugins, "adds": round(many - alone, 3)}))


if __name__ == "__main__":
    main()
