"""Paints the gallery and writes its page: run ``python docs/gallery.py``, or name the pictures to paint.

Runs are kept in ``runs/gallery`` and go on where they were stopped; pictures that are done are not painted again. The
page shows those whose image is there. ``python docs/gallery.py --page`` writes the page alone.
"""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from artkit.engine.painting_task import PaintingTask
from artkit.engine.run import LOG, Run
from artkit.imaging.pixels import tensor_to_pixels
from artkit.output.export import open_painting
from artkit.recipes.reading import read_recipe
from artkit.recipes.shipped import shipped_recipes

DOCS = Path(__file__).parent
IMAGES = DOCS / "images" / "gallery"
RUNS = Path("runs", "gallery")
SIDE = 352
"""The px of the longer side of an image on the page; strokes of a smaller picture are painted as large again."""

VERDICTS = "verdicts.json"
"""What networks that took no part see in the pictures, beside the images."""


@dataclass(frozen=True)
class Picture:
    """A picture of the gallery: a recipe that ships with artkit, and settings over it."""

    name: str
    caption: str
    recipe: str
    settings: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """The command that paints it."""
        words = ["artkit", "run", self.recipe]
        for setting in self.settings:
            words += ["--set", setting]
        return " ".join(map(shlex.quote, [*words, "--out", self.name]))


def _seen(name: str, caption: str, of: str, *settings: str) -> Picture:
    return Picture(name, caption, "starfish", (f'objective.see.class="{of}"', *settings))


GALLERY = {
    "What networks imagine (paper, Figures 1 and 16)": (
        Picture("starfish", "Starfish", "starfish"),
        _seen("pineapple", "Pineapple", "pineapple"),
        _seen("hummingbird", "Hummingbird", "hummingbird"),
        _seen("safety-pin", "Safety pin", "safety pin"),
        _seen("bannister", "Bannister", "bannister"),
        _seen("container-ship", "Container ship", "container ship"),
        _seen("crane", "Crane", "517"),
        _seen("garbage-truck", "Garbage truck", "garbage truck"),
        _seen("hard-disc", "Hard disc", "hard disc"),
    ),
    "Optimal pandas (paper, Figure 11)": (
        _seen("panda", "40 strokes", "giant panda"),
        _seen("panda-12", "12 strokes", "giant panda", "canvas.strokes=12"),
        _seen("panda-100", "100 strokes", "giant panda", "canvas.strokes=100"),
        _seen("panda-painter", "By the painter, without MyPaint", "giant panda", 'renderer={type="gan"}'),
        _seen("panda-one", "For one network", "giant panda", 'objective.see.networks=["efficientnet_lite0"]'),
        _seen("panda-gray", "Without colour", "giant panda", 'constraint.ink.type="grayscale"'),
    ),
    "Optimal bees (paper, Figure 14)": tuple(
        _seen(f"bee-{seed}", f"Seed {seed}", "bee", f"seed={seed}") for seed in (1, 2)
    ),
    "Optimal violins (paper, Figure 15)": tuple(
        _seen(f"violin-{seed}", f"Seed {seed}", "violin", f"seed={seed}") for seed in (1, 2)
    ),
    "Intrinsic style transfer (paper, Figure 13)": (
        Picture("photo", "In colour", "photo"),
        Picture("gray", "Without", "gray"),
    ),
    "Light paintings (paper, §5.2)": (
        Picture("light", "Jellyfish", "light"),
        Picture("light-volcano", "Volcano", "light", ('objective.see.class="volcano"',)),
    ),
    "And more": (
        Picture("six", "Six colours, laid on thickly, coarse to fine", "six"),
        Picture("chimera", "Coffee, and something else", "chimera"),
        _seen("one-line", "A hare in a single line", "hare", 'constraint.pen.type="connected"'),
    ),
}
"""Sections and their pictures."""


def paint(picture: Picture) -> None:
    """Paint a picture as far as that is still to be done, and put its image and its verdicts on the page."""
    recipe = read_recipe([shipped_recipes()[picture.recipe]], picture.settings)
    folder = RUNS / picture.name
    Run(folder, recipe, PaintingTask(recipe, torch.device("cpu")), resume=True).execute()
    scale = max(1.0, SIDE / max(recipe.settings.size))
    image = Image.fromarray(tensor_to_pixels(open_painting(folder, scale).to_tensor()))
    image.thumbnail((SIDE, SIDE))
    IMAGES.mkdir(parents=True, exist_ok=True)
    image.save(IMAGES / f"{picture.name}.jpg", quality=88)
    last = json.loads((folder / LOG).read_text(encoding="utf-8").splitlines()[-1])
    verdicts = _verdicts()
    verdicts[picture.name] = [row for row in last.get("verdicts", ()) if row["held_out"]]
    (IMAGES / VERDICTS).write_text(json.dumps(verdicts, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _verdicts() -> dict[str, list[dict[str, Any]]]:
    file = IMAGES / VERDICTS
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def _sentence(verdict: dict[str, Any]) -> str:
    """What a network sees, as a person would say it."""
    share = f"{verdict['class']} ({verdict['probability']:.0%})"
    seen = share if verdict["rank"] == 1 else f"{verdict['sees']}; {share} is number {verdict['rank']}"
    return f"{verdict['network']}, which took no part, sees: {seen}."


def page() -> str:
    """The page, with the images that are there."""
    lines = [
        "# Gallery",
        "",
        "Made by `python docs/gallery.py`; each picture by the command below it. Those that show a class were painted",
        "for two networks, and what a third one sees in them is told.",
        "",
    ]
    verdicts = _verdicts()
    for section, pictures in GALLERY.items():
        lines += [f"## {section}", ""]
        for picture in pictures:
            lines += [f"### {picture.caption}", ""]
            if (IMAGES / f"{picture.name}.jpg").exists():
                lines += [f"![{picture.caption}](images/gallery/{picture.name}.jpg)", ""]
            for verdict in verdicts.get(picture.name, ()):
                lines += [_sentence(verdict), ""]
            lines += ["```bash", picture.command, "```", ""]
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Paint what is named, or all, and write the page."""
    pictures = {picture.name: picture for several in GALLERY.values() for picture in several}
    if unknown := [name for name in arguments if name not in pictures and name != "--page"]:
        raise SystemExit(f"there is no {', '.join(unknown)}; there are: {', '.join(pictures)}")
    for name in () if "--page" in arguments else arguments or pictures:
        paint(pictures[name])
        print(name, flush=True)
    (DOCS / "gallery.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
