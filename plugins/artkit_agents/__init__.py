"""Agents: one free parameter a value, or a network that looks; and what such a network learns from."""

from collections.abc import Sequence

from artkit import hookimpl


@hookimpl
def artkit_agents() -> Sequence[type]:
    """`free` and `lstm`."""
    from artkit_agents.free import Free
    from artkit_agents.lstm import Lstm

    return (Free, Lstm)


@hookimpl
def artkit_objectives() -> Sequence[type]:
    """`adversarial` and `preconditioning`."""
    from artkit_agents.adversarial import Adversarial
    from artkit_agents.preconditioning import Preconditioning

    return (Adversarial, Preconditioning)
