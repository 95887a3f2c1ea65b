"""Exporters: write a painting to a file, chosen by its extension."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from artkit.config import Config
from artkit.interfaces.component import Component

if TYPE_CHECKING:
    from artkit.rendering.rendered_painting import RenderedPainting


class Exporter(Component, ABC):
    """Writes a painting to a file. The fields of its Config are the settings of ``artkit export --set``.

    suffixes: the extensions that it writes, lower case with the dot: ``(".tif", ".tiff")``. companions: what it may
    write beside the file, as endings that replace the suffix: ``("_files", ".html")`` stands for the folder NAME_files
    and the file NAME.html beside NAME.dzi.

    Examples:
        >>> import artkit
        >>> class Size(artkit.Exporter):
        ...     '''Width and height of a painting as text.'''
        ...     name = "size"
        ...     suffixes = (".txt",)
        ...     def write(self, painting, file):
        ...         file.write_text(f"{painting.size}")
        >>> artkit.scene().make("exporter", Size).suffixes
        ('.txt',)
    """

    suffixes: ClassVar[tuple[str, ...]]
    companions: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: Config) -> None:
        self.config, self.provenance = config, {}

    @abstractmethod
    def write(self, painting: RenderedPainting, file: Path) -> None:
        """Write the painting to `file`, a path in an empty temporary folder.

        When this returns, everything in that folder is moved to the destination, `file` last; if it raises, the folder
        is removed and the destination is unchanged. ``painting.pixels(bits)`` is the whole picture, (h, w, 3);
        ``painting.window(x, y, width, height)`` renders a part of it.
        """
