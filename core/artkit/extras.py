"""Libraries of the optional extras, imported when they are needed."""

from __future__ import annotations

import importlib
import importlib.util
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


def describe_extra(package: str, extra: str, purpose: str, module: str = "") -> tuple[str, str, str]:
    """Return the row of `artkit doctor` for a package of an extra: its name, what is found, and how to install it.

    purpose: what it is for, a noun. module: the name by which the package is imported, if it is another one.
    """
    from importlib import metadata

    if not importlib.util.find_spec(module or package):
        return package, "", f"for {purpose}: pip install 'neural-artkit[{extra}]'"
    try:
        version = metadata.version(package)
    except metadata.PackageNotFoundError:  # the module is of a package with another name
        version = "installed"
    return package, f"{version}, for {purpose}", ""
