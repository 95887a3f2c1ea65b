"""The JSON Schema of recipes, with the parts that are installed: for completion and checks in editors."""

from __future__ import annotations

from typing import Any

from artkit.recipes.recipe import BLOCKS, NAMED_BLOCKS, RECORD, RunSettings
from artkit.registry.plugin_registry import get_registry


def recipe_schema() -> dict[str, Any]:
    """The schema: draft 2020-12, every key with its documentation and default."""
    whole = RunSettings.model_json_schema()
    definitions: dict[str, Any] = dict(whole.pop("$defs", {}))
    properties = whole["properties"]
    for kind in (*BLOCKS, *NAMED_BLOCKS):
        choices = []
        for name, found in get_registry().components(kind).items():
            told = found.component.Config.model_json_schema()
            definitions.update(told.pop("$defs", {}))
            summary = (found.component.__doc__ or "").strip().split("\n\n")[0]
            told["title"], told["description"] = f"{kind} {name}", " ".join(summary.split())
            kind_type = {"const": name, "title": "type", "description": told["description"]}
            told["properties"] = {"type": kind_type, **told.get("properties", {})}
            told["required"] = ["type", *told.get("required", [])]
            definitions[f"{kind}.{name}"] = told
            choices.append({"$ref": f"#/$defs/{kind}.{name}"})
        block = {"oneOf": choices, "description": f"Which {kind}, and its settings."}
        properties[kind] = (
            block
            if kind in BLOCKS
            else {
                "type": "object",
                "additionalProperties": block,
                "description": f"Each {kind}, by a name of your choice.",
            }
        )
    properties[RECORD] = {"type": "object", "description": "What a run was made with; written by artkit."}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "artkit recipe",
        **{key: value for key, value in whole.items() if key not in ("title", "description")},
        "$defs": definitions,
    }
