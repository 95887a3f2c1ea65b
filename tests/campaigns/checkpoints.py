"""Campaign: damaged checkpoints are resumed from."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from harness import Case, main
from weights import mutate_safetensors

RECIPES = {
    "single": {"size": [48, 32]},
    "windows": {"size": [220, 32], "window": 128},
    "drafts": {"size": [48, 32], "agent": {"type": "free", "drafts": 2}},
}


def prepare(folder: Path) -> Case:
    """Stop runs in the middle: of one window, of several windows, and with several candidates."""
    import torch

    import artkit
    from artkit.engine.run_folder import CHECKPOINT_FILE

    torch.set_num_threads(1)

    def create(name: str, out: Path, resume: bool) -> artkit.engine.run.Run:
        recipe = {
            "canvas": {"type": "grid", "tile": 16, "overlap": 8, "strokes": 1},
            "renderer": {"type": "gan"},
            "objective": {"look": {"type": "total-variation", "of": "picture"}},
            "output": {"formats": []},
            **RECIPES[name],
        }
        return artkit.paint(recipe, out=out, resume=resume, steps=3)

    for name in RECIPES:
        for _ in create(name, folder / name, False):
            break

    def case(rng: random.Random | None, run: Path) -> None:
        name = rng.choice(sorted(RECIPES)) if rng else "single"
        shutil.copytree(folder / name, run, dirs_exist_ok=True)
        file = run / CHECKPOINT_FILE
        if rng:
            file.write_bytes(mutate_safetensors(file.read_bytes(), rng))
        create(name, run, True).execute()

    return case


if __name__ == "__main__":
    main("checkpoints", __doc__, prepare)
