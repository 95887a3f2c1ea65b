"""Exceptions for errors that the user can correct."""

from __future__ import annotations

_MAX_LINE = 2000  # characters


class ArtkitError(Exception):
    """An error that the user can correct.

    message: what is wrong and where, one line. hint: what to do about it, one line; shown below the message.
    `exit_code` is the exit status of the command line: 1 for errors while running, 2 for wrong usage or a wrong recipe.
    `may_be_of_plugin` is whether the command line also names the third-party components that were used.

    Examples:
        >>> import artkit
        >>> raise artkit.ArtkitError("there is no brush soft", hint="`artkit brushes` lists them")
        Traceback (most recent call last):
        artkit.errors.ArtkitError: there is no brush soft
          `artkit brushes` lists them
    """

    exit_code = 1
    may_be_of_plugin = False

    def __init__(self, message: str, hint: str = "") -> None:
        message, hint = _printable(message), _printable(hint)
        super().__init__(f"{message}\n  {hint}" if hint else message)
        self.message = message
        self.hint = hint


def _printable(text: str) -> str:
    """Return a text that any terminal can show, whatever file its parts come from.

    Control characters, which could change what a terminal shows, are escaped, and long lines are shortened.
    """
    lines = ("".join(c if c.isprintable() else ascii(c)[1:-1] for c in line) for line in text.split("\n"))
    return "\n".join(
        line if len(line) <= _MAX_LINE else f"{line[: _MAX_LINE // 2]} … {line[-_MAX_LINE // 2 :]}" for line in lines
    )


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
