"""Campaign: damaged brush files (``.myb``) are read, and painted with."""

from __future__ import annotations

import json
import random
from pathlib import Path

from harness import Case, main
from mutations import mutate_bytes, mutate_tree

BRUSHES = ("classic/dry_brush", "classic/charcoal", "classic/calligraphy", "experimental/spaced-blot", "ramon/Clouds")


def prepare(folder: Path) -> Case:
    """Read valid brushes."""
    import torch

    import artkit
    from artkit.geometry.place import Place
    from artkit_mypaint.brush_files import find_brush

    torch.set_num_threads(1)
    valid = [json.loads(find_brush(name).read_text(encoding="utf-8")) for name in BRUSHES]
    actions = torch.rand(2, 12, generator=torch.Generator().manual_seed(0))

    place = Place(torch.zeros(2, 2), 32, 20, torch.arange(2), (32, 32), 0)

    def paint(brush: str) -> None:
        renderer = artkit.scene((32, 32), device="cpu").make("renderer", "mypaint", brush=brush)
        strokes = actions.clone().requires_grad_()
        renderer(strokes, place).coverage.mean().backward()

    def case(rng: random.Random | None, run: Path) -> None:
        file, tree = run / "brush.myb", rng.choice(valid) if rng else valid[0]
        if rng is None:
            file.write_text(json.dumps(tree))
        elif rng.random() < 0.2:
            file.write_bytes(mutate_bytes(json.dumps(tree).encode(), rng))
        else:
            file.write_text(json.dumps(mutate_tree(tree, rng)))
        paint(str(file))

    return case


if __name__ == "__main__":
    main("brushes", __doc__, prepare)
