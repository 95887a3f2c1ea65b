"""Checks of renderers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from artkit.geometry.place import Place
from artkit.geometry.window import Window
from artkit.interfaces.canvas import Canvas
from artkit.interfaces.renderer import Renderer
from artkit.interfaces.scene import Scene
from artkit.rendering.stroke_renderer import StrokePatches
from artkit.strokes.stroke_log import StrokeLog
from artkit.testing.assertions import (
    axis_directions,
    expect,
    expect_close,
    expect_gradient,
    expect_tensor,
    expect_unit_range,
    generators_unused,
)
from artkit.testing.gpu_checks import Step, expect_same_on_gpu
from artkit.testing.harness import Harness, SceneFactory, Settings
from artkit.testing.scene import SEED, Quarters

SIDE = 32
STROKES = 6


def check_renderer(
    component: str | type[Renderer],
    settings: Settings | None = None,
    *,
    exact_gradient: bool = True,
    synchronises: bool = False,
    scene: SceneFactory | None = None,
) -> None:
    """Check a renderer, by name or class. Raises CheckFailures with all checks that fail.

    settings: as in a recipe. exact_gradient: False if its gradient is not that of its output on purpose: it is that of
    a surrogate, or the stroke noise is not differentiable. synchronises: True if it waits for the GPU in each step on
    purpose, as one does that computes on the CPU. scene: makes the scene it is built for.
    """

    def device(harness: Harness) -> None:
        expect_same_on_gpu(lambda: _step(harness), synchronises)

    checks = [action_space, shapes, boundary, margin, max_extent, batch, determinism, regions, windows, replay, scale]
    Harness("renderer", component, settings, scene).run([*checks, device, *([gradient] if exact_gradient else [])])


def action_space(harness: Harness) -> None:
    """Its action space has a name and at least one dimension; names are unique and ranges are not empty."""
    space = harness.component.space
    expect(space.name, "the action space has no name")
    expect(len(space) > 0, "the action space has no dimensions")
    duplicates = sorted(name for name, count in Counter(space.names).items() if count > 1)
    expect(not duplicates, f"dimensions of the action space have the same name: {', '.join(duplicates)}")
    empty = [dimension.name for dimension in space.dimensions if dimension.low == dimension.high]
    expect(not empty, f"dimensions of the action space have an empty range: {', '.join(empty)}")


def shapes(harness: Harness) -> None:
    """Colour and coverage have the right shapes and ranges, and dtype and device of the actions."""
    renderer, actions, place = _build(harness)
    for count in (1, STROKES):
        _checked_patches(renderer, actions[:count], _subset(place, slice(0, count)))
    for side in (8, 33):
        _checked_patches(renderer, actions, _place(renderer, actions, side))


def boundary(harness: Harness) -> None:
    """Where actions are 0 or 1, the output and its gradient are finite."""
    renderer, actions, place = _build(harness)
    corners = torch.stack([torch.zeros_like(actions[0]), torch.ones_like(actions[0]), *actions[:2].round()])
    corners.requires_grad_(bool(renderer.differentiable))
    patches = _checked_patches(renderer, corners, _subset(place, slice(0, 4)))
    if corners.requires_grad:
        output = patches.coverage.sum() + patches.colour.sum()
        (gradient,) = torch.autograd.grad(output, corners, allow_unused=True)
        expect(gradient is not None, "the output has no gradient")
        expect(bool(gradient.isfinite().all()), "the gradient is not finite where actions are 0 or 1")


def margin(harness: Harness) -> None:
    """Coverage has fallen to 0 where the margin ends."""
    renderer, _ = harness.build()
    actions = _random_actions(renderer, 24)
    # Extreme actions may scatter specks of one or two px, which are averaged.
    extreme_actions = torch.cat([torch.ones_like(actions[:1]), actions.round()])
    for side in (SIDE, 2 * SIDE):
        margin = renderer.margin(side)
        expect(isinstance(margin, int) and margin >= 0, f"margin({side}) is {margin!r}, not a number of px")
        if not margin:
            continue  # without a margin, a stroke may cover its whole tile
        for subset, max_coverage, speck in ((actions, 0.02, 1), (extreme_actions, 0.25, 5)):
            patch = renderer(subset, _place(renderer, subset, side)).coverage
            edges = (patch[..., 0], patch[..., -1], patch[..., 0, :], patch[..., -1, :])
            coverage = max(float(F.avg_pool1d(edge, speck, 1).max()) for edge in edges)
            message = f"coverage is {coverage:.2g} where the margin of {margin} px around {side} px ends"
            expect(coverage < max_coverage, message)


def max_extent(harness: Harness) -> None:
    """No paint is farther from the tile than `max_extent`, unless that is None."""
    renderer, _ = harness.build()
    actions = _random_actions(renderer, 24)
    actions = torch.cat([actions, actions.round()])
    place = _place(renderer, actions)
    extents = renderer.max_extent(actions, SIDE)
    if extents is None:
        return
    expect_tensor(extents, (len(actions),), actions, "max_extent")
    coverages = renderer(actions, place).coverage[:, 0]
    for extent, coverage in zip(extents.ceil().clamp(0, place.margin).int().tolist(), coverages, strict=True):
        inside = slice(place.margin - extent, place.patch_size - place.margin + extent)
        outside = coverage.clone()
        outside[inside, inside] = 0
        message = f"a stroke with a max_extent of {extent} px leaves paint farther from its tile"
        expect(float(outside.max()) < 1e-6, message)


def batch(harness: Harness) -> None:
    """A stroke does not depend on the other strokes of the batch or on their order."""
    renderer, actions, place = _build(harness)
    colour, coverage = _checked_patches(renderer, actions, place)
    message = "a stroke looks different alone; its noise must follow from place.stroke_index and place.seed"
    for index in (0, STROKES - 1):
        single = slice(index, index + 1)
        patches = _checked_patches(renderer, actions[single], _subset(place, single))
        expect_close(patches.coverage, coverage[single], message)
        expect_close(patches.colour, colour[single], message)
    order = torch.arange(STROKES - 1, -1, -1, device=actions.device)
    reordered = _checked_patches(renderer, actions[order], _subset(place, order))
    expect_close(reordered.coverage, coverage[order], "strokes look different in another order")


def determinism(harness: Harness) -> None:
    """The same strokes give the same output: called again, built again, after other calls."""
    renderer, scene = harness.build()
    actions = _random_actions(renderer)
    place = _place(renderer, actions)
    with generators_unused(scene), torch.no_grad():
        first = renderer(actions, place)
        renderer(1 - actions, place)
        second = renderer(actions, place)
    expect_close(second.coverage, first.coverage, "its output depends on earlier calls", 1e-6)
    other, _ = harness.build()
    with torch.no_grad():
        rebuilt = other(actions, place)
    expect_close(rebuilt.coverage, first.coverage, "the same seed gives another output", 1e-6)


def gradient(harness: Harness) -> None:
    """The gradient agrees with finite differences, for each dimension of the action."""
    renderer, actions, place = _build(harness)
    if not renderer.differentiable:
        return
    pixel = torch.arange(place.patch_size, device=actions.device)
    weights = 1 + torch.sin(pixel * 0.35)[:, None] * torch.cos(pixel * 0.23)[None, :]
    tint = torch.tensor([1.0, 1.3, 0.6], device=actions.device).view(1, 3, 1, 1)

    def loss(point: Tensor) -> Tensor:
        colour, coverage = renderer(point, place)
        picture: Tensor = 0.7 + coverage * (colour * tint - 0.7)
        return (picture * weights).double().sum((1, 2, 3))

    directions = axis_directions(actions, [f'"{name}"' for name in renderer.space.names])
    expect_gradient(loss, 0.15 + 0.7 * actions, directions, 3e-4)


def regions(harness: Harness) -> None:
    """A region of the patches is the same as that region of the whole patches."""
    renderer, actions, place = _build(harness)
    width, height = place.patch_size // 2, place.patch_size // 3
    with torch.no_grad():
        whole = renderer(actions, place)
        for x, y in ((0, 0), (place.patch_size - width, 5)):
            region = renderer.forward_region(actions, place, Window(x, y, width, height))
            for name, actual, patch in zip(StrokePatches._fields, region, whole, strict=True):
                expected = patch[..., y : y + height, x : x + width] if patch.shape[-1] > 1 else patch
                expect_close(actual, expected, f"the {name} of the region at ({x}, {y}) differs from the whole patch")


def windows(harness: Harness) -> None:
    """A rendered window is the same as that region of the whole picture."""
    renderer, canvas, actions, background = _build_painting(harness)
    with torch.no_grad():
        whole = canvas.render(renderer, actions, background, SEED)
        expect_unit_range(whole, "a picture of its strokes")
        for x, y, width, height in ((0, 0, 20, 16), (17, 9, 30, 22), (30, 5, 7, 31)):
            rendered = canvas.render(renderer, actions, background, SEED, Window(x, y, width, height))
            crop = whole[:, :, y : y + height, x : x + width]
            expect_close(rendered, crop, f"the window at ({x}, {y}) differs from the whole picture")


def replay(harness: Harness) -> None:
    """`replay` of the stroke log renders the optimised picture: whole, windows, and without background."""
    renderer, canvas, actions, background = _build_painting(harness)
    log = _log(renderer, canvas, actions)
    with torch.no_grad():
        optimised = canvas.render(renderer, actions, background, SEED)[0]
        whole = renderer.replay(log, Window(0, 0, *canvas.size))
        expect(tuple(whole.shape) == tuple(optimised.shape), f"replay returns the shape {tuple(whole.shape)}")
        error = float((whole.to(optimised) - optimised).abs().mean())
        expect(error < 0.005, f"replay renders another picture than the optimised one (mean error {error:.2g})")
        window = renderer.replay(log, Window(11, 5, 25, 30))
        paint = renderer.replay(replace(log, background=(0.0, 0.0, 0.0, 0.0)), Window(0, 0, *canvas.size))
    expect(len(paint) == 4, f"without a background replay returns {len(paint)} channels, not 4")
    colour = torch.tensor(log.background).view(3, 1, 1).to(paint)
    composited = paint[:3] + (1 - paint[3]) * colour
    expect_close(composited, whole.to(paint), "without a background replay renders another picture", 0.005)
    expect_close(window, whole[:, 5:35, 11:36], "a window of replay differs from the whole picture", 0.005)


def scale(harness: Harness) -> None:
    """At scale 2 it is the same picture, except for details that are finer."""
    renderer, canvas, actions, _ = _build_painting(harness)
    log = _log(renderer, canvas, actions)
    width, height = canvas.size
    with torch.no_grad():
        small = renderer.replay(log, Window(0, 0, width, height))
        large = renderer.replay(log, Window(0, 0, 2 * width, 2 * height, 2.0))
    expect(large.shape[-2:] == (2 * height, 2 * width), f"at scale 2 the shape is {tuple(large.shape)}")
    reduced, reference = F.avg_pool2d(large[None], 16), F.avg_pool2d(small[None], 8)
    error = float((reference - reduced).abs().mean())
    contrast = float((reference - reference.mean()).abs().mean())
    message = f"at scale 2 it is another picture (mean error {error:.2g}); lengths must be relative to place.side"
    expect(error < 0.02 + 0.2 * contrast, message)


def _step(harness: Harness) -> tuple[Scene, Step]:
    """Return the scene of a renderer, and a step that renders a picture and computes the gradient of its actions."""
    renderer, canvas, actions, background = _build_painting(harness)
    weights = torch.linspace(0.5, 1.5, canvas.size[0], device=actions.device)

    def step() -> dict[str, Tensor | None]:
        leaf = actions.clone().requires_grad_()
        picture = canvas.render(renderer, leaf, background, SEED)
        gradient = torch.autograd.grad((picture * weights).sum(), leaf)[0] if picture.requires_grad else None
        return {"a picture of its strokes": picture, "the gradient of the actions": gradient}

    return renderer.scene, step


def _random_actions(renderer: Renderer, strokes: int = STROKES) -> Tensor:
    actions = torch.rand(strokes, len(renderer.space), generator=torch.Generator().manual_seed(SEED))
    return actions.to(renderer.scene.device)


def _place(renderer: Renderer, actions: Tensor, side: int = SIDE) -> Place:
    index = torch.arange(len(actions), device=actions.device)
    origin = torch.stack([index * 3, 40 - index * 2], 1)
    return Place(origin, side, renderer.margin(side), index + 5, (4 * side, 3 * side), SEED)


def _subset(place: Place, which: slice | Tensor) -> Place:
    return replace(place, origin=place.origin[which], stroke_index=place.stroke_index[which])


def _build(harness: Harness) -> tuple[Renderer, Tensor, Place]:
    renderer, _ = harness.build()
    actions = _random_actions(renderer)
    return renderer, actions, _place(renderer, actions)


def _checked_patches(renderer: Renderer, actions: Tensor, place: Place) -> StrokePatches:
    """Return the renderer's output. Raises AssertionError if its types, shapes or ranges are wrong."""
    output = renderer(actions, place)
    expect(isinstance(output, StrokePatches), f"forward returns {type(output).__name__}, not artkit.StrokePatches")
    patches: StrokePatches = output
    m, size = len(actions), place.patch_size
    expect_tensor(patches.coverage, (m, 1, size, size), actions, "the coverage")
    per_pixel = tuple(patches.colour.shape[-2:]) == (size, size)
    expect_tensor(patches.colour, (m, 3, size, size) if per_pixel else (m, 3, 1, 1), actions, "the colour")
    expect_unit_range(patches.coverage, "the coverage")
    expect_unit_range(patches.colour, "the colour")
    return patches


def _build_painting(harness: Harness) -> tuple[Renderer, Canvas, Tensor, Tensor]:
    """Return a renderer, a canvas, the actions (1, N, A) of a picture, and its background."""
    renderer, scene = harness.build()
    scene.renderer = renderer
    canvas = Quarters(Quarters.Config(), scene)
    return renderer, canvas, _random_actions(renderer, canvas.stroke_count)[None], scene.background


def _log(renderer: Renderer, canvas: Canvas, actions: Tensor) -> StrokeLog:
    red, green, blue = renderer.scene.background.tolist()
    return StrokeLog(
        size=canvas.size,
        background=(red, green, blue),
        seed=SEED,
        renderer={"type": renderer.name},
        space=renderer.space.name,
        names=renderer.space.names,
        actions=actions[0].cpu(),
        phases=canvas.phases,
    )
