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
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from artkit.errors import ArtkitError
from artkit.files import read_text, write_text
from artkit.formatting import format_duration
from artkit.imaging.loading import Fit, load_target_image
from artkit.imaging.pixels import tensor_to_pixels
from artkit.output.export import open_painting
from artkit.recipes.recipe import LOG_KEYS, RECORD
from artkit.registry.plugin_registry import get_registry
from artkit.rendering.rendered_painting import RenderedPainting
from artkit.strokes.stroke_log import STROKES_FILE
from artkit.version import __version__

REPORT = "report.html"
"""Name of the report in a run's folder."""

_MAX_IMAGE_SIDE = 720
"""Longest side of the images in a report, px."""

_NON_LOSS_KEYS = tuple(name for name in LOG_KEYS if name != "loss")

_MAX_CURVE_POINTS = 300

_FRAME_COUNT = 8
"""Images that show how the painting is built up."""

_MAX_RENDERED_STROKES = 20_000
"""Paintings with more strokes are not rendered again for the report, which would take minutes."""

_STYLE = """
:root { color-scheme: light dark; --line: #2a6fb0; --muted: #8886; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-weight: 600; margin-bottom: 0; } h2 { font-size: 1rem; margin: 2rem 0 .5rem; }
figure { display: inline-block; margin: 0 1rem 1rem 0; vertical-align: top; max-width: 100%; }
img { max-width: 100%; min-width: 8rem; height: auto; } img:not([hidden]) { display: block; }
input { width: 100%; } figcaption, .muted { opacity: .7; font-size: .85rem; }
svg { width: 100%; height: 12rem; display: block; } polyline { fill: none; stroke: var(--line); stroke-width: 1.5; }
svg line { stroke: var(--muted); } svg text { font-size: 11px; fill: currentColor; opacity: .7; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .15rem 1rem .15rem 0; }
th { font-weight: 600; border-bottom: 1px solid var(--muted); }
pre { overflow-x: auto; padding: .75rem; border: 1px solid var(--muted); font-size: .8rem; }
"""


def write(folder: Path, picture: Path) -> Path:
    """Write the report of a finished run into its folder. Return the file.

    picture: the picture that the run painted, or a downscaled one. The page embeds its images and loads nothing from
    the network. It shows picture, targets, loss curves, the evaluation by held-out networks, and the recipe. A painting
    is also shown as its strokes build it up and, if another renderer painted it, as MyPaint renders it.
    """
    text = read_text(folder / "recipe.toml")
    tree = tomllib.loads(text)
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    name = html.escape(folder.resolve().name)
    seconds = sum(line["seconds"] for line in log)
    sections = [
        f"<h1>{name}</h1>",
        f'<p class="muted">{len(log)} steps in {format_duration(seconds)}, artkit {html.escape(__version__)}</p>',
        _figure("painting", _read(picture)),
        *(_figure(caption, image) for caption, image in _targets(tree).items()),
        *_rendered_strokes(folder, tree),
        *_curves(log),
    ]
    if evaluation := (log[-1].get("verdicts") if log else None):
        sections += ["<h2>evaluation</h2>", _table(evaluation)]
    settings = text.partition(f"\n[{RECORD}")[0].strip()
    sections += ["<h2>recipe</h2>", f"<pre>{html.escape(settings)}</pre>"]
    page = (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{name}</title>\n<style>{_STYLE}</style>\n" + "\n".join(sections) + "\n</html>\n"
    )
    write_text(folder / REPORT, page)
    return folder / REPORT


def _targets(tree: Mapping[str, Any]) -> dict[str, Image.Image]:
    """Return the fitted targets of the objectives by caption, if their files still exist."""
    captions: dict[tuple[str, Fit], str] = {}
    for name, block in tree.get("objective", {}).items():
        if "target" in block and Path(block["target"]).is_file():
            captions.setdefault((block["target"], block.get("fit", "cover")), f"target of {name}")
    width, height = tree.get("size", (_MAX_IMAGE_SIDE, _MAX_IMAGE_SIDE))
    scale = min(1.0, _MAX_IMAGE_SIDE / max(width, height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    background = tree.get("background")
    colour = torch.tensor(background) if isinstance(background, list) else None
    return {
        caption: Image.fromarray(tensor_to_pixels(load_target_image(Path(file), size, fit, colour).pixels[0]))
        for (file, fit), caption in captions.items()
    }


def _rendered_strokes(folder: Path, tree: Mapping[str, Any]) -> Iterable[str]:
    """Yield figures that are rendered from the strokes: the painting by MyPaint, and how it is built up."""
    if not (folder / STROKES_FILE).exists():
        return
    painting = open_painting(folder).downscaled(_MAX_IMAGE_SIDE)
    if len(painting.log.actions) > _MAX_RENDERED_STROKES:
        yield '<p class="muted">too many strokes to show how they build up the painting</p>'
        return
    if tree["renderer"]["type"] != "mypaint" and "mypaint" in get_registry().components("renderer"):
        # Fails if the strokes are of another action space, or if MyPaint is not installed.
        with contextlib.suppress(ArtkitError):
            pixels = open_painting(folder, painting.scale, renderer="mypaint").pixels()
            difference = np.abs(pixels.astype(int) - painting.pixels()).mean() / 255
            yield _figure(f"rendered by MyPaint; mean difference {difference:.3f}", Image.fromarray(pixels))
    if len(painting.log.phases) > 1 and len(painting.log.actions) > 1:
        yield _slider(_build_up(painting))


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
        frames.append((f"{strokes} strokes", Image.fromarray(tensor_to_pixels(picture))))
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
        _image(name, image, _MAX_IMAGE_SIDE // 2, "" if index == last else " hidden")
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
    """Yield a curve of the loss and of each objective."""
    names = [name for name in dict.fromkeys(key for line in log for key in line) if name not in _NON_LOSS_KEYS]
    if len(names) == 2:  # the loss of a single objective is that objective's value
        names = [name for name in names if name != "loss"]
    for name in names:
        yield f"<h2>{html.escape(name)}</h2>"
        yield _curve([line[name] for line in log if name in line])  # not every step has every loss


def _curve(values: Sequence[float]) -> str:
    """Return a curve of the values of the steps, with consecutive steps averaged to `_MAX_CURVE_POINTS` points."""
    steps = math.ceil(len(values) / _MAX_CURVE_POINTS)
    points = [sum(values[i : i + steps]) / len(values[i : i + steps]) for i in range(0, len(values), steps)]
    low, high = min(points), max(points)
    span = (high - low) or 1.0
    width, height, pad = 600, 180, 14
    dx = width / max(len(points) - 1, 1)
    line = " ".join(f"{i * dx:.1f},{pad + (height - 2 * pad) * (high - p) / span:.1f}" for i, p in enumerate(points))
    return (
        f'<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img">'
        f'<line x1="0" x2="{width}" y1="{height - pad}" y2="{height - pad}"/><polyline points="{line}"/>'
        f'<text x="2" y="10">{high:.4g}</text><text x="2" y="{height - 2}">{low:.4g}</text>'
        f'<text x="{width - 2}" y="{height - 2}" text-anchor="end">ends at {values[-1]:.4g}</text></svg>'
    )


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
