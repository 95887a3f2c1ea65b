"""The commands that this plugin adds."""

from __future__ import annotations

import json

import click


@click.command()
@click.argument("painter")
@click.option("--brush", default="classic/dry_brush", show_default=True, help="The brush, as MyPaint names it.")
@click.option("--strokes", type=click.IntRange(min=100), default=2000, show_default=True, help="Unseen strokes.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Which unseen strokes.")
@click.option("--weights", type=click.Path(), help="Weights of your own training.")
@click.option("--mean", is_flag=True, help="The painter of the brush's mean, without grain.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def fidelity(painter: str, brush: str, strokes: int, seed: int, weights: str | None, mean: bool, as_json: bool) -> None:
    """A painter against the real MyPaint, on strokes that it never saw."""
    import torch

    from artkit.errors import UsageError
    from artkit.part import Scene
    from artkit.plugins import plugins
    from artkit.recipe import check_settings
    from artkit_painters.fidelity import measure
    from artkit_painters.stroke import SPACE

    part = plugins().part("renderer", painter)
    settings = {"brush": brush, "surrogate": "", "weights": weights, "grain": not mean}
    known = {key: value for key, value in settings.items() if key in part.Config.model_fields and value is not None}
    config = check_settings(part, known, f"renderer {painter}")
    scene = Scene((64, 64), torch.device("cpu"), seed, torch.Generator(), torch.ones(3), lambda *_, **__: None)
    made = part(config, scene)
    if made.space != SPACE:
        raise UsageError(f"the renderer {painter} does not paint brushstrokes")
    figures = measure(made, brush, strokes, seed)
    if as_json:
        click.echo(json.dumps({"painter": painter, "brush": brush, "strokes": strokes, "seed": seed, **figures}))
        return
    rows = (
        ("squared error", "mse", f"best mean {figures['floor']:.5f}, perfect sample {figures['sampler']:.5f}"),
        ("footprint IoU", "iou", f"two real strokes {figures['iou_real']:.3f}"),
        ("gradient energy", "energy", "real 1"),
        ("spectrum distance", "spectrum", "real 0"),
        ("error / floor, small brushes", "mse_small", "best 1"),
        ("error / floor, large brushes", "mse_large", "best 1"),
        ("error / floor, light pressure", "mse_light", "best 1"),
        ("error / floor, heavy pressure", "mse_heavy", "best 1"),
    )
    click.echo(f"{painter} of {brush}, {strokes} unseen strokes")
    for what, key, beside in rows:
        click.echo(f"  {what:<30} {figures[key]:<10.5g} {beside}")
