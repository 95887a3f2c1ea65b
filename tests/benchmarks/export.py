"""Exports of large pictures: time, peak memory, and whether a window of the whole is the same as the window alone.

    python tests/benchmarks/export.py [--side 16384] [--tile 32] [--renderer mypaint gan] [--files png tif dzi]

Random strokes, four on each tile. For each renderer, in a process of its own: strokes, seconds to paint the picture,
seconds to write each file, peak memory of the process and of its workers, and the greatest difference in 8-bit values
between windows of the whole and small exports of them.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from artkit.geometry.window import Window
from artkit.interfaces.scene import Scene
from artkit.output.export import exporters
from artkit.registry.plugin_registry import get_registry
from artkit.rendering.rendered_painting import RenderedPainting
from artkit.strokes.stroke_log import StrokeLog


def painting(side: int, tile: int, kind: str, folder: Path) -> RenderedPainting:
    """A picture of random strokes."""

    def make(part: str, block: str, **settings: Any) -> Any:
        found = get_registry().component(part, block)
        return found(found.Config(**settings), scene)

    generator = torch.Generator().manual_seed(1)
    scene = Scene((side, side), torch.device("cpu"), 1, generator, torch.ones(3), make)
    scene.renderer = make("renderer", kind, **({"surrogate": ""} if kind == "mypaint" else {}))
    canvas = make("canvas", "grid", tile=tile, overlap=tile // 2, strokes=4)
    space = scene.renderer.space
    actions = torch.rand(canvas.stroke_count, len(space), generator=generator)
    log = StrokeLog((side, side), (0.9, 0.9, 0.8), 1, {"type": kind}, space.name, space.names, actions, canvas.phases)
    return RenderedPainting(log, scene.renderer, folder=folder)


def measure(side: int, tile: int, kind: str, suffixes: list[str]) -> None:
    """Export, and print a line."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        whole = painting(side, tile, kind, Path(folder))
        began = time.perf_counter()
        pixels = whole.pixels()
        line = f"{kind:<10} {len(whole.log.actions):9,} strokes  painted {time.perf_counter() - began:7.1f} s"
        files = [Path(folder) / f"a.{suffix}" for suffix in suffixes]
        for exporter, file in zip(exporters(files), files, strict=True):
            began = time.perf_counter()
            exporter.write(whole, file)
            line += f"  {file.suffix} {time.perf_counter() - began:.1f} s"
        peak = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        worst = 0
        for x, y in np.random.default_rng(0).integers(0, side - 200, (8, 2)).tolist():
            part = replace(whole, region=Window(x, y, 200, 150), _painted={}).pixels().astype(int)
            worst = max(worst, int(np.abs(part - pixels[y : y + 150, x : x + 200]).max()))
        print(
            f"{line}  peak {peak * (1 if sys.platform == 'darwin' else 1024) / 2**30:.2f} GB  windows differ by {worst}"
        )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=16384)
    parser.add_argument("--tile", type=int, default=32)
    parser.add_argument("--renderer", nargs="+", default=["mypaint", "gan"])
    parser.add_argument("--files", nargs="*", default=["png", "tif", "dzi"])
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    told = parser.parse_args(arguments)
    for kind in told.renderer:
        if told.here:
            measure(told.side, told.tile, kind, told.files)
            continue
        size = ["--side", str(told.side), "--tile", str(told.tile)]
        subprocess.run(
            [sys.executable, __file__, "--here", *size, "--renderer", kind, "--files", *told.files], check=True
        )


if __name__ == "__main__":
    main()
