"""Changes of a run: settings that hold from a step on, as a recipe lists them in `[[changes]]`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from artkit.recipes.recipe import Change, RunSettings


@dataclass(frozen=True)
class CurrentSettings:
    """The settings that hold at a step, after all changes so far.

    steps: of the whole run. weights, weight_images: of objectives by name, those that were changed; "" is no image.
    """

    steps: int
    lr: float
    weights: Mapping[str, float] = field(default_factory=dict)
    weight_images: Mapping[str, Path | str] = field(default_factory=dict)


class Changes:
    """The changes of a run, by the recipe's steps: for a picture of several windows these are epochs."""

    def __init__(self, settings: RunSettings) -> None:
        self._changes = settings.changes or ()
        self._settings = [CurrentSettings(settings.steps, settings.optimizer.lr)]
        for change in self._changes:
            self._settings.append(_changed(self._settings[-1], change))

    @property
    def steps(self) -> int:
        """The number of steps of the whole run, in the end."""
        return self._settings[-1].steps

    def at(self, step: int) -> CurrentSettings:
        """Return the settings that hold at a step."""
        return self._settings[sum(change.step <= step for change in self._changes)]

    def starting_at(self, step: int) -> dict[str, Any]:
        """Return the settings that change at a step, for the log; empty if none does."""
        found: dict[str, Any] = {}
        for change in self._changes:
            if change.step == step:
                found |= change.model_dump(mode="json", exclude_none=True, exclude={"step"})
        return found


def _changed(settings: CurrentSettings, change: Change) -> CurrentSettings:
    return CurrentSettings(
        change.steps or settings.steps,
        change.lr or settings.lr,
        {**settings.weights, **(change.weights or {})},
        {**settings.weight_images, **(change.weight_images or {})},
    )


def final_steps(recipe: Mapping[str, Any]) -> int:
    """Return the number of steps of a recipe, a tree, after all of its changes."""
    changed = [change["steps"] for change in recipe.get("changes", ()) if "steps" in change]
    return int(changed[-1] if changed else recipe["steps"])


def made_changes(recipe: Mapping[str, Any], steps_done: int, windows: int) -> Sequence[Mapping[str, Any]]:
    """Return the changes of a recipe, a tree, that have taken effect in a run of so many windows and steps."""
    return [change for change in recipe.get("changes", ()) if change["step"] * windows < steps_done]
