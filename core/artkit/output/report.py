"""The report of a run: one HTML page, generated from the files in the run's folder."""

from __future__ import annotations

import base64
import contextlib
import html
import io
import itertools
import json
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from artkit.config import FIRST_STAGE
from artkit.errors import ArtkitError
from artkit.files import read_text, write_text
from artkit.formatting import counted, format_duration
from artkit.imaging.clip_files import open_clip
from artkit.imaging.loading import Fit, fit_image, load_target_image
from artkit.imaging.pixels import tensor_to_pixels
from artkit.output.export import open_painting
from artkit.output.finished_picture import possible_scale
from artkit.output.next_commands import next_commands
from artkit.output.plot import PLOT_STYLE, line_plot
from artkit.recipes.recipe import FIRST_PICTURE_FILE, LOG_KEYS, RECIPE_FILE, RECORD, OutputConfig, film_stand_in
from artkit.registry.plugin_registry import get_registry
from artkit.rendering.rendered_painting import RenderedPainting
from artkit.strokes.stroke_log import STROKES_FILE
from artkit.version import __version__

REPORT = "report.html"
"""Name of the report in a run's folder."""

_MAX_IMAGE_SIDE = 1400
"""Longest side of the images in a report, px."""

_BUILD_UP_SIDE = 900
"""Longest side of the images that show how the painting is built up, px."""

_NON_LOSS_KEYS = tuple(name for name in LOG_KEYS if name != "loss")

_FRAME_COUNT = 8
"""Images that show how the painting is built up."""

_MAX_RENDERED_STROKES = 20_000
"""Paintings with more strokes are not rendered again for the report, which would take minutes."""

_STYLE = (
    """
:root { color-scheme: light dark; --line: #2a6fb0; --muted: #8885; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 87.5rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-weight: 600; margin: 0; overflow-wrap: anywhere; } h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; }
figure { margin: 0 0 1.5rem; } img { width: 100%; height: auto; } img:not([hidden]) { display: block; }
input { width: 100%; margin: .75rem 0 0; } figcaption, .muted { opacity: .75; font-size: .9rem; margin-top: .35rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; }
td, th { text-align: left; padding: .15rem 1rem .15rem 0; white-space: nowrap; }
th { font-weight: 600; border-bottom: 1px solid var(--muted); }
pre { overflow-x: auto; padding: .75rem; border: 1px solid var(--muted); }
pre, td, th { font-size: .9rem; }
summary { font-size: 1.25rem; font-weight: bold; cursor: pointer; margin: 2.5rem 0 .75rem; }
"""
    + PLOT_STYLE
)


def write(folder: Path, picture: Path) -> Path:
    """Write the report of a finished run into its folder. Return the file.

    picture: the picture that the run painted, or a downscaled one. The page embeds its images and loads nothing from
    the network. It shows picture, targets, loss curves, the evaluation by held-out networks, commands that go on from
    the run, and the recipe. A painting is also shown as its strokes build it up and, if another renderer painted it, as
    MyPaint renders it.
    """
    text = read_text(folder / RECIPE_FILE)
    tree = tomllib.loads(text)
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    name = html.escape(folder.resolve().name)
    seconds = sum(line["seconds"] for line in log)
    image = _read(picture)
    sections = [
        f"<h1>{name}</h1>",
        f'<p class="muted">{len(log)} steps in {format_duration(seconds)}, artkit {html.escape(__version__)}</p>',
        _figure("painting", image),
    ]
    if targets := _targets(folder, tree, image.size):
        sections += ["<h2>What it was painted from</h2>", *(_figure(name, target) for name, target in targets.items())]
    sections += [*_rendered_strokes(folder, tree), *_curves(log)]
    if evaluation := (log[-1].get("verdicts") if log else None):
        sections += ["<h2>Predictions of the networks</h2>", f'<div class="wide">{_table(evaluation)}</div>']
    sections += [*_next(folder), *_recipe(text)]
    page = (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{name}</title>\n<style>{_STYLE}</style>\n" + "\n".join(sections) + "\n</html>\n"
    )
    write_text(folder / REPORT, page)
    return folder / REPORT


def _next(folder: Path) -> Iterable[str]:
    """Yield the commands that go on from the run."""
    if commands := next_commands(folder):
        lines = "\n".join(f"# {purpose}\n{command}" for purpose, command in commands)
        yield f"<h2>What can be done next</h2>\n<pre>{html.escape(lines)}</pre>"


def _recipe(text: str) -> Iterable[str]:
    """Yield the recipe without its record, folded."""
    settings = text.partition(f"\n[{RECORD}")[0].strip()
    yield f"<details><summary>Recipe</summary><pre>{html.escape(settings)}</pre></details>"


def _targets(folder: Path, tree: Mapping[str, Any], size: tuple[int, int]) -> dict[str, Image.Image]:
    """Return the targets of the objectives by caption, if their files still exist, fitted to the picture's size."""
    captions: dict[tuple[str, Fit], str] = {}
    for name, block in tree.get("objective", {}).items():
        target = Path(block.get("target", ""))
        file = folder / FIRST_PICTURE_FILE if target == FIRST_STAGE else target
        if file.is_file():
            captions.setdefault((str(file), block.get("fit", "cover")), f"{file.name}, target of {name}")
    scale = min(1.0, _MAX_IMAGE_SIDE / max(size))
    size = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    background = tree.get("background")
    colour = torch.tensor(background) if isinstance(background, list) else None
    clip = tree.get("film", {}).get("clip")
    frame = next(open_clip(Path(clip)).frames()).image.convert("RGB") if clip and Path(clip).exists() else None
    return {
        caption: Image.fromarray(
            tensor_to_pixels(
                fit_image(frame, size, fit).pixels[0]
                if frame and Path(file) == film_stand_in(Path(clip))
                else load_target_image(Path(file), size, fit, colour).pixels[0]
            )
        )
        for (file, fit), caption in captions.items()
    }


