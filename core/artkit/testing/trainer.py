"""Checks of trainers."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from artkit.interfaces.scene import Scene
from artkit.interfaces.trainer import Trainer
from artkit.testing.assertions import checkpoint_round_trip, expect, expect_unit_range, generators_unused
from artkit.testing.device import current_device
from artkit.testing.harness import Harness, SceneFactory, Settings
from artkit.testing.simulated_gpu import simulated_gpu

STEPS = 4


def check_trainer(
    component: str | type[Trainer],
    settings: Settings | None = None,
    *,
    scene: SceneFactory | None = None,
    folder: Path | None = None,
) -> None:
    """Check a trainer, by name or class, with a few steps. Raises CheckFailures with all checks that fail.

    settings: as in a recipe; choose a small training. scene: makes the scene it is built for. folder: of the run; its
    training data is used again if it exists. Default: a new folder for each check.
    """

    def in_folder(check: Callable[[_TrainerHarness], None]) -> Callable[[Harness], None]:
        def run(harness: Harness) -> None:
            with tempfile.TemporaryDirectory() as temporary:
                check(_TrainerHarness(harness, folder or Path(temporary)))

        run.__name__ = check.__name__
        return run

    Harness("trainer", component, settings, scene).run(
        map(in_folder, (steps, sample, weights, determinism, state, device))
    )


@dataclass
class _TrainerHarness:
    """Builds trainers that use the same folder."""

    harness: Harness
    folder: Path

    def build(self) -> tuple[Trainer, Scene]:
        trainer, scene = self.harness.build(STEPS, self.folder)
        trainer.prepare()
        return trainer, scene


def steps(harness: _TrainerHarness) -> None:
    """Each step returns finite losses by name."""
    trainer, _ = harness.build()
    for step in range(STEPS):
        losses = trainer.step(step)
        expect(losses, f"step {step} returns no losses")
        wrong = [f"{name} is {value!r}" for name, value in losses.items() if not _is_finite_number(value)]
        expect(not wrong, f"step {step}: {', '.join(wrong)}; losses must be finite numbers")


def sample(harness: _TrainerHarness) -> None:
    """Its sample is an image (3, h, w) in [0, 1]."""
    trainer, _ = harness.build()
    trainer.step(0)
    image = trainer.sample()
    expect(isinstance(image, Tensor) and image.ndim == 3 and len(image) == 3, "sample() returns no image (3, h, w)")
    expect_unit_range(image, "its sample")


def weights(harness: _TrainerHarness) -> None:
    """It saves its weights into the folder that it is called with, without pickling."""
    with tempfile.TemporaryDirectory() as destination:
        trainer, _ = harness.build()
        trainer.step(0)
        file = Path(trainer.save(Path(destination)))
        written = file.is_file() and file.parent == Path(destination)
        expect(written, f"save returns {file}, which is not a file in the folder it was called with")
        head = file.read_bytes()[:4]
        pickled = head[:1] == b"\x80" or head == b"PK\x03\x04"
        expect(not pickled, f"{file.name} is a pickle, which can execute code when it is loaded; save safetensors")


def determinism(harness: _TrainerHarness) -> None:
    """The same seed gives the same losses; torch's default generator is not used."""

    def run() -> list[dict[str, float]]:
        trainer, _ = harness.build()
        with generators_unused():
            return [trainer.step(step) for step in range(STEPS)]

    first = run()
    torch.rand(3)
    _expect_same_losses(run(), first, "the same seed gives other losses")


def state(harness: _TrainerHarness) -> None:
    """Restored from a checkpoint it continues as without interruption."""
    trainer, scene = harness.build()
    other, other_scene = harness.build()
    half = STEPS // 2
    for step in range(half):
        trainer.step(step)
    saved = checkpoint_round_trip({"trainer": trainer.state_dict(), "optimizers": _optimizer_states(trainer)})
    other.load_state_dict(saved["trainer"])
    for name, optimizer in other.optimizers().items():
        optimizer.load_state_dict(saved["optimizers"][name])
    other_scene.generator.set_state(scene.generator.get_state())
    remaining = range(half, STEPS)
    actual, expected = [other.step(step) for step in remaining], [trainer.step(step) for step in remaining]
    _expect_same_losses(actual, expected, "restored from its state it gives other losses than uninterrupted")


def device(harness: _TrainerHarness) -> None:
    """On a GPU its losses are those on the CPU, and its sample and its weights can be saved."""

    def run() -> list[dict[str, float]]:
        trainer, _ = harness.build()
        losses = [trainer.step(step) for step in range(STEPS)]
        expect_unit_range(trainer.sample(), "its sample")
        with tempfile.TemporaryDirectory() as folder:
            trainer.save(Path(folder))
        return losses

    if current_device().type == "cpu":
        expected = run()
        with simulated_gpu():
            _expect_same_losses(run(), expected, "on a GPU its losses are others")


def _optimizer_states(trainer: Trainer) -> dict[str, Any]:
    return {name: optimizer.state_dict() for name, optimizer in trainer.optimizers().items()}


def _is_finite_number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _expect_same_losses(actual: list[dict[str, float]], expected: list[dict[str, float]], message: str) -> None:
    expect([set(losses) for losses in actual] == [set(losses) for losses in expected], message)
    for actual_losses, expected_losses in zip(actual, expected, strict=True):
        for name, value in actual_losses.items():
            close = math.isclose(value, expected_losses[name], rel_tol=1e-4, abs_tol=1e-6)
            expect(close, f"{message} ({name} is {value:.6g}, expected {expected_losses[name]:.6g})")
