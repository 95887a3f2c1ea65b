"""Checks of exporters."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from artkit.interfaces.exporter import Exporter
from artkit.rendering.rendered_painting import RenderedPainting
from artkit.strokes.stroke_log import StrokeLog
from artkit.testing.assertions import expect
from artkit.testing.harness import Harness, SceneFactory, Settings
from artkit.testing.scene import SEED
from artkit.testing.simulated_gpu import simulated_gpu


def check_exporter(
    component: str | type[Exporter], settings: Settings | None = None, *, scene: SceneFactory | None = None
) -> None:
    """Check an exporter, by name or class. Raises CheckFailures with all checks that fail.

    settings: of its Config. scene: makes the scene of the exported painting, with a renderer and a canvas, for an
    exporter that needs certain strokes.
    """
    Harness("exporter", component, settings, scene).run([suffixes, files, determinism, scale, device])


def suffixes(harness: Harness) -> None:
    """Its suffixes start with a dot and are lower case."""
    expect(harness.component.suffixes, "it has no suffixes")
    wrong = [s for s in harness.component.suffixes if not s.startswith(".") or s != s.lower() or len(s) < 2]
    expect(not wrong, f"{', '.join(map(repr, wrong))}: suffixes must start with a dot and be lower case")


def files(harness: Harness) -> None:
    """It writes the file that it is called with, and no files but its companions."""
    for suffix in harness.component.suffixes:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"painting{suffix}"
            harness.build()[0].write(_painting(harness), file)
            expect(file.is_file() and file.stat().st_size, f"it does not write the {suffix} file")
            expected = {file.name, *(file.stem + ending for ending in harness.component.companions)}
            others = sorted(path.name for path in Path(folder).iterdir() if path.name not in expected)
            expect(not others, f"it also writes {', '.join(others)}, which are not listed in `companions`")


def determinism(harness: Harness) -> None:
    """The same painting gives the same bytes, another painting gives others."""
    suffix = harness.component.suffixes[0]
    first = _export(harness, _painting(harness), suffix)
    expect(_export(harness, _painting(harness), suffix) == first, "the same painting gives other bytes the second time")
    other = _export(harness, _painting(harness, seed=SEED + 1), suffix)
    expect(other != first, "another painting gives the same bytes")


def scale(harness: Harness) -> None:
    """It writes a painting at scale 2."""
    suffix = harness.component.suffixes[0]
    expect(_export(harness, _painting(harness, 2.0), suffix), "at scale 2 it writes nothing")


def device(harness: Harness) -> None:
    """A painting whose renderer is on a GPU gives the same bytes as on the CPU."""
    suffix = harness.component.suffixes[0]
    expected = _export(harness, _painting(harness), suffix)
    with simulated_gpu():
        exported = _export(harness, _painting(harness), suffix)
    expect(exported == expected, "a painting that is rendered on a GPU gives other bytes")


def _export(harness: Harness, painting: RenderedPainting, suffix: str) -> dict[str, bytes]:
    """Return the bytes of all files that it writes, by their relative path."""
    with tempfile.TemporaryDirectory() as folder:
        harness.build()[0].write(painting, Path(folder) / f"painting{suffix}")
        written = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in written}


def _painting(harness: Harness, scale: float = 1.0, seed: int = SEED) -> RenderedPainting:
    scene = harness.make_scene()
    assert scene.renderer is not None
    assert scene.canvas is not None
    space = scene.renderer.space
    red, green, blue = scene.background.tolist()
    log = StrokeLog(
        size=scene.size,
        background=(red, green, blue),
        seed=seed,
        renderer={"type": scene.renderer.name},
        space=space.name,
        names=space.names,
        actions=torch.rand(scene.canvas.stroke_count, len(space), generator=torch.Generator().manual_seed(seed)),
        phases=scene.canvas.phases,
    )
    return RenderedPainting(log, scene.renderer, scale, {"Software": "artkit"})
