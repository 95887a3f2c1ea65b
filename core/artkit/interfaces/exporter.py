"""Exporters: what leaves a run? Chosen by the extension of the file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from artkit.config import Config
from artkit.interfaces.component import Component

if TYPE_CHECKING:
    from artkit.rendering.rendered_painting import RenderedPainting


class Exporter(Component, ABC):
    """Writes a painting to a file whose name ends in one of `suffixes` (with the dot, lower case).

    companions: what it may write beside the file, by what takes the place of the file's suffix: ``("_files", ".html")``
    are the folder NAME_files and the file NAME.html beside NAME.dzi.
    """

    suffixes: ClassVar[tuple[str, ...]]
    companions: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: Config) -> None:
        self.config, self.provenance = config, {}

    @abstractmethod
    def write(self, painting: RenderedPainting, file: Path) -> None:
        """Write the painting to `file`, which lies in an empty folder. All that is in this folder once this returns
        moves to where the user wants the file, which comes last.
        """
