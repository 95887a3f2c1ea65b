"""Tests of `artkit fidelity`: the metrics, the two-sample test and the command."""

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

from artkit import Place, Renderer, Scene, StrokePatches
from artkit.cli.main import cli
from artkit_mypaint.action_spaces import STROKE_SPACE
from artkit_mypaint.engine.engine import Engine
from artkit_painters import fidelity, two_sample
from artkit_painters.fidelity import measure

BRUSH = "classic/dry_brush"


class Blank(Renderer):
    """Renders no paint."""

    name = "blank"
    space = STROKE_SPACE

    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        coverage = actions.new_zeros(len(actions), 1, place.patch_size, place.patch_size)
        return StrokePatches(actions[:, 9:, None, None], coverage)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(BRUSH)


@pytest.fixture
def real(scene: Callable[..., Scene]) -> Renderer:
    renderer: Renderer = scene().make("renderer", "mypaint", brush=BRUSH, surrogate="")
    return renderer


@pytest.fixture
def blank(scene: Callable[..., Scene]) -> Renderer:
    return Blank(Blank.Config(), scene())


# -------------------------------------------------------------------------------------------------------------- metrics
def test_brush_itself_has_the_metrics_of_a_perfect_sampler(real: Renderer, engine: Engine) -> None:
    figures = measure(real, BRUSH, engine, 200)
    assert figures["sampler"] == pytest.approx(2 * figures["floor"])
    assert figures["mse"] == pytest.approx(figures["sampler"], rel=0.15)
    assert figures["iou"] == pytest.approx(figures["iou_real"], abs=0.03)
    assert figures["energy"] == pytest.approx(1, abs=0.1)
    assert figures["spectrum"] < 0.15
    for half in ("small", "large", "light", "heavy"):
        assert figures[f"mse_{half}"] == pytest.approx(2 * figures[f"floor_{half}"], rel=0.25)


def test_trained_painter_has_better_metrics_than_a_blank_one(
    scene: Callable[..., Scene], blank: Renderer, engine: Engine
) -> None:
    gan_figures = measure(scene().make("renderer", "gan", brush=BRUSH), BRUSH, engine, 200)
    blank_figures = measure(blank, BRUSH, engine, 200)
    assert gan_figures["floor"] <= gan_figures["mse"] < 0.5 * blank_figures["mse"]
    assert gan_figures["iou"] > 0.5
    assert blank_figures["iou"] == 0
    assert blank_figures["energy"] == 0
    assert blank_figures["floor"] == gan_figures["floor"]


def test_metrics_depend_on_the_seed_only(scene: Callable[..., Scene], engine: Engine) -> None:
    painter = scene().make("renderer", "gan", brush=BRUSH)
    torch.manual_seed(1)
    figures = measure(painter, BRUSH, engine, 100, seed=3)
    torch.manual_seed(2)
    assert measure(painter, BRUSH, engine, 100, seed=3) == figures
    assert measure(painter, BRUSH, engine, 100, seed=4) != figures


def test_table_has_a_row_for_each_metric(blank: Renderer, engine: Engine) -> None:
    figures = measure(blank, BRUSH, engine, 100)
    rows = fidelity.table(figures)
    assert len(rows) == 8
    assert rows[0] == (
        "squared error",
        f"{figures['mse']:.5g}",
        f"best mean {figures['floor']:.5f}, perfect sample {figures['sampler']:.5f}",
    )
    (*_, last) = fidelity.table(figures | {"accuracy": 0.75, "accuracy_error": 0.0123})
    assert last == ("two-sample test accuracy", "75.0 %", "± 1.2; chance 50 %")


def test_image_shows_real_strokes_above_painted_ones(real: Renderer, blank: Renderer, engine: Engine) -> None:
    blank_image = fidelity.stroke_image(blank, BRUSH, engine, strokes=8)
    assert blank_image.shape == (3, 128, 512)
    assert blank_image[:, :64].min() < 0.3, "paint is dark"
    assert blank_image[:, 64:].min() == 1
    real_image = fidelity.stroke_image(real, BRUSH, engine, strokes=8)
    assert torch.equal(real_image[:, :64], blank_image[:, :64])
    above, below = (1 - real_image[0, rows].view(64, 8, 64).mean((0, 2)) for rows in (slice(64), slice(64, 128)))
    torch.testing.assert_close(above, below, atol=0.03, rtol=0.2)


# ------------------------------------------------------------------------------------------------------ two-sample test
@pytest.mark.slow
def test_classifier_recognises_a_blank_painter(blank: Renderer, engine: Engine) -> None:
    assert two_sample.accuracy(blank, BRUSH, engine, 160)["accuracy"] > 0.9


@pytest.mark.slow
def test_classifier_cannot_distinguish_the_brush_from_itself(real: Renderer, engine: Engine) -> None:
    torch.manual_seed(1)
    result = two_sample.accuracy(real, BRUSH, engine, 96)
    assert abs(result["accuracy"] - 0.5) < 4 * result["accuracy_error"]
    assert result["accuracy_error"] == pytest.approx((0.25 / 48) ** 0.5, rel=0.2)
    torch.manual_seed(2)
    assert two_sample.accuracy(real, BRUSH, engine, 96) == result


# -------------------------------------------------------------------------------------------------------------- command
def test_command_prints_all_metrics_and_writes_an_image(tmp_path: Path) -> None:
    arguments = ["fidelity", "gan", "--strokes", "100", "--pairs", "32", "--sheet", str(tmp_path / "s.png")]
    result = CliRunner().invoke(cli, [*arguments, "--json"], catch_exceptions=False)
    printed = json.loads(result.stdout)
    assert {"painter": "gan", "brush": BRUSH, "strokes": 100, "seed": 0, "pairs": 32}.items() <= printed.items()
    assert {"mse", "floor", "sampler", "iou", "energy", "spectrum", "accuracy", "accuracy_error"} <= printed.keys()
    assert Image.open(tmp_path / "s.png").size == (512, 512)
    assert len(fidelity.table(printed)) == 9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cppn"], "does not paint brushstrokes"),
        (["mypaint", "--brush", "classic/charcol"], r"there is no brush.*\n.*classic/charcoal"),
        (["mypaint", "--brush", "smudge.myb"], "uses smudge"),
        (["gan", "--sheet", "s.jpg"], "must be a PNG"),
        (["mypaint", "--sheet", "s.png"], "--sheet has no effect for mypaint"),
        (["mypaint", "--pairs", "0"], "--pairs has no effect for mypaint"),
    ],
)
def test_error_for_an_unsuitable_renderer_brush_or_file(
    arguments: list[str], message: str, changed_brush: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(changed_brush("smudge", 0.5).parent)
    result = CliRunner().invoke(cli, ["fidelity", *arguments], catch_exceptions=False)
    assert result.exit_code == 2
    assert re.search(message, result.stderr)
    assert "Traceback" not in result.stderr
