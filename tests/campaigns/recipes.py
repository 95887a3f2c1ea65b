"""Campaign: damaged recipes are read, and those that are valid and small are painted for a step."""

from __future__ import annotations

import math
import os
import random
import tomllib
from pathlib import Path
from typing import Any

from harness import Case, main
from mutations import mutate_bytes, mutate_tree

MAX_PIXELS, MAX_STROKES = 1 << 14, 400
"""Valid recipes of larger pictures are only read, since painting them takes long by right."""

SETTINGS = ("steps=1", "seed=3", 'brush="x"', "a=b=c", "=", "size", "canvas.tile=[", "\x00")

BASE: dict[str, Any] = {
    "seed": 1,
    "steps": 2,
    "size": [48, 32],
    "background": [1.0, 0.5, 0.0],
    "canvas": {"type": "grid", "tile": 16, "overlap": 4, "strokes": 1, "clip": False},
    "renderer": {"type": "mypaint", "brush": "classic/dry_brush"},
    "agent": {"type": "free", "start": "auto", "drafts": 1, "choose": 0.2, "length": [0.5, 0.2]},
    "objective": {"look": {"type": "pixel", "target": "target.png", "weight": 1.0}},
    "constraint": {"few": {"type": "palette", "colours": [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]}},
    "optimizer": {"type": "adam", "lr": 0.1, "decay": "cosine", "floor": 0.05, "warmup": 1},
    "output": {"formats": []},
}
PARTS: list[dict[str, Any]] = [
    {"canvas": {"type": "pyramid", "tiles": [32, 16], "strokes": [1, 1], "overlap": 0.5}},
    {"canvas": {"type": "single", "strokes": 4}},
    {"renderer": {"type": "gan", "brush": "classic/charcoal", "grain": True}},
    {"renderer": {"type": "fourier"}, "constraint": {}},
    {"constraint": {"a": {"type": "size", "smallest": 0.1, "largest": 0.4, "levels": [1]}}},
    {"constraint": {"a": {"type": "mask", "image": "target.png", "fit": "stretch", "threshold": 0.4}}},
    {"constraint": {"a": {"type": "strokes", "most": 5}, "b": {"type": "connected"}}},
    {"objective": {"smooth": {"type": "total-variation", "of": "picture", "weight": [[0.0, 1.0], [1.0, 2.0]]}}},
    {"background": "target", "window": 64, "size": {"area": 2000}},
    {"record": {"versions": {"artkit": "0.1.0"}, "sha256": {"objective.look.target": "0" * 64}}},
    {"output": {"formats": ["png"], "scale": 2.0}},
]


def prepare(folder: Path) -> Case:
    """Write a target."""
    import tomli_w
    import torch

    from artkit.engine.painting_task import PaintingTask
    from artkit.imaging.png import save_png
    from artkit.recipes.reading import merge, read_recipe

    torch.set_num_threads(1)
    save_png(torch.rand(3, 32, 48, generator=torch.Generator().manual_seed(0)), folder / "target.png")

    def write(file: Path, rng: random.Random) -> None:
        tree = BASE
        for part in rng.sample(PARTS, rng.randrange(3)):
            tree = merge(tree, part)
        try:
            text = tomli_w.dumps(mutate_tree(tree, rng)).encode("utf-8", "replace")
        except (TypeError, ValueError, AttributeError, RecursionError):  # values that TOML cannot hold, such as null
            text = tomli_w.dumps(tree).encode() + b"\nnested = " + 2000 * b"[" + 2000 * b"]"
        file.write_bytes(mutate_bytes(text, rng) if rng.random() < 0.2 else text)

    def case(rng: random.Random | None, run: Path) -> None:
        file, settings = run / "recipe.toml", []
        if rng:
            write(file, rng)
            settings = [rng.choice(SETTINGS)] if rng.random() < 0.1 else []
        else:
            file.write_text(tomli_w.dumps(BASE))
        (run / "target.png").write_bytes((folder / "target.png").read_bytes())
        recipe = read_recipe([file], settings)
        if recipe.trains_renderer or recipe.trains_agent or math.prod(recipe.size) > MAX_PIXELS:
            return
        if _stroke_bound(tomllib.loads(file.read_text(encoding="utf-8-sig")), recipe.size) > MAX_STROKES:
            return
        task = PaintingTask(recipe, torch.device("cpu"), run)
        if task.steps:
            task.step(0)
        task.log().save(run / "strokes.json")

    return case


def _stroke_bound(tree: Any, size: tuple[int, int]) -> float:
    """Return about how many strokes a recipe paints, from the numbers of its canvas."""
    canvas = tree.get("canvas", {})
    strokes, tiles = canvas.get("strokes", 5), canvas.get("tile", canvas.get("tiles", 64))
    total = sum(strokes) if isinstance(strokes, list) else strokes
    side = min(tiles) if isinstance(tiles, list) else tiles
    stride = side - canvas.get("overlap", side / 2) if canvas.get("type") == "grid" else side / 2
    drafts = tree.get("agent", {}).get("drafts", 1)
    bleed = canvas.get("bleed", 0)
    try:
        return float(total * drafts * math.prod((length + 2 * bleed) / max(stride, 1) + 2 for length in size))
    except OverflowError:
        return math.inf


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main("recipes", __doc__, prepare)
