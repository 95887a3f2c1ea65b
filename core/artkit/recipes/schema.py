"""The JSON Schema of recipes with all installed components, for completion and validation in editors."""

from __future__ import annotations

from typing import Any

from artkit.recipes.recipe import BLOCKS, FIRST, NAMED_BLOCKS, RECORD, SWEEP, RunSettings
from artkit.registry.plugin_registry import get_registry


def recipe_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12): every key with its documentation and default."""
    schema = RunSettings.model_json_schema()
    definitions: dict[str, Any] = dict(schema.pop("$defs", {}))
    properties = schema["properties"]
    for kind in (*BLOCKS, *NAMED_BLOCKS):
        choices = []
        for name, registered in get_registry().components(kind).items():
            component = _component_schema(kind, name, registered.component)
            definitions.update(component.pop("$defs", {}))
            definitions[f"{kind}.{name}"] = component
            choices.append({"$ref": f"#/$defs/{kind}.{name}"})
        block = {"oneOf": choices, "description": f"The {kind} and its settings."}
        properties[kind] = (
            block
            if kind in BLOCKS
            else {
                "type": "object",
                "additionalProperties": block,
                "description": f"Each {kind}, by a name of your choice.",
            }
        )
    properties[FIRST] = _first_stage_schema(properties)
    properties[SWEEP] = {
        "type": "object",
        "description": "Values of settings, as lists, by the places of the settings in the recipe: `artkit sweep` "
        "paints a picture for each combination of values. A single run does not use them.",
    }
    properties[RECORD] = {"type": "object", "description": "Versions and checksums of a run; written by artkit."}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "artkit recipe",
        **{key: value for key, value in schema.items() if key not in ("title", "description")},
        "$defs": definitions,
    }


def _first_stage_schema(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of the table `[first]`, whose tables may amend those of the recipe and then have no type."""

    def amended(block: dict[str, Any]) -> dict[str, Any]:
        return {"anyOf": [*block["oneOf"], {"type": "object", "additionalProperties": True}]}

    named = {
        kind: {**properties[kind], "additionalProperties": amended(properties[kind]["additionalProperties"])}
        for kind in NAMED_BLOCKS
    }
    return {
        "type": "object",
        "properties": {**properties, **{kind: amended(properties[kind]) for kind in BLOCKS}, **named},
        "additionalProperties": False,
        "description": "A first stage: settings over those of the recipe, which paint the picture that the recipe has "
        'as a target, `target = "first"`.',
    }


def _component_schema(kind: str, name: str, component: type[Any]) -> dict[str, Any]:
    """Return the schema of a component's Config, with its `type` as the first property."""
    schema: dict[str, Any] = component.Config.model_json_schema()
    summary = " ".join((component.__doc__ or "").strip().split("\n\n")[0].split())
    schema["title"], schema["description"] = f"{kind} {name}", summary
    type_property = {"const": name, "title": "type", "description": summary}
    schema["properties"] = {"type": type_property, **schema.get("properties", {})}
    required = schema.get("required", [])
    # The target of an objective may be the clip of a film.
    schema["required"] = ["type", *(key for key in required if (kind, key) != ("objective", "target"))]
    return schema
