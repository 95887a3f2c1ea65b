"""``artkit plugins``: list the installed components."""

from __future__ import annotations

import json
from typing import Any

import click

from artkit.registry.plugin_registry import KIND_HOOKS, get_registry


@click.command("plugins")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_plugins(as_json: bool) -> None:
    """List the installed components.

    Shows the package of each, and which plugins are disabled and why.
    """
    registry = get_registry()
    components = [component for kind in KIND_HOOKS for component in registry.components(kind).values()]
    if as_json:
        parts = [
            {"kind": c.kind, "name": c.component.name, "package": c.package, "summary": _summary(c.component)}
            for c in components
        ]
        disabled = [{"plugin": d.plugin, "package": d.package, "reason": d.reason} for d in registry.disabled]
        click.echo(json.dumps({"parts": parts, "set_aside": disabled}, indent=1))
        return
    for kind in KIND_HOOKS:
        click.echo(f"{kind}:")
        for c in components:
            if c.kind == kind:
                click.echo(f"  {c.component.name:<18} {c.package:<16} {_summary(c.component)}")
    for d in registry.disabled:
        click.echo(f"disabled: {d.plugin} ({d.package}): {d.reason}")


def _summary(component: type[Any]) -> str:
    """Return the first paragraph of the docstring in one line."""
    return (component.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ").replace("    ", "")
