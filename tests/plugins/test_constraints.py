"""Constraints: what they allow, what they leave of the gradient, and which go together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from artkit.engine.painting_task import PaintingTask
from artkit.errors import UsageError
from artkit.imaging.png import save_png
from artkit.interfaces.constraint import Constraint, check_compatible
from artkit.interfaces.scene import Scene
from artkit.recipes.reading import read_recipe
from artkit.strokes.action_space import ActionSpace, Dimension
from artkit_mypaint.action_spaces import STROKE_SPACE

SIZE = (96, 64)
RED, WHITE, BLUE = (0.8, 0.1, 0.1), (1.0, 1.0, 1.0), (0.1, 0.2, 0.7)


@pytest.fixture
def mask_file(tmp_path: Path) -> Path:
    """White on the right half."""
    image = torch.zeros(3, 64, 96)
    image[:, :, 48:] = 1
    save_png(image, tmp_path / "mask.png")
    return tmp_path / "mask.png"


@pytest.fixture
def settings(mask_file: Path) -> dict[str, dict[str, Any]]:
    """Each constraint as most people would use it."""
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
def here(scene: Callable[..., Scene]) -> Scene:
    made = scene(SIZE)
    made.renderer = made.make("renderer", "gan")
    made.canvas = made.make("canvas", "grid", tile=32, overlap=16, strokes=3)
    return made


@pytest.fixture
def make(here: Scene, settings: dict[str, dict[str, Any]]) -> Callable[..., Any]:
    def build(name: str, **other: Any) -> Any:
        return here.make("constraint", name, **{**settings[name], **other})

    return build


@pytest.fixture
def some(here: Scene) -> Tensor:
    """Two pictures' actions."""
    return torch.rand(2, here.action_count, 12, generator=torch.Generator().manual_seed(0))


def column(actions: Tensor, *names: str) -> Tensor:
    return actions[..., STROKE_SPACE.index(*names)]


NAMES = ("grayscale", "colour", "palette", "size", "pressure", "opaque", "connected", "mask", "strokes")


# ------------------------------------------------------------------------------------------------- what holds for each
@pytest.mark.parametrize("name", NAMES)
def test_what_it_allows_holds_and_anything_does_not(make: Callable[..., Constraint], some: Tensor, name: str) -> None:
    constraint, before = make(name), some.clone()
    assert not constraint.is_satisfied(some)
    allowed = constraint(some, 1.0)
    assert constraint.is_satisfied(allowed)
    assert allowed.shape == some.shape
    assert allowed.min() >= 0
    assert allowed.max() <= 1
    assert torch.equal(some, before), "what was given is not changed"


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_goes_through(make: Callable[..., Constraint], some: Tensor, name: str) -> None:
    given = some.requires_grad_()
    make(name)(given, 0.3).square().sum().backward()
    assert given.grad is not None
    assert given.grad.isfinite().all()
    reached = (given.grad != 0).float().mean((0, 1))
    free = {"opaque": (6, 7), "colour": (9, 10, 11)}.get(name, ())
    assert all(reached[number] > 0.2 for number in range(12) if number not in free)


@pytest.mark.parametrize("name", NAMES)
def test_strokes_that_lack_what_it_is_about_are_refused(
    here: Scene, make: Callable[..., Constraint], name: str
) -> None:
    assert here.renderer is not None
    here.renderer.space = ActionSpace("pencil-1", (Dimension("grip"),))
    with pytest.raises(UsageError, match=f"{name} needs strokes that have a "):
        make(name)


# ------------------------------------------------------------------------------------------------- each alone
def test_a_range_keeps_the_order(make: Callable[..., Constraint], some: Tensor) -> None:
    before, after = column(some, "size"), column(make("size")(some, 0.0), "size")
    assert torch.equal(before.flatten().argsort(), after.flatten().argsort())
    torch.testing.assert_close(after, 0.2 + 0.2 * before)


def test_a_palette_hardens(make: Callable[..., Any], some: Tensor) -> None:
    palette, colours = make("palette"), torch.tensor([RED, WHITE, BLUE])

    def away(progress: float) -> float:
        mixed = column(palette(some, progress), "red", "green", "blue")
        return float((mixed[..., None, :] - colours).square().sum(-1).amin(-1).mean())

    distances = [away(progress) for progress in (0.0, 0.5, 1.0)]
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > 0.02
    assert distances[-1] == 0
    wanted = (column(some, "red", "green", "blue")[..., None, :] - colours).square().sum(-1).argmin(-1)
    assert torch.equal(column(palette(some, 1.0), "red", "green", "blue"), colours[wanted])
    assert torch.equal(palette.transform_background(torch.tensor([0.9, 0.9, 0.8])), torch.tensor(WHITE))


def test_a_palette_is_taken_from_an_image(make: Callable[..., Any], tmp_path: Path) -> None:
    image = torch.tensor([RED, WHITE, BLUE]).T[:, None, :].repeat_interleave(30, 2).expand(3, 60, 90)
    save_png(image, tmp_path / "flag.png")
    taken = make("palette", colours=(), image=tmp_path / "flag.png", count=3)._palette
    for colour in (RED, WHITE, BLUE):
        assert float((taken - torch.tensor(colour)).abs().amax(-1).min()) < 0.01


def test_connected_strokes_meet(here: Scene, make: Callable[..., Constraint], some: Tensor) -> None:
    assert here.canvas is not None
    allowed, tiles = make("connected")(some, 0.0), here.canvas.tiles().tolist()
    changed = 0
    for number, tile in enumerate(tiles):
        before = [earlier for earlier in range(number) if tiles[earlier] == tile]
        start = column(allowed, "start_x", "start_y", "start_pressure")[:, number]
        if before:
            assert torch.equal(start, column(allowed, "end_x", "end_y", "end_pressure")[:, before[-1]])
            changed += 1
        else:
            assert torch.equal(allowed[:, number], some[:, number])
    assert changed == len(tiles) * 2 // 3


