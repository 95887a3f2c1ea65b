"""Paint the pictures of the gallery and write its page.

``python docs/gallery.py`` paints all pictures, ``python docs/gallery.py NAME ...`` only the named ones; ``--page``
writes the page without painting, ``--sheet`` the README's picture of the styles. Runs are stored in ``runs/gallery``
and resumed; finished ones are not repeated. The page shows only pictures that have been painted.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from artkit.api import create_run
from artkit.engine.run_folder import LOG_FILE
from artkit.imaging.pixels import tensor_to_pixels
from artkit.output.export import open_painting
from artkit.output.finished_picture import PAINTING_FILE
from artkit.recipes.reading import read_recipe
from artkit.recipes.shipped import shipped_recipes

DOCS = Path(__file__).parent
IMAGES = DOCS / "images" / "gallery"
RUNS = Path("runs", "gallery")
IMAGE_SIDE = 352
"""Longer side of the images on the page, px. Strokes of smaller pictures are rendered at a larger scale."""

EVALUATIONS_FILE = "verdicts.json"
"""The file in `IMAGES` with the evaluations of the pictures by held-out networks."""


@dataclass(frozen=True)
class Picture:
    """A picture of the gallery: one of artkit's recipes, with changed settings."""

    name: str
    caption: str
    recipe: str
    settings: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """The command that paints the picture."""
        words = ["artkit", "run", self.recipe]
        for setting in self.settings:
            words += ["--set", setting]
        return " ".join(map(shlex.quote, [*words, "--out", self.name]))


def _of_class(name: str, caption: str, class_name: str, *settings: str) -> Picture:
    return Picture(name, caption, "starfish", (f'objective.see.class="{class_name}"', *settings))


GALLERY = {
    "Styles": (
        Picture("portrait", "A portrait, with small strokes in the face", "portrait"),
        Picture("charcoal", "Charcoal and white chalk on toned paper", "style/charcoal"),
        Picture("poster", "Five colours", "style/poster"),
        Picture("oil", "Broad acrylic", "style/oil"),
        Picture("night", "On black ground", "style/night"),
        Picture("pencil", "Pencil on cream paper", "style/pencil"),
        Picture("ink", "Ink by a calligraphy brush", "style/ink"),
        Picture("chalk", "White chalk on a blackboard", "style/chalk"),
        Picture("points", "Round dabs, after the pointillists", "style/points"),
        Picture("landscape", "A landscape by a wide brush, then by finer ones", "style/landscape"),
        Picture("knife", "Palette knife", "style/knife"),
        Picture("watercolour", "Washes of thin colour", "style/watercolour"),
        Picture("riso", "A print in two inks", "style/riso"),
        Picture("one-line", "A single line of ink", "style/one-line"),
    ),
    "Classes (paper, Figures 1 and 16)": (
        Picture("starfish", "Starfish", "starfish"),
        _of_class("pineapple", "Pineapple", "pineapple"),
        _of_class("hummingbird", "Hummingbird", "hummingbird"),
        _of_class("safety-pin", "Safety pin", "safety pin"),
        _of_class("bannister", "Bannister", "bannister"),
        _of_class("container-ship", "Container ship", "container ship"),
        _of_class("crane", "Crane", "517"),
        _of_class("garbage-truck", "Garbage truck", "garbage truck"),
        _of_class("hard-disc", "Hard disc", "hard disc"),
    ),
    "Pandas (paper, Figure 11)": (
        _of_class("panda", "40 strokes", "giant panda"),
        _of_class("panda-12", "12 strokes", "giant panda", "canvas.strokes=12"),
        _of_class("panda-100", "100 strokes", "giant panda", "canvas.strokes=100"),
        _of_class("panda-painter", "Rendered by the neural painter", "giant panda", 'renderer={type="gan"}'),
        _of_class("panda-one", "For a single network", "giant panda", 'objective.see.networks=["efficientnet_lite0"]'),
        _of_class("panda-gray", "Without colour", "giant panda", 'constraint.ink.type="grayscale"'),
    ),
    "Bees (paper, Figure 14)": tuple(
        _of_class(f"bee-{seed}", f"Seed {seed}", "bee", f"seed={seed}") for seed in (1, 2)
    ),
    "Violins (paper, Figure 15)": tuple(
        _of_class(f"violin-{seed}", f"Seed {seed}", "violin", f"seed={seed}") for seed in (1, 2)
    ),
    "Intrinsic style transfer (paper, Figure 13)": (
        Picture("photo", "With colour", "photo"),
        Picture("gray", "In grayscale", "gray"),
    ),
    "Light paintings (paper, §5.2)": (
        Picture("light", "Jellyfish", "light"),
        Picture("light-volcano", "Volcano", "light", ('objective.see.class="volcano"',)),
    ),
    "Other recipes": (
        Picture("six", "Six colours, opaque strokes, coarse to fine", "six"),
        Picture("chimera", "A cup of coffee, optimised for the class sea anemone", "chimera"),
    ),
}
"""The pictures of each section of the page."""

