"""Tests of the renderer `mypaint`: the picture that is optimised is the picture that MyPaint paints."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from artkit.errors import UsageError
from artkit.geometry.place import Place
from artkit.geometry.window import Window
from artkit.interfaces.canvas import Canvas
from artkit.interfaces.renderer import Renderer
from artkit.interfaces.scene import Scene
from artkit.strokes.stroke_log import StrokeLog
from artkit_mypaint import libmypaint
from artkit_mypaint.action_spaces import SHAPE_SIZE, STROKE_SPACE
from artkit_mypaint.brush_files import brush_names, find_brush
from artkit_mypaint.mypaint import MyPaint

Actions = Callable[..., Tensor]
Scenes = Callable[..., Scene]

BACKGROUND = (0.85, 0.9, 0.7)


def make_log(canvas: Canvas, actions: Tensor, seed: int) -> StrokeLog:
    return StrokeLog(
        size=canvas.size,
        background=BACKGROUND,
        seed=seed,
        renderer={"type": "mypaint"},
        space=STROKE_SPACE.name,
        names=STROKE_SPACE.names,
        actions=actions,
        phases=canvas.phases,
        clip=canvas.clip,
    )


def full_window(canvas: Canvas, scale: float = 1.0) -> Window:
    width, height = canvas.size
    return Window(0, 0, round(width * scale), round(height * scale), scale)


# --------------------------------------------------------------------------------------- patches and one large surface
CANVASES: dict[str, tuple[str, dict[str, Any], tuple[int, int]]] = {
    "grid": ("grid", {"tile": 64, "overlap": 32, "strokes": 2}, (150, 101)),
    "grid of small tiles": ("grid", {"tile": 32, "overlap": 16, "strokes": 1}, (87, 61)),
    "pyramid": ("pyramid", {"tiles": (64, 32), "strokes": (1, 1)}, (97, 71)),
    "pyramid of equal levels": ("pyramid", {"tiles": (48, 32, 48), "strokes": (1, 1, 1)}, (67, 71)),
    "single": ("single", {"strokes": 20}, (131, 75)),
}


@pytest.mark.parametrize("surrogate", ["", "gan"])
@pytest.mark.parametrize("layout", CANVASES)
def test_composited_patches_equal_one_large_surface(
    layout: str, surrogate: str, scene: Scenes, random_actions: Actions
) -> None:
    """No paint is cut off at the edge of a patch, so there are no seams."""
    kind, options, size = CANVASES[layout]
    new_scene = scene(size, background=BACKGROUND)
    renderer: Renderer = new_scene.make("renderer", "mypaint", surrogate=surrogate)
    new_scene.renderer = renderer
    canvas: Canvas = new_scene.make("canvas", kind, **options)
    actions = random_actions(canvas.stroke_count, seed=12)
    with torch.no_grad():
        tiles = canvas.render(renderer, actions[None], new_scene.background, seed=3)[0]
        surface = renderer.replay(make_log(canvas, actions, 3), full_window(canvas))
    assert tiles.shape == surface.shape == (3, size[1], size[0])
    assert (surface - new_scene.background.view(3, 1, 1)).abs().mean() > 0.05
    assert (tiles - surface).abs().max() <= 2 / 255


@pytest.mark.parametrize("surrogate", ["", "gan"])
def test_strokes_in_the_corners_of_their_tiles_are_not_cut(
    surrogate: str, scene: Scenes, random_actions: Actions
) -> None:
    """Optimisation moves points to the edge of the tile; the size is the largest."""
    new_scene = scene((64, 64), background=BACKGROUND)
    renderer: Renderer = new_scene.make("renderer", "mypaint", surrogate=surrogate)
    new_scene.renderer = renderer
    canvas: Canvas = new_scene.make("canvas", "grid", tile=16, overlap=0, bleed=0, strokes=2)
    actions = (random_actions(canvas.stroke_count, seed=3) * 3 - 1).clamp(0, 1)
    actions[:, 8] = 1.0
    with torch.no_grad():
        tiles = canvas.render(renderer, actions[None], new_scene.background, seed=3)[0]
        surface = renderer.replay(make_log(canvas, actions, 3), full_window(canvas))
    assert (tiles - surface).abs().max() <= 2 / 255


def test_the_replay_of_a_clipped_canvas_equals_its_picture(scene: Scenes, random_actions: Actions) -> None:
    new_scene = scene((90, 70), background=BACKGROUND)
    renderer: Renderer = new_scene.make("renderer", "mypaint", surrogate="")
    new_scene.renderer = renderer
    canvas: Canvas = new_scene.make("canvas", "grid", strokes=2, clip=True)
    actions = random_actions(canvas.stroke_count)
    with torch.no_grad():
        tiles = canvas.render(renderer, actions[None], new_scene.background, seed=3)[0]
        replayed = renderer.replay(make_log(canvas, actions, 3), full_window(canvas))
    torch.testing.assert_close(replayed, tiles, atol=1e-5, rtol=0)


@pytest.fixture
def rendered(scene: Scenes, random_actions: Actions) -> tuple[Renderer, Canvas, StrokeLog]:
    new_scene = scene((100, 70), background=BACKGROUND)
    renderer: Renderer = new_scene.make("renderer", "mypaint", surrogate="")
    new_scene.renderer = renderer
    canvas: Canvas = new_scene.make("canvas", "grid", strokes=2)
    return renderer, canvas, make_log(canvas, random_actions(canvas.stroke_count, seed=5), 9)


@pytest.mark.parametrize("scale", [1.0, 1.5, 3.0])
def test_a_window_of_a_replay_equals_that_part_of_the_picture(
    rendered: tuple[Renderer, Canvas, StrokeLog], scale: float
) -> None:
    renderer, canvas, log = rendered
    picture = renderer.replay(log, full_window(canvas, scale))
    assert picture.shape == (3, round(70 * scale), round(100 * scale))
    for x, y, width, height in ((0, 0, 17, 40), (33, 21, 40, 30), (99, 69, 1, 1)):
        window = renderer.replay(log, Window(x, y, width, height, scale))
        assert torch.equal(window, picture[:, y : y + height, x : x + width])


@pytest.mark.parametrize("brush", ["classic/coarse_bulk_1", "experimental/hard_blot", "tanda/splatter-02"])
def test_windows_contain_all_paint_of_brushes_that_scatter_widely(
    brush: str, scene: Scenes, random_actions: Actions
) -> None:
    """Some of their dabs lie a hundred radii from the curve."""
    new_scene = scene((500, 300), background=BACKGROUND)
    new_scene.renderer = renderer = new_scene.make("renderer", "mypaint", brush=brush, surrogate="")
    canvas: Canvas = new_scene.make("canvas", "grid", tile=32, overlap=0, strokes=1)
    log = make_log(canvas, random_actions(canvas.stroke_count, seed=5), 9)
    picture = renderer.replay(log, full_window(canvas))
    for x, y in ((0, 0), (230, 120), (490, 290)):
        window = renderer.replay(log, Window(x, y, 10, 10, 1.0))
        assert torch.equal(window, picture[:, y : y + 10, x : x + 10])


def test_an_enlarged_replay_shows_the_same_picture(rendered: tuple[Renderer, Canvas, StrokeLog]) -> None:
    renderer, canvas, log = rendered
    small, large = renderer.replay(log, full_window(canvas)), renderer.replay(log, full_window(canvas, 4))
    reduced = F.avg_pool2d(large[None], 4)[0]
    assert np.corrcoef(small.flatten(), reduced.flatten())[0, 1] > 0.98


def test_another_seed_gives_another_sample_of_the_same_picture(rendered: tuple[Renderer, Canvas, StrokeLog]) -> None:
    renderer, canvas, log = rendered
    first = renderer.replay(log, full_window(canvas))
    second = renderer.replay(make_log(canvas, log.actions, 10), full_window(canvas))
    assert (first - second).abs().max() > 0.1
    assert np.corrcoef(first.flatten(), second.flatten())[0, 1] > 0.8


# --------------------------------------------------------------------------------------------------- straight through
def test_coverage_is_that_of_mypaint_and_the_gradient_that_of_the_surrogate(
    scene: Scenes, random_actions: Actions
) -> None:
    renderer = scene().make("renderer", "mypaint", surrogate="gan")
    surrogate = renderer.surrogate
    assert renderer.differentiable
    place = Place(torch.tensor([[5, -3]]).repeat(4, 1), 64, renderer.margin(64), torch.arange(4), (64, 64), 8)
    actions = random_actions(4, seed=2, start_pressure=0.8).requires_grad_()
    real, predicted = renderer(actions, place), surrogate(actions, place)
    with torch.no_grad():
        without_gradient = renderer(actions, place)
    assert torch.equal(real.coverage, without_gradient.coverage)
    assert torch.equal(real.colour, predicted.colour)
    assert (real.coverage - predicted.coverage).abs().max() > 0.1
    weights = torch.randn(real.coverage.shape, generator=torch.Generator().manual_seed(1))
    losses = [(patches.coverage * weights).sum() for patches in (real, predicted)]
    gradients = [torch.autograd.grad(loss, actions, retain_graph=True)[0] for loss in losses]
    assert torch.equal(gradients[0], gradients[1])
    assert gradients[0].abs().max() > 1
    (colour_gradient,) = torch.autograd.grad(real.colour.sum(), actions)
    assert torch.equal(colour_gradient[:, SHAPE_SIZE:], torch.ones(4, 3))


@pytest.mark.parametrize("options", [{}, {"surrogate": "gan"}], ids=["default", "gan"])
def test_a_step_down_the_gradient_improves_the_real_picture(
    options: dict[str, str], scene: Scenes, random_actions: Actions
) -> None:
    """The purpose of straight-through gradients: the loss is that of the picture that MyPaint paints."""
    new_scene = scene((64, 64), background=(1.0, 1.0, 1.0))
    renderer: Renderer = new_scene.make("renderer", "mypaint", **options)
    new_scene.renderer = renderer
    canvas: Canvas = new_scene.make("canvas", "single", strokes=8)
    target = torch.full((1, 3, 64, 64), 0.2)
    logits = torch.logit(random_actions(8, seed=3).clamp(0.05, 0.95)).requires_grad_()
    optimizer = torch.optim.Adam([logits], 0.1)
    losses = []
    for _ in range(12):
        picture = canvas.render(renderer, torch.sigmoid(logits)[None], new_scene.background, seed=0)
        loss = (picture - target).square().mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0], losses


def test_only_a_renderer_with_a_surrogate_is_differentiable(scene: Scenes) -> None:
    new_scene = scene()
    assert not new_scene.make("renderer", "mypaint", surrogate="").differentiable
    assert new_scene.make("renderer", "mypaint").differentiable
    renderer = new_scene.make("renderer", "mypaint", surrogate="gan")
    assert renderer.differentiable
    assert len(renderer.provenance["surrogate.weights"]) == 64
    assert renderer.provenance["surrogate.weights"] == renderer.surrogate.provenance["weights"]
    assert not new_scene.notes


# ------------------------------------------------------------------------------------------------- unsupported brushes
@pytest.mark.parametrize(
    ("setting", "value", "inputs"),
    [
        ("smudge", 0.5, {}),
        ("smudge", 0.0, {"pressure": [[0.0, 0.9], [1.0, 0.1]]}),
        ("eraser", 1.0, {}),
    ],
)
@pytest.mark.parametrize("surrogate", ["", "gan"])
@pytest.mark.parametrize("renderer", ["mypaint", "libmypaint"])
def test_a_brush_that_is_more_than_coverage_is_an_error(
    renderer: str,
    surrogate: str,
    setting: str,
    value: float,
    inputs: dict[str, list[list[float]]],
    scene: Scenes,
    changed_brush: Callable[..., Path],
    request: pytest.FixtureRequest,
) -> None:
    """The error is raised at once, not after a surrogate was trained."""
    if renderer == "libmypaint":
        request.getfixturevalue("mypaint")
    brush = str(changed_brush(setting, value, **inputs))
    with pytest.raises(UsageError, match=f'"{brush}" uses {setting}'):
        scene().make("renderer", renderer, brush=brush, surrogate=surrogate)


@pytest.mark.parametrize(
    ("brush", "setting"),
    [
        ("classic/smudge", "smudge"),
        ("classic/blending_knife", "smudge"),
        ("classic/ink_eraser", "eraser"),
    ],
)
def test_brushes_of_mypaint_that_are_more_than_coverage_are_an_error(brush: str, setting: str, scene: Scenes) -> None:
    if brush not in brush_names():
        pytest.skip("does not ship with artkit")
    with pytest.raises(UsageError, match=f'"{brush}" uses {setting}'):
        scene().make("renderer", "mypaint", brush=brush, surrogate="")


@pytest.mark.parametrize("brush", ["classic/charcoal", "classic/calligraphy", "classic/pen", "classic/slow_ink"])
def test_the_replay_of_other_brushes_equals_their_picture(brush: str, scene: Scenes, random_actions: Actions) -> None:
    new_scene = scene((80, 64), background=BACKGROUND)
    renderer: Renderer = new_scene.make("renderer", "mypaint", brush=brush, surrogate="")
    new_scene.renderer = renderer
    canvas: Canvas = new_scene.make("canvas", "grid", strokes=1)
    actions = random_actions(canvas.stroke_count, seed=6)
    with torch.no_grad():
        tiles = canvas.render(renderer, actions[None], new_scene.background, seed=3)[0]
    surface = renderer.replay(make_log(canvas, actions, 3), full_window(canvas))
    assert (surface - new_scene.background.view(3, 1, 1)).abs().max() > 0.3
    assert (tiles - surface).abs().max() <= 2 / 255


# ---------------------------------------------------------------------------------------------------------- libmypaint
@pytest.mark.parametrize("surrogate", ["", "gan"])
def test_without_libmypaint_the_same_is_painted(
    surrogate: str, request: pytest.FixtureRequest, scene: Scenes, random_actions: Actions
) -> None:
    """Neither the picture nor its gradient depends on whether libmypaint is installed, and no note mentions it."""
    pictures, replays, gradients = [], [], []
    for installed in (True, False):
        if not installed:
            request.getfixturevalue("no_libmypaint")
        new_scene = scene((70, 64), background=BACKGROUND)
        renderer: Renderer = new_scene.make("renderer", "mypaint", surrogate=surrogate)
        new_scene.renderer = renderer
        canvas: Canvas = new_scene.make("canvas", "grid", strokes=1)
        actions = random_actions(canvas.stroke_count).requires_grad_()
        picture = canvas.render(renderer, actions[None], torch.tensor(BACKGROUND), seed=3)[0]
        picture.square().sum().backward()
        pictures.append(picture.detach())
        gradients.append(actions.grad)
        replays.append(renderer.replay(make_log(canvas, actions.detach(), 3), full_window(canvas)))
        assert renderer.differentiable == bool(surrogate)
        assert not new_scene.notes
    with pytest.raises(libmypaint.MyPaintMissing):
        libmypaint.library()
    assert (pictures[0] - torch.tensor(BACKGROUND).view(3, 1, 1)).abs().max() > 0.3
    for results in (pictures, replays, gradients):
        assert torch.equal(results[0], results[1])


@pytest.mark.usefixtures("no_libmypaint")
@pytest.mark.parametrize("surrogate", ["", "gan"])
def test_without_libmypaint_its_renderer_is_an_error(surrogate: str, scene: Scenes) -> None:
    with pytest.raises(libmypaint.MyPaintMissing, match=r"libmypaint is not installed\n.*apt install libmypaint"):
        scene().make("renderer", "libmypaint", surrogate=surrogate)


@pytest.mark.slow
def test_without_libmypaint_a_run_of_its_renderer_ends_with_one_message(
    recipe_file: Callable[..., Path], command: Callable[..., Any], picture_file: Path
) -> None:
    recipe = recipe_file(
        'steps = 1\nsize = [48, 32]\n[renderer]\ntype = "libmypaint"\n'
        f'[objective.look]\ntype = "content"\ntarget = "{picture_file}"\n'
    )
    process = command("run", recipe, env=os.environ | {"ARTKIT_LIBMYPAINT": "none"})
    assert process.returncode == 1
    assert process.stderr.count("libmypaint is not installed") == 1
    assert "apt install libmypaint" in process.stderr
    assert "Traceback" not in process.stderr


@pytest.mark.usefixtures("mypaint")
@pytest.mark.parametrize("brush", ["classic/dry_brush", "classic/charcoal", "classic/calligraphy"])
def test_libmypaint_paints_the_same(brush: str, scene: Scenes, random_actions: Actions) -> None:
    new_scene = scene((80, 64), background=BACKGROUND)
    canvas: Canvas | None = None
    pictures, replays = [], []
    for name in ("mypaint", "libmypaint"):
        renderer: Renderer = new_scene.make("renderer", name, brush=brush, surrogate="")
        new_scene.renderer = renderer
        canvas = canvas or new_scene.make("canvas", "grid", strokes=1)
        actions = random_actions(canvas.stroke_count, seed=6)
        with torch.no_grad():
            pictures.append(canvas.render(renderer, actions[None], new_scene.background, seed=3)[0])
        replays.append(renderer.replay(make_log(canvas, actions, 3), full_window(canvas, 1.5)))
    for first, second in (pictures, replays):
        assert (first - new_scene.background.view(3, 1, 1)).abs().max() > 0.3
        assert (first - second).abs().max() <= 2 / 255
        assert (first - second).abs().mean() < 1e-4


# -------------------------------------------------------------------------------------------------------- brush files
def test_a_brush_file_is_found_relative_to_its_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture_file: Path
) -> None:
    """Relative paths do not depend on the current folder."""
    from artkit.recipes.reading import read_recipe
    from artkit.registry.plugin_registry import get_registry

    folder, current = tmp_path / "recipe", tmp_path / "current"
    folder.mkdir()
    current.mkdir()
    (folder / "custom.myb").write_bytes(find_brush("classic/dry_brush").read_bytes())
    (folder / "recipe.toml").write_text(
        '[renderer]\ntype = "mypaint"\nbrush = "custom.myb"\nsurrogate = ""\n'
        f'[objective.look]\ntype = "content"\ntarget = "{picture_file}"\n'
    )
    monkeypatch.chdir(current)
    block = read_recipe([folder / "recipe.toml"]).blocks["renderer"]
    component = get_registry().component("renderer", block.type)
    scene = Scene((64, 64), torch.device("cpu"), 0, torch.Generator(), torch.ones(3), lambda *_: None)
    assert isinstance(component(block.config, scene), MyPaint)


@pytest.mark.parametrize("brush", ["experimental/pixel_hardink", "classic/pen"])
def test_paint_that_hides_all_below_it_has_coverage_one(brush: str, scene: Scenes, random_actions: Actions) -> None:
    renderer = scene((64, 64)).make("renderer", "mypaint", brush=brush, surrogate="")
    actions = random_actions(16)
    actions[:, 6:9] = 0.9
    place = Place(torch.zeros(16, 2), 64, 40, torch.arange(16), (64, 64), 0)
    coverage = renderer(actions, place).coverage
    assert coverage.min() == 0
    assert 0.99 < coverage.max() <= 1


def test_a_brush_that_changes_its_colour_is_painted_and_optimised_in_its_colours(
    scene: Scenes, random_actions: Actions
) -> None:
    new_scene = scene((70, 50), background=BACKGROUND)
    renderer: Renderer = new_scene.make("renderer", "mypaint", brush="tanda/texture-12")
    new_scene.renderer = renderer
    canvas: Canvas = new_scene.make("canvas", "grid", tile=32, overlap=16, strokes=2)
    actions = random_actions(canvas.stroke_count, seed=12).requires_grad_()
    picture = canvas.render(renderer, actions[None], new_scene.background, seed=3)[0]
    surface = renderer.replay(make_log(canvas, actions.detach(), 3), full_window(canvas))
    assert (picture - surface).abs().max() <= 3 / 255

    patches = renderer(actions, Place(torch.zeros(len(actions), 2), 32, 20, torch.arange(len(actions)), (32, 32), 3))
    painted = patches.coverage > 0.2
    colours = [colour[:, mask[0]] for colour, mask in zip(patches.colour, painted, strict=True) if mask.sum() > 9]
    assert max(float(colour.detach().std(1).max()) for colour in colours) > 0.05
    weights = torch.rand(patches.colour.shape, generator=torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad((patches.colour * weights).sum(), actions)
    torch.testing.assert_close(gradient[:, SHAPE_SIZE:], weights.sum((2, 3)), rtol=1e-4, atol=1e-4)


def test_libmypaint_refuses_brushes_that_change_their_colour(scene: Scenes) -> None:
    with pytest.raises(UsageError, match="uses change_color_v: it changes its colour within a stroke"):
        scene().make("renderer", "libmypaint", brush="experimental/fur")
