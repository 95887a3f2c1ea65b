"""TODO: artkit.registry.component_validation."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

from artkit.registry import hookspecs as hookspecs


def validation_error(kind: str, part: Any) -> str:
    """Why something cannot serve as a part of a kind, or nothing."""
    from artkit.config import Config
    from artkit.interfaces.component import Component

    if not (inspect.isclass(part) and issubclass(part, Component)):
        return f"{part!r} is not a part class"
    if not isinstance(getattr(part, "name", None), str):
        return f"the {kind} {part.__name__} has no name"
    if missing := getattr(part, "__abstractmethods__", None):
        return f'the {kind} "{part.name}" lacks {", ".join(sorted(missing))}'
    if not issubclass(part, _base_class(kind)):
        return f"{part.__name__} is no {kind}"
    if not (inspect.isclass(part.Config) and issubclass(part.Config, Config)):
        return f'the {kind} "{part.name}" needs a Config that derives from artkit.config.Config'
    if kind == "exporter" and not isinstance(getattr(part, "suffixes", None), tuple):
        return f'the exporter "{part.name}" has no suffixes'
    if kind == "objective" and "weight" not in part.Config.model_fields:
        return f'the objective "{part.name}" needs a Config that derives from Objective.Config'
    if kind == "data" and not {"part", "batch"} <= part.Config.model_fields.keys():
        return f'the data "{part.name}" needs a Config that derives from Data.Config'
    return ""


def _base_class(kind: str) -> type[Any]:
    base: type[Any] = getattr(import_module(f"artkit.interfaces.{kind}"), kind.capitalize())
    return base
