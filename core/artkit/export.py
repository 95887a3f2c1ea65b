"""Opening a finished run for export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from artkit.errors import ArtkitError, UsageError
from artkit.paint_job import STROKES
from artkit.painting import Painting
from artkit.part import Part, Scene
from artkit.plugins import plugins
from artkit.recipe import check_settings
from artkit.renderer import Renderer
from artkit.run import choose_device
from artkit.strokes import StrokeLog


def open_painting(
    run: Path, scale: float = 1.0, renderer: str | None = None, brush: str | None = None, device: str = "auto"
) -> Painting:
    """The painting of a run's folder, by its own renderer or another, with its own brush or another.

    Raises ArtkitError if the folder holds no painting, UsageError for a renderer of another action space.
    """
    log = StrokeLog.load(run / STROKES)
    settings: dict[str, Any] = dict(log.renderer)
    own = str(settings.pop("type"))
    kind = renderer or own
    part = plugins().part("renderer", kind)
    if kind != own:
        settings = {key: value for key, value in settings.items() if key in part.Config.model_fields and key == "brush"}
    if brush:
        if "brush" not in part.Config.model_fields:
            raise UsageError(f"the renderer {kind} has no brushes")
        settings["brush"] = brush
    if "surrogate" in part.Config.model_fields:
        settings["surrogate"] = ""  # nothing is learnt here
    scene = Scene(
        log.size,
        choose_device(device),
        log.seed,
        torch.Generator().manual_seed(log.seed),
        torch.tensor(log.background),
        _nothing,
    )
    made: Renderer = part(check_settings(part, settings, f"renderer {kind}"), scene)
    if made.space.name != log.space:
        raise UsageError(
            f"the strokes of {run} are of the action space {log.space}; {kind} paints {made.space.name}",
            remedy="choose a renderer of the same action space",
        )
    texts = {
        "Software": "artkit",
        "artkit:seed": str(log.seed),
        "artkit:renderer": json.dumps({"type": kind, **settings}),
    }
    return Painting(log, made.to(scene.device), scale, texts)


def _nothing(*_: Any, **__: Any) -> Part:
    raise ArtkitError("a renderer that exports needs no other part")
