"""The base of all components: a name, a Config, and the provenance of what the component was built from."""

from __future__ import annotations

from typing import ClassVar

from artkit.config import Config as BaseConfig


class NoConfig(BaseConfig):
    """The Config of a component without settings."""


class Component:
    """Something that a recipe selects by its ``type``: a renderer, a canvas, an objective, ...

    `name` is the value of the recipe's ``type``. `Config` holds the settings that a recipe may give. `provenance` maps
    each file that the component was built from, such as its weights, to the file's sha256; it is saved in the run's
    recipe.
    """

    name: ClassVar[str]
    Config: ClassVar[type[BaseConfig]] = NoConfig
    config: BaseConfig
    provenance: dict[str, str]
