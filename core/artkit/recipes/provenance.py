"""The provenance of a run, versions of packages and checksums of input files, and that in its picture."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata

import tomli_w

from artkit.files import sha256
from artkit.recipes.recipe import Recipe, Tree
from artkit.registry.plugin_registry import get_registry


def picture_metadata(recipe: Recipe) -> dict[str, str]:
    """Return the texts that the picture of a run holds: its software, recipe and seed."""
    return {
        "Software": "artkit",
        "artkit:recipe": tomli_w.dumps(recipe.portable()),
        "artkit:seed": str(recipe.settings.seed),
    }


def provenance_record(recipe: Recipe, provenance: Mapping[str, str]) -> Tree:
    """Return the record of a run: the versions of artkit's main dependencies and of the packages of its plugins, and
    the sha256 of the files that the recipe names.

    provenance: further checksums, such as of weights, by place in the recipe: ``{"renderer.weights": "6ae0..."}``.
    """
    packages = ["neural-artkit", "torch", "torchvision", "timm", "numpy", "pillow"]
    packages += sorted({get_registry().components(block.kind)[block.type].package for _, block in recipe.components()})
    versions = {}
    for name in dict.fromkeys(packages):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    checksums = {place: sha256(path) for place, path in recipe.files().items()}
    return {"versions": versions, "sha256": {**checksums, **provenance}}
