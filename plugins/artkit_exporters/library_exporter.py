"""Base class of exporters that need a library of the optional extra ``export``."""

from __future__ import annotations

from typing import Any, ClassVar

from artkit import Config, Exporter
from artkit.extras import import_extra


class LibraryExporter(Exporter):
    """An exporter whose format is encoded by an optional library, imported before anything is rendered.

    library_name: the name of the library's module. library: the module. The constructor raises UsageError if it is not
    installed.
    """

    library_name: ClassVar[str]

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.library: Any = import_extra(self.library_name, "export", f"{self.suffixes[0]} files")
