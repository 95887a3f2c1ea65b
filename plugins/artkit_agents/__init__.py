"""Agents: one free parameter a value, or a network that looks."""

from collections.abc import Sequence

from artkit import hookimpl


@hookimpl
def artkit_agents() -> Sequence[type]:
    """`free` and `lstm`."""
    from artkit_agents.free import Free
    from artkit_agents.lstm import Lstm

    return (Free, Lstm)
