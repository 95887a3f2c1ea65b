"""Base class of exporters that need a library of the optional extra ``export``."""

from __future__ import annotations

import importlib
from typing import Any, ClassVar

from artkit import Config, Exporter, UsageError


class LibraryExporter(Exporter):
    """An exporter whose format is encoded by an optional library, imported before anything is rendered.

    library_name: the name of the library's module. library: the module. The constructor raises UsageError if it is not
    installed.
    """

    library_name: ClassVar[str]

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        try:
            self.library: Any = importlib.import_module(self.library_name)
        except (ImportError, OSError) as error:
            raise UsageError(
                f"{self.suffixes[0]} files need {self.library_name}, which cannot be imported ({error})",
                hint="pip install 'neural-artkit[export]'",
            ) from None
