"""Agents: one free parameter a value."""

from collections.abc import Sequence

from artkit import hookimpl


@hookimpl
def artkit_agents() -> Sequence[type]:
    """`free`."""
    from artkit_agents.free import Free

    return (Free,)
