"""Merging of recipes, and the recipe of a first stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from artkit.config import FIRST_STAGE
from artkit.recipes.recipe import FIRST, OUTPUT_SIZES, RECORD, SWEEP, Tree


def merge(earlier: Tree, later: Tree) -> Tree:
    """Merge `later` over `earlier`; neither is modified.

    Tables are merged recursively; a table with a `type` replaces the earlier one. A recipe either trains a renderer
    (`trainer`) or paints (`renderer`, `data`): the later one removes the tables of the other. A size of the output
    replaces the earlier one, even if it is another setting.
    """
    merged = dict(earlier)
    output, later_output = merged.get("output"), later.get("output")
    if isinstance(output, dict) and isinstance(later_output, dict) and later_output.keys() & set(OUTPUT_SIZES):
        merged["output"] = {key: value for key, value in output.items() if key not in OUTPUT_SIZES}
    if "trainer" in later:
        merged.pop("renderer", None)
        merged.pop("data", None)
    elif "renderer" in later or "data" in later:
        merged.pop("trainer", None)
    return _merge_tables(merged, later)


def _merge_tables(earlier: Tree, later: Tree) -> Tree:
    merged = dict(earlier)
    for key, value in later.items():
        old = merged.get(key)
        both_tables = isinstance(value, dict) and isinstance(old, dict)
        merged[key] = _merge_tables(old, value) if both_tables and "type" not in value else value  # type: ignore[arg-type]
    return merged


_OF_SECOND_STAGE = (FIRST, RECORD, SWEEP, "constraint", "output", "changes", "film")


def first_stage(tree: Tree) -> Tree:
    """Return the recipe of the first stage: the table `[first]` of a recipe, merged over the rest of it.

    It has neither the constraints and changes of the rest nor the objectives whose target is the first stage.
    """
    rest: Tree = {key: value for key, value in tree.items() if key not in _OF_SECOND_STAGE}
    if rest.get("background") == "target":
        del rest["background"]
    objectives = {name: block for name, block in rest.get("objective", {}).items() if not targets_first_stage(block)}
    return merge({**rest, "objective": objectives}, tree[FIRST])


def targets_first_stage(block: Any) -> bool:
    """Return whether the target of an objective, a table of a recipe, is the picture of the first stage."""
    return isinstance(block, Mapping) and block.get("target") == str(FIRST_STAGE)
