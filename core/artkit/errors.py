"""What artkit raises when a user can mend the cause: one message with the place and the hint."""

from __future__ import annotations


class ArtkitError(Exception):
    """A failure that the user can mend.

    message: what is wrong and where, one line. hint: what to do about it, one line; shown after the message.
    `exit_code` is the command line's: 1 for what went wrong while running, 2 for wrong usage or a wrong recipe.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message}\n  {hint}" if hint else message)
        self.message = message
        self.hint = hint


class UsageError(ArtkitError):
    """A recipe, a setting or an argument is wrong; found before anything is painted."""

    exit_code = 2
