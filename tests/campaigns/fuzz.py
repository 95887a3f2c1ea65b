"""Campaign: files that atheris derives from valid ones, guided by the lines of Python that they reach, are read.

Needs the extra `fuzz`. Each target runs in a process of its own, an equal share of the time. An input is a fault if
reading it raises anything but an ArtkitError, takes longer than 10 seconds, takes more than 4 GB, or ends the process.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

TARGETS = ("brushes", "strokes", "recipes", "weights", "pictures")
MAX_BYTES = 20_000
"""Length of inputs."""

Read = Callable[[Path], object]


def _seeds(target: str, folder: Path) -> None:
    """Write valid files of a target."""
    import tomli_w
    from pictures import pictures
    from recipes import BASE

    from artkit_mypaint.brush_files import find_brush
    from artkit_painters.weights import SHIPPED

    if target == "brushes":
        for name in ("classic/dry_brush", "experimental/spaced-blot", "ramon/Clouds"):
            shutil.copy(find_brush(name), folder / name.replace("/", "-"))
    elif target == "strokes":
        _stroke_log(folder / "strokes.json")
    elif target == "recipes":
        (folder / "recipe").write_text(tomli_w.dumps(BASE))
    elif target == "weights":  # the header and the metadata; the tensors are too long to guide anything
        content = (SHIPPED / "gan-classic-dry_brush.safetensors").read_bytes()
        (folder / "weights").write_bytes(content[:MAX_BYTES])
    else:
        for name, content in pictures().items():
            (folder / name).write_bytes(content[:MAX_BYTES])


def _stroke_log(file: Path) -> None:
    import torch

    import artkit
    from artkit.geometry.phase import Phase
    from artkit.strokes.stroke_log import StrokeLog

    space = artkit.scene((64, 48), device="cpu").make("renderer", "gan").space
    phases, actions = (Phase(0, 0, 0, 64, 2, 1, 64),), torch.rand(2, 12)
    StrokeLog((64, 48), (1.0, 0.9, 0.8), 3, {"type": "gan"}, space.name, space.names, actions, phases).save(file)


def _reader(target: str) -> Read:
    """Return the function that reads a file of a target."""
    import artkit
    from artkit.imaging.loading import load_target_image
    from artkit.recipes.reading import read_recipe
    from artkit.strokes.stroke_log import StrokeLog

    scene = artkit.scene((32, 32), device="cpu")
    readers: dict[str, Read] = {
        "brushes": lambda file: scene.make("renderer", "mypaint", brush=str(file)),
        "strokes": StrokeLog.load,
        "recipes": lambda file: read_recipe([file], []),
        "weights": lambda file: scene.make("renderer", "gan", weights=str(file)),
        "pictures": lambda file: load_target_image(file, (32, 24)),
    }
    return readers[target]


ENDINGS = {"brushes": "myb", "strokes": "json", "recipes": "toml", "weights": "safetensors", "pictures": "png"}


def fuzz(target: str, folder: Path, options: list[str]) -> None:
    """Fuzz a target in this process until libFuzzer ends it."""
    import atheris

    with atheris.instrument_imports(include=["artkit", "artkit_mypaint", "artkit_painters", "PIL", "tomllib", "json"]):
        read = _reader(target)
    from artkit.errors import ArtkitError

    file = folder / f"input.{ENDINGS[target]}"

    def test(content: bytes) -> None:
        file.write_bytes(content)
        with contextlib.suppress(ArtkitError):
            read(file)

    atheris.Setup(["fuzz", *options], test)
    atheris.Fuzz()


def run(target: str, seconds: float, seed: int, keep: Path | None) -> dict[str, Any]:
    """Fuzz a target in a process of its own; return how many inputs it read, and its faults."""
    with tempfile.TemporaryDirectory(prefix="artkit-campaign-") as name:
        folder = Path(name)
        (folder / "corpus").mkdir()
        (folder / "faults").mkdir()
        _seeds(target, folder / "corpus")
        options = [
            f"-max_total_time={seconds:.0f}", f"-seed={seed + 1}", f"-max_len={MAX_BYTES}", "-timeout=10",
            "-rss_limit_mb=4096", "-print_final_stats=1", f"-artifact_prefix={folder}/faults/", f"{folder}/corpus",
        ]  # fmt: skip
        command = [sys.executable, __file__, "--child", target, name, *options]
        output = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        text = output.stdout + output.stderr
        inputs = re.findall(r"stat::number_of_executed_units:\s+(\d+)|^#(\d+)\s", text, re.M)
        faults = sorted((folder / "faults").iterdir())
        if keep:
            shutil.copytree(folder / "faults", keep / target, dirs_exist_ok=True)
            (keep / target / "output.txt").write_text(text)
        count = max([int(number) for pair in inputs for number in pair if number], default=0)
        kinds = re.findall(r"^(\w[\w.]*(?:Error|Exception|Exit)\b.{0,80})", text, re.M)
        failed = len(faults) or int(output.returncode != 0)
        return {
            "inputs": count,
            "faults": failed,
            "kinds": kinds[:3],
            "corpus": len(list((folder / "corpus").iterdir())),
        }


def main() -> None:
    """Run the campaign from the command line."""
    if sys.argv[1:2] == ["--child"]:
        fuzz(sys.argv[2], Path(sys.argv[3]), sys.argv[4:])
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of all targets; 60 by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", choices=TARGETS, action="append", help="all by default")
    parser.add_argument("--keep", type=Path, help="a folder for the inputs of faults")
    options = parser.parse_args()
    targets = options.target or TARGETS
    results = {name: run(name, options.seconds / len(targets), options.seed, options.keep) for name in targets}
    faults = sum(result["faults"] for result in results.values())
    print(json.dumps({"campaign": "fuzz", "seed": options.seed, "faults": faults, "targets": results}))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
