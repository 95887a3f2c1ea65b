"""Export of large pictures: time, peak memory, and whether a cropped export equals the same part of the whole picture.

    python tests/benchmarks/export.py [--side 16384] [--tile 32] [--renderer mypaint gan] [--files png tif dzi]

The strokes are random, four on each tile. For each renderer, in a process of its own, the benchmark prints the number
of strokes, seconds to render the picture, seconds to write each file, peak memory of the process and of its workers,
and the largest difference in 8-bit values between the whole picture and exports of small regions.
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


def random_painting(side: int, tile: int, renderer_type: str, folder: Path) -> RenderedPainting:
    """Return a painting of random strokes."""

    def build(interface: str, name: str, **config: Any) -> Any:
        component = get_registry().component(interface, name)
        return component(component.Config(**config), scene)

    generator = torch.Generator().manual_seed(1)
    scene = Scene((side, side), torch.device("cpu"), 1, generator, torch.ones(3), build)
    scene.renderer = build("renderer", renderer_type, **({"surrogate": ""} if renderer_type == "mypaint" else {}))
    canvas = build("canvas", "grid", tile=tile, overlap=tile // 2, strokes=4)
    space = scene.renderer.space
    actions = torch.rand(canvas.stroke_count, len(space), generator=generator)
    log = StrokeLog(
        size=(side, side),
        background=(0.9, 0.9, 0.8),
        seed=1,
        renderer={"type": renderer_type},
        space=space.name,
        names=space.names,
        actions=actions,
        phases=canvas.phases,
    )
    return RenderedPainting(log, scene.renderer, folder=folder)


def measure(side: int, tile: int, renderer_type: str, suffixes: list[str]) -> None:
    """Export a painting and print the figures in one line."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        painting = random_painting(side, tile, renderer_type, Path(folder))
        start = time.perf_counter()
        pixels = painting.pixels()
        line = (
            f"{renderer_type:<10} {len(painting.log.actions):9,} strokes  rendered {time.perf_counter() - start:7.1f} s"
        )
        files = [Path(folder) / f"a.{suffix}" for suffix in suffixes]
        for exporter, file in zip(exporters(files), files, strict=True):
            start = time.perf_counter()
            exporter.write(painting, file)
            line += f"  {file.suffix} {time.perf_counter() - start:.1f} s"
        peak = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        max_difference = 0
        for x, y in np.random.default_rng(0).integers(0, side - 200, (8, 2)).tolist():
            crop = replace(painting, region=Window(x, y, 200, 150), _pixel_cache={}).pixels().astype(int)
            max_difference = max(max_difference, int(np.abs(crop - pixels[y : y + 150, x : x + 200]).max()))
        peak_gb = peak * (1 if sys.platform == "darwin" else 1024) / 2**30
        print(f"{line}  peak {peak_gb:.2f} GB  max difference {max_difference}")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=16384)
    parser.add_argument("--tile", type=int, default=32)
    parser.add_argument("--renderer", nargs="+", default=["mypaint", "gan"])
    parser.add_argument("--files", nargs="*", default=["png", "tif", "dzi"])
    parser.add_argument("--in-process", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    for renderer_type in options.renderer:
        if options.in_process:
            measure(options.side, options.tile, renderer_type, options.files)
            continue
        size = ["--side", str(options.side), "--tile", str(options.tile)]
        subprocess.run(
            [sys.executable, __file__, "--in-process", *size, "--renderer", renderer_type, "--files", *options.files],
            check=True,
        )


if __name__ == "__main__":
    main()
