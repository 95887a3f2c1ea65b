"""The time that installed plugins add to ``artkit --help``: ``python tests/benchmarks/discovery.py``."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from timing import median_seconds

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
    """Install a package with an objective, as pip does."""
    (site / f"artkit_dummy_{number}.py").write_text(PLUGIN.format(number=number))
    info = site / f"artkit_dummy_{number}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: artkit-dummy-{number}\nVersion: 1.0\nRequires-Dist: neural-artkit>=0.1,<9\n"
    )
    (info / "entry_points.txt").write_text(f"[artkit]\ndummy-{number} = artkit_dummy_{number}\n")


def help_seconds(site: Path | None, repeats: int) -> float:
    """Return the median time of ``artkit --help``, with a folder of packages in the path."""
    env = os.environ | ({"PYTHONPATH": str(site)} if site else {})

    def print_help() -> None:
        subprocess.run([sys.executable, "-m", "artkit", "--help"], env=env, check=True, stdout=subprocess.DEVNULL)

    return median_seconds([print_help], repeats)[0]


def main() -> None:
    """Print the results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plugins", type=int, default=50)
    parser.add_argument("--runs", type=int, default=9)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.plugins):
            install(Path(folder), number)
        without = help_seconds(None, arguments.runs)
        added = help_seconds(Path(folder), arguments.runs) - without
    print(json.dumps({"alone": round(without, 3), "plugins": arguments.plugins, "adds": round(added, 3)}))


if __name__ == "__main__":
    main()
