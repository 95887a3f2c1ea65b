"""Checks of constraints."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from artkit.geometry.place import Place
from artkit.interfaces.constraint import Constraint
from artkit.interfaces.renderer import Renderer
from artkit.interfaces.scene import Scene
from artkit.rendering.stroke_renderer import StrokePatches
from artkit.strokes.action_space import ActionSpace, Dimension
from artkit.testing.assertions import (
    axis_directions,
    expect,
    expect_clear_error,
    expect_close,
    expect_gradient,
    expect_tensor,
    expect_unit_range,
    generators_unused,
)
from artkit.testing.gpu_checks import Step, expect_same_on_gpu
from artkit.testing.harness import Harness, SceneFactory, Settings
from artkit.testing.scene import SEED
from artkit.testing.scene import scene as default_scene

PROGRESS = (0.0, 0.4, 1.0)


def check_constraint(
    component: str | type[Constraint],
    settings: Settings | None = None,
    *,
    exact_gradient: bool = True,
    synchronises: bool = False,
    scene: SceneFactory | None = None,
) -> None:
    """Check a constraint, by name or class. Raises CheckFailures with all checks that fail.

    settings: as in a recipe. exact_gradient: False if it passes the gradient straight through on purpose. synchronises:
    True if it waits for the GPU in each step on purpose. scene: makes the scene it is built for, with a renderer and a
    canvas.
    """

    def device(harness: Harness) -> None:
        expect_same_on_gpu(lambda: _step(harness), synchronises)

    checks = [shapes, inputs_unchanged, batch, elementwise, schedule, determinism, boundary_gradient]
    checks += [inverse, incompatible_renderer, device]
    Harness("constraint", component, settings, scene).run([*checks, *([gradient] if exact_gradient else [])])


def shapes(harness: Harness) -> None:
    """Its output has the shape of the actions and is in [0, 1], at any progress."""
    constraint, actions = _build(harness)
    for progress in PROGRESS:
        for raw_actions in (actions, torch.zeros_like(actions), torch.ones_like(actions)):
            constrained = constraint(raw_actions, progress)
            expect_tensor(constrained, tuple(actions.shape), actions, "its output")
            expect_unit_range(constrained, "its output")


def inputs_unchanged(harness: Harness) -> None:
    """It does not change its input in place."""
    constraint, actions = _build(harness)
    before = actions.clone()
    constraint(actions, 0.4)
    expect_close(actions, before, "it changes its input in place", 0.0)


def batch(harness: Harness) -> None:
    """The output for a picture does not depend on the other pictures of the batch."""
    constraint, actions = _build(harness)
    both = constraint(actions, 0.4)
    for index in range(len(actions)):
        single = constraint(actions[index : index + 1], 0.4)
        expect_close(single[0], both[index], "the output for a picture depends on the other pictures of the batch")


def elementwise(harness: Harness) -> None:
    """If it is elementwise, the output for a subset of the strokes is the same as for all."""
    constraint, actions = _build(harness)
    if constraint.elementwise:
        actual, expected = constraint(actions[:, 1::2], 0.4), constraint(actions, 0.4)[:, 1::2]
        expect_close(actual, expected, "the output for a stroke depends on other strokes, so it is not `elementwise`")


def schedule(harness: Harness) -> None:
    """If the output depends on the progress, `scheduled` says so."""
    constraint, actions = _build(harness)
    outputs = [constraint(actions, progress) for progress in PROGRESS]
    if any(not torch.equal(output, outputs[0]) for output in outputs[1:]):
        expect(bool(constraint.scheduled), "its output depends on the progress, but `scheduled` names no setting")


def determinism(harness: Harness) -> None:
    """The same actions give the same output: called again, built again, after other calls."""
    constraint, scene = harness.build()
    actions = _random_actions(scene)
    with generators_unused(scene):
        first = constraint(actions, 0.4)
        constraint(1 - actions, 1.0)
        second = constraint(actions, 0.4)
    expect_close(second, first, "its output depends on earlier calls", 1e-6)
    other, _ = harness.build()
    expect_close(other(actions, 0.4), first, "the same seed gives another output", 1e-6)


def inverse(harness: Harness) -> None:
    """The strokes of a finished picture stay as they are when another run begins from them."""
    constraint, actions = _build(harness)
    constrained = constraint(actions, 1.0)
    repeated = constraint(constraint.inverse(constrained), 1.0)
    expect_close(repeated, constrained, "it changes actions that it permits: `inverse` must undo it", 1e-4)


def gradient(harness: Harness) -> None:
    """The gradient agrees with finite differences."""
    constraint, actions = _build(harness)
    weights = torch.cos(torch.arange(actions.numel(), device=actions.device).float()).view(actions.shape)
    signs = torch.where(torch.sin(9 * torch.arange(actions.numel()).float()) > 0, 1.0, -1.0).view(actions.shape)
    names = [f"dimension {index} of the action" for index in range(actions.shape[-1])]
    axes = axis_directions(actions, names)
    directions = {name: direction * signs.to(actions) for name, direction in axes.items()}
    directions["a random change of all dimensions"] = signs.to(actions)

    def loss(point: Tensor) -> Tensor:
        constrained: Tensor = constraint(point, 0.4)
        return ((constrained + 0.2).square() * (2 + weights)).double().sum((1, 2))

    expect_gradient(loss, 0.1 + 0.8 * actions, directions, 1e-3)


def boundary_gradient(harness: Harness) -> None:
    """The gradient is finite where actions are 0 or 1."""
    constraint, actions = _build(harness)
    for boundary in (torch.zeros_like(actions), torch.ones_like(actions)):
        boundary.requires_grad_()
        (gradient,) = torch.autograd.grad(constraint(boundary, 0.4).sum(), boundary)
        expect(bool(gradient.isfinite().all()), "the gradient is not finite where actions are 0 or 1")


def incompatible_renderer(harness: Harness) -> None:
    """With a renderer of another action space it raises a clear error, or works."""

    def build() -> object:
        incompatible = Harness(
            harness.kind, harness.component, harness.settings, lambda: default_scene(renderer=_UnknownSpace)
        )
        constraint, scene = incompatible.build()
        return constraint(_random_actions(scene), 0.4)

    expect_clear_error(build, "with a renderer of another action space")


class _UnknownSpace(Renderer):
    """A renderer with an action space of one dimension that no constraint uses."""

    name = "unfit"
    space = ActionSpace("unfit-1", (Dimension("unfit"),))

    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        coverage: Any = actions[:, :, None, None].expand(-1, -1, place.patch_size, place.patch_size)
        return StrokePatches(actions[:, :1, None, None].expand(-1, 3, 1, 1), coverage)


def _step(harness: Harness) -> tuple[Scene, Step]:
    """Return the scene of a constraint, and a step that constrains actions and computes their gradient."""
    constraint, scene = harness.build()
    actions = _random_actions(scene)

    def step() -> dict[str, Tensor | None]:
        leaf = actions.clone().requires_grad_()
        constrained = constraint(leaf, 0.4)
        (gradient,) = torch.autograd.grad(constrained.square().sum(), leaf)
        background = constraint.transform_background(scene.background)
        return {"its output": constrained, "the gradient of the actions": gradient, "the background": background}

    return scene, step


def _random_actions(scene: Scene) -> Tensor:
    assert scene.canvas is not None
    assert scene.renderer is not None
    shape = (2, scene.canvas.stroke_count, len(scene.renderer.space))
    return torch.rand(shape, generator=torch.Generator().manual_seed(SEED)).to(scene.device)


def _build(harness: Harness) -> tuple[Constraint, Tensor]:
    constraint, scene = harness.build()
    return constraint, _random_actions(scene)
