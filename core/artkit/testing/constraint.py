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
from artkit.testing.common import (
    Bench,
    SceneMaker,
    Settings,
    expect,
    expect_errors_are_clear,
    expect_same,
    expect_slope,
    expect_tensor,
    expect_unit,
    one_at_a_time,
    untouched_generators,
)
from artkit.testing.scene import SEED
from artkit.testing.scene import scene as plain_scene

PROGRESS = (0.0, 0.4, 1.0)


def check_constraint(
    part: str | type[Constraint],
    settings: Settings | None = None,
    *,
    exact_gradient: bool = True,
    scene: SceneMaker | None = None,
) -> None:
    """Check a constraint, by name or class. Raises Faults with everything that is wrong.

    settings: as a recipe would say them. exact_gradient: whether its gradient is that of its values; False for one
    that lets the gradient pass what it changes. scene: makes the scene it is built for, with a renderer and a canvas.
    """
    checks = [shapes, untouched, pictures, alone, determinism, edges, unfit_renderer]
    Bench("constraint", part, settings, scene).run([*checks, *([gradient] if exact_gradient else [])])


def shapes(bench: Bench) -> None:
    """What it allows has the shape of what was proposed, and lies in [0, 1], at any progress."""
    constraint, actions = _ready(bench)
    for progress in PROGRESS:
        for proposed in (actions, torch.zeros_like(actions), torch.ones_like(actions)):
            allowed = constraint(proposed, progress)
            expect_tensor(allowed, tuple(actions.shape), actions, "what it allows")
            expect_unit(allowed, "what it allows")


def untouched(bench: Bench) -> None:
    """The actions that it is given stay as they are."""
    constraint, actions = _ready(bench)
    before = actions.clone()
    constraint(actions, 0.4)
    expect_same(actions, before, "it changes the actions that it is given in place", 0.0)


def pictures(bench: Bench) -> None:
    """Several pictures at once are what each is by itself."""
    constraint, actions = _ready(bench)
    both = constraint(actions, 0.4)
    for number in range(len(actions)):
        one = constraint(actions[number : number + 1], 0.4)
        expect_same(one[0], both[number], "what it allows in a picture depends on the other pictures")


def alone(bench: Bench) -> None:
    """If it says that it looks at each stroke alone, some strokes are what they are among all."""
    constraint, actions = _ready(bench)
    if constraint.elementwise:
        some = constraint(actions[:, 1::2], 0.4)
        expect_same(some, constraint(actions, 0.4)[:, 1::2], "strokes depend on each other, so it is not `alone`")


def determinism(bench: Bench) -> None:
    """The same actions are allowed the same: again, built again, whatever was asked in between."""
    constraint, made = bench.fresh()
    actions = _actions(made)
    with untouched_generators(made):
        first = constraint(actions, 0.4)
        constraint(1 - actions, 1.0)
        again = constraint(actions, 0.4)
    expect_same(again, first, "it carries something from one step to the next", 1e-6)
    other, _ = bench.fresh()
    expect_same(other(actions, 0.4), first, "built again from the same seed it allows something else", 1e-6)


def gradient(bench: Bench) -> None:
    """The gradient is what finite differences say."""
    constraint, actions = _ready(bench)
    weights = torch.cos(torch.arange(actions.numel(), device=actions.device).float()).view(actions.shape)
    signs = torch.where(torch.sin(9 * torch.arange(actions.numel()).float()) > 0, 1.0, -1.0).view(actions.shape)
    names = [f"number {number} of the action" for number in range(actions.shape[-1])]
    ways = {name: way * signs.to(actions) for name, way in one_at_a_time(actions, names).items()}
    ways["a random change of all numbers"] = signs.to(actions)

    def look(at: Tensor) -> Tensor:
        allowed: Tensor = constraint(at, 0.4)
        return ((allowed + 0.2).square() * (2 + weights)).double().sum((1, 2))

    expect_slope(look, 0.1 + 0.8 * actions, ways, 1e-3)


def edges(bench: Bench) -> None:
    """The gradient is a number also where actions are 0 or 1."""
    constraint, actions = _ready(bench)
    for edge in (torch.zeros_like(actions), torch.ones_like(actions)):
        edge.requires_grad_()
        (slope,) = torch.autograd.grad(constraint(edge, 0.4).sum(), edge)
        expect(bool(slope.isfinite().all()), "at the edge of [0, 1] the gradient holds numbers that are not finite")


def unfit_renderer(bench: Bench) -> None:
    """With a renderer whose actions it cannot do anything with it says so, or does nothing."""

    def build() -> object:
        unfit = Bench(bench.kind, bench.part, bench.settings, lambda: plain_scene(renderer=_Unfit))
        constraint, made = unfit.fresh()
        return constraint(_actions(made), 0.4)

    expect_errors_are_clear(build, "with a renderer of another action space")


class _Unfit(Renderer):
    """A renderer whose one number has a name that no constraint knows."""

    name = "unfit"
    space = ActionSpace("unfit-1", (Dimension("unfit"),))

    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        sheet: Any = actions[:, :, None, None].expand(-1, -1, place.patch_size, place.patch_size)
        return StrokePatches(actions[:, :1, None, None].expand(-1, 3, 1, 1), sheet)


def _actions(made: Scene) -> Tensor:
    assert made.canvas is not None
    assert made.renderer is not None
    shape = (2, made.canvas.stroke_count, len(made.renderer.space))
    return torch.rand(shape, generator=torch.Generator().manual_seed(SEED)).to(made.device)


def _ready(bench: Bench) -> tuple[Constraint, Tensor]:
    constraint, made = bench.fresh()
    return constraint, _actions(made)
