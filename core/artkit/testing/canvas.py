"""Checks of canvases."""

from __future__ import annotations

from dataclasses import fields

import torch

from artkit.geometry.phase import Phase
from artkit.geometry.window import Window
from artkit.interfaces.canvas import Canvas
from artkit.interfaces.scene import Scene
from artkit.testing.assertions import expect, expect_close, generators_unused
from artkit.testing.gpu_checks import Step, expect_same_on_gpu
from artkit.testing.harness import Harness, SceneFactory, Settings
from artkit.testing.scene import SEED


def check_canvas(
    component: str | type[Canvas], settings: Settings | None = None, *, scene: SceneFactory | None = None
) -> None:
    """Check a canvas, by name or class. Raises CheckFailures with all checks that fail.

    settings: as in a recipe. scene: makes the scene it is built for, with a renderer.
    """
    checks = [layout, patches, determinism, windows, batch, scale, gradient, device]
    Harness("canvas", component, settings, scene).run(checks)


def layout(harness: Harness) -> None:
    """The strokes of its phases are numbered from 0 without a gap, and tiles overlap the picture."""
    canvas, scene = harness.build()
    expect(canvas.size == scene.size, f"size is {canvas.size}; the scene's is {scene.size}")
    expect(isinstance(canvas.phases, tuple) and canvas.phases, f"layout returns {canvas.phases!r}, no tuple of phases")
    first = 0
    for index, phase in enumerate(canvas.phases):
        expect(isinstance(phase, Phase), f"phase {index} is a {type(phase).__name__}, not an artkit.Phase")
        numbers = [getattr(phase, field.name) for field in fields(phase) if field.name != "cells"]
        integers = all(isinstance(value, int) for value in (*numbers, *(phase.cells or ())))
        expect(integers, f"phase {index}: not all of its values are integers: {phase}")
        if phase.cells is not None:
            on_lattice = set(phase.cells) <= set(range(phase.rows * phase.columns))
            expect(on_lattice, f"phase {index}: not all of its cells are on its lattice: {phase}")
            expect(len(set(phase.cells)) == len(phase.cells), f"phase {index}: a cell occurs twice: {phase}")
        expect(phase.side > 0 and phase.stroke_count > 0, f"phase {index} is empty: {phase}")
        expect(phase.first == first, f"phase {index} starts with stroke {phase.first}; expected {first}")
        first += phase.stroke_count
    width, height = scene.size
    x, y, side = canvas.tiles().T
    visible = (x < width) & (y < height) & (x + side > 0) & (y + side > 0)
    expect(bool(visible.any()), "no tile overlaps the picture")


def patches(harness: Harness) -> None:
    """The patches of a phase, tiles with their margins, do not overlap."""
    canvas, scene = harness.build()
    for index, phase in enumerate(canvas.phases):
        patch_size = phase.side + 2 * canvas.margin(scene.renderer, phase.side)
        separate = phase.pitch >= patch_size or phase.stroke_count == 1
        expect(separate, f"phase {index}: its patches of {patch_size} px overlap; the pitch is {phase.pitch} px")


def determinism(harness: Harness) -> None:
    """The same settings give the same tiles; no generator is used."""
    canvas, scene = harness.build()
    expect(harness.build(seed=SEED + 1)[0].phases == canvas.phases, "built a second time it has other phases")
    with generators_unused(scene):
        expect(canvas.layout(scene) == canvas.phases, "layout, called a second time, returns other phases")


def windows(harness: Harness) -> None:
    """A rendered window is the same as that region of the whole picture."""
    canvas, scene = harness.build()
    actions = _random_actions(canvas, scene)
    width, height = scene.size
    with torch.no_grad():
        whole = canvas.render(scene.renderer, actions, scene.background, SEED)
        expect(tuple(whole.shape) == (1, 3, height, width), f"the picture has the shape {tuple(whole.shape)}")
        for window in (Window(0, 0, 20, 16), Window(17, 9, 30, 22), Window(width - 9, height - 7, 9, 7)):
            rendered = canvas.render(scene.renderer, actions, scene.background, SEED, window)
            crop = whole[:, :, window.y : window.y + window.height, window.x : window.x + window.width]
            expect_close(rendered, crop, f"the window at ({window.x}, {window.y}) differs from the whole picture")


def batch(harness: Harness) -> None:
    """Each picture of a batch is the same as if it were rendered alone."""
    canvas, scene = harness.build()
    actions = _random_actions(canvas, scene, 2)
    with torch.no_grad():
        both = canvas.render(scene.renderer, actions, scene.background, SEED)
        for index in range(2):
            single = canvas.render(scene.renderer, actions[index : index + 1], scene.background, SEED)
            expect_close(single[0], both[index], "a picture depends on the other pictures of the batch")


def scale(harness: Harness) -> None:
    """At scale 2 it is the same picture."""
    canvas, scene = harness.build()
    width, height = scene.size
    actions = _random_actions(canvas, scene)
    with torch.no_grad():
        small = canvas.render(scene.renderer, actions, scene.background, SEED)
        window = Window(0, 0, 2 * width, 2 * height, 2.0)
        large = canvas.render(scene.renderer, actions, scene.background, SEED, window)
    error = float((small - torch.nn.functional.avg_pool2d(large, 2)).abs().mean())
    expect(error < 0.02, f"at scale 2 it is another picture (mean error {error:.2g})")


def gradient(harness: Harness) -> None:
    """A gradient reaches the strokes of the picture."""
    canvas, scene = harness.build()
    actions = _random_actions(canvas, scene).requires_grad_()
    picture = canvas.render(scene.renderer, actions, scene.background, SEED)
    expect(picture.requires_grad, "the picture has no gradient")
    (gradient,) = torch.autograd.grad(picture.square().sum(), actions)
    reached = int(gradient[0].abs().sum(1).gt(0).sum())
    expect(2 * reached >= canvas.stroke_count, f"the gradient reaches only {reached} of {canvas.stroke_count} strokes")


def device(harness: Harness) -> None:
    """On a GPU it renders the same picture as on the CPU."""

    def build() -> tuple[Scene, Step]:
        canvas, scene = harness.build()
        actions = _random_actions(canvas, scene)
        window = Window(4, 3, 30, 20)

        def step() -> dict[str, torch.Tensor | None]:
            leaf = actions.clone().requires_grad_()
            picture = canvas.render(scene.renderer, leaf, scene.background, SEED, window)
            (gradient,) = torch.autograd.grad(picture.square().sum(), leaf)
            return {"a window of its picture": picture, "the gradient of the actions": gradient}

        return scene, step

    expect_same_on_gpu(build, synchronises=False)


def _random_actions(canvas: Canvas, scene: Scene, count: int = 1) -> torch.Tensor:
    assert scene.renderer is not None
    shape = (count, canvas.stroke_count, len(scene.renderer.space))
    return torch.rand(shape, generator=torch.Generator().manual_seed(SEED)).to(scene.device)
