"""The `mypaint` renderer: the picture that is optimised is the picture MyPaint paints."""

from __future__ import annotations

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
from artkit_mypaint.brush_files import find_brush
from artkit_mypaint.mypaint import MyPaint

Actions = Callable[..., Tensor]
Scenes = Callable[..., Scene]

GROUND = (0.85, 0.9, 0.7)


def log_of(canvas: Canvas, actions: Tensor, seed: int) -> StrokeLog:
    return StrokeLog(
        size=canvas.size,
        background=GROUND,
        seed=seed,
        renderer={"type": "mypaint"},
        space=STROKE_SPACE.name,
        names=STROKE_SPACE.names,
        actions=actions,
        phases=canvas.phases,
        clip=canvas.clip,
    )


def whole(canvas: Canvas, scale: float = 1.0) -> Window:
    width, height = canvas.size
    return Window(0, 0, round(width * scale), round(height * scale), scale)


# ------------------------------------------------------------------------------ tiles beside one large surface
CANVASES: dict[str, tuple[str, dict[str, Any], tuple[int, int]]] = {
    "grid": ("grid", {"tile": 64, "overlap": 32, "strokes": 2}, (150, 101)),
    "grid of small tiles": ("grid", {"tile": 32, "overlap": 16, "strokes": 1}, (87, 61)),
    "pyramid": ("pyramid", {"tiles": (64, 32), "strokes": (1, 1)}, (97, 71)),
    "pyramid of equal levels": ("pyramid", {"tiles": (48, 32, 48), "strokes": (1, 1, 1)}, (67, 71)),
    "single": ("single", {"strokes": 20}, (131, 75)),
}


@pytest.mark.usefixtures("mypaint")
@pytest.mark.parametrize("surrogate", ["", "gan"])
@pytest.mark.parametrize("which", CANVASES)
def test_tiles_are_what_mypaint_paints_on_one_large_surface(
    which: str, surrogate: str, scene: Scenes, random_actions: Actions
) -> None:
    """No paint is lost at the edge of a tile or its margin, so no seam can arise."""
    kind, told, size = CANVASES[which]
    made = scene(size, background=GROUND)
    renderer: Renderer = made.make("renderer", "mypaint", surrogate=surrogate)
    made.renderer = renderer
    canvas: Canvas = made.make("canvas", kind, **told)
    actions = random_actions(canvas.stroke_count, seed=12)
    with torch.no_grad():
        tiles = canvas.render(renderer, actions[None], made.background, seed=3)[0]
        surface = renderer.replay(log_of(canvas, actions, 3), whole(canvas))
    assert tiles.shape == surface.shape == (3, size[1], size[0])
    assert (surface - made.background.view(3, 1, 1)).abs().mean() > 0.05
    assert (tiles - surface).abs().max() <= 2 / 255


@pytest.mark.usefixtures("mypaint")
@pytest.mark.parametrize("surrogate", ["", "gan"])
def test_strokes_in_the_corners_of_their_tiles_are_not_cut(
    surrogate: str, scene: Scenes, random_actions: Actions
) -> None:
    """Where optimisation likes to put them: points at the edge of the tile, the broadest brush."""
    made = scene((64, 64), background=GROUND)
    renderer: Renderer = made.make("renderer", "mypaint", surrogate=surrogate)
    made.renderer = renderer
    canvas: Canvas = made.make("canvas", "grid", tile=16, overlap=0, bleed=0, strokes=2)
    actions = (random_actions(canvas.stroke_count, seed=3) * 3 - 1).clamp(0, 1)
    actions[:, 8] = 1.0
    with torch.no_grad():
        tiles = canvas.render(renderer, actions[None], made.background, seed=3)[0]
        surface = renderer.replay(log_of(canvas, actions, 3), whole(canvas))
    assert (tiles - surface).abs().max() <= 2 / 255


@pytest.mark.usefixtures("mypaint")
def test_a_clipped_canvas_is_replayed_as_it_was_painted(scene: Scenes, random_actions: Actions) -> None:
    made = scene((90, 70), background=GROUND)
    renderer: Renderer = made.make("renderer", "mypaint", surrogate="")
    made.renderer = renderer
    canvas: Canvas = made.make("canvas", "grid", strokes=2, clip=True)
    actions = random_actions(canvas.stroke_count)
    with torch.no_grad():
        tiles = canvas.render(renderer, actions[None], made.background, seed=3)[0]
        again = renderer.replay(log_of(canvas, actions, 3), whole(canvas))
    torch.testing.assert_close(again, tiles, atol=1e-5, rtol=0)


