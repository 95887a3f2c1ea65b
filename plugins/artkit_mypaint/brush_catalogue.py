"""The command ``artkit brushes``: which brushes there are, what each does, and a sheet with a stroke of each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from PIL import Image

    from artkit_mypaint.brush import Brush

_COLUMNS = 4
_CELL_PX = (260, 104)  # of the sheet: width and height
_TILE_PX = 208
_LABEL_PX = 13
_STROKE = (0.05, 0.5, 0.5, 0.28, 0.95, 0.4, 0.35, 0.95, 0.6)
"""The action of the sample stroke without its colour: a flat arc with rising pressure, as wide as its tile."""

_COLOUR, _CHANGING_COLOUR = (0.1, 0.1, 0.12), (0.25, 0.5, 0.75)
_MIN_INK = 1e-3  # mean of 1 - RGB with which a sample counts as visible


@click.command("brushes")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--sheet", type=click.Path(path_type=Path), help="Write an image with a stroke of each brush: a PNG.")
@click.option(
    "--samples",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write brushes.json, and a JPEG with a stroke of each brush, into a folder.",
)
def brushes(as_json: bool, sheet: Path | None, samples: Path | None) -> None:
    """List the brushes that can be used, and what each does."""
    from artkit.errors import UsageError

    if sheet and sheet.suffix != ".png":
        raise UsageError(f"the image {sheet} must be a PNG", hint="use a name that ends with .png")
    supported = supported_brushes()
    if sheet:
        from artkit.files import atomic

        with atomic(sheet) as temporary:
            brush_sheet(supported).save(temporary, "PNG")
        click.echo(str(sheet))
    elif samples:
        _write_samples(supported, samples)
        click.echo(str(samples))
    elif as_json:
        click.echo(json.dumps([describe(brush) for brush in supported], indent=1))
    else:
        for row in map(describe, supported):
            properties = [f"by {', '.join(row['inputs'])}"] if row["inputs"] else []
            properties += ["stochastic"] if row["stochastic"] else []
            properties += ["changes its colour"] if row["changes_colour"] else []
            properties += ["trained painter"] if row["trained_painter"] else []
            click.echo(f"{row['name']:<34} {'; '.join(properties)}")


def _write_samples(brushes: Sequence[Brush], folder: Path) -> None:
    from artkit.files import atomic, write_text

    write_text(folder / "brushes.json", json.dumps([describe(brush) for brush in brushes], indent=1))
    width, height = _CELL_PX
    for brush in brushes:
        with atomic(folder / f"{brush.name}.jpg") as temporary:
            _sample_stroke(brush, width, height - _LABEL_PX - 6).save(temporary, "JPEG", quality=90)


def supported_brushes() -> list[Brush]:
    """Load all brushes whose strokes do not depend on the canvas, sorted by name."""
    from artkit import UsageError
    from artkit_mypaint.brush import Brush
    from artkit_mypaint.brush_files import brush_names

    found = []
    for name in brush_names():
        try:
            brush = Brush(name)
        except UsageError:
            continue  # a damaged file; `artkit run` with this brush says what is wrong
        if brush.unsupported_setting is None:
            found.append(brush)
    return found


def describe(brush: Brush) -> dict[str, Any]:
    """Describe a brush.

    name; trained_painter: whether weights of a neural painter of it ship; stochastic: whether
    two samples of an action differ; changes_colour: within a stroke; inputs: what its settings depend on; file.
    """
    inputs = sorted({name for setting in brush.settings.values() for name, curve in setting["inputs"].items() if curve})
    return {
        "name": brush.name,
        "trained_painter": brush.name in _trained_brushes(),
        "stochastic": brush.stochastic,
        "changes_colour": brush.colour_setting is not None,
        "inputs": inputs,
        "file": str(brush.file),
    }


def _trained_brushes() -> Sequence[str]:
    """The brushes of which the renderer `gan` ships weights."""
    from artkit.registry.plugin_registry import get_registry

    registered = get_registry().components("renderer").get("gan")
    brushes: Sequence[str] = registered.component.trained_brushes() if registered else ()
    return brushes


def brush_sheet(brushes: Sequence[Brush]) -> Image.Image:
    """Render a sheet with a sample stroke of each brush above its name."""
    from PIL import Image, ImageDraw, ImageFont

    width, height = _CELL_PX
    rows = -(-len(brushes) // _COLUMNS)
    sheet = Image.new("RGB", (width * _COLUMNS, height * rows), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_LABEL_PX)
    for index, brush in enumerate(brushes):
        x, y = width * (index % _COLUMNS), height * (index // _COLUMNS)
        sheet.paste(_sample_stroke(brush, width, height - _LABEL_PX - 6), (x, y))
        draw.text((x + width // 2, y + height - 6), brush.name, fill=(90, 90, 90), font=font, anchor="ms")
    return sheet


def _sample_stroke(brush: Brush, width: int, height: int) -> Image.Image:
    """Render a stroke; the first of several samples and sizes with visible paint, since some brushes leave little."""
    import torch
    from PIL import Image

    from artkit_mypaint.engine.engine import Engine
    from artkit_mypaint.tracing import trace_actions

    engine = Engine(brush.name)
    action = torch.tensor([[*_STROKE, *(_CHANGING_COLOUR if brush.colour_setting else _COLOUR)]])
    corner = torch.tensor([[(width - _TILE_PX) / 2, (height - _TILE_PX * 0.66) / 2]])
    for scale, index in ((1, 0), (1, 1), (1, 2), (4, 0)):
        paths = trace_actions(action, corner * scale, _TILE_PX * scale, torch.tensor([index]), 0)
        pixels = engine.paint_window([paths], (0, 0, width * scale, height * scale), (1.0, 1.0, 1.0))
        if (1 - pixels).mean() > _MIN_INK:
            break
    return Image.fromarray((pixels * 255).round().astype("uint8")).resize((width, height), Image.Resampling.BOX)