def test_a_mask_moves_strokes_into_the_region(here: Scene, make: Callable[..., Constraint], some: Tensor) -> None:
    assert here.canvas is not None
    tiles = here.canvas.tiles()
    allowed = make("mask")(some, 0.0)
    drawn = column(allowed, "start_pressure")[..., 0] > 0
    x = column(allowed, "start_x", "middle_x", "end_x") * tiles[:, 2:] + tiles[:, :1]
    assert 0.3 < drawn.float().mean() < 0.9
    assert float(x[drawn].min()) >= 48
    right = tiles[:, 0] >= 48
    assert torch.equal(allowed[:, right], some[:, right]), "what lies inside stays"
    assert not drawn[:, tiles[:, 0] + 32 <= 48].any()


def test_a_mask_may_be_turned_inside_out(make: Callable[..., Constraint], some: Tensor) -> None:
    inside, outside = make("mask"), make("mask", invert=True)
    assert not inside.is_satisfied(outside(some, 1.0))
    assert outside.is_satisfied(outside(some, 1.0))


def test_a_mask_without_a_place_is_refused(make: Callable[..., Constraint], tmp_path: Path) -> None:
    save_png(torch.zeros(3, 8, 8), tmp_path / "black.png")
    with pytest.raises(UsageError, match="leaves no place"):
        make("mask", image=tmp_path / "black.png")


def test_strokes_fade_until_only_so_many_are_left(make: Callable[..., Constraint], some: Tensor) -> None:
    few = make("strokes")

    def pressed(progress: float) -> Tensor:
        return column(few(some, progress), "start_pressure", "end_pressure").mean(-1)

    start, middle, end = pressed(0.0), pressed(0.5), pressed(1.0)
    torch.testing.assert_close(start, column(some, "start_pressure", "end_pressure").mean(-1))
    assert ((end > 0).sum(1) == 7).all()
    assert torch.equal(middle[end > 0], start[end > 0])
    torch.testing.assert_close(middle[end == 0], start[end == 0] / 2)
    most = make("strokes", most=10**6)
    assert torch.equal(most(some, 1.0), some)


# ---------------------------------------------------------------------------------------------------------- wrong ones
@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("size", {"smallest": 0.5, "largest": 0.4}, "more than largest"),
        ("palette", {"colours": ()}, "either colours or an image"),
        ("palette", {"colours": ((0, 0, 2),)}, "less than or equal to 1"),
        ("strokes", {"most": 0}, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_is_told(make: Callable[..., Any], name: str, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=f"^constraint {name}: .*{message}"):
        make(name, **wrong)


# ------------------------------------------------------------------------------------------------------------ together
def test_all_strokes_have_the_one_colour_and_the_ground_its_own(make: Callable[..., Constraint], some: Tensor) -> None:
    constraint = make("colour")
    allowed = constraint(some, 0.0)
    assert torch.equal(allowed[..., :9], some[..., :9])
    assert (column(allowed, "red", "green", "blue") == torch.tensor([0.1, 0.2, 0.3])).all()
    assert torch.equal(constraint.transform_background(torch.ones(3)), torch.ones(3))


def together(make: Callable[..., Constraint], some: Tensor, *names: str) -> None:
    check_compatible({name: make(name) for name in names}, some)


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
def test_these_go_together(make: Callable[..., Constraint], some: Tensor, names: tuple[str, ...]) -> None:
    together(make, some, *names)


@pytest.mark.parametrize(
    ("names", "told", "remedy"),
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
def test_these_contradict_each_other(
    make: Callable[..., Constraint], some: Tensor, names: tuple[str, ...], told: str, remedy: str
) -> None:
    with pytest.raises(UsageError, match=told) as raised:
        together(make, some, *names)
    import re

    assert re.search(remedy, raised.value.hint)


def test_a_recipe_of_contradictions_paints_nothing(tmp_path: Path, picture_file: Path) -> None:
    recipe = tmp_path / "no.toml"
    recipe.write_text(
        f'steps = 2\nsize = [64, 48]\n[renderer]\ntype = "gan"\n[objective.o]\ntype = "pixel"\n'
        f'target = "{picture_file}"\n[constraint.ink]\ntype = "grayscale"\n'
        f'[constraint.few]\ntype = "palette"\ncolours = [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]\n'
    )
    with pytest.raises(UsageError, match=r"constraint\.few undoes what constraint\.ink"):
        PaintingTask(read_recipe([recipe]), torch.device("cpu"))


def test_without_colour_there_is_none_on_the_ground_either(tmp_path: Path) -> None:
    """At the end every pixel of a painting on the target's mean colour is grey, and its strokes and ground are."""
    save_png(torch.tensor(RED)[:, None, None].expand(3, 48, 64), tmp_path / "red.png")
    recipe = tmp_path / "gray.toml"
    recipe.write_text(
        f'steps = 2\nsize = [64, 48]\nbackground = "target"\n[renderer]\ntype = "gan"\n[objective.o]\n'
        f'type = "pixel"\ntarget = "{tmp_path / "red.png"}"\n[constraint.ink]\ntype = "grayscale"\n'
    )
    paint = PaintingTask(read_recipe([recipe]), torch.device("cpu"))
    paint.step(0)
    log = paint.log()
    assert log.background[0] == pytest.approx(log.background[2], abs=1e-6)
    assert 0.2 < log.background[0] < 0.4
    picture = paint.canvas.render(paint.renderer, log.actions[None], paint.scene.background)[0].detach()
    assert float((picture.amax(0) - picture.amin(0)).max()) < 1e-5
    assert picture.std() > 0.002
