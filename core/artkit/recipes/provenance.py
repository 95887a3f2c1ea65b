"""TODO: artkit.recipes.provenance."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata

from artkit.files import sha256
from artkit.recipes.recipe import Recipe, Tree
from artkit.registry.plugin_registry import get_registry


def provenance_record(recipe: Recipe, provenance: Mapping[str, str]) -> Tree:
    """What a run was made with: versions of the packages, those of its parts' plugins too, and the sha256 of inputs and
    weights by their place.
    """
    packages = ["neural-artkit", "torch", "torchvision", "timm", "numpy", "pillow"]
    packages += sorted({get_registry().components(block.kind)[block.type].package for _, block in recipe.components()})
    versions = {}
    for name in dict.fromkeys(packages):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    sums = {place: sha256(path) for place, path in recipe.files().items()}
    return {"versions": versions, "sha256": {**sums, **provenance}}
