"""The script of the page on discrete actions: its measurements, and the page that it writes."""

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
from artkit_painters.dcgan_networks import Generator

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def discrete(script: Callable[[str], Any]) -> Any:
    return script("docs/discrete.py")


def test_brush_has_ten_sizes_and_leaves_no_paint_when_lifted(discrete: Any) -> None:
    brush = discrete.renderer(surrogate="")
    size = discrete.measure("size", discrete.thickness, brush, brush, 37)
    assert size.gap == 0
    assert len(set(size.brush.tolist())) == 10
    assert (size.brush.diff() >= 0).all()
    lift = discrete.measure("lift", discrete.ink, brush, brush, 5)
    assert lift.brush.tolist() == [1, 1, 1, 0, 0]


def test_errors_at_levels_and_between_levels_are_separated(discrete: Any) -> None:
    values = torch.linspace(0, 1, 91)
    quantized = (values * 9).round() / 9
    curve = discrete.Curve(values, values * 9, quantized * 9)
    at_levels, between = discrete.between_levels(curve)
    assert at_levels == pytest.approx(0, abs=0.02)
    assert between == pytest.approx(0.45, abs=0.06)


@pytest.mark.slow
def test_page_has_figures_and_results(discrete: Any, tmp_path: Path) -> None:
    file = tmp_path / "discrete.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        metadata = {"architecture": "dcgan", "space": DISCRETE_SPACE.name, "brush": "classic/dry_brush"}
        weights.save(Generator(discrete=True), metadata, file)
    text = discrete.page(file, tmp_path, 2, "size=[48,48]")
    for link in re.findall(r"\]\((images/.*?)\)", text):
        assert Image.open(tmp_path / link).size[0] > 100
    assert text.count("images/") == 4
    rows = [line for line in text.splitlines() if line.startswith(("| through", "| straight"))]
    assert len(rows) == 2
    assert all(float(row.split("|")[2]) > 0 for row in rows)
