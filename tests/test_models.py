"""Tests of docs/models.py, which writes the model cards from the output of `artkit fidelity`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from artkit.cli.main import cli
from artkit.files import sha256
from artkit_mypaint.action_spaces import STROKE_SPACE
from artkit_painters import weights
from artkit_painters.dab_painter import DabPainter

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def models(script: Callable[[str], Any]) -> Any:
    return script("docs/models.py")


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """Weights of an untrained painter."""
    file = tmp_path / "weights" / "gan-classic-pen.safetensors"
    metadata = {"architecture": "dabs", **DabPainter().metadata()}
    metadata |= {"brush": "classic/pen", "space": STROKE_SPACE.name}
    metadata |= {"training": {"steps": 7, "lr": 0.004, "reach": None}}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights.save(DabPainter(), metadata, file)
    return file


def test_card_contains_the_output_of_fidelity(models: Any, shipped: Path) -> None:
    arguments = ["--brush", "classic/pen", "--weights", str(shipped), "--strokes", "100", "--pairs", "32", "--json"]
    figures = json.loads(CliRunner().invoke(cli, ["fidelity", "gan", *arguments], catch_exceptions=False).stdout)
    card = models.card(shipped.stem, figures, "images/pen.png")
    assert card.startswith("## gan-classic-pen\n\nPaints samples")
    for value in (figures["mse"], figures["iou"], figures["energy"], figures["spectrum"]):
        assert f"| {value:.5g} |" in card
    assert f"best mean {figures['floor']:.5f}" in card
    assert f"| {100 * figures['accuracy']:.1f} % |" in card
    assert f"`{sha256(shipped)}`" in card
    assert "Training: `steps = 7`, `lr = 0.004`." in card
    assert "100 strokes" in card
    assert "trained on 32 real and as many painted strokes" in card
    assert "![Real strokes, with painted ones below](images/pen.png)" in card


def test_only_painters_with_changed_weights_are_measured(
    models: Any, shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = []

    def measure(file: Path) -> dict[str, Any]:
        measured.append(file.stem)
        errors = [f"{name}{half}" for name in ("mse", "floor") for half in ("", "_small", "_large", "_light", "_heavy")]
        figures = dict.fromkeys(("sampler", "iou", "iou_real", "energy", "spectrum", *errors), 0.5)
        metadata = {"space": STROKE_SPACE.name, "architecture": "geometry"}
        return {"weights": sha256(file), "brush": "classic/pen", "strokes": 100, "facts": metadata, **figures}

    for name, value in {"DOCS": tmp_path, "FIGURES": tmp_path / "models.json", "SHIPPED": shipped.parent}.items():
        monkeypatch.setattr(models, name, value)
    monkeypatch.setattr(models, "measure", measure)
    models.main([])
    models.main([])
    assert measured == ["gan-classic-pen"]
    page = (tmp_path / "models.md").read_text()
    assert page.count("\n## ") == 1
    shipped.rename(shipped.with_name("mean-classic-pen.safetensors"))
    models.main([])
    assert measured == ["gan-classic-pen", "mean-classic-pen"]
    assert "## gan-classic-pen" not in (tmp_path / "models.md").read_text()


def test_page_in_the_repository_is_up_to_date(models: Any) -> None:
    if not models.FIGURES.exists():
        pytest.skip("the painters have not been measured")
    figures = json.loads(models.FIGURES.read_text(encoding="utf-8"))
    assert (DOCS / "models.md").read_text(encoding="utf-8") == models.page(figures)
    checksums = {file.stem: sha256(file) for file in weights.SHIPPED.glob("*.safetensors")}
    assert {name: painter_figures["weights"] for name, painter_figures in figures.items()} == {
        name: checksum for name, checksum in checksums.items() if name.partition("-")[0] in models.KINDS
    }
