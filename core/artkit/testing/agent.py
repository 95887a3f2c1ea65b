"""Checks of agents."""

from __future__ import annotations

import torch
from torch import Tensor

from artkit.agent import Agent
from artkit.part import Scene
from artkit.testing.common import (
    Bench,
    SceneMaker,
    Settings,
    expect,
    expect_same,
    expect_slope,
    expect_tensor,
    expect_unit,
    through_a_file,
    untouched_generators,
)


def check_agent(part: str | type[Agent], settings: Settings | None = None, *, scene: SceneMaker | None = None) -> None:
    """Check an agent, by name or class. Raises Faults with everything that is wrong.

    settings: as a recipe would say them. scene: makes the scene it is built for, with a renderer and a canvas.
    """
    Bench("agent", part, settings, scene).run([actions, determinism, gradient, learning, state])


def actions(bench: Bench) -> None:
    """Its actions are there for every stroke and number, in [0, 1]."""
    agent, made = bench.fresh()
    proposed = _actions(agent, made)
    expect(proposed.requires_grad, "its actions do not depend on its parameters: nothing can be learnt")


def determinism(bench: Bench) -> None:
    """The same seed proposes the same actions, whatever torch's own generator does."""
    first = bench.fresh()
    again = bench.fresh()
    with torch.no_grad():
        torch.rand(3)
        proposed = _actions(*first)
        expect_same(_actions(*again), proposed, "built again from the same seed it proposes other actions", 1e-6)
    with untouched_generators():
        first[0](first[1])


def gradient(bench: Bench) -> None:
    """The gradient of its actions is what finite differences say."""
    agent, made = bench.fresh()
    expect(any(parameter.requires_grad for parameter in agent.parameters()), "it has no parameters")
    proposed = agent(made)
    weights = torch.cos(torch.arange(proposed.numel(), device=proposed.device).float()).view(proposed.shape)
    for name, parameter in agent.named_parameters():
        start = parameter.detach().clone()
        random = torch.rand(start.shape, generator=torch.Generator().manual_seed(1)).to(start) - 0.5

        def look(at: Tensor, name: str = name) -> Tensor:
            seen: Tensor = torch.func.functional_call(agent, {name: at[0]}, (made,))
            return ((seen - 0.3).square() * weights).double().sum()[None]

        expect_slope(look, start[None], {f"a random change of {name}": random[None]}, 1e-2)


def learning(bench: Bench) -> None:
    """It can learn to propose the actions of a picture."""
    agent, made = bench.fresh()
    wanted = agent(made).detach().flip(1) * 0.5 + 0.2
    optimizer = torch.optim.Adam(agent.parameters(), 0.05)
    losses = []
    for _ in range(25):
        loss = (agent(made) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    _actions(agent, made)
    expect(losses[-1] < 0.9 * losses[0], f"25 steps of Adam towards given actions: {losses[0]:.3g} to {losses[-1]:.3g}")


def state(bench: Bench) -> None:
    """What a checkpoint keeps of it brings its actions back."""
    agent, made = bench.fresh()
    with torch.no_grad():
        for parameter in agent.parameters():
            parameter.add_(0.1)
        proposed = agent(made)
        other, its_scene = bench.fresh()
        other.load_state_dict(through_a_file(agent.state_dict()))
        its_scene.generator.set_state(made.generator.get_state())
        expect_same(other(its_scene), agent(made), "restored from its state it proposes other actions", 1e-6)
        expect_same(proposed, proposed.clamp(0, 1), "actions leave [0, 1] as it learns")


def _actions(agent: Agent, made: Scene) -> Tensor:
    proposed: Tensor = agent(made)
    assert made.canvas is not None
    assert made.renderer is not None
    shape = (len(proposed), made.canvas.strokes, len(made.renderer.space))
    expect(shape[0] >= 1, "it proposes no picture")
    expect_unit(expect_tensor(proposed, shape, made.background, "the actions (n, N, A)"), "the actions")
    return proposed
