"""Checks of agents."""

from __future__ import annotations

import torch
from torch import Tensor

from artkit.interfaces.agent import Agent
from artkit.interfaces.scene import Scene
from artkit.testing.assertions import (
    checkpoint_round_trip,
    expect,
    expect_close,
    expect_gradient,
    expect_tensor,
    expect_unit_range,
    generators_unused,
)
from artkit.testing.gpu_checks import Step, expect_same_on_gpu
from artkit.testing.harness import Harness, SceneFactory, Settings
from artkit.testing.scene import picture


def check_agent(
    component: str | type[Agent],
    settings: Settings | None = None,
    *,
    exact_gradient: bool = True,
    synchronises: bool = False,
    scene: SceneFactory | None = None,
) -> None:
    """Check an agent, by name or class. Raises CheckFailures with all checks that fail.

    settings: as in a recipe. exact_gradient: False if the gradient of its actions is incomplete on purpose, as that of
    an agent that detaches its rendered canvas. synchronises: True if it waits for the GPU in each step on purpose.
    scene: makes the scene it is built for, with a renderer and a canvas.
    """

    def device(harness: Harness) -> None:
        expect_same_on_gpu(lambda: _step(harness), synchronises)

    checks = [actions, determinism, optimisation, state, subset, targets, device]
    Harness("agent", component, settings, scene).run([*checks, *([gradient] if exact_gradient else [])])


def actions(harness: Harness) -> None:
    """It returns actions (n, N, A) in [0, 1] that depend on its parameters."""
    agent, scene = harness.build()
    expect(_checked_actions(agent, scene).requires_grad, "its actions do not depend on its parameters")


def determinism(harness: Harness) -> None:
    """The same seed gives the same actions; torch's default generator is not used."""
    first = harness.build()
    second = harness.build()
    with torch.no_grad():
        torch.rand(3)
        expected = _checked_actions(*first)
        expect_close(_checked_actions(*second), expected, "the same seed gives other actions", 1e-6)
    with generators_unused():
        _actions(*first)


def gradient(harness: Harness) -> None:
    """The gradient of its actions with respect to its parameters agrees with finite differences."""
    agent, scene = harness.build()
    expect(any(parameter.requires_grad for parameter in agent.parameters()), "it has no parameters")
    output = _actions(agent, scene)
    weights = torch.cos(torch.arange(output.numel(), device=output.device).float()).view(output.shape)
    named = dict(agent.named_parameters())
    counts = [parameter.numel() for parameter in named.values()]
    start = torch.cat([parameter.detach().flatten() for parameter in named.values()])
    random = torch.rand(start.shape, generator=torch.Generator().manual_seed(1)).to(start) - 0.5

    def loss(flat: Tensor) -> Tensor:
        chunks = zip(named, torch.split(flat[0], counts), strict=True)
        parameters = {name: chunk.view(named[name].shape) for name, chunk in chunks}
        output: Tensor = torch.func.functional_call(agent, parameters, (scene, _targets(agent, scene)))
        return ((output - 0.3).square() * weights).double().sum()[None]

    directions = {}
    for name, indices in zip(named, torch.split(torch.arange(len(start)), counts), strict=True):
        direction = torch.zeros_like(start)
        direction[indices] = random[indices]
        directions[f"a random change of {name}"] = direction[None]
    expect_gradient(loss, start[None], directions, 2e-3)


def optimisation(harness: Harness) -> None:
    """Its actions can be optimised towards given ones."""
    agent, scene = harness.build()
    desired = _actions(agent, scene).detach().flip(1) * 0.5 + 0.2
    optimizer = torch.optim.Adam(agent.parameters(), 0.05)
    losses = []
    for _ in range(25):
        loss = (_actions(agent, scene) - desired).square().mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    _checked_actions(agent, scene)
    first, last = losses[0], losses[-1]
    expect(last < 0.9 * first, f"25 steps of Adam towards given actions: the loss goes from {first:.3g} to {last:.3g}")


def state(harness: Harness) -> None:
    """Its state, restored from a checkpoint, gives the same actions; they stay in [0, 1] for changed parameters."""
    agent, scene = harness.build()
    with torch.no_grad():
        for parameter in agent.parameters():
            parameter.add_(0.1)
        changed = _actions(agent, scene)
        other, other_scene = harness.build()
        other.load_state_dict(checkpoint_round_trip(agent.state_dict()))
        other_scene.generator.set_state(scene.generator.get_state())
        actual, expected = _actions(other, other_scene), _actions(agent, scene)
        expect_close(actual, expected, "restored from its state it gives other actions", 1e-6)
        expect_unit_range(changed, "the actions after a change of the parameters")


def subset(harness: Harness) -> None:
    """`forward_subset` returns the actions that `forward` returns for these strokes."""
    agent, scene = harness.build()
    with torch.no_grad():
        expected = _actions(agent, scene)
        indices = torch.arange(scene.action_count).flip(0)[::2]
        actual = agent.forward_subset(scene, indices, _targets(agent, scene))
    expect_close(actual, expected[:, indices], "forward_subset returns other actions than forward", 1e-5)


def targets(harness: Harness) -> None:
    """If it uses targets, its actions follow from each target independently."""
    agent, scene = harness.build()
    if not agent.uses_targets:
        return
    batch = torch.cat([picture(scene.size, number) for number in range(3)]).to(scene.device)
    with torch.no_grad():
        expected = agent(scene, batch)
        expect(len(expected) == 3, f"for 3 targets it returns the actions of {len(expected)} pictures")
        message = "the actions for a target depend on the other targets of the batch"
        expect_close(agent(scene, batch[1:2]), expected[1:2], message, 1e-4)
        different = not torch.allclose(expected[0], expected[1])
        expect(different, "`uses_targets` is true, but its actions do not depend on the targets")
        expect(len(agent(scene)) == 1, "without targets it does not return the actions of one picture")


def _step(harness: Harness) -> tuple[Scene, Step]:
    """Return the scene of an agent, and a step that computes actions and the gradient of the parameters."""
    agent, scene = harness.build()
    target, subset = _targets(agent, scene), torch.arange(scene.action_count)[::2]

    def step() -> dict[str, Tensor | None]:
        agent.zero_grad()
        output = agent(scene, target)
        output.square().sum().backward()
        gradients = {f"the gradient of {name}": parameter.grad for name, parameter in agent.named_parameters()}
        agent.on_step_end(output.detach().mean((1, 2)), 0.0)
        some = agent.forward_subset(scene, subset, target)
        return {"the actions": output, "the actions of some strokes": some, **gradients}

    return scene, step


def _targets(agent: Agent, scene: Scene) -> Tensor | None:
    return picture(scene.size).to(scene.device) if agent.uses_targets else None


def _actions(agent: Agent, scene: Scene) -> Tensor:
    output: Tensor = agent(scene, _targets(agent, scene))
    return output


def _checked_actions(agent: Agent, scene: Scene) -> Tensor:
    """Return the actions. Raises AssertionError if their shape or range is wrong."""
    output = _actions(agent, scene)
    assert scene.canvas is not None
    assert scene.renderer is not None
    shape = (len(output), scene.canvas.stroke_count, len(scene.renderer.space))
    expect(shape[0] >= 1, "it returns the actions of no picture")
    expect_unit_range(expect_tensor(output, shape, scene.background, "the actions (n, N, A)"), "the actions")
    return output
