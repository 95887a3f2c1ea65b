"""Checks of renderers."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from artkit.geometry.place import Place
from artkit.geometry.window import Window
from artkit.interfaces.canvas import Canvas
from artkit.interfaces.renderer import Renderer
from artkit.rendering.stroke_renderer import StrokePatches
from artkit.strokes.stroke_log import StrokeLog
from artkit.testing.common import (
    Bench,
    SceneMaker,
    Settings,
    expect,
    expect_same,
    expect_slope,
    expect_tensor,
    expect_unit,
    one_at_a_time,
    untouched_generators,
)
from artkit.testing.scene import SEED, Quarters

SIDE = 32
STROKES = 6


def check_renderer(
    part: str | type[Renderer],
    settings: Settings | None = None,
    *,
    exact_gradient: bool = True,
    scene: SceneMaker | None = None,
) -> None:
    """Check a renderer, by name or class. Raises Faults with everything that is wrong.

    settings: as a recipe would say them. exact_gradient: whether its gradient is that of what it draws; False for one
    that takes it from elsewhere, as `mypaint` does from its surrogate, or whose grain has none. scene: makes the scene
    it is built for.
    """
    checks = [action_space, shapes, extremes, margin, reach, alone, determinism, parts, windows, replay, enlargement]
    Bench("renderer", part, settings, scene).run([*checks, *([gradient] if exact_gradient else [])])


def action_space(bench: Bench) -> None:
    """Its action space has a name and at least one number, each with a name of its own."""
    space = bench.part.space
    expect(space.name, "the action space has no name")
    expect(len(space) > 0, "the action space has no numbers")
    twice = sorted({name for name in space.names if space.names.count(name) > 1})
    expect(not twice, f"numbers of the action space share a name: {', '.join(twice)}")
    empty = [number.name for number in space.dimensions if number.low == number.high]
    expect(not empty, f"0 and 1 mean the same: {', '.join(empty)}")


def shapes(bench: Bench) -> None:
    """Colour and coverage have their shapes and ranges, the dtype and the device of the actions."""
    renderer, actions, place = _ready(bench)
    for count in (1, STROKES):
        _paint(renderer, actions[:count], _some(place, slice(0, count)))
    for side in (8, 33):
        _paint(renderer, actions, _place(renderer, actions, side))


def extremes(bench: Bench) -> None:
    """Actions at the edge of their range give numbers, and gradients that are numbers."""
    renderer, actions, place = _ready(bench)
    corners = torch.stack([torch.zeros_like(actions[0]), torch.ones_like(actions[0]), *actions[:2].round()])
    corners.requires_grad_(_learns(renderer))
    paint = _paint(renderer, corners, _some(place, slice(0, 4)))
    if corners.requires_grad:
        (slope,) = torch.autograd.grad(paint.coverage.sum() + paint.colour.sum(), corners, allow_unused=True)
        expect(slope is not None, "no gradient comes through")
        expect(bool(slope.isfinite().all()), "the gradient holds numbers that are not finite")


def margin(bench: Bench) -> None:
    """Coverage has fallen to 0 where the margin ends."""
    renderer, _ = bench.fresh()
    actions = _actions(renderer, 24)
    for side in (SIDE, 2 * SIDE):
        told = renderer.margin(side)
        expect(isinstance(told, int) and told >= 0, f"margin({side}) is {told!r}, not a whole number of px")
        if not told:
            continue  # what ends with its tile may cover all of it
        # The wildest strokes may fray out, in specks of a px or two.
        wild = torch.cat([torch.ones_like(actions[:1]), actions.round()])
        for some, most, speck in ((actions, 0.02, 1), (wild, 0.25, 5)):
            sheet = _paint(renderer, some, _place(renderer, some, side)).coverage
            edges = (sheet[..., 0], sheet[..., -1], sheet[..., 0, :], sheet[..., -1, :])
            edge = max(float(F.avg_pool1d(e, speck, 1).max()) for e in edges)
            expect(edge < most, f"coverage is still {edge:.2g} where the margin of {told} px around {side} px ends")


def reach(bench: Bench) -> None:
    """Strokes leave no paint further from their tile than it says they reach, if it says so."""
    renderer, _ = bench.fresh()
    actions = _actions(renderer, 24)
    actions = torch.cat([actions, actions.round()])
    place = _place(renderer, actions)
    told = renderer.max_extent(actions, SIDE)
    if told is None:
        return
    expect_tensor(told, (len(actions),), actions, "the reach")
    sheets = renderer(actions, place).coverage[:, 0]
    for far, sheet in zip(told.ceil().clamp(0, place.margin).int().tolist(), sheets, strict=True):
        inner = slice(place.margin - far, place.patch_size - place.margin + far)
        beyond = sheet.clone()
        beyond[inner, inner] = 0
        expect(
            float(beyond.max()) < 1e-6, f"a stroke that reaches {far} px from its tile, it says, leaves paint beyond"
        )


def alone(bench: Bench) -> None:
    """A stroke looks the same whichever others are drawn with it, and in whatever order."""
    renderer, actions, place = _ready(bench)
    colour, coverage = _paint(renderer, actions, place)
    for number in (0, STROKES - 1):
        only = slice(number, number + 1)
        one = _paint(renderer, actions[only], _some(place, only))
        fault = "a stroke looks different when it is drawn alone; place.stroke_index and place.seed must choose its randomness"
        expect_same(one.coverage, coverage[only], fault)
        expect_same(one.colour, colour[only], fault)
    order = torch.arange(STROKES - 1, -1, -1, device=actions.device)
    turned = _paint(renderer, actions[order], _some(place, order))
    expect_same(turned.coverage, coverage[order], "strokes look different when they are drawn in another order")


def determinism(bench: Bench) -> None:
    """The same strokes are the same paint: again, from a renderer built again, whatever was drawn in between."""
    renderer, made = bench.fresh()
    actions = _actions(renderer)
    place = _place(renderer, actions)
    with untouched_generators(made), torch.no_grad():
        first = renderer(actions, place)
        renderer(1 - actions, place)
        again = renderer(actions, place)
    expect_same(again.coverage, first.coverage, "the same actions look different the second time", 1e-6)
    other, _ = bench.fresh()
    with torch.no_grad():
        built_again = other(actions, place)
    expect_same(built_again.coverage, first.coverage, "built again from the same seed it paints differently", 1e-6)


def gradient(bench: Bench) -> None:
    """The gradient of what it draws is what finite differences say, for every number of the action."""
    renderer, actions, place = _ready(bench)
    if not _learns(renderer):
        return
    waves = torch.arange(place.patch_size, device=actions.device)
    weights = 1 + torch.sin(waves * 0.35)[:, None] * torch.cos(waves * 0.23)[None, :]

    tint = torch.tensor([1.0, 1.3, 0.6], device=actions.device).view(1, 3, 1, 1)

    def look(at: Tensor) -> Tensor:
        colour, coverage = renderer(at, place)
        picture: Tensor = 0.7 + coverage * (colour * tint - 0.7)
        return (picture * weights).double().sum((1, 2, 3))

    ways = one_at_a_time(actions, [f'"{name}"' for name in renderer.space.names])
    expect_slope(look, 0.15 + 0.7 * actions, ways, 3e-4)


def parts(bench: Bench) -> None:
    """A part of sheets is what the whole sheets have there."""
    renderer, actions, place = _ready(bench)
    width, height = place.patch_size // 2, place.patch_size // 3
    with torch.no_grad():
        whole = renderer(actions, place)
        for x, y in ((0, 0), (place.patch_size - width, 5)):
            part = renderer.forward_region(actions, place, Window(x, y, width, height))
            for name, some, all_of_it in zip(StrokePatches._fields, part, whole, strict=True):
                there = all_of_it[..., y : y + height, x : x + width] if all_of_it.shape[-1] > 1 else all_of_it
                expect_same(some, there, f"the {name} of the part at ({x}, {y}) is not what the sheet has there")


def windows(bench: Bench) -> None:
    """Windows of a picture are parts of the whole."""
    renderer, canvas, actions, background = _painting(bench)
    with torch.no_grad():
        whole = canvas.render(renderer, actions, background, SEED)
        expect_unit(whole, "a picture of its strokes")
        for x, y, width, height in ((0, 0, 20, 16), (17, 9, 30, 22), (30, 5, 7, 31)):
            part = canvas.render(renderer, actions, background, SEED, Window(x, y, width, height))
            fault = f"a window at ({x}, {y}) is not what the whole picture has there"
            expect_same(part, whole[:, :, y : y + height, x : x + width], fault)


def replay(bench: Bench) -> None:
    """The stroke log paints the picture that was optimised, whole or in windows."""
    renderer, canvas, actions, background = _painting(bench)
    log = _log(renderer, canvas, actions)
    with torch.no_grad():
        seen = canvas.render(renderer, actions, background, SEED)[0]
        whole = renderer.replay(log, Window(0, 0, *canvas.size))
        expect(tuple(whole.shape) == tuple(seen.shape), f"replay gives the shape {tuple(whole.shape)}")
        apart = float((whole.to(seen) - seen).abs().mean())
        expect(apart < 0.005, f"a replay of the log is another picture than the one optimised (mean error {apart:.2g})")
        part = renderer.replay(log, Window(11, 5, 25, 30))
        paint = renderer.replay(replace(log, background=(0.0, 0.0, 0.0, 0.0)), Window(0, 0, *canvas.size))
    expect(len(paint) == 4, f"a replay without a ground has {len(paint)} channels, not 4")
    ground = torch.tensor(log.background).view(3, 1, 1).to(paint)
    expect_same(paint[:3] + (1 - paint[3]) * ground, whole.to(paint), "a replay without a ground, laid on it", 0.005)
    expect_same(part, whole[:, 5:35, 11:36], "a window of a replay is not what the whole has there", 0.005)


def enlargement(bench: Bench) -> None:
    """Enlarged, the picture is the same with more pixels."""
    renderer, canvas, actions, _ = _painting(bench)
    log = _log(renderer, canvas, actions)
    width, height = canvas.size
    with torch.no_grad():
        small = renderer.replay(log, Window(0, 0, width, height))
        large = renderer.replay(log, Window(0, 0, 2 * width, 2 * height, 2.0))
    expect(large.shape[-2:] == (2 * height, 2 * width), f"at scale 2 the shape is {tuple(large.shape)}")
    # Grain may be finer; what lies under it must stay in its place.
    apart = float((F.avg_pool2d(small[None], 8) - F.avg_pool2d(large[None], 16)).abs().mean())
    moved = float((F.avg_pool2d(small[None], 8) - F.avg_pool2d(small[None], 8).mean()).abs().mean())
    expect(apart < 0.02 + 0.2 * moved, f"enlarged it is another picture (mean error {apart:.2g}); draw by place.side")


# ------------------------------------------------------------------------------------------------------- material
def _learns(renderer: Renderer) -> bool:
    return bool(renderer.differentiable)


def _actions(renderer: Renderer, strokes: int = STROKES) -> Tensor:
    drawn = torch.rand(strokes, len(renderer.space), generator=torch.Generator().manual_seed(SEED))
    return drawn.to(renderer.scene.device)


def _place(renderer: Renderer, actions: Tensor, side: int = SIDE) -> Place:
    number = torch.arange(len(actions), device=actions.device)
    origin = torch.stack([number * 3, 40 - number * 2], 1)
    return Place(origin, side, renderer.margin(side), number + 5, (4 * side, 3 * side), SEED)


def _some(place: Place, which: slice | Tensor) -> Place:
    origin, number = place.origin[which], place.stroke_index[which]
    return Place(origin, place.side, place.margin, number, place.size, place.seed, place.scale)


def _ready(bench: Bench) -> tuple[Renderer, Tensor, Place]:
    renderer, _ = bench.fresh()
    actions = _actions(renderer)
    return renderer, actions, _place(renderer, actions)


def _paint(renderer: Renderer, actions: Tensor, place: Place) -> StrokePatches:
    """What a renderer draws, once it is certain that it is paint."""
    made = renderer(actions, place)
    expect(
        isinstance(made, StrokePatches),
        f"forward returns {type(made).__name__}, not artkit.rendering.stroke_renderer.StrokePatches",
    )
    paint: StrokePatches = made
    m, sheet = len(actions), place.patch_size
    expect_tensor(paint.coverage, (m, 1, sheet, sheet), actions, "the coverage")
    whole = tuple(paint.colour.shape[-2:]) == (sheet, sheet)
    expect_tensor(paint.colour, (m, 3, sheet, sheet) if whole else (m, 3, 1, 1), actions, "the colour")
    expect_unit(paint.coverage, "the coverage")
    expect_unit(paint.colour, "the colour")
    return paint


def _painting(bench: Bench) -> tuple[Renderer, Canvas, Tensor, Tensor]:
    """A renderer, a canvas, the actions (1, N, A) of a picture, and its background."""
    renderer, made = bench.fresh()
    made.renderer = renderer
    canvas = Quarters(Quarters.Config(), made)
    return renderer, canvas, _actions(renderer, canvas.stroke_count)[None], made.background


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
