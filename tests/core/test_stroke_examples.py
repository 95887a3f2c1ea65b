"""Examples of strokes: reading of files, conversion to actions, the shipped digits, and the command `examples`."""

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
from artkit.strokes.stroke_examples import POINT_NAMES, read_examples

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


def test_strokes_begin_at_the_pen_and_are_straight_by_default(recipe_file: Write) -> None:
    (four,) = read_examples(recipe_file(FOUR))
    assert four.label == "4"
    actions = four.actions(SPACE)
    assert actions.shape == (4, len(SPACE))
    points = actions[:, SPACE.index(*POINT_NAMES)]
    expected = [
        [0.5, 0.2, 0.4, 0.4, 0.3, 0.6],
        [0.3, 0.6, 0.5, 0.6, 0.7, 0.6],
        [0.7, 0.6, 0.65, 0.5, 0.6, 0.4],
        [0.6, 0.4, 0.65, 0.6, 0.6, 1.0],
    ]
    torch.testing.assert_close(points, torch.tensor(expected))


def test_unspecified_dimensions_are_nan(recipe_file: Write) -> None:
    (four,) = read_examples(recipe_file(FOUR))
    pressure = four.actions(SPACE)[:, SPACE.index("start_pressure", "end_pressure")]
    nan = math.nan
    expected = torch.tensor([[nan, nan], [0.5, 0.0], [0.0, 0.0], [nan, nan]])
    torch.testing.assert_close(pressure, expected, equal_nan=True)
    size = four.actions(SPACE)[:, SPACE.index("size")[0]]
    torch.testing.assert_close(size, torch.tensor([0.25, nan, nan, nan]), equal_nan=True)
    assert four.actions(SPACE)[:, SPACE.index("red")[0]].isnan().all()


def test_missing_strokes_are_lifted_and_stay_at_the_end(recipe_file: Write) -> None:
    (four,) = read_examples(recipe_file(FOUR))
    padded = four.actions(SPACE, 6)
    torch.testing.assert_close(padded[:4], four.actions(SPACE), equal_nan=True)
    for row in padded[4:]:
        assert row[SPACE.index("start_x", "middle_x", "end_x")].tolist() == pytest.approx([0.6] * 3)
        assert row[SPACE.index("start_y", "middle_y", "end_y")].tolist() == [1.0] * 3
        assert row[SPACE.index("start_pressure", "end_pressure")].tolist() == [0.0, 0.0]


def test_too_few_strokes_and_other_action_spaces_are_refused(recipe_file: Write) -> None:
    (four,) = read_examples(recipe_file(FOUR))
    with pytest.raises(UsageError, match=r'"4" has 4 strokes, and the canvas 3\n.*give the canvas 4'):
        four.actions(SPACE, 3)
    with pytest.raises(UsageError, match=r"this renderer paints none .*dots-1"):
        four.actions(ActionSpace("dots-1", (Dimension("x"),)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "example: is missing"),
        ("[[example]]\nstrokes = []\n", "example 1, strokes: needs at least 1 value"),
        ("[[example]]\nstrokes = [{ from = [0, 0] }]\n", "example 1, stroke 1, to: is missing"),
        (
            FOUR + "[[example]]\nstrokes = [{ to = [0, 0] }, { to = [0, 2] }]\n",
            "example 2, stroke 2, to 2: must be",
        ),
        (FOUR.replace("through", "thruogh"), "example 1, stroke 4, thruogh: unknown key"),
        (FOUR.replace("[0.5, 0]", "[0.5, -1]"), "example 1, stroke 2, pressure"),
        ("[[example]\n", "cannot be read as examples"),
    ],
)
def test_errors_name_their_place(recipe_file: Write, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_examples(recipe_file(text))
    assert message in caught.value.message


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read as examples"):
        read_examples(tmp_path / "nothing.toml")


# -------------------------------------------------------------------------------------------------- shipped digits
def test_every_digit_has_six_connected_strokes() -> None:
    digits = read_examples(DIGITS)
    assert {example.label for example in digits} == set("0123456789")
    for example in digits:
        assert len(example.strokes) == 6
        assert all(stroke.start is None for stroke in example.strokes[1:])
        pressure = example.actions(SPACE)[:, SPACE.index("start_pressure", "end_pressure")].nan_to_num(0.5)
        assert (pressure[1:, 0] == pressure[:-1, 1]).all()  # as the constraint `connected` requires


def _signed_area(points: torch.Tensor) -> float:
    """Return twice the area of a closed path (n, 2): positive if it runs clockwise, as y runs down."""
    following = points.roll(-1, 0)
    return float((points[:, 0] * following[:, 1] - following[:, 0] * points[:, 1]).sum())


def test_a_zero_is_drawn_counterclockwise_and_a_one_downwards() -> None:
    paths = {}
    for example in read_examples(DIGITS):
        path = example.actions(SPACE)[:, SPACE.index(*POINT_NAMES)].reshape(-1, 2)
        paths[example.label] = path
        if example.label == "1":
            stem = example.actions(SPACE)[1:4, SPACE.index("start_y", "end_y")]
            assert (stem[:, 1] > stem[:, 0]).all()
    assert _signed_area(paths["0"]) < 0
    assert _signed_area(torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])) > 0


def test_examples_can_be_drawn(tmp_path: Path, recipe_file: Write) -> None:
    file = recipe_file(FOUR + FOUR + FOUR.replace("0.2]", "0.9]"))
    picture = tmp_path / "four.png"
    arguments = ["examples", str(file), str(picture), "--renderer", "gan", "--scale", "1"]
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(picture)
    pixels = torch.tensor(list(Image.open(picture).convert("L").tobytes())).view(128, 128)
    first, second, third, empty = (pixels[y : y + 64, x : x + 64] for y in (0, 64) for x in (0, 64))
    assert first.min() < 128
    assert first[38, 32] < 200  # on the cross stroke
    assert third[12, 32] > first[12, 32] + 50  # only the first two examples begin there
    assert (second < 200).sum() > 50
    assert (empty[16:, 16:] == 255).all()
