"""Exceptions for errors that the user can correct."""

from __future__ import annotations


class ArtkitError(Exception):
    """An error that the user can correct.

    message: what is wrong and where, one line. hint: what to do about it, one line; shown below the message.
    `exit_code` is the exit status of the command line: 1 for errors while running, 2 for wrong usage or a wrong recipe.

    Examples:
        >>> import artkit
        >>> raise artkit.ArtkitError("there is no brush soft", hint="`artkit brushes` lists them")
        Traceback (most recent call last):
        artkit.errors.ArtkitError: there is no brush soft
          `artkit brushes` lists them
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message}\n  {hint}" if hint else message)
        self.message = message
        self.hint = hint


class UsageError(ArtkitError):
    """A recipe, a setting or an argument is wrong; raised before painting starts.

    Examples:
        >>> import artkit
        >>> raise artkit.UsageError("there is no brush soft", hint="`artkit brushes` lists them")
        Traceback (most recent call last):
        artkit.errors.UsageError: there is no brush soft
          `artkit brushes` lists them
    """

    exit_code = 2
