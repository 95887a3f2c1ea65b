"""The files of a finished picture, as the table `[output]` of a recipe describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from artkit.errors import ArtkitError, UsageError
from artkit.files import atomic
from artkit.imaging.png import write_png
from artkit.output.export import exporters, write_painting
from artkit.recipes.recipe import OutputConfig
from artkit.rendering.rendered_painting import RenderedPainting

PAINTING_FILE = "painting.png"


class FinishedPicture:
    """Renders a painting at the size of the output and writes its files.

    The exporters are built at once: a format whose library is not installed is reported before the run starts. notes:
    a message is appended for each file that could not be written.
    """

    def __init__(self, config: OutputConfig, notes: list[str]) -> None:
        self.config, self.notes = config, notes
        files = [Path(PAINTING_FILE).with_suffix(f".{name}") for name in dict.fromkeys(config.formats)]
        self._files = [file for file in files if file.name != PAINTING_FILE]
        self._exporters = exporters(self._files, (), {"dpi": config.resolution} if config.resolution else {})

    @property
    def file_names(self) -> list[str]:
        """The names of the files."""
        return [PAINTING_FILE, *(file.name for file in self._files)]

    def write(self, painting: RenderedPainting, metadata: Mapping[str, str], folder: Path) -> list[Path]:
        """Write the files into a folder, and return them, painting.png first.

        If an exporter fails, as for a picture that is too large for its format, the run does not: the file is left out.
        """
        painting = replace(painting, metadata=dict(metadata), folder=folder)
        with atomic(folder / PAINTING_FILE) as temporary, temporary.open("wb") as stream:
            write_png(painting.pixels(), stream, painting.metadata, self.config.resolution)
        written = [folder / PAINTING_FILE]
        for exporter, file in zip(self._exporters, self._files, strict=True):
            try:
                write_painting(painting, exporter, folder / file)
                written.append(folder / file)
            except ArtkitError as error:
                self.notes.append(f"{folder / file} was not written: {error.message}")
        return written


def possible_scale(painting: RenderedPainting, scale: float) -> float:
    """Return `scale` or, if the renderer of a painting cannot render it, the nearest whole number, or 1.

    A neural painter renders only scales at which its tiles lie on whole px. The actions of the painting do not matter.
    """
    candidates = [scale, float(max(1, round(scale)))] if scale != 1 else []
    for candidate in candidates:
        try:
            replace(painting, scale=candidate).window(0, 0, 1, 1)
        except UsageError:
            continue
        return candidate
    return 1.0
