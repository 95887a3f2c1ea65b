"""Validation of the classes that plugins provide as components."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any


def validation_error(kind: str, component: Any) -> str:
    """Return why an object cannot be registered as a component of a kind; "" if it can."""
    from artkit.config import Config
    from artkit.interfaces.component import Component

    if not (inspect.isclass(component) and issubclass(component, Component)):
        return f"{component!r} is not a component class"
    if not isinstance(getattr(component, "name", None), str):
        return f"the {kind} {component.__name__} has no name"
    if missing := getattr(component, "__abstractmethods__", None):
        return f'the {kind} "{component.name}" lacks {", ".join(sorted(missing))}'
    if not issubclass(component, _base_class(kind)):
        return f"{component.__name__} is not a subclass of {_base_class(kind).__name__}"
    if not (inspect.isclass(component.Config) and issubclass(component.Config, Config)):
        return f'the {kind} "{component.name}" needs a Config that derives from artkit.Config'
    if kind == "exporter" and not isinstance(getattr(component, "suffixes", None), tuple):
        return f'the exporter "{component.name}" has no suffixes'
    if kind == "objective" and "weight" not in component.Config.model_fields:
        return f'the objective "{component.name}" needs a Config that derives from Objective.Config'
    if kind == "data" and not {"part", "batch"} <= component.Config.model_fields.keys():
        return f'the data "{component.name}" needs a Config that derives from Data.Config'
    return ""


def _base_class(kind: str) -> type[Any]:
    base: type[Any] = getattr(import_module(f"artkit.interfaces.{kind}"), kind.capitalize())
    return base
