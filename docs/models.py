"""Measure the shipped painters and write their model cards: ``python docs/models.py``.

The output of ``artkit fidelity --json`` for each painter is stored in ``docs/models.json``, and its image in
``docs/images/models``. Painters with unchanged weights are not measured again. ``python docs/models.py --page`` writes
the page only.
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
    "gan": (["gan"], "Paints samples with the brush's randomness, dab by dab: the renderer `gan`."),
    "mean": (
        ["gan", "--mean", "--pairs", "0"],
        "Paints the mean of all samples: the renderer `gan` with `grain = false`, and the gradient of `mypaint` with "
        '`gradient = "mean"`.',
    ),
    "dcgan": (
        ["dcgan", "--pairs", "1000"],
        "The paper's GAN painter (§2.3), a DCGAN without noise: the renderer `dcgan`.",
    ),
    "vae": (["vae"], "The paper's first painter (§2.2), which blurs: the renderer `vae`."),
}
"""By the first part of the weights' name: the arguments of `artkit fidelity`, and a description."""


def measure(file: Path) -> dict[str, Any]:
    """Run `artkit fidelity` for shipped weights and return its output. The image is written to `IMAGES`."""
    kind, _, brush = file.stem.partition("-")
    IMAGES.mkdir(parents=True, exist_ok=True)
    arguments = [
        *KINDS[kind][0],
        *("--brush", brush.replace("-", "/", 1)),
        *("--sheet", str(IMAGES / f"{file.stem}.png")),
        "--json",
    ]
    process = subprocess.run(
        [sys.executable, "-m", "artkit", "fidelity", *arguments], stdout=subprocess.PIPE, text=True, check=True
    )
    figures: dict[str, Any] = json.loads(process.stdout)
    return figures


def card(name: str, figures: Mapping[str, Any], image: str = "") -> str:
    """Return the model card of weights from the output of `artkit fidelity --json`."""
    metadata = figures["facts"]
    settings = metadata.get("training", {}).items()
    training = ", ".join(f"`{key} = {json.dumps(value)}`" for key, value in settings if value is not None)
    architecture = metadata.get("architecture", "-")
    lines = [
        f"## {name}",
        "",
        KINDS[name.partition("-")[0]][1],
        "",
        f"- Brush: {figures['brush']}. Action space: `{metadata['space']}`. Architecture: {architecture}.",
        f"- Training: {training or 'unknown'}.",
        f"- sha256: `{figures['weights']}`",
        "",
        f"On {figures['strokes']} strokes of random actions that were not used in training:",
        "",
        "| | painter | reference |",
        "|---|---|---|",
        *(f"| {metric} | {value} | {reference} |" for metric, value, reference in table(figures)),
        "",
    ]
    if "accuracy" in figures:
        lines += [f"The two-sample classifier was trained on {figures['pairs']} real and as many painted strokes.", ""]
    if image:
        lines += [f"![Real strokes, with painted ones below]({image})", ""]
    return "\n".join(lines)


def page(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page with all model cards."""
    lines = [
        "# Model cards",
        "",
        "The painters that ship with artkit. `python docs/models.py` writes this page from the output of",
        "`artkit fidelity`; [neural painters](neural-painters.md) explains the metrics. The images show pairs of rows:",
        "real strokes above, painted ones of the same actions below.",
        "",
        "Intended use: painting with artkit, within the range of the action space. The training data are strokes of",
        "MyPaint only, without pictures of people or places.",
        "",
    ]
    for name, painter_figures in sorted(figures.items()):
        has_image = (IMAGES / f"{name}.png").exists()
        lines.append(card(name, painter_figures, f"images/models/{name}.png" if has_image else ""))
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Measure painters whose weights have changed, and write the page."""
    figures: dict[str, Any] = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    if "--page" not in arguments:
        files = {f.stem: f for f in sorted(SHIPPED.glob("*.safetensors")) if f.stem.partition("-")[0] in KINDS}
        figures = {name: painter_figures for name, painter_figures in figures.items() if name in files}
        for name, file in files.items():
            if figures.get(name, {}).get("weights") != sha256(file):
                figures[name] = measure(file)
                write_text(FIGURES, json.dumps(figures, indent=1) + "\n")
                print(name, flush=True)
    write_text(DOCS / "models.md", page(figures))


if __name__ == "__main__":
    main(sys.argv[1:])
