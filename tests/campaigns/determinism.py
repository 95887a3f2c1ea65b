"""Campaign: the same recipe gives the same bytes, however it is executed.

It is executed with other numbers of threads of the brush engine and of torch, without optional libraries, stopped and
resumed at 10 steps, and after another recipe in the same process. With another number of torch's threads, whose sums
may be rounded in another way, pictures may differ by the documented tolerance.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from commands import run
from harness import Case, Fault, main
from results import Commands, check_readable, differences

OPTIONAL = (
    "pyvips",
    "av",
    "pillow_heif",
    "skimage",
    "torchmetrics",
    "tensorboard",
    "open_clip",
    "ray",
    "fpdf",
    "drawsvg",
)
STOPS = 10
MAX_DIFFERENCE = 2  # of 8-bit values, with another number of torch's threads


def prepare(folder: Path, names: Sequence[str] = ("paint", "windows", "agent", "train", "long")) -> Case:
    """Execute each command once."""
    commands = Commands(folder, names)

    def case(rng: random.Random | None, work: Path) -> Mapping[str, int]:
        if rng is None:
            return {}
        kind = rng.choice(("stops", "engine threads", "torch threads", "without libraries", "after another"))
        name, place = "long" if kind == "stops" else rng.choice(names), work / "run"
        (place / "out").mkdir(parents=True)
        if kind == "stops":
            for _ in range(STOPS):
                run(commands.arguments(name), place, _stop_after_step)
                check_readable(name, place / "out")
            commands.finish(name, place)
        else:
            setups = {
                "engine threads": lambda: _with_engine_threads(rng.choice((2, 3, 7))),
                "torch threads": lambda: _with_torch_threads(2),
                "without libraries": lambda: sys.modules.update(dict.fromkeys(OPTIONAL)),
                "after another": lambda: _paint_another(folder),
            }
            commands.finish(name, place, setups[kind])
        changed = differences(commands.expected[name], commands.results(place / "out"))
        if changed and kind == "torch threads":
            _compare_pictures(folder / name / "out", place / "out", name)
            return {"torch threads, within the tolerance": 1}
        if changed:
            raise Fault(f"{name}: {kind}: these differ: {', '.join(changed)}")
        return {kind: 1}

    return case


def prepare_short(folder: Path) -> Case:
    """Do so for one command."""
    return prepare(folder, ("long",))


def _stop_after_step() -> None:
    """Have the next step stop the run, as SIGTERM does."""
    from artkit.engine.painting_task import PaintingTask

    step = PaintingTask.step

    def stopping(self: PaintingTask, number: int) -> dict[str, float]:
        losses = step(self, number)
        os.kill(os.getpid(), signal.SIGTERM)
        return losses

    PaintingTask.step = stopping  # type: ignore[method-assign]


def _with_engine_threads(count: int) -> None:
    os.environ["OMP_NUM_THREADS"] = str(count)
    # The pool of a forked process is new, and is built with this number.


def _with_torch_threads(count: int) -> None:
    import torch

    torch.set_num_threads(count)


def _paint_another(folder: Path) -> None:
    import artkit

    artkit.paint(folder / "windows.toml", seed=99, out="another").execute()


def _compare_pictures(expected: Path, actual: Path, name: str) -> None:
    import numpy as np
    from PIL import Image

    for file in expected.glob("*.png"):
        with Image.open(file) as first, Image.open(actual / file.name) as second:
            difference = np.abs(np.asarray(first).astype(int) - np.asarray(second)).max()
        if difference > MAX_DIFFERENCE:
            raise Fault(f"{name}: {file.name} differs by {difference} with other threads")


if __name__ == "__main__":
    main("determinism", __doc__, prepare, case_seconds=300)
