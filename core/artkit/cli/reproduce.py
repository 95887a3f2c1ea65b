"""``artkit reproduce``: check the claims of the paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from artkit.errors import ArtkitError

if TYPE_CHECKING:
    from artkit.reproduction.claims import Claim
    from artkit.reproduction.running import Outcome


@click.command()
@click.argument("claim", required=False)
@click.option("--quick", is_flag=True, help="Small pictures and few steps: all claims in a quarter of an hour.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of the results. Default: reproduction, or reproduction-quick.",
)
@click.option("--list", "only_list", is_flag=True, help="List the claims.")
def reproduce(claim: str | None, quick: bool, out: Path | None, only_list: bool) -> None:
    """Check the claims of the paper, one or all.

    Each claim is a list of commands and the figures that are expected of them. What was checked already is not run
    again; a failing claim does not stop the others. The page `index.html` in the folder shows what was checked there.
    """
    from artkit.formatting import format_duration
    from artkit.reproduction import page, running
    from artkit.reproduction.claims import all_claims, find_claims

    claims = find_claims(claim)
    out = out or Path("reproduction-quick" if quick else "reproduction")
    if only_list:
        for item in claims:
            minutes = "not attempted" if item.not_reproduced else format_duration(item.minutes * 60)
            click.echo(f"{item.name:<24} {minutes:<14} {item.paper}: {item.statement}")
        return
    checked: list[tuple[Claim, Outcome]] = []
    for item in claims:
        click.echo(f"{item.name} …", err=True)
        outcome = running.check(item, out / item.name, quick)
        checked.append((item, outcome))
        click.echo(
            f"{item.name:<24} {outcome.status:<14} {format_duration(outcome.seconds):<10} {_result(*checked[-1])}"
        )
    click.echo(page.write(out, list(all_claims().values())))
    if failed := [
        item.name
        for item, outcome in checked
        if outcome.status == "failed" or (outcome.status == "differs" and not item.departs)
    ]:
        raise ArtkitError(f"not as expected: {', '.join(failed)}", hint=f"the logs are in {out}")


def _result(claim: Claim, outcome: Outcome) -> str:
    """Return the figures of an outcome, or why there are none, in one line."""
    if not outcome.values:
        return outcome.message.replace("\n", ";")
    return "; ".join(
        f"{figure.name} {value:.3g} (expected {figure.expected(outcome.quick)})"
        for figure, value in zip(claim.figures, outcome.values, strict=True)
    )
