"""The report of a run: one page that shows what came of it, made of nothing but the files in its folder."""

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
from artkit.files import write_text
from artkit.formatting import format_duration
from artkit.imaging.loading import Fit, load_target_image
from artkit.imaging.pixels import tensor_to_pixels
from artkit.output.export import open_painting
from artkit.recipes.recipe import LOG_KEYS, RECORD
from artkit.registry.plugin_registry import get_registry
from artkit.strokes.stroke_log import STROKES_FILE
from artkit.version import __version__

REPORT = "report.html"

_SIDE = 720
"""The most px a side that a picture in a report has."""

_NO_CURVES = tuple(name for name in LOG_KEYS if name != "loss")

_POINTS = 300
"""The most points that a curve in a report has."""

_FRAMES = 8
"""Pictures along the way from the first strokes to the painting."""

_STROKES = 20_000
"""A painting of more strokes is not painted again for its report, which would take minutes."""

_STYLE = """
:root { color-scheme: light dark; --line: #2a6fb0; --faint: #8886; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-weight: 600; margin-bottom: 0; } h2 { font-size: 1rem; margin: 2rem 0 .5rem; }
figure { display: inline-block; margin: 0 1rem 1rem 0; vertical-align: top; max-width: 100%; }
img { max-width: 100%; min-width: 8rem; height: auto; } img:not([hidden]) { display: block; }
input { width: 100%; } figcaption, .faint { opacity: .7; font-size: .85rem; }
svg { width: 100%; height: 12rem; display: block; } polyline { fill: none; stroke: var(--line); stroke-width: 1.5; }
svg line { stroke: var(--faint); } svg text { font-size: 11px; fill: currentColor; opacity: .7; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .15rem 1rem .15rem 0; }
th { font-weight: 600; border-bottom: 1px solid var(--faint); }
pre { overflow-x: auto; padding: .75rem; border: 1px solid var(--faint); font-size: .8rem; }
"""


def write(folder: Path, picture: Path) -> Path:
    """Write the report of a finished run into its folder; the file.

    picture: what the run painted, or a smaller one of it. The page holds all it shows and asks nothing of the net. The
    table of verdicts has the columns that the run's objectives gave it. A painting is shown as its strokes build it up
    and, if it was not MyPaint that painted it, as MyPaint does where it is installed.
    """
    text = (folder / "recipe.toml").read_text(encoding="utf-8")
    tree = tomllib.loads(text)
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    names = [name for name in dict.fromkeys(n for line in log for n in line) if name not in _NO_CURVES]
    # The loss of a single objective is that objective's value.
    curves = [name for name in names if name != "loss" or len(names) != 2]
    seconds = sum(line["seconds"] for line in log)
    parts = [
        f"<h1>{html.escape(folder.resolve().name)}</h1>",
        f'<p class="faint">{len(log)} steps in {format_duration(seconds)}, artkit {html.escape(__version__)}</p>',
        _figure("painting", _read(picture)),
        *(_figure(name, image) for name, image in _targets(tree).items()),
        *_painted_again(folder, tree),
    ]
    for name in curves:  # what a training looks at may change on the way
        parts += [f"<h2>{html.escape(name)}</h2>", _curve([line[name] for line in log if name in line])]
    if verdicts := (log[-1].get("verdicts") if log else None):
        parts += ["<h2>verdicts</h2>", _table(verdicts)]
    settings = text.partition(f"\n[{RECORD}")[0].strip()
    parts += ["<h2>recipe</h2>", f"<pre>{html.escape(settings)}</pre>"]
    page = (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(folder.resolve().name)}</title>\n<style>{_STYLE}</style>\n"
        + "\n".join(parts)
        + "\n</html>\n"
    )
    write_text(folder / REPORT, page)
    return folder / REPORT


