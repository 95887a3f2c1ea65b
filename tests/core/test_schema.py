"""The JSON Schema of recipes accepts what `read_recipe` accepts, and rejects errors."""

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
def schema() -> dict[str, Any]:
    return recipe_schema()


def test_schema_in_docs_is_current(schema: dict[str, Any]) -> None:
    current = json.loads((ROOT / "docs/recipe.schema.json").read_text())
    assert current == schema, "run `artkit schema > docs/recipe.schema.json`"


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_are_valid(schema: dict[str, Any], name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(tomllib.loads(shipped_recipes()[name].read_text()), schema)


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
def test_invalid_recipes_are_rejected(schema: dict[str, Any], text: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(text), schema)


def test_every_setting_is_documented(schema: dict[str, Any]) -> None:
    for name, definition in schema["$defs"].items():
        for key, value in definition.get("properties", {}).items():
            assert value.get("description"), f"{name}.{key}"
