"""Measures the painters that ship with artkit and writes their model cards: run ``python docs/models.py``.

What `artkit fidelity --json` says of each is kept in ``docs/models.json``, and its sheets in ``docs/images/models``; a
painter whose weights have not changed is not measured again. ``python docs/models.py --page`` writes the page alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from artkit.files import sha256, write_text
from artkit_painters.fidelity import table
from artkit_painters.weights import SHIPPED

DOCS = Path(__file__).parent
FIGURES = DOCS / "models.json"
IMAGES = DOCS / "images" / "models"
KINDS = {
    "gan": (["gan"], "Draws a sample of the brush's randomness, dab by dab: the renderer `gan`."),
    "mean": (
        ["gan", "--mean", "--pairs", "0"],
        "Draws the mean of all samples: the renderer `gan` with `grain = false`, and the gradient of `mypaint`.",
    ),
    "vae": (["vae"], "The paper's first painter (§2.2), which smudges: the renderer `vae`."),
}
"""What the names of shipped weights begin with: how `artkit fidelity` is told of them, and what they are for."""


def measure(file: Path) -> dict[str, Any]:
    """What `artkit fidelity` says of shipped weights; it leaves their sheet among the images."""
    kind, _, brush = file.stem.partition("-")
    IMAGES.mkdir(parents=True, exist_ok=True)
    words = [
        *KINDS[kind][0],
        "--brush",
        brush.replace("-", "/", 1),
        "--sheet",
        str(IMAGES / f"{file.stem}.png"),
        "--json",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "artkit", "fidelity", *words], stdout=subprocess.PIPE, text=True, check=True
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def card(name: str, told: Mapping[str, Any], picture: str = "") -> str:
    """The model card of weights called `name`, from what `artkit fidelity --json` said of them."""
    facts = told["facts"]
    settings = facts.get("training", {}).items()
    training = ", ".join(f"`{key} = {json.dumps(value)}`" for key, value in settings if value is not None)
    lines = [
        f"## {name}",
        "",
        KINDS[name.partition("-")[0]][1],
        "",
        f"- Brush: {told['brush']}. Action space: `{facts['space']}`. Architecture: {facts.get('architecture', '-')}.",
        f"- Training: {training or 'not told'}.",
        f"- sha256: `{told['weights']}`",
        "",
        f"On {told['strokes']} strokes of random actions that no training saw:",
        "",
        "| | painter | beside |",
        "|---|---|---|",
        *(f"| {what} | {figure} | {beside} |" for what, figure, beside in table(told)),
        "",
    ]
    if "accuracy" in told:
        lines += [f"The judge was trained on {told['pairs']} real strokes and as many painted ones.", ""]
    if picture:
        lines += [f"![Real strokes, and below each the painted one]({picture})", ""]
    return "\n".join(lines)


def page(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """The page of all cards."""
    lines = [
        "# Model cards",
        "",
        "Of the painters that ship with artkit, written by `python docs/models.py` from what `artkit fidelity` says",
        "of each. How to read the figures is told in [neural painters](neural-painters.md). In each pair of rows of a picture real",
        "strokes are above, painted ones of the same actions below.",
        "",
        "They are for painting with artkit, in the range of the action space. They learnt from strokes of MyPaint",
        "alone; there are no pictures of people or places in them.",
        "",
    ]
    for name, told in sorted(figures.items()):
        there = (IMAGES / f"{name}.png").exists()
        lines.append(card(name, told, f"images/models/{name}.png" if there else ""))
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Measure what has changed, and write the page."""
    figures: dict[str, Any] = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    if "--page" not in arguments:
        files = {f.stem: f for f in sorted(SHIPPED.glob("*.safetensors")) if f.stem.partition("-")[0] in KINDS}
        figures = {name: told for name, told in figures.items() if name in files}
        for name, file in files.items():
            if figures.get(name, {}).get("weights") != sha256(file):
                figures[name] = measure(file)
                write_text(FIGURES, json.dumps(figures, indent=1) + "\n")
                print(name, flush=True)
    write_text(DOCS / "models.md", page(figures))


if __name__ == "__main__":
    main(sys.argv[1:])