def _targets(tree: Mapping[str, Any]) -> dict[str, Image.Image]:
    """The targets of the objectives as they were painted, if they are still where the recipe says."""
    found: dict[tuple[str, Fit], str] = {}
    for name, told in tree.get("objective", {}).items():
        if "target" in told and Path(told["target"]).is_file():
            found.setdefault((told["target"], told.get("fit", "cover")), f"target of {name}")
    width, height = tree.get("size", (_SIDE, _SIDE))
    shrink = min(1.0, _SIDE / max(width, height))
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    ground = tree.get("background")
    colour = torch.tensor(ground) if isinstance(ground, list) else None
    return {
        name: Image.fromarray(tensor_to_pixels(load_target_image(Path(file), size, fit, colour).pixels[0]))
        for (file, fit), name in found.items()
    }


def _painted_again(folder: Path, tree: Mapping[str, Any]) -> Iterable[str]:
    """What only the strokes tell, if there are any: MyPaint's version of the painting, and how it came about."""
    if not (folder / STROKES_FILE).exists():
        return
    painting = open_painting(folder).downscaled(_SIDE)
    if len(painting.log.actions) > _STROKES:
        yield '<p class="faint">of so many strokes the way there is not shown</p>'
        return
    own = tree["renderer"]["type"]
    if own != "mypaint" and "mypaint" in get_registry().components("renderer"):
        # Not everything is a stroke of MyPaint's, and it need not be installed.
        with contextlib.suppress(ArtkitError):
            real = open_painting(folder, painting.scale, renderer="mypaint").pixels()
            gap = np.abs(real.astype(int) - painting.pixels()).mean() / 255
            yield _figure(f"by MyPaint; it differs by {gap:.3f} on average", Image.fromarray(real))
    phases = painting.log.phases
    if len(phases) > 1 and len(painting.log.actions) > 1:
        ends = sorted({math.ceil(len(phases) * (index / _FRAMES) ** 1.5) for index in range(1, _FRAMES + 1)})
        width, height = painting.size
        picture = torch.tensor(painting.log.background).view(3, 1, 1).expand(3, height, width)
        frames = []
        for begin, end in itertools.pairwise([0, *ends]):
            paint = painting.render_phases(phases[begin:end], 0, 0, width, height)
            picture = picture * (1 - paint[3]) + paint[:3]
            strokes = sum(phase.stroke_count for phase in phases[:end])
            frames.append((f"{strokes} strokes", Image.fromarray(tensor_to_pixels(picture))))
        yield _slider(frames)


def _read(file: Path) -> Image.Image:
    with Image.open(file) as opened:
        return opened.convert("RGB")


def _figure(name: str, image: Image.Image) -> str:
    return f"<figure>{_image(name, image, _SIDE)}<figcaption>{html.escape(name)}</figcaption></figure>"


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
    """Pictures of which the slider below shows one."""
    last = len(frames) - 1
    shown = [
        _image(name, image, _SIDE // 2, "" if index == last else " hidden")
        for index, (name, image) in enumerate(frames)
    ]
    script = (
        "const all = this.parentNode.querySelectorAll('img');"
        "all.forEach((image, index) => image.hidden = index != this.value);"
        "this.nextElementSibling.textContent = all[this.value].alt"
    )
    slider = f'<input type="range" min="0" max="{last}" value="{last}" aria-label="strokes" oninput="{script}">'
    return f"<figure>{''.join(shown)}{slider}<figcaption>{html.escape(frames[-1][0])}</figcaption></figure>"


def _curve(values: Sequence[float]) -> str:
    """A curve of the values of the steps, each point the mean of as many as fall on it."""
    many = math.ceil(len(values) / _POINTS)
    points = [sum(values[i : i + many]) / len(values[i : i + many]) for i in range(0, len(values), many)]
    low, high = min(points), max(points)
    span = (high - low) or 1.0
    width, height, pad = 600, 180, 14
    across = width / max(len(points) - 1, 1)
    line = " ".join(
        f"{i * across:.1f},{pad + (height - 2 * pad) * (high - p) / span:.1f}" for i, p in enumerate(points)
    )
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
        told = ("yes" if value else "no") if isinstance(value, bool) else str(value)
        yield f"<td>{html.escape(told)}</td>"
