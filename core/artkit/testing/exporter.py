"""Checks of exporters."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from artkit.interfaces.exporter import Exporter
from artkit.rendering.rendered_painting import RenderedPainting
from artkit.strokes.stroke_log import StrokeLog
from artkit.testing.common import Bench, SceneMaker, Settings, expect
from artkit.testing.scene import SEED


def check_exporter(
    part: str | type[Exporter], settings: Settings | None = None, *, scene: SceneMaker | None = None
) -> None:
    """Check an exporter, by name or class. Raises Faults with everything that is wrong.

    settings: of its Config. scene: makes the scene of the painting that is written, with a renderer and a canvas; for
    an exporter of strokes of a certain kind.
    """
    Bench("exporter", part, settings, scene).run([suffixes, file, determinism, enlargement])


def suffixes(bench: Bench) -> None:
    """The extensions that it writes are written as artkit looks for them."""
    expect(bench.part.suffixes, "it writes no extension")
    wrong = [s for s in bench.part.suffixes if not s.startswith(".") or s != s.lower() or len(s) < 2]
    expect(not wrong, f"{', '.join(map(repr, wrong))}: extensions have a dot and are lower case")


def file(bench: Bench) -> None:
    """It writes the file that it is told to, whole, and leaves nothing else than what it says it may."""
    for suffix in bench.part.suffixes:
        with tempfile.TemporaryDirectory() as folder:
            goal = Path(folder) / f"painting{suffix}"
            bench.fresh()[0].write(_painting(bench), goal)
            expect(goal.is_file() and goal.stat().st_size, f"there is no {suffix} file where it was told to write one")
            known = {goal.name, *(goal.stem + ending for ending in bench.part.companions)}
            others = sorted(path.name for path in Path(folder).iterdir() if path.name not in known)
            expect(not others, f"it leaves {', '.join(others)} beside its file; what is to lie there, `beside` says")


def determinism(bench: Bench) -> None:
    """The same painting is the same file, and another painting another one."""
    suffix = bench.part.suffixes[0]
    first = _written(bench, _painting(bench), suffix)
    expect(_written(bench, _painting(bench), suffix) == first, "the same painting gives other bytes the second time")
    expect(_written(bench, _painting(bench, seed=SEED + 1), suffix) != first, "another painting gives the same file")


def enlargement(bench: Bench) -> None:
    """A painting that is exported larger is written with more pixels, or at least written."""
    suffix = bench.part.suffixes[0]
    expect(_written(bench, _painting(bench, 2.0), suffix), "at scale 2 it writes nothing")


def _written(bench: Bench, painting: RenderedPainting, suffix: str) -> dict[str, bytes]:
    """All that is written, by its place beside the file."""
    with tempfile.TemporaryDirectory() as folder:
        goal = Path(folder) / f"painting{suffix}"
        bench.fresh()[0].write(painting, goal)
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _painting(bench: Bench, scale: float = 1.0, seed: int = SEED) -> RenderedPainting:
    made = bench.scene_of()
    assert made.renderer is not None
    assert made.canvas is not None
    space = made.renderer.space
    red, green, blue = made.background.tolist()
    log = StrokeLog(
        size=made.size,
        background=(red, green, blue),
        seed=seed,
        renderer={"type": made.renderer.name},
        space=space.name,
        names=space.names,
        actions=torch.rand(made.canvas.stroke_count, len(space), generator=torch.Generator().manual_seed(seed)),
        phases=made.canvas.phases,
    )
    return RenderedPainting(log, made.renderer, scale, {"Software": "artkit"})
