"""The claims of the paper: `claims.toml` lists them, with the commands and the expected figures of each."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from artkit.config import Config
from artkit.errors import UsageError

CLAIMS_FILE = Path(__file__).parent / "claims.toml"


class Figure(Config):
    """A figure of a claim, read from what its commands wrote."""

    name: str
    """What is measured."""
    value: str
    """Where the value is. ``N:path.in.json``: in the JSON that command N prints, counted from 0. ``FOLDER:first:NAME``
    or ``FOLDER:last:NAME``: the first or last value of that name in the log of a run."""
    over: str = ""
    """A value by which it is divided."""
    gain_over: str = ""
    """A value u; the figure is then (1 - value) / (1 - u), the share of a gain that remains."""
    below: float | None = None
    """The claim is reproduced if the figure is below this,"""
    above: float | None = None
    """and above this."""
    quick_below: float | None = None
    """The limits of `--quick`, where they differ."""
    quick_above: float | None = None
    """See `quick_below`."""

    def limits(self, quick: bool) -> tuple[float | None, float | None]:
        """Return the limits (above, below) between which the figure is expected."""
        if quick and (self.quick_above, self.quick_below) != (None, None):
            return self.quick_above, self.quick_below
        return self.above, self.below

    def expected(self, quick: bool) -> str:
        """Return the limits as text."""
        above, below = self.limits(quick)
        texts = [f"> {above:g}"] if above is not None else []
        return " and ".join([*texts, *([f"< {below:g}"] if below is not None else [])])


class Claim(Config):
    """A claim or a figure of the paper."""

    name: str = Field(pattern=r"^[a-z0-9-]+$")
    paper: str
    """Where it is in the paper."""
    statement: str
    """What the paper says or shows."""
    commands: tuple[str, ...] = ()
    """Command lines without the word ``artkit``, run one after another in the folder of the claim."""
    quick: tuple[str, ...] = ()
    """The same in small, for ``--quick``."""
    minutes: float = Field(0.0, ge=0)
    """How long the commands take on two cores."""
    picture: str = ""
    """The file that shows the result."""
    figures: tuple[Figure, ...] = Field((), alias="figure")
    """The figures that decide whether the claim is reproduced."""
    measured: str = ""
    """What was measured with `commands`, or by which page."""
    note: str = ""
    """Where the reproduction departs from the paper."""
    departs: str = ""
    """Why the figures are known to differ from what is expected. Then it is no failure that they do."""
    not_reproduced: str = ""
    """Why no command checks the claim."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if bool(self.commands) == bool(self.not_reproduced):
            raise ValueError("a claim has either commands, or the reason why it is not reproduced")
        if len(self.commands) != len(self.quick):
            raise ValueError("there must be as many quick commands as commands")
        return self


def all_claims() -> dict[str, Claim]:
    """Return the claims by name, in the order of the paper."""
    tree = tomllib.loads(CLAIMS_FILE.read_text(encoding="utf-8"))
    return {claim.name: claim for claim in map(Claim.model_validate, tree["claim"])}


def find_claims(name: str | None) -> list[Claim]:
    """Return the claim of a name, or all of them for None. Raises UsageError, with the names, if there is none."""
    claims = all_claims()
    if name is None:
        return list(claims.values())
    if name not in claims:
        raise UsageError(f'there is no claim "{name}"', hint=f"there are: {', '.join(claims)}")
    return [claims[name]]
