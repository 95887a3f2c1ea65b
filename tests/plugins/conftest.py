"""Fixtures of the tests of the built-in plugins."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

import artkit
from artkit.engine.renderer_training import RendererTrainingTask
from artkit.engine.run import Run
from artkit.imaging.png import save_png
from artkit.imaging.target_image import TargetImage
from artkit.interfaces.canvas import Canvas
from artkit.interfaces.scene import Scene
from artkit.recipes.reading import read_recipe
from artkit.rendering.rendered_painting import RenderedPainting
from artkit.strokes.stroke_log import StrokeLog
from artkit_mypaint import libmypaint
from artkit_mypaint.action_spaces import STROKE_SPACE
from artkit_mypaint.brush import Brush, paint_coverages
from artkit_mypaint.brush_files import brush_names
from artkit_mypaint.libmypaint import ONE
from artkit_mypaint.tracing import trace_actions

MARGIN = 64
"""Pixels around the tile on the sheets of `coverage`: no stroke reaches beyond."""


@pytest.fixture(scope="session")
def mypaint() -> None:
    """Skips where the real MyPaint is not installed."""
    if libmypaint.find() is None:
        pytest.skip("libmypaint is not installed")
    if not brush_names():
        pytest.skip("the brushes of MyPaint are not installed")


@pytest.fixture(scope="session")
def dry_brush(mypaint: None) -> Brush:
    """One brush for all tests: what it painted before must not matter."""
    return Brush("classic/dry_brush")


@pytest.fixture(scope="session")
def train() -> Callable[..., Run]:
    """A training of a recipe's file in a folder, which Ctrl-C may stop after some steps."""

    def make(file: Path, folder: Path, resume: bool = False, stop_after: int | None = None) -> Run:
        told = read_recipe([file])
        made = Run(folder, told, RendererTrainingTask(told, torch.device("cpu"), folder), resume)

        def progress(step: int, _losses: dict[str, float]) -> None:
            if step == stop_after:
                signal.raise_signal(signal.SIGINT)

        made.progress = progress
        return made.execute()

    return make


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without libmypaint."""
    monkeypatch.setenv("ARTKIT_LIBMYPAINT", "/nowhere/libmypaint.so")
    monkeypatch.setattr(libmypaint, "find", lambda: None)
    libmypaint.library.cache_clear()
    yield
    monkeypatch.undo()
    libmypaint.library.cache_clear()


@pytest.fixture(scope="session")
def random_actions() -> Callable[..., Tensor]:
    """Actions (count, 12), uniform in [0, 1]; numbers of an action can be given by name."""

    def make(count: int, seed: int = 0, **given: float) -> Tensor:
        actions = torch.rand(count, len(STROKE_SPACE), generator=torch.Generator().manual_seed(seed))
        for name, value in given.items():
            actions[:, STROKE_SPACE.index(name)] = value
        return actions

    return make


@pytest.fixture(scope="session")
def coverage() -> Callable[..., npt.NDArray[np.float64]]:
    """What MyPaint makes of each action on a sheet of its own: (m, S, S) in [0, 1], `MARGIN` px around its tile."""

    def make(
        brush: Brush, actions: Tensor, seed: int = 0, numbers: Tensor | None = None, side: int = 64
    ) -> npt.NDArray[np.float64]:
        numbers = torch.arange(len(actions)) if numbers is None else numbers
        traces = trace_actions(actions, torch.zeros(len(actions), 2), side, numbers, seed)
        margin = MARGIN * side // 64
        corners = np.full((len(actions), 2), -margin)
        return paint_coverages(brush, traces, corners, side + 2 * margin, side + 2 * margin) / ONE

    return make


@pytest.fixture
def scene() -> Callable[..., Scene]:
    """A scene on the CPU whose parts are the installed ones."""

    def make(
        size: tuple[int, int] = (64, 64),
        seed: int = 0,
        background: tuple[float, float, float] = (1.0, 1.0, 1.0),
        target: TargetImage | None = None,
    ) -> Scene:
        made = artkit.scene(size, seed=seed, background=background, device="cpu")
        made.target = target
        return made

    return make


@pytest.fixture
def paint(scene: Callable[..., Scene], random_actions: Callable[..., Tensor]) -> Callable[..., RenderedPainting]:
    """A painting of random strokes, 75 x 50 px: ``paint(scale)``."""

    def make(scale: float = 1.0, strokes: int = 1, **settings: Any) -> RenderedPainting:
        made = scene((75, 50))
        renderer = made.make("renderer", "gan")
        made.renderer = renderer
        canvas: Canvas = made.make("canvas", "grid", strokes=strokes)
        log = StrokeLog(
            size=(75, 50),
            background=(0.2, 0.9, 0.4),
            seed=1,
            renderer={"type": "gan"},
            space=STROKE_SPACE.name,
            names=STROKE_SPACE.names,
            actions=random_actions(canvas.stroke_count),
            phases=canvas.phases,
        )
        texts = {"artkit:seed": "1", "Title": "Füße \N{LOWER LEFT PAINTBRUSH}"}
        return RenderedPainting(log, renderer, scale, texts, **settings)

    return make


@pytest.fixture
def picture_file(tmp_path: Path) -> Path:
    """An image file, 96 x 64 px, whose every part is different from its mirror image."""
    x, y = torch.linspace(0, 1, 96)[None, :].expand(64, 96), torch.linspace(0, 1, 64)[:, None].expand(64, 96)
    waves = 0.5 + 0.5 * torch.sin(9 * x + 5 * y * y)
    file = tmp_path / "picture.png"
    save_png(torch.stack([x, waves, y]), file)
    return file
