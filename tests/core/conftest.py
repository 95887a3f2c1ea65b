"""Fixtures of the tests of runs."""

from __future__ import annotations

import contextlib
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from artkit.engine import checkpoint
from artkit.engine import run as run_module
from artkit.engine.painting_task import PaintingTask
from artkit.engine.renderer_training import RendererTrainingTask
from artkit.engine.run import Run
from artkit.engine.run_folder import CHECKPOINT_FILE, LOG_FILE, RECIPE_FILE
from artkit.output.finished_picture import PAINTING_FILE
from artkit.output.report import REPORT
from artkit.recipes.reading import read_recipe
from artkit.strokes.stroke_log import STROKES_FILE, StrokeLog

RECIPES = {
    "painting": "seed = 5\nsteps = 6\n" + Path(__file__).with_name("toy.toml").read_text(),
    "training": """
steps = 6
[trainer]
type = "toy-line"
""",
}


@pytest.fixture
def start(toy: Any, recipe_file: Callable[..., Path]) -> Callable[..., Run]:
    """Executes a run of a toy recipe, or of another text, in this process: ``start(folder, "steps=2")``."""

    def execute(
        folder: Path, *settings: str, resume: bool = False, recipe: str = "painting", progress: Any = None
    ) -> Run:
        loaded = read_recipe([recipe_file(RECIPES.get(recipe, recipe))], settings)
        cpu = torch.device("cpu")
        task = RendererTrainingTask(loaded, cpu, folder) if loaded.trains_renderer else PaintingTask(loaded, cpu)
        return Run(folder, loaded, task, resume, progress).execute()

    return execute


@pytest.fixture
def checkpoint_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save a checkpoint after each step."""
    monkeypatch.setattr(run_module, "SECONDS_BETWEEN_CHECKPOINTS", -1.0)


class RunFiles:
    """Reads the files of runs."""

    names = frozenset({PAINTING_FILE, STROKES_FILE, REPORT, RECIPE_FILE, LOG_FILE, CHECKPOINT_FILE})
    """The files of a painting."""

    @staticmethod
    def log(folder: Path) -> list[dict[str, Any]]:
        """Return the lines of the log."""
        return [json.loads(line) for line in (folder / LOG_FILE).read_text().splitlines()]

    def results(self, folder: Path) -> dict[str, Any]:
        """Return all that must not depend on interruptions: no times, and not the report, which contains times."""
        results: dict[str, Any] = {
            file.name: file.read_bytes()
            for file in folder.iterdir()
            if file.name not in (LOG_FILE, CHECKPOINT_FILE, REPORT) and file.is_file()
        }
        results[LOG_FILE] = [{k: v for k, v in line.items() if k != "seconds"} for line in self.log(folder)]
        return results

    @staticmethod
    def check_readable(folder: Path) -> None:
        """Raise an error if a file of an unfinished run is damaged."""
        with contextlib.suppress(FileNotFoundError):
            tomllib.loads((folder / RECIPE_FILE).read_text())
        if (folder / PAINTING_FILE).exists():
            with Image.open(folder / PAINTING_FILE) as image:
                image.load()
        if (folder / STROKES_FILE).exists():
            StrokeLog.load(folder / STROKES_FILE)
        if (folder / CHECKPOINT_FILE).exists():
            checkpoint.load(folder / CHECKPOINT_FILE)


@pytest.fixture(scope="session")
def run_files() -> RunFiles:
    """Reads the files of runs: log, results."""
    return RunFiles()
