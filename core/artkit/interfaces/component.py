"""The base class of all components."""

from __future__ import annotations

from typing import ClassVar

from artkit.config import Config as BaseConfig


class NoConfig(BaseConfig):
    """The Config of a component without settings."""


class Component:
    """A renderer, canvas, agent, constraint, objective, data set, trainer, exporter or executor.

    name: by which a recipe's ``type`` or an option selects it. Config: its settings. provenance: the sha256 of
    each file that the component was built from, such as ``{"weights": "6ae0..."}``; it is saved in the run's recipe.
    scheduled: the names of the settings that follow the progress of the run, and so depend on its number of steps; a
    run that gets more steps lists them. The first paragraph of the class docstring is the summary that ``artkit
    plugins`` and editors show.

    Examples:
        >>> import artkit
        >>> exporter = artkit.scene().make("exporter", "png", bits=16)
        >>> exporter.name, exporter.config.bits
        ('png', 16)
    """

    name: ClassVar[str]
    Config: ClassVar[type[BaseConfig]] = NoConfig
    config: BaseConfig
    provenance: dict[str, str]
    scheduled: tuple[str, ...] = ()
