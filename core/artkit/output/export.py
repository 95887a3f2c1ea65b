"""Export of finished runs: open the painting in a run's folder, and write it to files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from artkit import memory
from artkit.config import Colour
from artkit.devices import choose_device
from artkit.errors import ArtkitError, UsageError
from artkit.files import staged
from artkit.geometry.window import Window
from artkit.interfaces.component import Component
from artkit.interfaces.exporter import Exporter
from artkit.interfaces.renderer import Renderer
from artkit.interfaces.scene import Scene
from artkit.recipes.reading import parse_setting
from artkit.recipes.validation import build_config
from artkit.registry.plugin_registry import get_registry
from artkit.rendering.rendered_painting import RenderedPainting
from artkit.strokes.film_log import FILM_FILE, FilmLog, Shot
from artkit.strokes.stroke_log import STROKES_FILE, StrokeLog


def open_painting(
    run: Path | str,
    scale: float = 1.0,
    renderer: str | None = None,
    brush: str | None = None,
    device: str = "auto",
    background: Colour | None = None,
    region: Window | None = None,
    frame: int | None = None,
) -> RenderedPainting:
    """Open the painting in a run's folder.

    scale: times the size of the recipe. renderer, brush, background: replace those of the run. region: the part of the
    picture to export, px of the recipe's picture. frame: of a film, from 1, to open as a picture; by default a film is
    opened as its last frame, and exporters of films write all of it. Raises ArtkitError if the folder holds no
    painting; UsageError for a renderer of another action space, a region that does not lie in the picture, or a frame
    that there is not.

    Examples:
        >>> import artkit
        >>> recipe = {"size": (48, 32), "canvas": {"type": "single", "strokes": 2}}
        >>> recipe["objective"] = {"smooth": {"type": "total-variation"}}
        >>> run = artkit.paint(recipe, steps=1, out="example").execute()
        >>> painting = artkit.open_painting("example", scale=3)
        >>> painting.size
        (144, 96)
    """
    memory.check_minimum()
    run = Path(run)
    log, film = _load_log(run, background, frame)
    if region and not _lies_in(region, log.size):
        raise UsageError(f"the picture of {run} has {log.size[0]} x {log.size[1]} px; the window does not lie in it")
    kind = renderer or str(log.renderer["type"])
    settings = _renderer_settings(log, kind, brush)
    built = _build_renderer(log, kind, settings, device)
    if built.space.name != log.space:
        raise UsageError(
            f"the renderer {kind} paints other strokes ({built.space.name}) than those of {run} ({log.space})",
            hint="leave out --renderer, or choose one with the same strokes",
        )
    shared = len(log.actions) != sum(phase.stroke_count for phase in log.phases)
    if built.space.names != log.names or (shared and not built.shared):
        raise ArtkitError(f"{run / STROKES_FILE} is damaged: its strokes are not those of the renderer {kind}")
    metadata = {
        "Software": "artkit",
        "artkit:seed": str(log.seed),
        "artkit:renderer": json.dumps({"type": kind, **settings}),
    }
    return RenderedPainting(log, built, scale, metadata, region, film=film if frame is None else None)


def _load_log(run: Path, background: Colour | None, frame: int | None) -> tuple[StrokeLog, FilmLog | None]:
    """Return the log of a painting or of a frame, from 1, by default the last; and that of the film, if it is one."""
    if frame is None and not (run / FILM_FILE).exists():
        log = StrokeLog.load(run / STROKES_FILE)
        return (replace(log, background=background, background_image=None) if background else log), None
    film = FilmLog.load(run)
    if background:
        film = replace(film, shots=(Shot(frame=0, background=background),))
    return film.frame((film.frames if frame is None else frame) - 1), film


def _lies_in(region: Window, size: tuple[int, int]) -> bool:
    return 0 <= region.x < region.x + region.width <= size[0] and 0 <= region.y < region.y + region.height <= size[1]


def _renderer_settings(log: StrokeLog, kind: str, brush: str | None) -> dict[str, Any]:
    """Return the settings of the renderer to export with: those of the run or, for another one, the same brush."""
    known = get_registry().component("renderer", kind).Config.model_fields
    settings: dict[str, Any] = dict(log.renderer)
    if kind != settings.pop("type"):
        settings = {key: value for key, value in settings.items() if key == "brush" and key in known}
    if brush:
        if "brush" not in known:
            raise UsageError(f"the renderer {kind} has no brushes")
        settings["brush"] = brush
    if "surrogate" in known:
        settings["surrogate"] = ""  # it is only needed for gradients
        settings.pop("surrogate_weights", None)
    return settings


def _build_renderer(log: StrokeLog, kind: str, settings: dict[str, Any], device: str) -> Renderer:
    scene = Scene(
        log.size,
        choose_device(device),
        log.seed,
        torch.Generator().manual_seed(log.seed),
        torch.tensor(log.background),
        _refuse_component,
    )
    component = get_registry().component("renderer", kind)
    renderer: Renderer = component(build_config(component, settings, f"renderer {kind}"), scene)
    return renderer.to(scene.device)


def _refuse_component(*_: Any, **__: Any) -> Component:
    raise ArtkitError("a renderer cannot build other components during export")


def exporters(
    files: Sequence[Path], settings: Sequence[str] = (), defaults: Mapping[str, Any] | None = None
) -> list[Exporter]:
    """Return the exporter of each file, chosen by its extension.

    settings: lines of TOML, such as ``bits=16``; each applies to all exporters that have it. defaults: values of
    settings that may be missing in all exporters. Raises UsageError for an extension or a setting that no exporter has.
    """
    by_suffix = {
        suffix: name
        for name, registered in get_registry().components("exporter").items()
        for suffix in registered.component.suffixes
    }
    for file in files:
        if file.suffix.lower() not in by_suffix:
            raise UsageError(
                f'no exporter writes "{file.suffix or file.name}"',
                hint=f"there are: {', '.join(sorted(by_suffix))}",
            )
    components = [get_registry().component("exporter", by_suffix[file.suffix.lower()]) for file in files]
    values = _parse_settings(settings)
    known = {key for component in components for key in component.Config.model_fields}
    if unknown := sorted(values.keys() - known):
        raise UsageError(
            f"--set {unknown[0]}: none of these formats has this setting",
            hint=f"there are: {', '.join(sorted(known)) or 'none'}",
        )
    return [_build_exporter(component, {**(defaults or {}), **values}) for component in components]


def _parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for setting in settings:
        values |= parse_setting(setting)
    return values


def _build_exporter(component: type[Exporter], values: dict[str, Any]) -> Exporter:
    own = {key: value for key, value in values.items() if key in component.Config.model_fields}
    return component(build_config(component, own, f"the exporter {component.name}"))


def write_painting(painting: RenderedPainting, exporter: Exporter, file: Path) -> None:
    """Write a painting to a file. An existing file is replaced once the new one is complete.

    Raises ArtkitError if the folder cannot be written or the disk is full.
    """
    with staged(file) as temporary:
        exporter.write(replace(painting, folder=file.parent), temporary)
