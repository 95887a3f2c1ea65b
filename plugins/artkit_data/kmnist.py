"""``type = "kmnist"``: cursive Japanese characters, Kuzushiji-MNIST (Clanuwat et al., 2018)."""

from __future__ import annotations

from artkit import InputPath, Scene, UsageError
from artkit_data.character_data import CharacterConfig, CharacterData
from artkit_data.download import cache_folder, download
from artkit_data.idx import load_idx_folder


class Kmnist(CharacterData):
    """Ten hiragana in historical handwriting, black on white.

    They are read from `path`, or from the cache if an earlier run downloaded them: a folder with the IDX files,
    compressed by gzip or not. A folder with only the test files is split at random.
    """

    name = "kmnist"
    classes = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")

    class Config(CharacterConfig):
        """Settings."""

        path: InputPath | None = None
        """The folder with the IDX files."""
        download: bool = False
        """Download all 70,000 images to `path`, or to the user's cache, if they are missing."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        folder = config.path or cache_folder("kmnist")
        if config.download:
            download("KMNIST", folder, {"train": True}, {"train": False})
        labelled = load_idx_folder(folder, "KMNIST", config)
        if labelled is None:
            raise UsageError(
                f"data: there are no files of KMNIST in {folder}",
                hint="set data.download = true; or download train-images-idx3-ubyte.gz and the other three files from "
                "https://codh.rois.ac.jp/kmnist and set data.path to their folder",
            )
        super().__init__(config, scene, *labelled)
