"""The Python API: `paint` runs a recipe, `scene` builds components without one."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from artkit import memory
from artkit.config import Colour
from artkit.devices import choose_device
from artkit.engine.agent_training import AgentTrainingTask
from artkit.engine.film_task import FilmTask
from artkit.engine.painting_task import PaintingTask
from artkit.engine.renderer_training import RendererTrainingTask
from artkit.engine.run import Run
from artkit.engine.two_stage_task import TwoStageTask
from artkit.files import existing_parent
from artkit.interfaces.scene import Scene
from artkit.recipes.building import new_scene
from artkit.recipes.reading import read_recipe
from artkit.recipes.recipe import BLOCKS, FIRST, NAMED_BLOCKS, Recipe, Tree
from artkit.recipes.shipped import find_recipe
from artkit.registry.plugin_registry import get_registry

RecipeSource = str | Path | Mapping[str, Any]
"""A recipe: the name of one that ships with artkit, a file, or a dictionary with the contents of a file."""


def paint(
    recipe: RecipeSource | Sequence[RecipeSource],
    *,
    picture: str | Path | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    **settings: Any,
) -> Run:
    """Return a run of a recipe that paints or trains step by step, as ``artkit run`` does.

    ::

        run = artkit.paint("photo", steps=40, canvas={"tile": 64, "overlap": 32})
        for step, steps, losses in run:
            print(step, losses["loss"])
        run  # a notebook shows the picture

    Leaving the loop pauses the run and saves a checkpoint; another loop continues it. `Run.execute` runs all remaining
    steps.

    recipe: one, or several; later ones override earlier ones. settings: override the recipes; tables are dictionaries.
    A ``type`` may be a component class. picture: an image file to paint instead of the recipe's own. out: folder of the
    run; by default runs/ and the recipe's name. resume: continue the run in the folder, if there is one. Raises
    UsageError for invalid recipes, before anything is painted.

    Examples:
        >>> import artkit
        >>> recipe = {"size": (48, 32), "canvas": {"type": "single", "strokes": 2}}
        >>> recipe["objective"] = {"smooth": {"type": "total-variation"}}
        >>> run = artkit.paint(recipe, steps=3, out="example")
        >>> [step.step for step in run]
        [1, 2, 3]
        >>> run.picture().size
        (48, 32)
    """
    recipes = [recipe] if isinstance(recipe, (str, Path, Mapping)) else list(recipe)
    sources = [_with_type_names(r) if isinstance(r, Mapping) else find_recipe(Path(r)) for r in recipes]
    loaded = read_recipe(sources, [_with_type_names(settings)], Path(picture) if picture else None)
    run = create_run(loaded, Path(out) if out else None, resume)
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
    """Return a scene in which components can be built without a recipe, by name or class.

    size: width and height, px. background: RGB in [0, 1]. device: auto, cpu, cuda, cuda:1 or mps. Raises
    UsageError if there is no such device.

    Examples:
        >>> import artkit
        >>> scene = artkit.scene((128, 96))
        >>> scene.renderer = scene.make("renderer", "gan", brush="classic/dry_brush")
        >>> scene.canvas = scene.make("canvas", "grid", tile=32, overlap=16)
        >>> actions = scene.make("agent", "free")(scene)
        >>> scene.canvas.render(scene.renderer, actions, scene.background).shape
        torch.Size([1, 3, 96, 128])
    """
    return new_scene(size, seed, background, choose_device(device))


def create_run(recipe: Recipe, out: Path | None = None, resume: bool = False, device: str | None = None) -> Run:
    """Create the run of a recipe.

    out: its folder; by default runs/ and the recipe's name. resume: continue the run in the folder, if there is one.
    device: overrides the recipe's. Raises UsageError if it cannot be used, or if there is too little memory.
    """
    memory.check_minimum()
    torch_device = choose_device(device or recipe.settings.device)
    folder = out or default_folder(Path("runs"), recipe.name, resume)
    if recipe.trains_renderer:
        return Run(folder, recipe, RendererTrainingTask(recipe, torch_device, folder), resume)
    if recipe.trains_agent:
        return Run(folder, recipe, AgentTrainingTask(recipe, torch_device), resume)
    if recipe.settings.film:
        return Run(folder, recipe, FilmTask(recipe, torch_device, folder), resume)
    # The folder of the run does not exist yet; large arrays are stored on the same disk.
    existing = existing_parent(folder)
    if recipe.first:
        return Run(folder, recipe, TwoStageTask(recipe, recipe.first, torch_device, existing), resume)
    return Run(folder, recipe, PaintingTask(recipe, torch_device, existing), resume)


def default_folder(parent: Path, name: str, resume: bool) -> Path:
    """Return PARENT/NAME, or the first of PARENT/NAME-2, … that does not exist; to resume, the last that exists."""
    folders = [parent / name]
    while folders[-1].exists():
        folders.append(parent / f"{name}-{len(folders) + 1}")
    return folders[-2] if resume and len(folders) > 1 else folders[-1]


def _with_type_names(tree: Mapping[str, Any]) -> Tree:
    """Return a tree in which component classes are replaced by their names. The classes are registered."""
    named = dict(tree)
    if isinstance(first := named.get(FIRST), Mapping):
        named[FIRST] = _with_type_names(first)
    for kind in (*BLOCKS, *NAMED_BLOCKS):
        if not isinstance(block := named.get(kind), Mapping):
            continue
        if kind in BLOCKS:
            named[kind] = _with_type_name(kind, block)
        else:
            named[kind] = {
                name: _with_type_name(kind, inner) if isinstance(inner, Mapping) else inner
                for name, inner in block.items()
            }
    return named


def _with_type_name(kind: str, block: Mapping[str, Any]) -> Tree:
    component: Any = block.get("type")
    if not inspect.isclass(component):
        return dict(block)
    if all(component is not registered.component for registered in get_registry().components(kind).values()):
        get_registry().register_component(kind, component)
    return {**block, "type": component.name}  # type: ignore[attr-defined]
