"""Scenes, and the parts that are built in them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from artkit.config import Colour
from artkit.errors import UsageError
from artkit.interfaces.scene import Scene
from artkit.recipes.recipe import Recipe
from artkit.recipes.validation import build_config
from artkit.registry.plugin_registry import get_registry


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Parts built in this block start from the recipe's seed, also where they draw from torch's own generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def build_component(kind: str, block_type: str, config: Any, *arguments: Any) -> Any:
    """A part from its type and Config."""
    part = get_registry().component(kind, block_type)
    return part(config, *arguments)


def scene_from_recipe(recipe: Recipe, device: torch.device) -> Scene:
    """The scene of a recipe, still without renderer and canvas."""
    head = recipe.settings
    # The ground's colour may follow from the target, which objectives bring; until then it is white.
    background = (1.0, 1.0, 1.0) if head.background == "target" else head.background
    return new_scene(head.size, head.seed, background, device)


def new_scene(size: tuple[int, int], seed: int, background: Colour, device: torch.device) -> Scene:
    """A scene for which parts can be built, still without renderer and canvas."""

    def make(kind: str, part: str | type[Any], /, **settings: Any) -> Any:
        chosen = get_registry().component(kind, part) if isinstance(part, str) else part
        config = build_config(chosen, settings, f"{kind} {chosen.name}")
        made = chosen(config) if kind == "exporter" else chosen(config, scene)
        return made.to(device) if isinstance(made, torch.nn.Module) else made

    generator = torch.Generator().manual_seed(seed)
    scene = Scene(size, device, seed, generator, torch.tensor(background, device=device), make)
    return scene


def choose_device(wanted: str) -> torch.device:
    """The device that a recipe or the command line asks for. Raises UsageError if it is not there."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        if wanted.split(":")[0] == "meta":
            raise RuntimeError("it holds no numbers")
        device = torch.device(wanted)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise UsageError(
            f'the device "{wanted}" is not there', hint="`artkit doctor` tells what is; --device cpu always works"
        ) from None
    return device
