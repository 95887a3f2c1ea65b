"""The commands that this plugin adds."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("painter")
@click.option("--brush", default="classic/dry_brush", show_default=True, help="The brush, as MyPaint names it.")
@click.option("--strokes", type=click.IntRange(min=100), default=2000, show_default=True, help="Unseen strokes.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Which unseen strokes.")
@click.option("--weights", type=click.Path(), help="Weights of your own training.")
@click.option("--mean", is_flag=True, help="The painter of the brush's mean, without grain.")
@click.option(
    "--pairs",
    type=click.IntRange(min=0),
    default=4000,
    show_default=True,
    help="Strokes that the judge of the two-sample test is trained on; 0 leaves the test out.",
)
@click.option(
    "--sheet", type=click.Path(path_type=Path), help="Write a picture, real strokes above painted ones: a PNG."
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def fidelity(
    painter: str,
    brush: str,
    strokes: int,
    seed: int,
    weights: str | None,
    mean: bool,
    pairs: int,
    sheet: Path | None,
    as_json: bool,
) -> None:
    """A painter against the real MyPaint, on strokes that it never saw."""
    import torch

    from artkit.errors import UsageError
    from artkit.imaging.png import save_png
    from artkit.interfaces.scene import Scene
    from artkit.recipes.validation import build_config
    from artkit.registry.plugin_registry import get_registry
    from artkit_mypaint.action_spaces import DISCRETE_SPACE, STROKE_SPACE
    from artkit_mypaint.workers import Workers
    from artkit_painters import fidelity as figures_of
    from artkit_painters import two_sample

    part = get_registry().component("renderer", painter)
    settings = {"brush": brush, "surrogate": "", "weights": weights, "grain": not mean}
    known = {key: value for key, value in settings.items() if key in part.Config.model_fields and value is not None}
    config = build_config(part, known, f"renderer {painter}")
    scene = Scene((64, 64), torch.device("cpu"), seed, torch.Generator(), torch.ones(3), lambda *_, **__: None)
    made = part(config, scene)
    if made.space not in (STROKE_SPACE, DISCRETE_SPACE):
        raise UsageError(f"the renderer {painter} does not paint brushstrokes")
    if sheet and sheet.suffix != ".png":
        raise UsageError(f"the picture {sheet} is to be a PNG", hint="give a name that ends with .png")
    workers = Workers(brush)
    figures = figures_of.measure(made, brush, workers, strokes, seed)
    if pairs:
        figures |= two_sample.accuracy(made, brush, workers, pairs, seed)
    if sheet:
        save_png(figures_of.sheet(made, brush, workers, seed), sheet)
    if as_json:
        told = {"painter": painter, "brush": brush, "mean": mean, "strokes": strokes, "seed": seed, "pairs": pairs}
        learnt = {"weights": made.provenance.get("weights", ""), "facts": getattr(made, "facts", {})}
        click.echo(json.dumps({**told, **learnt, **figures}))
        return
    click.echo(f"{painter} of {brush}, {strokes} unseen strokes")
    for what, figure, beside in figures_of.table(figures):
        click.echo(f"  {what:<32} {figure:<10} {beside}")
