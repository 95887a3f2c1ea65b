"""The trainer keeps to the interface, and learns."""

from pathlib import Path

from newplugin.newpart import NewPart

from artkit.testing import check_trainer, scene


def test_it_is_a_trainer() -> None:
    check_trainer(NewPart)


def test_it_learns(tmp_path: Path) -> None:
    trainer = NewPart(NewPart.Config(), scene(), 100, tmp_path)
    losses = [trainer.step(step)["mse"] for step in range(100)]
    assert losses[-1] < 0.5 * losses[0]
