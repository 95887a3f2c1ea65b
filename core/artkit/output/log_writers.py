"""Writers of the values of a run: CSV, TensorBoard and trackio."""

from __future__ import annotations

import contextlib
import csv
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from artkit.errors import UsageError
from artkit.files import write_text


class LogWriter(ABC):
    """Writes the values of steps. Nothing is written before `open`.

    name: the setting of the recipe. takes_images: whether `write_image` writes something.
    """

    name: ClassVar[str]
    takes_images: ClassVar[bool] = True

    @abstractmethod
    def open(self, step: int) -> None:
        """Open the log to continue it at `step`; what an interrupted run wrote from there on is discarded."""

    @abstractmethod
    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write the values of a step by name."""

    def write_image(self, step: int, picture: Image.Image) -> None:  # noqa: B027
        """Write the picture after a step, RGB. Does nothing by default."""

    @abstractmethod
    def close(self) -> None:
        """Write what is left."""


class CsvWriter(LogWriter):
    """A CSV file with a row for each step: ``step`` and a column for each value; empty where a step has none.

    A step with a new value, such as the first one of an epoch's mean, rewrites the file with another column.
    """

    name = "csv"
    takes_images = False

    def __init__(self, file: Path) -> None:
        self.file = file
        self._columns = ["step"]

    def open(self, step: int) -> None:
        """Keep the rows before `step`."""
        rows: list[dict[str, str]] = []
        if step and self.file.is_file():
            with self.file.open(newline="", encoding="utf-8") as stream:
                rows = [row for row in csv.DictReader(stream) if int(row["step"]) < step]
                self._columns = list(rows[0]) if rows else self._columns
        self._rewrite(rows)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Append a row."""
        if new := [name for name in values if name not in self._columns]:
            with self.file.open(newline="", encoding="utf-8") as stream:
                rows = list(csv.DictReader(stream))
            self._columns += new
            self._rewrite(rows)
        with self.file.open("a", newline="", encoding="utf-8") as stream:
            row = {"step": step, **{name: f"{value:.9g}" for name, value in values.items()}}
            csv.DictWriter(stream, self._columns, lineterminator="\n").writerow(row)

    def _rewrite(self, rows: list[dict[str, str]]) -> None:
        lines: list[str] = []
        writer = csv.DictWriter(_LineBuffer(lines), self._columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.file, "".join(lines))

    def close(self) -> None:
        """Do nothing: each row is written at once."""


class _LineBuffer:
    """The file that `csv` writes to, in memory."""

    def __init__(self, lines: list[str]) -> None:
        self.write = lines.append


class TensorBoardWriter(LogWriter):
    """Event files for TensorBoard in a folder."""

    name = "tensorboard"

    def __init__(self, folder: Path) -> None:
        _require("tensorboard")
        self.folder = folder
        self._writer: Any = None

    def open(self, step: int) -> None:
        """Open another event file; TensorBoard discards what earlier ones hold from `step` on."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(self.folder), purge_step=step)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write scalars."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def write_image(self, step: int, picture: Image.Image) -> None:
        """Write the image "picture"."""
        self._writer.add_image("picture", np.asarray(picture), step, dataformats="HWC")
        self._writer.flush()

    def close(self) -> None:
        """Close the event file."""
        self._writer.close()


class TrackioWriter(LogWriter):
    """A run of trackio's local project "artkit", named after the folder."""

    name = "trackio"

    def __init__(self, folder: Path, recipe: dict[str, Any]) -> None:
        _require("trackio")
        self.run_name, self.recipe = folder.resolve().name, recipe
        self._run: Any = None

    def open(self, step: int) -> None:
        """Start the run of trackio, or continue that of the same name."""
        import trackio

        with contextlib.redirect_stdout(sys.stderr):
            self._run = trackio.init(
                project="artkit",
                name=self.run_name,
                config=self.recipe,
                resume="allow" if step else "never",
                embed=False,
            )

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Log the values of a step."""
        self._run.log(dict(values), step=step)

    def write_image(self, step: int, picture: Image.Image) -> None:
        """Log the image "picture"."""
        import trackio

        self._run.log({"picture": trackio.Image(picture)}, step=step)

    def close(self) -> None:
        """End the run of trackio."""
        import trackio

        with contextlib.redirect_stdout(sys.stderr):
            trackio.finish()  # that of the run would be repeated when Python ends


def _require(package: str) -> None:
    """Raise UsageError if a package is not installed. Its extra has the same name."""
    if not find_spec(package):
        raise UsageError(
            f"{package} = true: {package} is not installed", hint=f'pip install "neural-artkit[{package}]"'
        )
