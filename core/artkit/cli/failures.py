"""What the command line says when a command fails."""

from __future__ import annotations

import errno
from pathlib import Path

import click

from artkit.errors import ArtkitError
from artkit.files import cannot_write
from artkit.registry.plugin_registry import get_registry

_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG)
"""Errors for which the disk is to blame, also where a library writes."""

_OUT_OF_MEMORY = (
    "allocate memory",
    "out of memory",
    "bad_alloc",
    "could not create a primitive",  # oneDNN, which convolutions use
    "can't start new thread",
)
"""Texts of RuntimeErrors of libraries whose allocation fails."""


def report(error: BaseException, debug: bool = False) -> int | None:
    """Print an exception as one message, and the plugin that may have raised it; return the exit status.

    Returns None for a bug, whose traceback should be shown; the plugin is a note of the exception then. With `debug`
    only the note is added to errors of the user, whose traceback is shown too.
    """
    if isinstance(error, KeyboardInterrupt):
        click.echo("artkit: stopped", err=True)
        return 1
    message, status = _message(error)
    blame = _blame(error)
    if not message:
        if blame:
            error.add_note(f"artkit: {blame}")
        return None
    if not debug:
        click.echo(f"artkit: {message}", err=True)
        if blame and (not isinstance(error, ArtkitError) or error.may_be_of_plugin):
            click.echo(f"  {blame}", err=True)
    return status


def _message(error: BaseException) -> tuple[str, int]:
    """Return the message for an error that is no bug, and the exit status; the message is empty for a bug."""
    if isinstance(error, ArtkitError):
        return str(error), error.exit_code
    if isinstance(error, SystemExit) and get_registry().used_components():  # commands of plugins may exit
        return f"the command was ended by SystemExit({error.code!r})", 1
    if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
        return str(cannot_write(Path(error.filename or "a file"), error)), 1
    if _is_out_of_memory(error):
        return "not enough memory\n  choose a smaller size, or fewer strokes", 1
    return "", 1


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _OUT_OF_MEMORY)


def _blame(error: BaseException) -> str:
    """Return which plugin may have raised an error, or returned what raised it; "" if none is used."""
    registry = get_registry()
    if package := registry.responsible_package(error):
        return f"this was raised by the plugin of the package {package}; please report it to its author"
    if used := registry.used_components():
        return f"the cause may be a component of a plugin: {', '.join(used)}"
    return ""
