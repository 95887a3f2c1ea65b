"""``type = "kmnist"``: cursive Japanese characters, Kuzushiji (Clanuwat and others, 2018)."""

from __future__ import annotations

from artkit import InputPath, Scene, UsageError
from artkit_data import idx, ink, source


class Kmnist(ink.Ink):
    """Ten hiragana as they were written of old, black on white.

    They come from `path` or from where an earlier run has fetched them to: a folder with the IDX files, in gzip or not.
    One that holds the test files alone is divided.
    """

    name = "kmnist"
    classes = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")

    class Config(ink.Config):
        """Settings."""

        path: InputPath | None = None
        """The folder in which the characters lie."""
        download: bool = False
        """Fetch all 70,000 into `path`, or into the user's cache, if they are not there yet."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        folder = config.path or source.store("kmnist")
        if config.download:
            idx.fetch(folder, "KMNIST")
        found = idx.load(folder, "KMNIST", config)
        if found is None:
            raise UsageError(
                f"data: there are no characters of KMNIST in {folder}",
                hint="say download = true; or bring train-images-idx3-ubyte.gz and its like from "
                "https://codh.rois.ac.jp/kmnist and name their folder as data.path",
            )
        super().__init__(config, scene, *found)
