"""Paint two portraits by `grid` and by `adaptive`, and write the pictures of both side by side.

``python docs/portraits.py [NAME ...]`` needs scikit-image and matplotlib, whose sample photos are painted, and the
extra `faces`. Runs are stored in ``runs/portraits`` and resumed. Of each portrait the page shows the photo, the
painting on a grid and the painting with the same number of strokes on a canvas that divides itself, and below each the
face.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from PIL import Image

from artkit.engine.painting_task import PaintingTask
from artkit.engine.run import Run
from artkit.imaging.loading import load_target_image
from artkit.imaging.pixels import tensor_to_pixels
from artkit.output.export import open_painting
from artkit.recipes.reading import read_recipe
from artkit.recipes.shipped import shipped_recipes
from artkit_canvases.faces import find_faces

IMAGES = Path(__file__).parent / "images"
RUNS = Path("runs", "portraits")
SIDE = 320
"""Longer side of a painting in px of its recipe, and of each image on the page."""
SCALE = 4
"""Scale at which faces are exported."""


def photo(name: str) -> Path:
    """Return the file of a sample photo of an installed package."""
    if name == "hopper":
        import matplotlib.cbook

        return Path(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    import skimage.data

    file = RUNS / f"{name}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(getattr(skimage.data, name)()).save(file)
    return file


def paint(name: str, file: Path, canvas: str, settings: list[str]) -> tuple[Path, int]:
    """Paint a photo, unless it is painted, and return the folder of the run and its number of strokes."""
    target = f'objective.look.target="{file.resolve()}"'
    recipe = read_recipe([shipped_recipes()["photo"]], [target, f"size={SIDE}", *settings])
    folder = RUNS / f"{name}-{canvas}"
    task = PaintingTask(recipe, torch.device("cpu"))
    Run(folder, recipe, task, resume=folder.exists()).execute()
    return folder, task.canvas.stroke_count


def panels(image: Image.Image, face: tuple[int, int, int], size: tuple[int, int]) -> list[Image.Image]:
    """Return a picture, and its face as large as the picture is wide."""
    scale = image.width / size[0]
    x, y, side = (value * scale for value in face)
    box = (x - 0.15 * side, y - 0.15 * side, x + 1.15 * side, y + 1.15 * side)
    resample = Image.Resampling.LANCZOS
    return [image.resize(size, resample), image.resize((size[0], size[0]), resample, box=box)]


def main(names: list[str]) -> None:
    """Paint the portraits and write their images."""
    for name in names or ["astronaut", "hopper"]:
        file = photo(name)
        before, strokes = paint(name, file, "grid", [])
        after, _ = paint(name, file, "adaptive", [f'canvas={{type="adaptive", strokes={strokes}, detail="faces"}}'])
        size = open_painting(before).size
        target = load_target_image(file, size).pixels
        face = max(find_faces(target[0]), key=lambda square: square[2])
        large = load_target_image(file, (SCALE * size[0], SCALE * size[1])).pixels[0]
        columns = [panels(Image.fromarray(tensor_to_pixels(large)), face, size)]
        for folder in (before, after):
            columns.append(panels(Image.fromarray(open_painting(folder, SCALE).pixels()), face, size))
        gap, height = 8, size[1] + 8 + size[0]
        page = Image.new("RGB", (3 * size[0] + 2 * gap, height), "white")
        for index, (whole, detail) in enumerate(columns):
            page.paste(whole, (index * (size[0] + gap), 0))
            page.paste(detail, (index * (size[0] + gap), size[1] + gap))
        page.save(IMAGES / f"portrait-{name}.jpg", quality=88)
        print(name, f"{strokes:,} strokes", IMAGES / f"portrait-{name}.jpg")


if __name__ == "__main__":
    main(sys.argv[1:])
