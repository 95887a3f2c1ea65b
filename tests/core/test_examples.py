"""Strokes made by hand: how a file of them is read, what they are as actions, and that they can be drawn."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from artkit.cli.main import cli
from artkit.errors import UsageError
from artkit.recipes.shipped import recipe_folder
from artkit.strokes.action_space import ActionSpace, Dimension
from artkit.strokes.stroke_examples import POINT_NAMES, StrokeExample, read_examples

Write = Callable[..., Path]

NAMES = (
    "start_x",
    "start_y",
    "middle_x",
    "middle_y",
    "end_x",
    "end_y",
    "start_pressure",
    "end_pressure",
    "size",
    "red",
)
SPACE = ActionSpace("strokes-1", tuple(map(Dimension, NAMES)))
DIGITS = recipe_folder() / "targets" / "digits.toml"

FOUR = """
[[example]]
class = "4"
strokes = [
  { from = [0.5, 0.2], to = [0.3, 0.6], size = 0.25 },
  { to = [0.7, 0.6], pressure = [0.5, 0] },
  { to = [0.6, 0.4], pressure = 0 },
  { through = [0.65, 0.6], to = [0.6, 1] },
]
"""


def read(file: Path) -> tuple[StrokeExample, ...]:
    return read_examples(file)


def test_strokes_begin_where_the_pen_is_and_are_straight_unless_told(recipe_file: Write) -> None:
    (four,) = read(recipe_file(FOUR))
    assert four.label == "4"
    actions = four.actions(SPACE)
    assert actions.shape == (4, len(SPACE))
    points = actions[:, SPACE.index(*POINT_NAMES)]
    wanted = [
        [0.5, 0.2, 0.4, 0.4, 0.3, 0.6],
        [0.3, 0.6, 0.5, 0.6, 0.7, 0.6],
        [0.7, 0.6, 0.65, 0.5, 0.6, 0.4],
        [0.6, 0.4, 0.65, 0.6, 0.6, 1.0],
    ]
    torch.testing.assert_close(points, torch.tensor(wanted))


def test_what_is_not_said_is_nan(recipe_file: Write) -> None:
    (four,) = read(recipe_file(FOUR))
    pressure = four.actions(SPACE)[:, SPACE.index("start_pressure", "end_pressure")]
    nan = math.nan
    wanted = torch.tensor([[nan, nan], [0.5, 0.0], [0.0, 0.0], [nan, nan]])
    torch.testing.assert_close(pressure, wanted, equal_nan=True)
    size = four.actions(SPACE)[:, SPACE.index("size")[0]]
    torch.testing.assert_close(size, torch.tensor([0.25, nan, nan, nan]), equal_nan=True)
    assert four.actions(SPACE)[:, SPACE.index("red")[0]].isnan().all()


def test_strokes_that_it_has_not_are_lifted_and_stay_where_it_ended(recipe_file: Write) -> None:
    (four,) = read(recipe_file(FOUR))
    more = four.actions(SPACE, 6)
    torch.testing.assert_close(more[:4], four.actions(SPACE), equal_nan=True)
    for row in more[4:]:
        assert row[SPACE.index("start_x", "middle_x", "end_x")].tolist() == pytest.approx([0.6] * 3)
        assert row[SPACE.index("start_y", "middle_y", "end_y")].tolist() == [1.0] * 3
        assert row[SPACE.index("start_pressure", "end_pressure")].tolist() == [0.0, 0.0]


def test_too_few_strokes_and_actions_that_are_no_strokes_are_refused(recipe_file: Write) -> None:
    (four,) = read(recipe_file(FOUR))
    with pytest.raises(UsageError, match=r'"4" has 4 strokes, and the canvas 3\n.*give the canvas 4'):
        four.actions(SPACE, 3)
    with pytest.raises(UsageError, match="the actions of dots-1 are not"):
        four.actions(ActionSpace("dots-1", (Dimension("x"),)))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "example: field required"),
        ("[[example]]\nstrokes = []\n", "example 1, strokes: tuple should have at least 1"),
        ("[[example]]\nstrokes = [{ from = [0, 0] }]\n", "example 1, stroke 1, to: field required"),
        (
            FOUR + "[[example]]\nstrokes = [{ to = [0, 0] }, { to = [0, 2] }]\n",
            "example 2, stroke 2, to 2: input should",
        ),
        (FOUR.replace("through", "thruogh"), "example 1, stroke 4, thruogh: unknown key"),
        (FOUR.replace("[0.5, 0]", "[0.5, -1]"), "example 1, stroke 2, pressure"),
        ("[[example]\n", "cannot be read as examples"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(recipe_file: Write, text: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(recipe_file(text))
    assert told in caught.value.message


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read as examples"):
        read(tmp_path / "nothing.toml")


# ------------------------------------------------------------------------------------------------ those that ship
def test_the_digits_are_all_there_with_six_strokes_that_hang_together() -> None:
    told = read(DIGITS)
    assert {example.label for example in told} == set("0123456789")
    for example in told:
        assert len(example.strokes) == 6
        assert all(stroke.start is None for stroke in example.strokes[1:])
        pressure = example.actions(SPACE)[:, SPACE.index("start_pressure", "end_pressure")].nan_to_num(0.5)
        assert (pressure[1:, 0] == pressure[:-1, 1]).all()  # as the constraint `connected` wants it


def turn(points: torch.Tensor) -> float:
    """Twice the area that a path (n, 2) goes around: positive clockwise, as y runs down."""
    after = points.roll(-1, 0)
    return float((points[:, 0] * after[:, 1] - after[:, 0] * points[:, 1]).sum())


def test_a_nought_goes_round_against_the_clock_and_a_one_down() -> None:
    ends = {}
    for example in read(DIGITS):
        path = example.actions(SPACE)[:, SPACE.index(*POINT_NAMES)].reshape(-1, 2)
        ends[example.label] = path
        if example.label == "1":
            stem = example.actions(SPACE)[1:4, SPACE.index("start_y", "end_y")]
            assert (stem[:, 1] > stem[:, 0]).all()
    assert turn(ends["0"]) < 0
    assert turn(torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])) > 0


def test_they_can_be_drawn(tmp_path: Path, recipe_file: Write) -> None:
    file = recipe_file(FOUR + FOUR + FOUR.replace("0.2]", "0.9]"))
    picture = tmp_path / "four.png"
    arguments = ["examples", str(file), str(picture), "--renderer", "gan", "--scale", "1"]
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == str(picture)
    seen = torch.tensor(list(Image.open(picture).convert("L").tobytes())).view(128, 128)
    first, second, third, empty = (seen[y : y + 64, x : x + 64] for y in (0, 64) for x in (0, 64))
    assert first.min() < 128
    assert first[38, 32] < 200  # on the cross stroke
    assert third[12, 32] > first[12, 32] + 50  # where only the first two begin
    assert (second < 200).sum() > 50
    assert (empty[16:, 16:] == 255).all()
