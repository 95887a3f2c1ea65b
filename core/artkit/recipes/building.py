"""Build scenes, and the components of a recipe."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from artkit.config import Colour
from artkit.interfaces.scene import Scene
from artkit.recipes.recipe import Recipe
from artkit.recipes.validation import build_config
from artkit.registry.plugin_registry import get_registry


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global CPU generator inside this block, and restore its state afterwards.

    Components are built in it, so that modules that torch initialises depend on the recipe's seed too.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def build_component(kind: str, block_type: str, config: Any, *arguments: Any) -> Any:
    """Build a component from its kind, type and Config. Raises UsageError if there is none of that type."""
    component = get_registry().component(kind, block_type)
    return component(config, *arguments)


def scene_from_recipe(recipe: Recipe, device: torch.device) -> Scene:
    """Return the scene of a recipe, without renderer and canvas.

    If the background is ``"target"`` or a picture, it is white until that is loaded.
    """
    settings = recipe.settings
    background = settings.background if isinstance(settings.background, tuple) else (1.0, 1.0, 1.0)
    return new_scene(recipe.size, settings.seed, background, device)


def new_scene(size: tuple[int, int], seed: int, background: Colour, device: torch.device) -> Scene:
    """Return a scene without renderer and canvas. Its `make` builds components for it."""

    def make(kind: str, component: str | type[Any], /, **settings: Any) -> Any:
        cls = get_registry().component(kind, component) if isinstance(component, str) else component
        config = build_config(cls, settings, f"{kind} {cls.name}")
        built = cls(config) if kind in ("exporter", "executor") else cls(config, scene)
        return built.to(device) if isinstance(built, torch.nn.Module) else built

    generator = torch.Generator().manual_seed(seed)
    scene = Scene(size, device, seed, generator, torch.tensor(background, device=device), make)
    return scene
