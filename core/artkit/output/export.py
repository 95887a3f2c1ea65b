"""Exporting a finished run: its painting, and the exporters of the files that are wanted."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from artkit.errors import ArtkitError, UsageError
from artkit.geometry.window import Window
from artkit.interfaces.component import Component
from artkit.interfaces.exporter import Exporter
from artkit.interfaces.renderer import Renderer
from artkit.interfaces.scene import Scene
from artkit.recipes.building import choose_device
from artkit.recipes.validation import build_config
from artkit.registry.plugin_registry import get_registry
from artkit.rendering.rendered_painting import RenderedPainting
from artkit.strokes.stroke_log import STROKES_FILE, StrokeLog


def open_painting(
    run: Path,
    scale: float = 1.0,
    renderer: str | None = None,
    brush: str | None = None,
    device: str = "auto",
    background: tuple[float, float, float] | None = None,
    part: Window | None = None,
) -> RenderedPainting:
    """The painting of a run's folder or a part of it: by its own renderer or another, with its own brush or another, on
    its own ground or another.

    part: px of the recipe's picture. Raises ArtkitError if the folder holds no painting, UsageError for a renderer of
    another action space or a part that does not lie in the picture.
    """
    log = StrokeLog.load(run / STROKES_FILE)
    if background:
        log = replace(log, background=background)
    if part and not (
        0 <= part.x < part.x + part.width <= log.size[0] and 0 <= part.y < part.y + part.height <= log.size[1]
    ):
        raise UsageError(f"the picture of {run} has {log.size[0]} x {log.size[1]} px; the window does not lie in it")
    settings: dict[str, Any] = dict(log.renderer)
    own = str(settings.pop("type"))
    kind = renderer or own
    chosen = get_registry().component("renderer", kind)
    if kind != own:
        settings = {
            key: value for key, value in settings.items() if key in chosen.Config.model_fields and key == "brush"
        }
    if brush:
        if "brush" not in chosen.Config.model_fields:
            raise UsageError(f"the renderer {kind} has no brushes")
        settings["brush"] = brush
    if "surrogate" in chosen.Config.model_fields:
        settings["surrogate"] = ""  # nothing is learnt here
        settings.pop("surrogate_weights", None)
    scene = Scene(
        log.size,
        choose_device(device),
        log.seed,
        torch.Generator().manual_seed(log.seed),
        torch.tensor(log.background),
        _refuse_component,
    )
    made: Renderer = chosen(build_config(chosen, settings, f"renderer {kind}"), scene)
    if made.space.name != log.space:
        raise UsageError(
            f"the strokes of {run} are of the action space {log.space}; {kind} paints {made.space.name}",
            hint="choose a renderer of the same action space",
        )
    texts = {
        "Software": "artkit",
        "artkit:seed": str(log.seed),
        "artkit:renderer": json.dumps({"type": kind, **settings}),
    }
    return RenderedPainting(log, made.to(scene.device), scale, texts, part)


def exporters(files: Sequence[Path], settings: Sequence[str] = ()) -> list[Exporter]:
    """The exporter of each file, chosen by its extension. settings: lines of TOML, such as ``bits=16``, each for those
    exporters that know it. Raises UsageError for an extension or a setting that none knows.
    """
    there = {
        suffix: found.component
        for found in get_registry().components("exporter").values()
        for suffix in found.component.suffixes
    }
    for file in files:
        if file.suffix.lower() not in there:
            raise UsageError(
                f'no exporter writes "{file.suffix or file.name}"',
                hint=f"extensions there are: {', '.join(sorted(there))}",
            )
    parts = [there[file.suffix.lower()] for file in files]
    told: dict[str, Any] = {}
    for setting in settings:
        try:
            told |= tomllib.loads(setting)
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"--set {setting}: {error}", hint="write it as in TOML: --set bits=16") from None
    known = {key for part in parts for key in part.Config.model_fields}
    if unknown := sorted(told.keys() - known):
        raise UsageError(
            f"--set {unknown[0]}: no file to be written has this setting",
            hint=f"settings there are: {', '.join(sorted(known)) or 'none'}",
        )
    return [
        part(
            build_config(
                part, {k: v for k, v in told.items() if k in part.Config.model_fields}, f"the exporter {part.name}"
            )
        )
        for part in parts
    ]


def _refuse_component(*_: Any, **__: Any) -> Component:
    raise ArtkitError("a renderer that exports needs no other part")
