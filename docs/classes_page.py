"""Write docs/classes.md: every class that the benchmark of two stages has painted, without choice.

    python tests/benchmarks/classes.py --recipe imagine --keep FOLDER [--seed SEED]
    python docs/classes_page.py FOLDER [--seed SEED]

The pictures of FOLDER go into ``docs/images/classes`` and their figures into ``docs/classes.json``. What one sees in a
painting is written into this file by hand: in `seen`, before the class is known, and in `named`, whether that is the
class, a sentence that begins with Yes, Nearly or No. Without a folder, only the page is written.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
import torch
from PIL import Image

from artkit.engine.run_folder import LOG_FILE
from artkit.errors import ArtkitError
from artkit.files import write_text
from artkit.imaging.pixels import tensor_to_pixels
from artkit.output.export import open_painting

DOCS = Path(__file__).parent
FIGURES = DOCS / "classes.json"
IMAGES = DOCS / "images" / "classes"
SIDE = 256
"""Side of each of the two pictures of a class on the page, px."""

TWENTY = 2019
"""The seed of the twenty classes; all others were painted afterwards, without changes to the recipe."""

INTRODUCTION = """\
# Classes

Written by `python docs/classes_page.py`. Classes of ImageNet, drawn by a fixed seed and painted by `artkit run
imagine`, in the order in which they were drawn. Left the picture of the first stage, without strokes; right its
painting. None is left out and none was repeated. EfficientNet-Lite 2, which takes no part in the optimisation, sees
MyPaint's picture; it is of the same family as the networks that do, so it is no independent judge.

*Seen* is what one observer wrote down about each painting before its class was known: the paintings were numbered at
random and shown without names, some at a time. Afterwards it was compared with the class. The observer is a
vision-language model that knew which twenty classes the benchmark has; no person has been asked. The fresh classes are
the first six of another draw, without the apron, which is also among the twenty; of the crocodile and the lion it had
seen the number of the class.
"""


def measure(folder: Path, seed: int) -> dict[str, Any]:
    """Save the picture of a run and return its figures."""
    *_, last = [json.loads(line) for line in (folder / LOG_FILE).read_text(encoding="utf-8").splitlines()]
    (row,) = [row for row in last["verdicts"] if row["held_out"]]
    first = Image.open(folder / "first.png").convert("RGB")
    painting = Image.fromarray(tensor_to_pixels(open_painting(folder, scale=2).to_tensor()))
    both = Image.new("RGB", (2 * SIDE, SIDE))
    for column, picture in enumerate((first, painting)):
        both.paste(picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS), (column * SIDE, 0))
    IMAGES.mkdir(parents=True, exist_ok=True)
    both.save(IMAGES / f"{seed}-{folder.name}.jpg", quality=80, optimize=True)
    figures = {key: row[key] for key in ("class", "rank", "probability", "sees")}
    return {"seed": seed, **figures, "seen": "", "named": ""}


def section(title: str, figures: dict[str, dict[str, Any]]) -> list[str]:
    """Return the lines of a section: a summary, then the picture of each class."""
    count = len(figures)
    top1, top5 = (sum(entry["rank"] <= k for entry in figures.values()) for k in (1, 5))
    yes, nearly = (sum(entry["named"].startswith(word) for entry in figures.values()) for word in ("Yes", "Nearly"))
    lines = [
        f"## {title}",
        "",
        f"Of {count} classes the held-out network has {top1} on the first place and {top5} among the first five. "
        f"Named without knowing: {yes}, and nearly {nearly} more.",
        "",
    ]
    for name, entry in figures.items():
        place = f"rank {entry['rank']}, {entry['probability']:.0%}"
        network_sees = "" if entry["rank"] == 1 else f", after {entry['sees']}"
        lines += [
            f"### {entry['class'].capitalize()}",
            "",
            f"![{entry['class'].capitalize()}](images/classes/{name}.jpg)",
            "",
            f"Held-out network: {place}{network_sees}. Seen: {entry['seen']} Named? {entry['named']}",
            "",
        ]
    return lines


def page() -> str:
    """Return the text of the page."""
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    twenty = {name: entry for name, entry in figures.items() if entry["seed"] == TWENTY}
    fresh = {name: entry for name, entry in figures.items() if entry["seed"] != TWENTY}
    lines = [INTRODUCTION, *section("Classes of the benchmark", twenty)]
    return "\n".join(lines + (section("Fresh classes", fresh) if fresh else []))


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--seed", default=TWENTY, show_default=True, help="The seed by which the classes were drawn.")
def main(folder: Path | None, seed: int) -> None:
    """Measure the finished runs in FOLDER, in the order of the draw, and write the page."""
    figures = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.is_file() else {}
    if folder:
        order = torch.randperm(1000, generator=torch.Generator().manual_seed(seed)).tolist()
        runs = [run for run in folder.iterdir() if (run / "report.html").is_file()]
        for run in sorted(runs, key=lambda run: order.index(int(run.name))):
            figures[f"{seed}-{run.name}"] = measure(run, seed)
        write_text(FIGURES, json.dumps(figures, indent=1) + "\n")
    write_text(DOCS / "classes.md", page())


if __name__ == "__main__":
    try:
        main()
    except ArtkitError as error:
        sys.exit(f"classes: {error}")
