"""Fixtures for the tests of the built-in plugins."""

from __future__ import annotations

import json
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
from artkit_mypaint.brush_files import find_brush
from artkit_mypaint.engine import engine
from artkit_mypaint.engine.engine import Engine
from artkit_mypaint.engine.rasterizing import ONE
from artkit_mypaint.libmypaint_brush import LibMyPaintBrush
from artkit_mypaint.pen_paths import PenPaths
from artkit_mypaint.tracing import trace_actions

MARGIN = 64
"""Margin in px around a tile of 64 px in the patches of `coverage`: no stroke extends beyond it."""


@pytest.fixture(scope="session")
def dry_brush() -> Engine:
    """One brush for all tests: strokes must not depend on what it painted before."""
    return Engine("classic/dry_brush")


@pytest.fixture(scope="session")
def loaded_dry_brush(mypaint: None) -> LibMyPaintBrush:
    """`dry_brush`, loaded by libmypaint."""
    return LibMyPaintBrush("classic/dry_brush")


@pytest.fixture
def changed_brush(tmp_path: Path) -> Callable[..., Path]:
    """Write a brush that is `dry_brush` but for one setting: ``changed_brush("smudge", 0.5, pressure=curve)``."""

    def write(setting: str, base_value: float, **inputs: list[list[float]]) -> Path:
        content = json.loads(find_brush("classic/dry_brush").read_text())
        content["settings"][setting] = {"base_value": base_value, "inputs": inputs}
        file = tmp_path / f"{setting}.myb"
        file.write_text(json.dumps(content))
        return file

    return write


@pytest.fixture
def use_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Set the number of cores, and so of threads, that the brush engine uses: ``use_cores(count)``."""

    def use(count: int) -> None:
        monkeypatch.setattr(engine, "_cores", lambda: count)
        engine._pool.cache_clear()

    yield use
    monkeypatch.undo()
    engine._pool.cache_clear()


@pytest.fixture
def no_libmypaint(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Simulate a machine without libmypaint."""
    monkeypatch.setenv("ARTKIT_LIBMYPAINT", "none")
    libmypaint.library.cache_clear()
    yield
    monkeypatch.undo()
    libmypaint.library.cache_clear()


@pytest.fixture(scope="session")
def random_actions() -> Callable[..., Tensor]:
    """Return random actions: ``random_actions(count, seed=0, **values)``, (count, 12), uniform in [0, 1].

    values: numbers of the action that are the same for all, by name.
    """

    def make(count: int, seed: int = 0, **values: float) -> Tensor:
        actions = torch.rand(count, len(STROKE_SPACE), generator=torch.Generator().manual_seed(seed))
        for name, value in values.items():
            actions[:, STROKE_SPACE.index(name)] = value
        return actions

    return make


@pytest.fixture(scope="session")
def scattered_origins() -> Callable[[Tensor], Tensor]:
    """Return scattered origins of tiles for strokes of some indices: (m, 2)."""

    def make(indices: Tensor) -> Tensor:
        return torch.stack([indices * 389 % 1000 - 300, indices * 571 % 900 - 200], dim=1)

    return make


@pytest.fixture(scope="session")
def pen_paths() -> Callable[..., PenPaths]:
    """Return the pen paths of actions on tiles of 64 px: ``pen_paths(actions, indices, origins)``.

    By default the indices are 0, 1, 2, ... and all tiles lie at the origin.
    """

    def make(actions: Tensor, indices: Tensor | None = None, origins: Tensor | None = None) -> PenPaths:
        indices = torch.arange(len(actions)) if indices is None else indices
        return trace_actions(actions, torch.zeros(len(actions), 2) if origins is None else origins, 64.0, indices, 0)

    return make


@pytest.fixture(scope="session")
def coverage() -> Callable[..., npt.NDArray[np.float64]]:
    """Paint each action on a patch of its own, its tile of `side` px and `MARGIN` around it: (m, S, S) in [0, 1]."""

    def make(
        brush: Engine, actions: Tensor, seed: int = 0, indices: Tensor | None = None, side: int = 64
    ) -> npt.NDArray[np.float64]:
        indices = torch.arange(len(actions)) if indices is None else indices
        paths = trace_actions(actions, torch.zeros(len(actions), 2), side, indices, seed)
        margin = MARGIN * side // 64
        corners = np.full((len(actions), 2), -margin)
        return brush.paint(paths, corners, side + 2 * margin, side + 2 * margin) / ONE

    return make


@pytest.fixture(scope="session")
def train() -> Callable[..., Run]:
    """Train a renderer by a recipe file in a folder: ``train(file, folder, resume, stop_after)``.

    stop_after: the step after which the training is interrupted as by Ctrl-C.
    """

    def make(file: Path, folder: Path, resume: bool = False, stop_after: int | None = None) -> Run:
        recipe = read_recipe([file])
        run = Run(folder, recipe, RendererTrainingTask(recipe, torch.device("cpu"), folder), resume)

        def interrupt(step: int, _losses: dict[str, float]) -> None:
            if step == stop_after:
                signal.raise_signal(signal.SIGINT)

        run.progress = interrupt
        return run.execute()

    return make


@pytest.fixture
def scene() -> Callable[..., Scene]:
    """Return a scene on the CPU that makes the installed components."""

    def make(
        size: tuple[int, int] = (64, 64),
        seed: int = 0,
        background: tuple[float, float, float] = (1.0, 1.0, 1.0),
        target: TargetImage | None = None,
    ) -> Scene:
        scene = artkit.scene(size, seed=seed, background=background, device="cpu")
        scene.target = target
        return scene

    return make


@pytest.fixture
def paint(scene: Callable[..., Scene], random_actions: Callable[..., Tensor]) -> Callable[..., RenderedPainting]:
    """Return a painting of random strokes, 75 x 50 px: ``paint(scale, strokes)``."""

    def make(scale: float = 1.0, strokes: int = 1, **settings: Any) -> RenderedPainting:
        new_scene = scene((75, 50))
        renderer = new_scene.make("renderer", "gan")
        new_scene.renderer = renderer
        canvas: Canvas = new_scene.make("canvas", "grid", strokes=strokes)
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
    """Return an image file, 96 x 64 px, without symmetry."""
    x, y = torch.linspace(0, 1, 96)[None, :].expand(64, 96), torch.linspace(0, 1, 64)[:, None].expand(64, 96)
    waves = 0.5 + 0.5 * torch.sin(9 * x + 5 * y * y)
    file = tmp_path / "picture.png"
    save_png(torch.stack([x, waves, y]), file)
    return file
