"""Agents that propose strokes, and objectives to train them."""

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
