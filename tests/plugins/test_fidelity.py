"""Figures of painters beside the real brush."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import Tensor

from artkit.cli.main import cli
from artkit.geometry.place import Place
from artkit.interfaces.renderer import Renderer
from artkit.interfaces.scene import Scene
from artkit.rendering.stroke_renderer import StrokePatches
from artkit_mypaint.action_spaces import STROKE_SPACE
from artkit_mypaint.workers import Workers
from artkit_painters import fidelity, two_sample
from artkit_painters.fidelity import measure

pytestmark = pytest.mark.usefixtures("mypaint")

BRUSH = "classic/dry_brush"


class Blank(Renderer):
    """Paints nothing."""

    name = "blank"
    space = STROKE_SPACE

    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        return StrokePatches(
            actions[:, 9:, None, None], actions.new_zeros(len(actions), 1, place.patch_size, place.patch_size)
        )


@pytest.fixture(scope="module")
def workers(mypaint: None) -> Workers:
    return Workers(BRUSH, 1)


def test_the_brush_itself_is_a_perfect_sampler(scene: Callable[..., Scene], workers: Workers) -> None:
    real = scene().make("renderer", "mypaint", brush=BRUSH, surrogate="")
    figures = measure(real, BRUSH, workers, 200)
    assert figures["sampler"] == pytest.approx(2 * figures["floor"])
    assert figures["mse"] == pytest.approx(figures["sampler"], rel=0.15)
    assert figures["iou"] == pytest.approx(figures["iou_real"], abs=0.03)
    assert figures["energy"] == pytest.approx(1, abs=0.1)
    assert figures["spectrum"] < 0.15
    for half in ("small", "large", "light", "heavy"):
        assert figures[f"mse_{half}"] == pytest.approx(2 * figures[f"floor_{half}"], rel=0.25)


def test_figures_order_painters(scene: Callable[..., Scene], workers: Workers) -> None:
    made = scene()
    learnt = measure(made.make("renderer", "gan", brush=BRUSH), BRUSH, workers, 200)
    blank = measure(Blank(Blank.Config(), made), BRUSH, workers, 200)
    assert learnt["floor"] <= learnt["mse"] < 0.5 * blank["mse"]
    assert learnt["iou"] > 0.5
    assert blank["iou"] == 0
    assert blank["energy"] == 0
    assert blank["floor"] == learnt["floor"]


def test_figures_are_the_same_again(scene: Callable[..., Scene], workers: Workers) -> None:
    painter = scene().make("renderer", "gan", brush=BRUSH)
    torch.manual_seed(1)
    one = measure(painter, BRUSH, workers, 100, seed=3)
    torch.manual_seed(2)
    assert measure(painter, BRUSH, workers, 100, seed=3) == one
    assert measure(painter, BRUSH, workers, 100, seed=4) != one


def test_the_table_has_a_row_for_every_figure(scene: Callable[..., Scene], workers: Workers) -> None:
    figures = measure(Blank(Blank.Config(), scene()), BRUSH, workers, 100)
    rows = fidelity.table(figures)
    assert len(rows) == 8
    assert rows[0] == (
        "squared error",
        f"{figures['mse']:.5g}",
        f"best mean {figures['floor']:.5f}, perfect sample {figures['sampler']:.5f}",
    )
    (*_, last) = fidelity.table(figures | {"accuracy": 0.75, "accuracy_error": 0.0123})
    assert last == ("told from real ones by a judge", "75.0 %", "± 1.2; a coin 50 %")


def test_a_sheet_shows_real_strokes_above_painted_ones(scene: Callable[..., Scene], workers: Workers) -> None:
    made = scene()
    blank = fidelity.sheet(Blank(Blank.Config(), made), BRUSH, workers, strokes=8)
    assert blank.shape == (3, 128, 512)
    assert blank[:, :64].min() < 0.3, "paint is dark"
    assert blank[:, 64:].min() == 1
    real = fidelity.sheet(made.make("renderer", "mypaint", brush=BRUSH, surrogate=""), BRUSH, workers, strokes=8)
    assert torch.equal(real[:, :64], blank[:, :64])
    ink = [1 - real[0, rows].view(64, 8, 64).mean((0, 2)) for rows in (slice(64), slice(64, 128))]
    torch.testing.assert_close(ink[0], ink[1], atol=0.03, rtol=0.2)


def test_a_judge_sees_what_is_not_the_brush(scene: Callable[..., Scene], workers: Workers) -> None:
    found = two_sample.accuracy(Blank(Blank.Config(), scene()), BRUSH, workers, 160)
    assert found["accuracy"] > 0.9


def test_a_judge_cannot_tell_the_brush_from_itself(scene: Callable[..., Scene], workers: Workers) -> None:
    real = scene().make("renderer", "mypaint", brush=BRUSH, surrogate="")
    torch.manual_seed(1)
    found = two_sample.accuracy(real, BRUSH, workers, 96)
    assert abs(found["accuracy"] - 0.5) < 4 * found["accuracy_error"]
    assert found["accuracy_error"] == pytest.approx((0.25 / 48) ** 0.5, rel=0.2)
    torch.manual_seed(2)
    assert two_sample.accuracy(real, BRUSH, workers, 96) == found


def test_the_command_tells_all_figures(tmp_path: Path) -> None:
    arguments = ["fidelity", "mypaint", "--strokes", "100", "--pairs", "32", "--sheet", str(tmp_path / "s.png")]
    result = CliRunner().invoke(cli, [*arguments, "--json"], catch_exceptions=False)
    told = json.loads(result.stdout)
    assert {"painter": "mypaint", "brush": BRUSH, "strokes": 100, "seed": 0, "pairs": 32}.items() <= told.items()
    assert {"mse", "floor", "sampler", "iou", "energy", "spectrum", "accuracy", "accuracy_error"} <= told.keys()
    assert Image.open(tmp_path / "s.png").size == (512, 512)
    assert len(fidelity.table(told)) == 9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cppn"], "does not paint brushstrokes"),
        (["mypaint", "--brush", "classic/charcol"], r"there is no brush.*\n.*classic/charcoal"),
        (["mypaint", "--brush", "classic/smudge"], "uses smudge"),
        (["mypaint", "--sheet", "s.jpg"], "is to be a PNG"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(cli, ["fidelity", *arguments], catch_exceptions=False)
    assert result.exit_code == 2
    assert re.search(message, result.stderr)
    assert "Traceback" not in result.stderr
