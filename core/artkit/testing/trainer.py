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
from artkit.testing.common import Bench, SceneMaker, Settings, expect, expect_unit, through_a_file, untouched_generators

STEPS = 4


def check_trainer(
    part: str | type[Trainer],
    settings: Settings | None = None,
    *,
    scene: SceneMaker | None = None,
    folder: Path | None = None,
) -> None:
    """Check a trainer, by name or class, with a few steps. Raises Faults with everything that is wrong.

    settings: as a recipe would say them; choose small ones. scene: makes the scene it is built for. folder: of the run,
    in which data that is there already is used again; a new one each time unless told.
    """

    def checked(check: Callable[[_Trained], None]) -> Callable[[Bench], None]:
        def within(bench: Bench) -> None:
            with tempfile.TemporaryDirectory() as made:
                check(_Trained(bench, folder or Path(made)))

        within.__name__ = check.__name__
        return within

    Bench("trainer", part, settings, scene).run(map(checked, (steps, sample, weights, determinism, state)))


@dataclass
class _Trained:
    """A trainer on the bench, and the folder of its runs."""

    bench: Bench
    folder: Path

    def fresh(self) -> tuple[Trainer, Scene]:
        trainer, made = self.bench.fresh(STEPS, self.folder)
        trainer.prepare()
        return trainer, made


def steps(bench: _Trained) -> None:
    """Each step gives losses by name, finite numbers."""
    trainer, _ = bench.fresh()
    for step in range(STEPS):
        losses = trainer.step(step)
        expect(losses, f"step {step} gives no loss")
        wrong = [f"{name} is {value!r}" for name, value in losses.items() if not _is_number(value)]
        expect(not wrong, f"step {step}: {', '.join(wrong)}: losses are finite numbers")


def sample(bench: _Trained) -> None:
    """Its sample is a sheet (3, h, w) in [0, 1]."""
    trainer, _ = bench.fresh()
    trainer.step(0)
    sheet = trainer.sample()
    expect(isinstance(sheet, Tensor) and sheet.ndim == 3 and len(sheet) == 3, "sample() gives no sheet (3, h, w)")
    expect_unit(sheet, "its sample")


def weights(bench: _Trained) -> None:
    """It writes its weights into the folder that it is told, as no pickle."""
    with tempfile.TemporaryDirectory() as goal:
        trainer, _ = bench.fresh()
        trainer.step(0)
        file = Path(trainer.save(Path(goal)))
        expect(file.is_file() and file.parent == Path(goal), f"save gives {file}, which is no file in the folder told")
        head = file.read_bytes()[:4]
        pickled = head[:1] == b"\x80" or head == b"PK\x03\x04"
        expect(not pickled, f"{file.name} is a pickle, which could run anything when it is read; write safetensors")


def determinism(bench: _Trained) -> None:
    """The same seed trains the same, and nothing is drawn from torch's own generator."""

    def course() -> list[dict[str, float]]:
        trainer, _ = bench.fresh()
        with untouched_generators():
            return [trainer.step(step) for step in range(STEPS)]

    first = course()
    torch.rand(3)
    _expect_losses(course(), first, "built again from the same seed it trains differently")


def state(bench: _Trained) -> None:
    """Going on from a checkpoint is as if it had never stopped."""
    trainer, made = bench.fresh()
    other, its_scene = bench.fresh()
    half = STEPS // 2
    for step in range(half):
        trainer.step(step)
    told = through_a_file({"trainer": trainer.state_dict(), "optimizers": _states(trainer)})
    other.load_state_dict(told["trainer"])
    for name, optimizer in other.optimizers().items():
        optimizer.load_state_dict(told["optimizers"][name])
    its_scene.generator.set_state(made.generator.get_state())
    later = range(half, STEPS)
    fault = "restored from its state it trains differently than had it never stopped"
    _expect_losses([other.step(step) for step in later], [trainer.step(step) for step in later], fault)


def _states(trainer: Trainer) -> dict[str, Any]:
    return {name: optimizer.state_dict() for name, optimizer in trainer.optimizers().items()}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _expect_losses(some: list[dict[str, float]], others: list[dict[str, float]], fault: str) -> None:
    expect([set(losses) for losses in some] == [set(losses) for losses in others], fault)
    for one, other in zip(some, others, strict=True):
        for name, value in one.items():
            near = math.isclose(value, other[name], rel_tol=1e-4, abs_tol=1e-6)
            expect(near, f"{fault} ({name} is {value:.6g}, and {other[name]:.6g})")
