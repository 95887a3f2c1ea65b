"""Libraries of the optional extras, imported when they are needed."""

from __future__ import annotations

import importlib
from typing import Any

from artkit.errors import UsageError


def import_extra(module: str, extra: str, purpose: str) -> Any:
    """Return a module of an extra. Raises UsageError if it cannot be imported.

    purpose: the plural noun with which the message begins, such as "films".
    """
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as error:
        raise UsageError(
            f"{purpose} need {module}, which cannot be imported ({error})",
            hint=f"pip install 'neural-artkit[{extra}]'",
        ) from None