def _rendered_strokes(folder: Path, tree: Mapping[str, Any]) -> Iterable[str]:
    """Yield figures that are rendered from the strokes: the painting by MyPaint, and how it is built up."""
    if not (folder / STROKES_FILE).exists():
        return
    painting = _at_report_size(open_painting(folder), tree)
    if len(painting.log.actions) > _MAX_RENDERED_STROKES:
        yield '<p class="muted">too many strokes to show how they build up the painting</p>'
        return
    if tree["renderer"]["type"] != "mypaint" and "mypaint" in get_registry().components("renderer"):
        # Fails if the strokes are of another action space, or if MyPaint is not installed.
        with contextlib.suppress(ArtkitError):
            pixels = open_painting(folder, painting.scale, renderer="mypaint").pixels()
            difference = np.abs(pixels.astype(int) - painting.pixels()).mean() / 255
            yield "<h2>The same strokes by MyPaint</h2>"
            yield _figure(f"rendered by MyPaint; mean difference {difference:.3f}", Image.fromarray(pixels))
    if len(painting.log.phases) > 1 and len(painting.log.actions) > 1:
        yield "<h2>How the strokes build it up</h2>"
        yield _slider(_build_up(painting))


def _at_report_size(painting: RenderedPainting, tree: Mapping[str, Any]) -> RenderedPainting:
    """Return the painting as large as the run has left it, but of at most about `_BUILD_UP_SIDE` px."""
    side = max(painting.log.size)
    scale = min(OutputConfig(**tree.get("output", {})).scale_for(painting.log.size), _BUILD_UP_SIDE / side)
    if scale <= 1:
        return painting.downscaled(_BUILD_UP_SIDE)
    return replace(painting, scale=possible_scale(painting, scale))


def _build_up(painting: RenderedPainting) -> list[tuple[str, Image.Image]]:
    """Return captions and images of the painting after more and more of its phases."""
    phases = painting.log.phases
    ends = sorted({math.ceil(len(phases) * (index / _FRAME_COUNT) ** 1.5) for index in range(1, _FRAME_COUNT + 1)})
    width, height = painting.size
    picture = painting.background(0, 0, width, height)
    frames = []
    for start, end in itertools.pairwise([0, *ends]):
        paint = painting.render_phases(phases[start:end], 0, 0, width, height)
        picture = picture * (1 - paint[3]) + paint[:3]
        strokes = sum(phase.stroke_count for phase in phases[:end])
        frames.append((counted(strokes, "stroke"), Image.fromarray(tensor_to_pixels(picture))))
    return frames


def _read(file: Path) -> Image.Image:
    with Image.open(file) as opened:
        return opened.convert("RGB")


def _figure(name: str, image: Image.Image) -> str:
    return f"<figure>{_image(name, image, _MAX_IMAGE_SIDE)}<figcaption>{html.escape(name)}</figcaption></figure>"


def _image(name: str, image: Image.Image, side: int, attributes: str = "") -> str:
    small = image.copy()
    small.thumbnail((side, side))
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=90, optimize=True)
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    width, height = small.size
    return (
        f'<img alt="{html.escape(name)}" width="{width}" height="{height}"{attributes} '
        f'src="data:image/jpeg;base64,{data}">'
    )


def _slider(frames: Sequence[tuple[str, Image.Image]]) -> str:
    """Return a figure with one visible image, chosen by the slider below it."""
    last = len(frames) - 1
    images = [
        _image(name, image, _BUILD_UP_SIDE, "" if index == last else " hidden")
        for index, (name, image) in enumerate(frames)
    ]
    script = (
        "const all = this.parentNode.querySelectorAll('img');"
        "all.forEach((image, index) => image.hidden = index != this.value);"
        "this.nextElementSibling.textContent = all[this.value].alt"
    )
    slider = f'<input type="range" min="0" max="{last}" value="{last}" aria-label="strokes" oninput="{script}">'
    return f"<figure>{''.join(images)}{slider}<figcaption>{html.escape(frames[-1][0])}</figcaption></figure>"


def _curves(log: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """Yield a plot of the loss and of each objective."""
    names = [name for name in dict.fromkeys(key for line in log for key in line) if name not in _NON_LOSS_KEYS]
    if len(names) == 2:  # the loss of a single objective is that objective's value
        names = [name for name in names if name != "loss"]
    for index, name in enumerate(names):
        if not index:
            yield "<h2>Loss</h2>"
        yield line_plot([(line["step"], line[name]) for line in log if name in line], name)


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    head = "".join(f"<th>{html.escape(column.replace('_', ' '))}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(_cells(row, columns))}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _cells(row: Mapping[str, Any], columns: Sequence[str]) -> Iterable[str]:
    for column in columns:
        value = row.get(column, "")
        text = ("yes" if value else "no") if isinstance(value, bool) else str(value)
        yield f"<td>{html.escape(text)}</td>"
