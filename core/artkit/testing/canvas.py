"""Checks of canvases."""

from __future__ import annotations

import torch

from artkit.geometry.phase import Phase
from artkit.geometry.window import Window
from artkit.interfaces.canvas import Canvas
from artkit.interfaces.scene import Scene
from artkit.testing.common import Bench, SceneMaker, Settings, expect, expect_same, untouched_generators
from artkit.testing.scene import SEED


def check_canvas(
    part: str | type[Canvas], settings: Settings | None = None, *, scene: SceneMaker | None = None
) -> None:
    """Check a canvas, by name or class. Raises Faults with everything that is wrong.

    settings: as a recipe would say them. scene: makes the scene it is built for, with a renderer.
    """
    Bench("canvas", part, settings, scene).run([layout, sheets, determinism, windows, pictures, enlargement, gradient])


def layout(bench: Bench) -> None:
    """Its phases are numbered from 0 without a gap, and lie in the picture."""
    canvas, made = bench.fresh()
    expect(canvas.size == made.size, f"size is {canvas.size}; the scene's is {made.size}")
    expect(isinstance(canvas.phases, tuple) and canvas.phases, f"layout gives {canvas.phases!r}, not a tuple of phases")
    first = 0
    for place, phase in enumerate(canvas.phases):
        expect(isinstance(phase, Phase), f"phase {place} is {type(phase).__name__}, not artkit.geometry.phase.Phase")
        whole = all(isinstance(value, int) for value in vars(phase).values())
        expect(whole, f"phase {place}: not all of its numbers are whole: {phase}")
        expect(phase.side > 0 and phase.rows > 0 and phase.columns > 0, f"phase {place} is empty: {phase}")
        expect(phase.first == first, f"phase {place} begins with stroke {phase.first}; {first} comes next")
        first += phase.stroke_count
    width, height = made.size
    x, y, side = canvas.tiles().T
    touches = (x < width) & (y < height) & (x + side > 0) & (y + side > 0)
    expect(bool(touches.any()), "no tile lies in the picture")


def sheets(bench: Bench) -> None:
    """The sheets of a phase, tiles and their margins, do not overlap."""
    canvas, made = bench.fresh()
    for place, phase in enumerate(canvas.phases):
        sheet = phase.side + 2 * canvas.margin(made.renderer, phase.side)
        apart = phase.pitch >= sheet or phase.stroke_count == 1
        expect(apart, f"phase {place}: its sheets of {sheet} px are {phase.pitch} px apart, so they overlap")


def determinism(bench: Bench) -> None:
    """The same seed lays out the same tiles."""
    canvas, made = bench.fresh()
    expect(bench.fresh(seed=SEED + 1)[0].phases == canvas.phases, "built again from the same seed it lies differently")
    with untouched_generators(made):
        expect(canvas.layout(made) == canvas.phases, "asked again it lays out other tiles")


def windows(bench: Bench) -> None:
    """Windows of a picture are parts of the whole."""
    canvas, made = bench.fresh()
    actions = _actions(canvas, made)
    width, height = made.size
    with torch.no_grad():
        whole = canvas.render(made.renderer, actions, made.background, SEED)
        expect(tuple(whole.shape) == (1, 3, height, width), f"the picture has the shape {tuple(whole.shape)}")
        for window in (Window(0, 0, 20, 16), Window(17, 9, 30, 22), Window(width - 9, height - 7, 9, 7)):
            part = canvas.render(made.renderer, actions, made.background, SEED, window)
            cut = whole[:, :, window.y : window.y + window.height, window.x : window.x + window.width]
            expect_same(part, cut, f"a window at ({window.x}, {window.y}) is not what the whole picture has there")


def pictures(bench: Bench) -> None:
    """Several pictures at once are what each is by itself."""
    canvas, made = bench.fresh()
    actions = _actions(canvas, made, 2)
    with torch.no_grad():
        both = canvas.render(made.renderer, actions, made.background, SEED)
        for number in range(2):
            one = canvas.render(made.renderer, actions[number : number + 1], made.background, SEED)
            expect_same(one[0], both[number], "a picture looks different when another one is painted with it")


def enlargement(bench: Bench) -> None:
    """It can be painted twice as large."""
    canvas, made = bench.fresh()
    width, height = made.size
    actions = _actions(canvas, made)
    with torch.no_grad():
        small = canvas.render(made.renderer, actions, made.background, SEED)
        twice = Window(0, 0, 2 * width, 2 * height, 2.0)
        large = canvas.render(made.renderer, actions, made.background, SEED, twice)
    apart = float((small - torch.nn.functional.avg_pool2d(large, 2)).abs().mean())
    expect(apart < 0.02, f"twice as large it is another picture (mean error {apart:.2g})")


def gradient(bench: Bench) -> None:
    """A gradient comes through to strokes that lie in the picture."""
    canvas, made = bench.fresh()
    actions = _actions(canvas, made).requires_grad_()
    picture = canvas.render(made.renderer, actions, made.background, SEED)
    expect(picture.requires_grad, "no gradient comes through")
    (slope,) = torch.autograd.grad(picture.square().sum(), actions)
    reached = int(slope[0].abs().sum(1).gt(0).sum())
    expect(2 * reached >= canvas.stroke_count, f"a gradient reaches only {reached} of {canvas.stroke_count} strokes")


def _actions(canvas: Canvas, made: Scene, count: int = 1) -> torch.Tensor:
    assert made.renderer is not None
    shape = (count, canvas.stroke_count, len(made.renderer.space))
    return torch.rand(shape, generator=torch.Generator().manual_seed(SEED)).to(made.device)