SHEET = (("portrait", "one-line", "landscape", "chalk"), ("poster", "charcoal", "pencil", "points"))
"""The pictures of the README, row by row."""
SHEET_WIDTH, SHEET_GAP = 1400, 8
"""Width of the README's picture and distance of the pictures in it, px."""


def paint(picture: Picture) -> None:
    """Run or resume the picture's recipe, and save its image and its evaluation for the page."""
    recipe = read_recipe([shipped_recipes()[picture.recipe]], picture.settings)
    folder = RUNS / picture.name
    create_run(recipe, folder, resume=True, device="cpu").execute()
    scale = max(1.0, IMAGE_SIDE / max(recipe.size))
    image = Image.fromarray(tensor_to_pixels(open_painting(folder, scale).to_tensor()))
    image.thumbnail((IMAGE_SIDE, IMAGE_SIDE))
    IMAGES.mkdir(parents=True, exist_ok=True)
    image.save(IMAGES / f"{picture.name}.jpg", quality=88)
    last_line = json.loads((folder / LOG_FILE).read_text(encoding="utf-8").splitlines()[-1])
    evaluations = _read_evaluations()
    evaluations[picture.name] = [row for row in last_line.get("verdicts", ()) if row["held_out"]]
    text = json.dumps(evaluations, indent=1, sort_keys=True) + "\n"
    (IMAGES / EVALUATIONS_FILE).write_text(text, encoding="utf-8")


def save_sheet(rows: Sequence[Sequence[str]], file: Path) -> None:
    """Save painted pictures side by side, in rows of the same width."""
    gap = SHEET_GAP
    images = [[Image.open(RUNS / name / PAINTING_FILE) for name in row] for row in rows]
    heights = [
        round((SHEET_WIDTH - gap * (len(row) - 1)) / sum(image.width / image.height for image in row)) for row in images
    ]
    sheet = Image.new("RGB", (SHEET_WIDTH, sum(heights) + gap * (len(rows) - 1)), "white")
    y = 0
    for row, height in zip(images, heights, strict=True):
        x = 0.0
        for image in row:
            width = image.width * height / image.height
            sheet.paste(image.convert("RGB").resize((round(x + width) - round(x), height)), (round(x), y))
            x += width + gap
        y += height + gap
    sheet.save(file, quality=88)


def _read_evaluations() -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the run's evaluation for each picture, by its name."""
    file = IMAGES / EVALUATIONS_FILE
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def _describe(row: dict[str, Any]) -> str:
    """Return a sentence with the prediction of a held-out network."""
    prediction = f"{row['class']} ({row['probability']:.0%})"
    if row["rank"] > 1:
        prediction = f"{row['sees']}; {prediction} has rank {row['rank']}"
    return f"Prediction of the held-out network {row['network']}: {prediction}."


def page() -> str:
    """Return the text of the page."""
    lines = [
        "# Gallery",
        "",
        "Written by `python docs/gallery.py`. The command below each picture paints it. Pictures of a class are",
        "optimised for two networks; below them is the prediction of a third network, which is held out. Classes that",
        "people can name too are on the page [classes](classes.md).",
        "",
    ]
    evaluations = _read_evaluations()
    for section, pictures in GALLERY.items():
        lines += [f"## {section}", ""]
        for picture in pictures:
            lines += [f"### {picture.caption}", ""]
            if (IMAGES / f"{picture.name}.jpg").exists():
                lines += [f"![{picture.caption}](images/gallery/{picture.name}.jpg)", ""]
            for row in evaluations.get(picture.name, ()):
                lines += [_describe(row), ""]
            lines += ["```bash", picture.command, "```", ""]
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Paint the named pictures, or all without names, and write the page."""
    if arguments == ["--sheet"]:
        save_sheet(SHEET, DOCS / "images" / "styles.jpg")
        return
    pictures = {picture.name: picture for section in GALLERY.values() for picture in section}
    if unknown := [name for name in arguments if name not in pictures and name != "--page"]:
        raise SystemExit(f"no picture is named {', '.join(unknown)}; choose from: {', '.join(pictures)}")
    for name in () if "--page" in arguments else arguments or pictures:
        paint(pictures[name])
        print(name, flush=True)
    (DOCS / "gallery.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
