"""Tests of the trainer: the interface, and that the loss falls."""

from pathlib import Path

from artkit.testing import check_trainer, scene
from newplugin.newcomponent import NewComponent


def test_is_a_trainer() -> None:
    check_trainer(NewComponent)


def test_loss_falls(tmp_path: Path) -> None:
    trainer = NewComponent(NewComponent.Config(), scene(), 100, tmp_path)
    losses = [trainer.step(step)["mse"] for step in range(100)]
    assert losses[-1] < 0.5 * losses[0]
