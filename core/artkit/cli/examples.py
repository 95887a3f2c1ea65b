"""``artkit examples``: render the strokes of an examples file."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PICTURE...")
@click.option("--scale", type=click.FloatRange(min=0, min_open=True, max=64), default=2.0, show_default=True)
@click.option("--renderer", default="mypaint", show_default=True, help="The renderer of the strokes.")
@click.option("--brush", help="Another brush than the renderer's default.")
def examples(file: Path, files: tuple[Path, ...], scale: float, renderer: str, brush: str | None) -> None:
    """Render the strokes of an examples FILE.

    For checking the file. The formats of PICTURE are those of `artkit export`.
    """
    from artkit.api import scene
    from artkit.output.export import exporters, write_painting
    from artkit.rendering.rendered_painting import RenderedPainting
    from artkit.strokes.stroke_examples import examples_to_log, read_examples

    strokes, chosen = read_examples(file), exporters(files)
    bench = scene(device="cpu")
    settings = {"brush": brush} if brush else {}
    component = bench.make("renderer", renderer, **settings)
    log = examples_to_log(strokes, component.space, {"type": renderer, **settings})
    painting = RenderedPainting(log, component, scale, {"Software": "artkit"})
    for note in bench.notes:
        click.echo(f"note: {note}", err=True)
    for exporter, picture in zip(chosen, files, strict=True):
        write_painting(painting, exporter, picture)
        click.echo(str(picture))
