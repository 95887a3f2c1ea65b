"""The page on discrete actions: its script runs, and its figures mean what they say."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from artkit_mypaint.action_spaces import DISCRETE_SPACE
from artkit_painters import weights
from artkit_painters.dcgan import Generator

DOCS = Path(__file__).parents[1] / "docs"

pytestmark = pytest.mark.usefixtures("mypaint")


@pytest.fixture(scope="module")
def discrete(script: Callable[[str], Any]) -> Any:
    return script("docs/discrete.py")


def test_the_brush_paints_levels(discrete: Any) -> None:
    """Its thickness is a staircase, and lifted it leaves nothing."""
    brush = discrete.renderer(surrogate="")
    size = discrete.measure("size", discrete.thickness, brush, brush, 37)
    assert size.gap == 0
    assert len(set(size.brush.tolist())) == 10
    assert (size.brush.diff() >= 0).all()
    lift = discrete.measure("lift", discrete.ink, brush, brush, 5)
    assert lift.brush.tolist() == [1, 1, 1, 0, 0]


def test_gaps_at_levels_and_between(discrete: Any) -> None:
    at = torch.linspace(0, 1, 91)
    steps = (at * 9).round() / 9
    curve = discrete.Curve(at, at * 9, steps * 9)
    level, between = discrete.between_levels(curve)
    assert level == pytest.approx(0, abs=0.02)
    assert between == pytest.approx(0.45, abs=0.06)


def test_the_page_is_written(discrete: Any, tmp_path: Path) -> None:
    file = tmp_path / "discrete.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        facts = {"architecture": "dcgan", "space": DISCRETE_SPACE.name, "brush": "classic/dry_brush"}
        weights.save(Generator(discrete=True), facts, file)
    text = discrete.page(file, tmp_path, 2, "size=[48,48]")
    for link in re.findall(r"\]\((images/.*?)\)", text):
        assert Image.open(tmp_path / link).size[0] > 100
    assert text.count("images/") == 4
    rows = [line for line in text.splitlines() if line.startswith(("| through", "| straight"))]
    assert len(rows) == 2
    assert all(float(row.split("|")[2]) > 0 for row in rows)
