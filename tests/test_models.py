"""The model cards: written from what `artkit fidelity` says."""

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
    """Weights of a small painter that has learnt nothing."""
    file = tmp_path / "weights" / "gan-classic-pen.safetensors"
    facts = {"architecture": "dabs", **DabPainter().facts()}
    facts |= {"brush": "classic/pen", "space": STROKE_SPACE.name, "training": {"steps": 7, "lr": 0.004, "reach": None}}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights.save(DabPainter(), facts, file)
    return file


@pytest.mark.usefixtures("mypaint")
def test_a_card_holds_what_fidelity_says(models: Any, shipped: Path) -> None:
    arguments = ["--brush", "classic/pen", "--weights", str(shipped), "--strokes", "100", "--pairs", "32", "--json"]
    told = json.loads(CliRunner().invoke(cli, ["fidelity", "gan", *arguments], catch_exceptions=False).stdout)
    card = models.card(shipped.stem, told, "images/pen.png")
    assert card.startswith("## gan-classic-pen\n\nDraws a sample")
    for figure in (told["mse"], told["iou"], told["energy"], told["spectrum"]):
        assert f"| {figure:.5g} |" in card
    assert f"best mean {told['floor']:.5f}" in card
    assert f"| {100 * told['accuracy']:.1f} % |" in card
    assert f"`{sha256(shipped)}`" in card
    assert "Training: `steps = 7`, `lr = 0.004`." in card
    assert "100 strokes" in card
    assert "trained on 32 real strokes" in card
    assert "![Real strokes, and below each the painted one](images/pen.png)" in card


def test_only_what_changed_is_measured(
    models: Any, shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = []

    def measure(file: Path) -> dict[str, Any]:
        measured.append(file.stem)
        figures = dict.fromkeys(
            ("sampler", "iou", "iou_real", "energy", "spectrum", *(
                f"{what}{part}" for what in ("mse", "floor") for part in ("", "_small", "_large", "_light", "_heavy")
            )), 0.5
        )  # fmt: skip
        facts = {"space": STROKE_SPACE.name, "architecture": "geometry"}
        return {"weights": sha256(file), "brush": "classic/pen", "strokes": 100, "facts": facts, **figures}

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


def test_the_page_is_the_one_the_script_writes(models: Any) -> None:
    if not models.FIGURES.exists():
        pytest.skip("the painters have not been measured")
    figures = json.loads(models.FIGURES.read_text(encoding="utf-8"))
    assert (DOCS / "models.md").read_text(encoding="utf-8") == models.page(figures)
    there = {file.stem: sha256(file) for file in weights.SHIPPED.glob("*.safetensors")}
    assert {name: told["weights"] for name, told in figures.items()} == {
        name: found for name, found in there.items() if name.partition("-")[0] in models.KINDS
    }
