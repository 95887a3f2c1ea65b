"""Campaign: damaged weights (safetensors) of painters and agents are loaded, and painted with."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path
from typing import Any

from harness import Case, main
from mutations import mutate_bytes, mutate_tree


def mutate_safetensors(content: bytes, rng: random.Random) -> bytes:
    """Return a safetensors file with a damaged header, damaged metadata, or damaged bytes anywhere."""
    length = struct.unpack("<Q", content[:8])[0]
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    kind = rng.randrange(4)
    if kind == 0:
        return mutate_bytes(content, rng)
    if kind == 1:
        header = mutate_tree(header, rng)
    else:
        key = next(iter(header["__metadata__"]))
        header["__metadata__"][key] = json.dumps(mutate_tree(json.loads(header["__metadata__"][key]), rng))
    encoded = json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + data


def prepare(folder: Path) -> Case:
    """Save valid weights of each kind, small ones."""
    import torch

    import artkit
    from artkit import weights
    from artkit.geometry.place import Place
    from artkit_painters.weights import SHIPPED

    torch.set_num_threads(1)
    scene = _scene(artkit, torch)
    agent = scene.make("agent", "lstm")
    metadata = {"agent": {"type": "lstm", **agent.config.model_dump(mode="json", exclude={"weights"})}}
    weights.save(agent, {**metadata, "space": scene.renderer.space.name}, folder / "lstm.safetensors")
    valid = {name: (SHIPPED / f"{name}-classic-dry_brush.safetensors").read_bytes() for name in ("gan", "mean", "vae")}
    valid["lstm"] = (folder / "lstm.safetensors").read_bytes()
    actions = torch.rand(2, 12, generator=torch.Generator().manual_seed(0))
    place = Place(torch.zeros(2, 2), 32, 8, torch.arange(2), (32, 32), 0)

    def paint_with(kind: str, file: Path) -> None:
        scene = _scene(artkit, torch)
        if kind == "lstm":
            scene.make("agent", "lstm", weights=str(file))(scene, torch.rand(1, 3, 32, 32))
        else:
            settings: dict[str, Any] = {"grain": False} if kind == "mean" else {}
            scene.make("renderer", "vae" if kind == "vae" else "gan", weights=str(file), **settings)(actions, place)

    def case(rng: random.Random | None, run: Path) -> None:
        kind = rng.choice(sorted(valid)) if rng else "gan"
        file = run / "weights.safetensors"
        file.write_bytes(mutate_safetensors(valid[kind], rng) if rng else valid[kind])
        paint_with(kind, file)

    return case


def _scene(artkit: Any, torch: Any) -> Any:
    scene = artkit.scene((32, 32), device="cpu")
    scene.renderer = scene.make("renderer", "gan")
    scene.canvas = scene.make("canvas", "single", strokes=3)
    return scene


if __name__ == "__main__":
    main("weights", __doc__, prepare)
