"""artkit from Python, as in a notebook: `artkit.paint` and `artkit.scene`."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from artkit.config import Colour
from artkit.engine.agent_training import AgentTrainingTask
from artkit.engine.painting_task import PaintingTask
from artkit.engine.renderer_training import RendererTrainingTask
from artkit.engine.run import Run
from artkit.interfaces.scene import Scene
from artkit.recipes.building import choose_device, new_scene
from artkit.recipes.reading import read_recipe
from artkit.recipes.recipe import BLOCKS, NAMED_BLOCKS, Recipe, Tree
from artkit.recipes.shipped import find_recipe
from artkit.registry.plugin_registry import get_registry

RecipeSource = str | Path | Mapping[str, Any]
"""A recipe: the name of one that ships with artkit, a file, or a dictionary as the file would hold it."""


def paint(
    recipe: RecipeSource | Sequence[RecipeSource],
    *,
    out: str | Path | None = None,
    resume: bool = False,
    **settings: Any,
) -> Run:
    """A run of a recipe, ready to paint (or train) a step at a time, as ``artkit run`` would.

    ::

        run = artkit.paint("photo", steps=40, canvas={"tile": 64, "overlap": 32})
        for step, steps, losses in run:
            print(step, losses["loss"])
        run  # a notebook shows the picture

    recipe: one, or several over each other. settings: laid over it, tables as dictionaries. In place of a part's name,
    ``type`` may be its class. out: the run's folder; runs/ and the recipe's name unless told. resume: go on with the
    run in the folder, if it has begun. To leave the loop stops the run and saves; another loop goes on; `Run.execute`
    does all that is left. Raises UsageError as the command does, before anything is painted.
    """
    several = [recipe] if isinstance(recipe, (str, Path, Mapping)) else list(recipe)
    sources = [_with_component_names(s) if isinstance(s, Mapping) else find_recipe(Path(s)) for s in several]
    run = create_run(read_recipe(sources, [_with_component_names(settings)]), Path(out) if out else None, resume)
    for note in run.task.notes:
        warnings.warn(note, stacklevel=2)
    return run


def scene(
    size: tuple[int, int] = (288, 288),
    *,
    seed: int = 0,
    background: Colour = (1.0, 1.0, 1.0),
    device: str = "auto",
) -> Scene:
    """A scene to build parts in without a recipe, each by its name or class.

    ::

        scene = artkit.scene((128, 96))
        scene.renderer = scene.make("renderer", "gan", brush="classic/dry_brush")
        scene.canvas = scene.make("canvas", "grid", tile=32, overlap=16)
        actions = scene.make("agent", "free")(scene)
        picture = scene.canvas.render(scene.renderer, actions, scene.background)

    size: width and height, px. background: RGB in [0, 1]. device: auto, cpu, cuda or mps.
    """
    return new_scene(size, seed, background, choose_device(device))


def create_run(recipe: Recipe, out: Path | None = None, resume: bool = False, device: str | None = None) -> Run:
    """The run of a recipe in its folder: runs/ and the recipe's name unless told. device: over the recipe's."""
    chosen = choose_device(device or recipe.settings.device)
    folder = out or _default_folder(recipe.name, resume)
    if recipe.trains_renderer:
        return Run(folder, recipe, RendererTrainingTask(recipe, chosen, folder), resume)
    if recipe.trains_agent:
        return Run(folder, recipe, AgentTrainingTask(recipe, chosen), resume)
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.is_dir())
    return Run(folder, recipe, PaintingTask(recipe, chosen, there), resume)


def _default_folder(name: str, resume: bool) -> Path:
    """runs/NAME, or the first free of runs/NAME-2, …; to resume, the last that exists."""
    numbered = [Path("runs", name)]
    while numbered[-1].exists():
        numbered.append(Path("runs", f"{name}-{len(numbered) + 1}"))
    return numbered[-2] if resume and len(numbered) > 1 else numbered[-1]


def _with_component_names(tree: Mapping[str, Any]) -> Tree:
    """A tree with the names of parts where it has their classes, which recipes can name from then on."""
    named = dict(tree)
    for kind in (*BLOCKS, *NAMED_BLOCKS):
        if not isinstance(block := named.get(kind), Mapping):
            continue
        if kind in BLOCKS:
            named[kind] = _with_component_name(kind, block)
        else:
            named[kind] = {
                label: _with_component_name(kind, inner) if isinstance(inner, Mapping) else inner
                for label, inner in block.items()
            }
    return named


def _with_component_name(kind: str, block: Mapping[str, Any]) -> Tree:
    part: Any = block.get("type")
    if not inspect.isclass(part):
        return dict(block)
    if all(part is not found.component for found in get_registry().components(kind).values()):
        get_registry().register_component(kind, part)
    return {**block, "type": part.name}  # type: ignore[attr-defined]
