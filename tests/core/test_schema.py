"""The schema of recipes says what recipes are checked by."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from artkit.recipes.schema import recipe_schema
from artkit.recipes.shipped import shipped_recipes

jsonschema = pytest.importorskip("jsonschema")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    return recipe_schema()


def test_the_schema_in_the_docs_is_current(told: dict[str, Any]) -> None:
    assert json.loads((ROOT / "docs/recipe.schema.json").read_text()) == told, "artkit schema > docs/recipe.schema.json"


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_are_valid(told: dict[str, Any], name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(told)
    jsonschema.validate(tomllib.loads(shipped_recipes()[name].read_text()), told)


@pytest.mark.parametrize(
    "text",
    [
        "step = 3",
        'steps = "3"',
        '[canvas]\ntype = "grids"',
        '[canvas]\ntype = "grid"\noverlapp = 3',
        "[objective]\nlook = 3",
    ],
)
def test_faults_are_found(told: dict[str, Any], text: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(text), told)


def test_every_setting_is_documented(told: dict[str, Any]) -> None:
    for name, definition in told["$defs"].items():
        for key, value in definition.get("properties", {}).items():
            assert value.get("description"), f"{name}.{key}"
