"""Checks of agents."""

from __future__ import annotations

import torch
from torch import Tensor

from artkit.interfaces.agent import Agent
from artkit.interfaces.scene import Scene
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
from artkit.testing.scene import picture


def check_agent(
    part: str | type[Agent],
    settings: Settings | None = None,
    *,
    exact_gradient: bool = True,
    scene: SceneMaker | None = None,
) -> None:
    """Check an agent, by name or class. Raises Faults with everything that is wrong.

    settings: as a recipe would say them. exact_gradient: whether the gradient of its actions is theirs in full; False
    for one that looks at what it has painted. scene: makes the scene it is built for, with a renderer and a canvas.
    """
    checks = [actions, determinism, learning, state, some, looking]
    Bench("agent", part, settings, scene).run([*checks, *([gradient] if exact_gradient else [])])


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
        _propose(*first)


def gradient(bench: Bench) -> None:
    """The gradient of its actions is what finite differences say."""
    agent, made = bench.fresh()
    expect(any(parameter.requires_grad for parameter in agent.parameters()), "it has no parameters")
    proposed = _propose(agent, made)
    weights = torch.cos(torch.arange(proposed.numel(), device=proposed.device).float()).view(proposed.shape)
    named = dict(agent.named_parameters())
    counts = [parameter.numel() for parameter in named.values()]
    start = torch.cat([parameter.detach().flatten() for parameter in named.values()])
    random = torch.rand(start.shape, generator=torch.Generator().manual_seed(1)).to(start) - 0.5

    def look(at: Tensor) -> Tensor:
        parts = zip(named, torch.split(at[0], counts), strict=True)
        given = {name: part.view(named[name].shape) for name, part in parts}
        seen: Tensor = torch.func.functional_call(agent, given, (made, _shown(agent, made)))
        return ((seen - 0.3).square() * weights).double().sum()[None]

    ways = {}
    for name, place in zip(named, torch.split(torch.arange(len(start)), counts), strict=True):
        way = torch.zeros_like(start)
        way[place] = random[place]
        ways[f"a random change of {name}"] = way[None]
    expect_slope(look, start[None], ways, 2e-3)


def learning(bench: Bench) -> None:
    """It can learn to propose the actions of a picture."""
    agent, made = bench.fresh()
    wanted = _propose(agent, made).detach().flip(1) * 0.5 + 0.2
    optimizer = torch.optim.Adam(agent.parameters(), 0.05)
    losses = []
    for _ in range(25):
        loss = (_propose(agent, made) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
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
        proposed = _propose(agent, made)
        other, its_scene = bench.fresh()
        other.load_state_dict(through_a_file(agent.state_dict()))
        its_scene.generator.set_state(made.generator.get_state())
        expect_same(
            _propose(other, its_scene), _propose(agent, made), "restored from its state it proposes other actions", 1e-6
        )
        expect_same(proposed, proposed.clamp(0, 1), "actions leave [0, 1] as it learns")


def some(bench: Bench) -> None:
    """Asked for some of the strokes, it proposes what it proposes for them among all."""
    agent, made = bench.fresh()
    with torch.no_grad():
        every = _propose(agent, made)
        numbers = torch.arange(made.action_count).flip(0)[::2]
        few = agent.forward_subset(made, numbers, _shown(agent, made))
    expect_same(few, every[:, numbers], "asked for some strokes alone it proposes others", 1e-5)


def looking(bench: Bench) -> None:
    """If it looks, what it proposes follows from each target by itself."""
    agent, made = bench.fresh()
    if not agent.uses_targets:
        return
    shown = torch.cat([picture(made.size, number) for number in range(3)]).to(made.device)
    with torch.no_grad():
        every = agent(made, shown)
        expect(len(every) == 3, f"of 3 targets it proposes {len(every)} pictures")
        expect_same(
            agent(made, shown[1:2]), every[1:2], "what it proposes depends on the targets beside one's own", 1e-4
        )
        expect(not torch.allclose(every[0], every[1]), "it says that it looks, and proposes the same for any target")
        expect(len(agent(made)) == 1, "without a target it proposes no picture")


def _shown(agent: Agent, made: Scene) -> Tensor | None:
    """What there is to be painted, for an agent that looks."""
    return picture(made.size).to(made.device) if agent.uses_targets else None


def _propose(agent: Agent, made: Scene) -> Tensor:
    proposed: Tensor = agent(made, _shown(agent, made))
    return proposed


def _actions(agent: Agent, made: Scene) -> Tensor:
    proposed = _propose(agent, made)
    assert made.canvas is not None
    assert made.renderer is not None
    shape = (len(proposed), made.canvas.stroke_count, len(made.renderer.space))
    expect(shape[0] >= 1, "it proposes no picture")
    expect_unit(expect_tensor(proposed, shape, made.background, "the actions (n, N, A)"), "the actions")
    return proposed
