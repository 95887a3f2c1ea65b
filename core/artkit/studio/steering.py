"""Steering: change settings of a run at the step that it has reached, and let it go on from there."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from artkit.config import LocatedStr
from artkit.engine import checkpoint
from artkit.engine.run_folder import CHECKPOINT_FILE
from artkit.errors import UsageError
from artkit.recipes.recipe import Tree


def steered(
    recipe: Tree,
    run: Path,
    base: Path,
    steps: int | None,
    lr: float | None,
    weights: dict[str, float] | None,
    weight_images: dict[str, str] | None,
) -> Tree:
    """Return the recipe of a run with changed settings from the step on that it has reached.

    base: the folder at which relative paths of images start. Only what differs is a change. Changes that have not taken
    effect yet are replaced. Raises UsageError if the run has more steps already.
    """
    saved, windows, first_steps, _ = checkpoint.saved_step(run / CHECKPOINT_FILE)
    reached = max(0, math.ceil((saved - first_steps) / windows))
    made = [change for change in recipe.get("changes", []) if change["step"] < reached]
    open_changes = [change for change in recipe.get("changes", []) if change["step"] >= reached]
    change: Tree = {key: value for later in open_changes for key, value in later.items()}
    change["step"] = reached
    if steps is not None:
        if steps < reached:
            raise UsageError(f"steps: the run has done {reached} already")
        change["steps"] = steps
    if lr is not None:
        change["lr"] = lr
    if weights:
        change["weights"] = {**change.get("weights", {}), **weights}
    if weight_images:
        located: dict[str, Any] = {name: path and LocatedStr(path, base) for name, path in weight_images.items()}
        change["weight_images"] = {**change.get("weight_images", {}), **located}
    return {**recipe, "changes": [*made, change]} if len(change) > 1 else {**recipe}
