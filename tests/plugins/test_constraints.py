"""Constraints: allowed actions, gradients, and combinations."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from artkit import ActionSpace, Constraint, Dimension, Scene, UsageError
from artkit.engine.painting_task import PaintingTask
from artkit.imaging.png import save_png
from artkit.interfaces.constraint import check_compatible
from artkit.recipes.reading import read_recipe
from artkit_mypaint.action_spaces import STROKE_SPACE

SIZE = (96, 64)
RED, WHITE, BLUE = (0.8, 0.1, 0.1), (1.0, 1.0, 1.0), (0.1, 0.2, 0.7)
NAMES = ("grayscale", "colour", "palette", "size", "pressure", "opaque", "connected", "mask", "strokes")


@pytest.fixture
def mask_file(tmp_path: Path) -> Path:
    """A mask that is white on the right half."""
    image = torch.zeros(3, 64, 96)
    image[:, :, 48:] = 1
    save_png(image, tmp_path / "mask.png")
    return tmp_path / "mask.png"


@pytest.fixture
def typical_settings(mask_file: Path) -> dict[str, dict[str, Any]]:
    """Typical settings of each constraint."""
    return {
        "grayscale": {},
        "colour": {"colour": (0.1, 0.2, 0.3)},
        "palette": {"colours": (RED, WHITE, BLUE)},
        "size": {"smallest": 0.2, "largest": 0.4},
        "pressure": {"smallest": 0.3, "largest": 0.9},
        "opaque": {},
        "connected": {},
        "mask": {"image": mask_file},
        "strokes": {"most": 7},
    }


@pytest.fixture
def grid_scene(scene: Callable[..., Scene]) -> Scene:
    new_scene = scene(SIZE)
    new_scene.renderer = new_scene.make("renderer", "gan")
    new_scene.canvas = new_scene.make("canvas", "grid", tile=32, overlap=16, strokes=3)
    return new_scene


@pytest.fixture
def make(grid_scene: Scene, typical_settings: dict[str, dict[str, Any]]) -> Callable[..., Any]:
    """Build a constraint with its typical settings, or others: ``make(name, **settings)``."""

    def build(name: str, **settings: Any) -> Any:
        return grid_scene.make("constraint", name, **{**typical_settings[name], **settings})

    return build


@pytest.fixture
def actions(grid_scene: Scene) -> Tensor:
    """Random actions of two pictures."""
    return torch.rand(2, grid_scene.action_count, 12, generator=torch.Generator().manual_seed(0))


def select(actions: Tensor, *names: str) -> Tensor:
    """Return the named dimensions of actions."""
    return actions[..., STROKE_SPACE.index(*names)]


# ------------------------------------------------------------------------------------------------- every constraint
@pytest.mark.parametrize("name", NAMES)
def test_constrained_actions_satisfy_it_and_random_ones_do_not(
    make: Callable[..., Constraint], actions: Tensor, name: str
) -> None:
    constraint, before = make(name), actions.clone()
    assert not constraint.is_satisfied(actions)
    constrained = constraint(actions, 1.0)
    assert constraint.is_satisfied(constrained)
    assert constrained.shape == actions.shape
    assert constrained.min() >= 0
    assert constrained.max() <= 1
    assert torch.equal(actions, before), "the input is not modified"


@pytest.mark.parametrize("name", NAMES)
def test_gradient_passes(make: Callable[..., Constraint], actions: Tensor, name: str) -> None:
    actions.requires_grad_()
    make(name)(actions, 0.3).square().sum().backward()
    assert actions.grad is not None
    assert actions.grad.isfinite().all()
    nonzero_fraction = (actions.grad != 0).float().mean((0, 1))
    constant = {"opaque": (6, 7), "colour": (9, 10, 11)}.get(name, ())
    assert all(nonzero_fraction[index] > 0.2 for index in range(12) if index not in constant)


@pytest.mark.parametrize("name", NAMES)
def test_action_spaces_without_its_dimensions_are_rejected(
    grid_scene: Scene, make: Callable[..., Constraint], name: str
) -> None:
    assert grid_scene.renderer is not None
    grid_scene.renderer.space = ActionSpace("pencil-1", (Dimension("grip"),))
    with pytest.raises(UsageError, match=f"{name} needs strokes with a "):
        make(name)


# --------------------------------------------------------------------------------------------- individual constraints
def test_range_rescales_and_keeps_the_order(make: Callable[..., Constraint], actions: Tensor) -> None:
    before, after = select(actions, "size"), select(make("size")(actions, 0.0), "size")
    assert torch.equal(before.flatten().argsort(), after.flatten().argsort())
    torch.testing.assert_close(after, 0.2 + 0.2 * before)


def test_palette_moves_colours_to_the_nearest_during_the_run(make: Callable[..., Any], actions: Tensor) -> None:
    palette, colours = make("palette"), torch.tensor([RED, WHITE, BLUE])

    def mean_distance(progress: float) -> float:
        constrained = select(palette(actions, progress), "red", "green", "blue")
        return float((constrained[..., None, :] - colours).square().sum(-1).amin(-1).mean())

    distances = [mean_distance(progress) for progress in (0.0, 0.5, 1.0)]
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > 0.02
    assert distances[-1] == 0
    nearest = (select(actions, "red", "green", "blue")[..., None, :] - colours).square().sum(-1).argmin(-1)
    assert torch.equal(select(palette(actions, 1.0), "red", "green", "blue"), colours[nearest])
    assert torch.equal(palette.transform_background(torch.tensor([0.9, 0.9, 0.8])), torch.tensor(WHITE))


def test_palette_is_taken_from_an_image(make: Callable[..., Any], tmp_path: Path) -> None:
    image = torch.tensor([RED, WHITE, BLUE]).T[:, None, :].repeat_interleave(30, 2).expand(3, 60, 90)
    save_png(image, tmp_path / "flag.png")
    palette = make("palette", colours=(), image=tmp_path / "flag.png", count=3)._palette
    for colour in (RED, WHITE, BLUE):
        assert float((palette - torch.tensor(colour)).abs().amax(-1).min()) < 0.01


def test_connected_strokes_start_at_the_end_of_the_previous_one(
    grid_scene: Scene, make: Callable[..., Constraint], actions: Tensor
) -> None:
    assert grid_scene.canvas is not None
    constrained, tiles = make("connected")(actions, 0.0), grid_scene.canvas.tiles().tolist()
    connected = 0
    for index, tile in enumerate(tiles):
        previous = [other for other in range(index) if tiles[other] == tile]
        start = select(constrained, "start_x", "start_y", "start_pressure")[:, index]
        if previous:
            assert torch.equal(start, select(constrained, "end_x", "end_y", "end_pressure")[:, previous[-1]])
            connected += 1
        else:
            assert torch.equal(constrained[:, index], actions[:, index])
    assert connected == len(tiles) * 2 // 3


def test_mask_moves_strokes_into_the_region(
    grid_scene: Scene, make: Callable[..., Constraint], actions: Tensor
) -> None:
    assert grid_scene.canvas is not None
    tiles = grid_scene.canvas.tiles()
    constrained = make("mask")(actions, 0.0)
    drawn = select(constrained, "start_pressure")[..., 0] > 0
    x = select(constrained, "start_x", "middle_x", "end_x") * tiles[:, 2:] + tiles[:, :1]
    assert 0.3 < drawn.float().mean() < 0.9
    assert float(x[drawn].min()) >= 48
    inside = tiles[:, 0] >= 48
    assert torch.equal(constrained[:, inside], actions[:, inside]), "strokes inside the region are unchanged"
    assert not drawn[:, tiles[:, 0] + 32 <= 48].any()


def test_mask_can_be_inverted(make: Callable[..., Constraint], actions: Tensor) -> None:
    mask, inverted = make("mask"), make("mask", invert=True)
    assert not mask.is_satisfied(inverted(actions, 1.0))
    assert inverted.is_satisfied(inverted(actions, 1.0))


def test_empty_mask_is_rejected(make: Callable[..., Constraint], tmp_path: Path) -> None:
    save_png(torch.zeros(3, 8, 8), tmp_path / "black.png")
    with pytest.raises(UsageError, match=r"black\.png excludes the whole picture"):
        make("mask", image=tmp_path / "black.png")


def test_strokes_beyond_the_limit_fade_during_the_run(make: Callable[..., Constraint], actions: Tensor) -> None:
    limit = make("strokes")

    def pressure(progress: float) -> Tensor:
        return select(limit(actions, progress), "start_pressure", "end_pressure").mean(-1)

    start, middle, end = pressure(0.0), pressure(0.5), pressure(1.0)
    torch.testing.assert_close(start, select(actions, "start_pressure", "end_pressure").mean(-1))
    assert ((end > 0).sum(1) == 7).all()
    assert torch.equal(middle[end > 0], start[end > 0])
    torch.testing.assert_close(middle[end == 0], start[end == 0] / 2)
    high_limit = make("strokes", most=10**6)
    assert torch.equal(high_limit(actions, 1.0), actions)


def test_single_colour_leaves_other_dimensions_and_the_background(
    make: Callable[..., Constraint], actions: Tensor
) -> None:
    constraint = make("colour")
    constrained = constraint(actions, 0.0)
    assert torch.equal(constrained[..., :9], actions[..., :9])
    assert (select(constrained, "red", "green", "blue") == torch.tensor([0.1, 0.2, 0.3])).all()
    assert torch.equal(constraint.transform_background(torch.ones(3)), torch.ones(3))


@pytest.mark.parametrize(
    ("name", "invalid", "message"),
    [
        ("size", {"smallest": 0.5, "largest": 0.4}, "more than largest"),
        ("palette", {"colours": ()}, "either colours or image"),
        ("palette", {"colours": ((0, 0, 2),)}, "at most 1"),
        ("strokes", {"most": 0}, "at least 1"),
    ],
)
def test_invalid_settings_are_rejected(
    make: Callable[..., Any], name: str, invalid: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=f"^constraint {name}: .*{message}"):
        make(name, **invalid)


# ------------------------------------------------------------------------------------------------------- combinations
def combine(make: Callable[..., Constraint], actions: Tensor, *names: str) -> None:
    check_compatible({name: make(name) for name in names}, actions)


@pytest.mark.parametrize(
    "names",
    [
        ("size", "pressure", "palette", "connected"),
        ("palette", "size", "opaque", "strokes"),
        ("pressure", "connected", "grayscale", "size"),
        ("pressure", "mask", "strokes"),
        ("mask", "strokes", "grayscale"),
        ("opaque", "connected"),
        ("colour", "connected", "size"),
    ],
)
def test_compatible_constraints(make: Callable[..., Constraint], actions: Tensor, names: tuple[str, ...]) -> None:
    combine(make, actions, *names)


@pytest.mark.parametrize(
    ("names", "message", "hint"),
    [
        (("grayscale", "palette"), "constraint.palette undoes what constraint.grayscale", "remove one of them"),
        (("palette", "grayscale"), "constraint.grayscale undoes what constraint.palette", "remove one of them"),
        (
            ("strokes", "size", "opaque"),
            "constraint.opaque undoes what constraint.strokes",
            r"\[constraint.strokes\]",
        ),
        (("strokes", "connected"), "constraint.connected undoes what constraint.strokes", ""),
        (("grayscale", "colour"), "constraint.colour undoes what constraint.grayscale", "remove one of them"),
        (("pressure", "opaque"), "constraint.opaque undoes what constraint.pressure", "remove one of them"),
    ],
)
def test_incompatible_constraints_are_rejected(
    make: Callable[..., Constraint], actions: Tensor, names: tuple[str, ...], message: str, hint: str
) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        combine(make, actions, *names)
    assert re.search(hint, raised.value.hint)


def test_recipe_with_incompatible_constraints_is_rejected_before_painting(tmp_path: Path, picture_file: Path) -> None:
    recipe = tmp_path / "incompatible.toml"
    recipe.write_text(
        f'steps = 2\nsize = [64, 48]\n[renderer]\ntype = "gan"\n[objective.o]\ntype = "pixel"\n'
        f'target = "{picture_file}"\n[constraint.ink]\ntype = "grayscale"\n'
        f'[constraint.few]\ntype = "palette"\ncolours = [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]\n'
    )
    with pytest.raises(UsageError, match=r"constraint\.few undoes what constraint\.ink"):
        PaintingTask(read_recipe([recipe]), torch.device("cpu"))


def test_grayscale_recipe_has_a_grey_background_and_grey_strokes(tmp_path: Path) -> None:
    save_png(torch.tensor(RED)[:, None, None].expand(3, 48, 64), tmp_path / "red.png")
    recipe = tmp_path / "gray.toml"
    recipe.write_text(
        f'steps = 2\nsize = [64, 48]\nbackground = "target"\n[renderer]\ntype = "gan"\n[objective.o]\n'
        f'type = "pixel"\ntarget = "{tmp_path / "red.png"}"\n[constraint.ink]\ntype = "grayscale"\n'
    )
    task = PaintingTask(read_recipe([recipe]), torch.device("cpu"))
    task.step(0)
    log = task.log()
    assert log.background[0] == pytest.approx(log.background[2], abs=1e-6)
    assert 0.2 < log.background[0] < 0.4
    picture = task.canvas.render(task.renderer, log.actions[None], task.scene.background)[0].detach()
    assert float((picture.amax(0) - picture.amin(0)).max()) < 1e-5
    assert picture.std() > 0.002


# --------------------------------------------------------------------------------------------------------------- levels
PYRAMID = """
steps = 2
size = [96, 64]
[canvas]
type = "pyramid"
tiles = [48, 24]
strokes = [2, 2]
[renderer]
type = "gan"
[objective.look]
type = "total-variation"
"""


@pytest.fixture
def pyramid(recipe_file: Callable[..., Path]) -> Callable[..., PaintingTask]:
    """Returns the task of a pyramid of two levels: ``pyramid("constraint.x={...}")``."""
    file = recipe_file(PYRAMID)
    return lambda *settings: PaintingTask(read_recipe([file], settings), torch.device("cpu"))


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_a_constraint_may_apply_to_single_levels(
    pyramid: Callable[..., PaintingTask], mask_file: Path, name: str, level: int
) -> None:
    settings = {
        "palette": "colours=[[0.8, 0.1, 0.1]]",
        "mask": f'image="{mask_file}"',
        "strokes": "most=3",
        "size": "largest=0.4",
        "pressure": "largest=0.4",
    }.get(name)
    free, task = (
        pyramid(),
        pyramid(f'constraint.x={{type="{name}", levels=[{level}], {settings or ""}}}'.replace(", }", "}")),
    )
    first = sum(phase.stroke_count for phase in task.canvas.levels[0])
    own, other = (slice(0, first), slice(first, None)) if level == 1 else (slice(first, None), slice(0, first))
    constrained, unconstrained = task.actions(1.0), free.actions(1.0)
    assert torch.equal(constrained[:, other], unconstrained[:, other])
    assert not torch.equal(constrained[:, own], unconstrained[:, own])
    constraint = task.constraints["x"]
    assert constraint.is_satisfied(constrained)
    assert torch.equal(task.scene.background, free.scene.background)
    task.step(0)
    if constraint.elementwise:
        indices = torch.tensor([first + 1, 0, first - 1, first])
        subset = task.scene.constrain(unconstrained[:, indices], 1.0, indices)
        assert torch.equal(subset, constrained[:, indices])


def test_the_limit_of_strokes_counts_those_of_its_levels(pyramid: Callable[..., PaintingTask]) -> None:
    actions = pyramid('constraint.few={type="strokes", most=3, levels=[2]}').actions(1.0)
    pressure = actions[0, :, STROKE_SPACE.index("start_pressure")[0]]
    first = sum(phase.stroke_count for phase in pyramid().canvas.levels[0])
    assert int((pressure[:first] > 0).sum()) == first
    assert int((pressure[first:] > 0).sum()) == 3


def test_a_level_that_the_canvas_lacks_is_named(pyramid: Callable[..., PaintingTask]) -> None:
    with pytest.raises(UsageError, match=r"constraint\.x\.levels: there is no level 3; the canvas has 2 levels"):
        pyramid('constraint.x={type="grayscale", levels=[1, 3]}')
    with pytest.raises(UsageError, match="only one level"):
        pyramid('constraint.x={type="grayscale", levels=[2]}', 'canvas={type="grid"}')
    with pytest.raises(UsageError, match=r"constraint\.x\.levels"):
        pyramid('constraint.x={type="grayscale", levels=[0]}')