@pytest.fixture
def painted(mypaint: None, scene: Scenes, random_actions: Actions) -> tuple[Renderer, Canvas, StrokeLog]:
    made = scene((100, 70), background=GROUND)
    renderer: Renderer = made.make("renderer", "mypaint", surrogate="")
    made.renderer = renderer
    canvas: Canvas = made.make("canvas", "grid", strokes=2)
    return renderer, canvas, log_of(canvas, random_actions(canvas.stroke_count, seed=5), 9)


@pytest.mark.parametrize("scale", [1.0, 1.5, 3.0])
def test_any_window_of_a_replay_is_cut_from_the_whole(
    painted: tuple[Renderer, Canvas, StrokeLog], scale: float
) -> None:
    renderer, canvas, log = painted
    picture = renderer.replay(log, whole(canvas, scale))
    assert picture.shape == (3, round(70 * scale), round(100 * scale))
    for x, y, width, height in ((0, 0, 17, 40), (33, 21, 40, 30), (99, 69, 1, 1)):
        window = renderer.replay(log, Window(x, y, width, height, scale))
        assert torch.equal(window, picture[:, y : y + height, x : x + width])


def test_enlarged_it_is_the_same_picture(painted: tuple[Renderer, Canvas, StrokeLog]) -> None:
    renderer, canvas, log = painted
    small, large = renderer.replay(log, whole(canvas)), renderer.replay(log, whole(canvas, 4))
    reduced = F.avg_pool2d(large[None], 4)[0]
    assert np.corrcoef(small.flatten(), reduced.flatten())[0, 1] > 0.98


def test_another_seed_is_another_picture_of_the_same(painted: tuple[Renderer, Canvas, StrokeLog]) -> None:
    renderer, canvas, log = painted
    one = renderer.replay(log, whole(canvas))
    other = renderer.replay(log_of(canvas, log.actions, 10), whole(canvas))
    assert (one - other).abs().max() > 0.1
    assert np.corrcoef(one.flatten(), other.flatten())[0, 1] > 0.8


# --------------------------------------------------------------------------------------------------- straight through
@pytest.mark.usefixtures("mypaint")
def test_the_real_stroke_forward_the_painter_s_gradient_backward(scene: Scenes, random_actions: Actions) -> None:
    made = scene()
    renderer = made.make("renderer", "mypaint")
    painter = renderer.surrogate
    assert renderer.differentiable
    place = Place(torch.tensor([[5, -3]]).repeat(4, 1), 64, renderer.margin(64), torch.arange(4), (64, 64), 8)
    actions = random_actions(4, seed=2, start_pressure=0.8).requires_grad_()
    real, learnt = renderer(actions, place), painter(actions, place)
    with torch.no_grad():
        bare = renderer(actions, place)
    assert torch.equal(real.coverage, bare.coverage)
    assert torch.equal(real.colour, learnt.colour)
    assert (real.coverage - learnt.coverage).abs().max() > 0.1
    looked_at = torch.randn(real.coverage.shape, generator=torch.Generator().manual_seed(1))
    seen = [(paint.coverage * looked_at).sum() for paint in (real, learnt)]
    slopes = [torch.autograd.grad(value, actions, retain_graph=True)[0] for value in seen]
    assert torch.equal(slopes[0], slopes[1])
    assert slopes[0].abs().max() > 1
    (of_colour,) = torch.autograd.grad(real.colour.sum(), actions)
    assert torch.equal(of_colour[:, SHAPE_SIZE:], torch.ones(4, 3))


@pytest.mark.usefixtures("mypaint")
def test_a_step_down_the_gradient_improves_the_real_picture(scene: Scenes, random_actions: Actions) -> None:
    """What straight-through is for: following the painter's slope, MyPaint's own picture comes nearer."""
    made = scene((64, 64), background=(1.0, 1.0, 1.0))
    renderer: Renderer = made.make("renderer", "mypaint")
    made.renderer = renderer
    canvas: Canvas = made.make("canvas", "single", strokes=8)
    target = torch.full((1, 3, 64, 64), 0.2)
    logits = torch.logit(random_actions(8, seed=3).clamp(0.05, 0.95)).requires_grad_()
    optimizer = torch.optim.Adam([logits], 0.1)
    losses = []
    for _ in range(12):
        picture = canvas.render(renderer, torch.sigmoid(logits)[None], made.background, seed=0)
        loss = (picture - target).square().mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0], losses


@pytest.mark.usefixtures("mypaint")
def test_without_a_surrogate_nothing_can_be_learnt(scene: Scenes) -> None:
    made = scene()
    assert not made.make("renderer", "mypaint", surrogate="").differentiable
    with_one = made.make("renderer", "mypaint")
    assert len(with_one.provenance["surrogate.weights"]) == 64
    assert with_one.provenance["surrogate.weights"] == with_one.surrogate.provenance["weights"]
    assert not made.notes


