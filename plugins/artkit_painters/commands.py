"""The command ``artkit fidelity``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from artkit import Renderer


@click.command()
@click.argument("painter")
@click.option("--brush", default="classic/dry_brush", show_default=True, help="The brush, as MyPaint names it.")
@click.option("--strokes", type=click.IntRange(min=100), default=2000, show_default=True, help="Number of strokes.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the strokes.")
@click.option("--weights", type=click.Path(), help="Your own weights.")
@click.option("--mean", is_flag=True, help="Measure the painter of the brush's mean, without stroke noise.")
@click.option(
    "--pairs",
    type=click.IntRange(min=0),
    default=4000,
    show_default=True,
    help="Strokes on which the classifier of the two-sample test is trained; 0 skips the test.",
)
@click.option(
    "--sheet", type=click.Path(path_type=Path), help="Write an image of real strokes with painted ones below: a PNG."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def fidelity(
    context: click.Context,
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
    """Compare a painter with MyPaint, on strokes that no training contains.

    The painter "mypaint" is artkit's brush engine: its dabs and coverages are compared with those of libmypaint.
    """
    from artkit.errors import UsageError

    if painter == "mypaint":
        for option in ("weights", "mean", "pairs", "sheet"):
            if context.get_parameter_source(option) is not ParameterSource.DEFAULT:
                raise UsageError(f"--{option} has no effect for mypaint", hint="it is for neural painters, such as gan")
        _print_engine_fidelity(brush, strokes, seed, as_json)
        return
    from artkit.imaging.png import save_png
    from artkit_mypaint.engine.engine import Engine
    from artkit_painters import fidelity as fidelity_module
    from artkit_painters import two_sample

    renderer = _build_renderer(painter, {"brush": brush, "surrogate": "", "weights": weights, "grain": not mean}, seed)
    if sheet and sheet.suffix != ".png":
        raise UsageError(f"the image {sheet} must be a PNG", hint="use a name that ends with .png")
    engine = Engine(brush)
    figures = fidelity_module.measure(renderer, brush, engine, strokes, seed)
    if pairs:
        figures |= two_sample.accuracy(renderer, brush, engine, pairs, seed)
    if sheet:
        save_png(fidelity_module.stroke_image(renderer, brush, engine, seed), sheet)
    if as_json:
        options = {"painter": painter, "brush": brush, "mean": mean, "strokes": strokes, "seed": seed, "pairs": pairs}
        source = {"weights": renderer.provenance.get("weights", ""), "facts": getattr(renderer, "metadata", {})}
        click.echo(json.dumps({**options, **source, **figures}))
        return
    click.echo(f"{painter} of {brush}, {strokes} held-out strokes")
    for name, value, reference in fidelity_module.table(figures):
        click.echo(f"  {name:<32} {value:<10} {reference}")


def _print_engine_fidelity(brush: str, strokes: int, seed: int, as_json: bool) -> None:
    """Compare the brush engine with libmypaint and print the figures."""
    from artkit_mypaint.engine_fidelity import compare

    figures = compare(brush, strokes, seed)
    if as_json:
        click.echo(json.dumps({"brush": brush, "seed": seed, **figures}))
        return
    click.echo(f"the brush engine and libmypaint, {brush}, {strokes} strokes")
    click.echo(f"  {'strokes with equal numbers of dabs':<36} {100 * figures['equal_counts']:.2f} %")
    click.echo(f"  {'dab error, 99th percentile':<36} {figures['dab_error_p99']:.2g} px")
    for key, name in (("mean", "mean"), ("p999", "99.9th percentile"), ("max", "largest")):
        click.echo(f"  {f'coverage error, {name}':<36} {figures[f'coverage_error_{key}']:.2g}")


def _build_renderer(painter: str, options: dict[str, Any], seed: int) -> Renderer:
    """Build a renderer of brushstrokes, with those options that it has."""
    import torch

    from artkit import Scene
    from artkit.errors import UsageError
    from artkit.recipes.validation import build_config
    from artkit.registry.plugin_registry import get_registry
    from artkit_mypaint.action_spaces import DISCRETE_SPACE, STROKE_SPACE

    component = get_registry().component("renderer", painter)
    fields = component.Config.model_fields
    own_options = {name: value for name, value in options.items() if name in fields and value is not None}
    config = build_config(component, own_options, f"renderer {painter}")
    scene = Scene((64, 64), torch.device("cpu"), seed, torch.Generator(), torch.ones(3), lambda *_, **__: None)
    renderer: Renderer = component(config, scene)
    if renderer.space not in (STROKE_SPACE, DISCRETE_SPACE):
        raise UsageError(f"the renderer {painter} does not paint brushstrokes")
    return renderer
