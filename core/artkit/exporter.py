"""Exporters: what leaves a run? Chosen by the extension of the file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from artkit.config import Config
from artkit.part import Part

if TYPE_CHECKING:
    from artkit.painting import Painting


class Exporter(Part, ABC):
    """Writes a painting to a file whose name ends in one of `suffixes` (with the dot, lower case).

    beside: what it may write beside the file, by what takes the place of the file's suffix: ``("_files", ".html")``
    are the folder NAME_files and the file NAME.html beside NAME.dzi.
    """

    suffixes: ClassVar[tuple[str, ...]]
    beside: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: Config) -> None:
        self.config, self.provenance = config, {}

    @abstractmethod
    def write(self, painting: Painting, file: Path) -> None:
        """Write the painting to `file`, which lies in an empty folder. All that is in this folder once this returns
        moves to where the user wants the file, which comes last.
        """
