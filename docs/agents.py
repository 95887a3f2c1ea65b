"""Measures trained agents on test images, and writes docs/agents.md.

    python docs/agents.py runs/mnist runs/kmnist …

Each RUN is the folder of a run of a recipe with `[data]`. Its figures go into ``docs/agents.json``, by the name of the
run, and a grid of its paintings into ``docs/images/agents``, so that runs can be measured one at a time. ``--page``
only writes the page.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from agent_evaluation.measurement import measure
from agent_evaluation.page import make_page, plot_curves
from artkit.errors import ArtkitError
from artkit.files import write_text

DOCS = Path(__file__).parent
FIGURES = DOCS / "agents.json"
IMAGES = DOCS / "images" / "agents"


@click.command()
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--count", type=click.IntRange(1), default=1000, show_default=True, help="Test images of each run.")
@click.option(
    "--classifiers",
    type=click.Path(path_type=Path),
    default=Path("runs/classifiers"),
    show_default=True,
    help="Folder in which trained classifiers are cached.",
)
@click.option("--page", "page_only", is_flag=True, help="Only write the page.")
def main(runs: tuple[Path, ...], count: int, classifiers: Path, page_only: bool) -> None:
    """Measure RUNS and write the page."""
    figures = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.is_file() else {}
    for run in () if page_only else runs:
        figures[run.resolve().name] = measure(run, count, classifiers, IMAGES)
        write_text(FIGURES, json.dumps(figures, indent=1) + "\n")
    IMAGES.mkdir(parents=True, exist_ok=True)
    plot_curves(figures).save(IMAGES / "curves.png", optimize=True)
    write_text(DOCS / "agents.md", make_page(figures))


if __name__ == "__main__":
    try:
        main()
    except ArtkitError as error:
        sys.exit(f"agents: {error}")
