"""Campaign: damaged stroke logs, ``strokes.json`` and ``strokes.npy``, are opened, rendered and carried over."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import numpy as np
import torch
from harness import Case, main
from mutations import mutate_bytes, mutate_tree

RENDERERS = ("mypaint", "gan", "fourier")
WINDOW_SIDE = 48  # px
MAX_EXPORTED_PIXELS = 1 << 16


def prepare(folder: Path) -> Case:
    """Write valid logs: of strokes in the file, of a shared action, and of strokes in a NumPy file."""
    import artkit
    from artkit.geometry.phase import Phase
    from artkit.imaging.png import save_png
    from artkit.output.export import exporters, open_painting, write_painting
    from artkit.strokes.carrying import carry_over
    from artkit.strokes.stroke_log import STROKES_FILE, StrokeLog

    torch.set_num_threads(1)
    phases = (Phase(0, -8, -8, 32, 2, 2, 32), Phase(4, 0, 0, 64, 1, 1, 48))
    destination = artkit.scene((64, 48), device="cpu")
    destination.renderer = destination.make("renderer", "mypaint")
    canvas = destination.make("canvas", "pyramid")
    generator = torch.Generator().manual_seed(0)
    for name in RENDERERS:
        scene = artkit.scene((64, 48), device="cpu")
        renderer = scene.make("renderer", name)
        count = 1 if renderer.shared else 5
        actions = torch.rand(count, len(renderer.space), generator=generator)
        settings = {"type": name, **renderer.config.model_dump(mode="json", exclude_none=True)}
        log = StrokeLog(
            (64, 48), (1.0, 0.9, 0.8), 3, settings, renderer.space.name, renderer.space.names, actions, phases
        )
        (folder / name).mkdir()
        log.save(folder / name / STROKES_FILE)
    shutil.copytree(folder / "gan", folder / "background")
    save_png(torch.rand(3, 48, 64, generator=generator), folder / "background" / "base.png")
    tree = json.loads((folder / "gan" / STROKES_FILE).read_text())
    (folder / "background" / STROKES_FILE).write_text(json.dumps({**tree, "background_image": "base.png"}))
    (folder / "sparse").mkdir()
    sparse = [[0, -8, -8, 32, 2, 3, 32, [0, 2, 3, 5]], [4, 0, 0, 64, 1, 1, 48]]
    (folder / "sparse" / STROKES_FILE).write_text(json.dumps({**tree, "phases": sparse}))
    (folder / "array").mkdir()
    values = [list(stroke["action"].values()) for stroke in tree["strokes"]]
    np.save(folder / "array" / "strokes.npy", np.array(values, np.float32))
    (folder / "array" / STROKES_FILE).write_text(json.dumps({**tree, "strokes": "strokes.npy"}))

    def damage(source: Path, run: Path, rng: random.Random) -> None:
        shutil.copytree(source, run, dirs_exist_ok=True)
        file = run / STROKES_FILE
        others = [path for path in run.iterdir() if path != file]
        if others and rng.random() < 0.5:
            file = others[0]
        if file.suffix != ".json" or rng.random() < 0.2:
            file.write_bytes(mutate_bytes(file.read_bytes(), rng))
        else:
            file.write_text(json.dumps(mutate_tree(json.loads(file.read_text()), rng)))

    def case(rng: random.Random | None, run: Path) -> None:
        if rng:
            damage(rng.choice(sorted(folder.iterdir())), run, rng)
        else:
            shutil.copytree(folder / "mypaint", run, dirs_exist_ok=True)
        log = StrokeLog.load(run / STROKES_FILE)
        painting = open_painting(run, device="cpu")
        width, height = painting.size
        painting.window(0, 0, min(width, WINDOW_SIDE), min(height, WINDOW_SIDE))
        if width * height <= MAX_EXPORTED_PIXELS:
            write_painting(painting, exporters([run / "out.png"])[0], run / "out.png")
        carry_over(log, destination.renderer.space, canvas.size, canvas.phases)
        for _ in log.lines():
            pass

    return case


if __name__ == "__main__":
    main("strokes", __doc__, prepare)