# ----------------------------------------------------------------------------------------------- brushes it cannot use
@pytest.mark.usefixtures("mypaint")
@pytest.mark.parametrize(
    ("brush", "setting"),
    [
        ("classic/smudge", "smudge"),
        ("classic/blending_knife", "smudge"),
        ("classic/ink_eraser", "eraser"),
        ("classic/short_grass", "change_color_h"),
    ],
)
@pytest.mark.parametrize("surrogate", ["", "gan"])
def test_a_brush_that_is_more_than_coverage_is_refused(brush: str, setting: str, surrogate: str, scene: Scenes) -> None:
    """And at once, rather than after its user has trained a painter for it."""
    with pytest.raises(UsageError, match=f'"{brush}" uses {setting}'):
        scene().make("renderer", "mypaint", brush=brush, surrogate=surrogate)


@pytest.mark.usefixtures("mypaint")
@pytest.mark.parametrize("brush", ["classic/charcoal", "classic/calligraphy", "classic/pen", "classic/slow_ink"])
def test_other_brushes_paint_as_replayed(brush: str, scene: Scenes, random_actions: Actions) -> None:
    made = scene((80, 64), background=GROUND)
    renderer: Renderer = made.make("renderer", "mypaint", brush=brush, surrogate="")
    made.renderer = renderer
    canvas: Canvas = made.make("canvas", "grid", strokes=1)
    actions = random_actions(canvas.stroke_count, seed=6)
    with torch.no_grad():
        tiles = canvas.render(renderer, actions[None], made.background, seed=3)[0]
    surface = renderer.replay(log_of(canvas, actions, 3), whole(canvas))
    assert (surface - made.background.view(3, 1, 1)).abs().max() > 0.3
    assert (tiles - surface).abs().max() <= 2 / 255


# ------------------------------------------------------------------------------------------- a machine without MyPaint
@pytest.mark.usefixtures("no_engine")
def test_without_the_engine_the_painter_stands_in_and_says_so(scene: Scenes, random_actions: Actions) -> None:
    made = scene((70, 64))
    renderer: Renderer = made.make("renderer", "mypaint")
    (note,) = made.notes
    assert "libmypaint" in note
    assert "apt install" in note
    assert isinstance(renderer, MyPaint)
    painter = renderer.surrogate
    assert painter is not None
    actions = random_actions(3)
    place = Place(torch.zeros(3, 2), 64, painter.margin(64), torch.arange(3), (64, 64), 0)
    for stand_in, learnt in zip(renderer(actions, place), painter(actions, place), strict=True):
        assert torch.equal(stand_in, learnt)
    made.renderer = renderer
    canvas: Canvas = made.make("canvas", "grid", strokes=1)
    actions = random_actions(canvas.stroke_count)
    with torch.no_grad():
        picture = canvas.render(renderer, actions[None], torch.tensor(GROUND), seed=3)[0]
        again = renderer.replay(log_of(canvas, actions, 3), whole(canvas))
    torch.testing.assert_close(again, picture, atol=1e-5, rtol=0)


@pytest.mark.usefixtures("no_engine")
def test_without_engine_and_surrogate_there_is_nothing_to_paint_with(scene: Scenes) -> None:
    with pytest.raises(libmypaint.MyPaintMissing, match="apt install libmypaint"):
        scene().make("renderer", "mypaint", surrogate="")


# ------------------------------------------------------------------------------------------------------ through a run
@pytest.mark.usefixtures("mypaint")
def test_a_brush_of_one_s_own_lies_beside_its_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture_file: Path
) -> None:
    """Relative paths start at the recipe that names them, whatever the current folder."""
    from artkit.recipes.reading import read_recipe
    from artkit.registry.plugin_registry import get_registry

    there, elsewhere = tmp_path / "there", tmp_path / "elsewhere"
    there.mkdir()
    elsewhere.mkdir()
    (there / "mine.myb").write_bytes(find_brush("classic/dry_brush").read_bytes())
    (there / "own.toml").write_text(
        '[renderer]\ntype = "mypaint"\nbrush = "mine.myb"\nsurrogate = ""\n'
        f'[objective.look]\ntype = "content"\ntarget = "{picture_file}"\n'
    )
    monkeypatch.chdir(elsewhere)
    told = read_recipe([there / "own.toml"]).blocks["renderer"]
    part = get_registry().component("renderer", told.type)
    scene = Scene((64, 64), torch.device("cpu"), 0, torch.Generator(), torch.ones(3), lambda *_: None)
    assert isinstance(part(told.config, scene), MyPaint)
