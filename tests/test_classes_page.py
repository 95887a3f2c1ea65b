"""The page of all class paintings: it is current, complete, and says of each what a person sees."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def page(script: Callable[[str], Any]) -> Any:
    return script("docs/classes_page.py")


@pytest.fixture(scope="module")
def figures() -> dict[str, dict[str, Any]]:
    content: dict[str, dict[str, Any]] = json.loads((DOCS / "classes.json").read_text(encoding="utf-8"))
    return content


def test_page_is_current(page: Any) -> None:
    text = (DOCS / "classes.md").read_text(encoding="utf-8")
    assert text == page.page(), "run `python docs/classes_page.py`"


def test_no_class_of_the_draw_is_left_out(figures: dict[str, dict[str, Any]]) -> None:
    """Fresh classes are those of another draw that the benchmark does not have."""
    known: list[int] = []
    for seed in dict.fromkeys(entry["seed"] for entry in figures.values()):
        draw = torch.randperm(1000, generator=torch.Generator().manual_seed(seed)).tolist()
        drawn = [index for index in draw if index not in known]
        painted = [int(name.partition("-")[2]) for name, entry in figures.items() if entry["seed"] == seed]
        assert painted == drawn[: len(painted)]
        known += painted


def test_each_picture_is_there_and_was_looked_at(figures: dict[str, dict[str, Any]]) -> None:
    images = {file.stem for file in (DOCS / "images" / "classes").glob("*.jpg")}
    assert images == set(figures)
    for entry in figures.values():
        assert entry["named"].startswith(("Yes", "Nearly", "No"))
        assert 1 <= entry["rank"] <= 1000
