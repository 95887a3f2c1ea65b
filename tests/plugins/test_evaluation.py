"""`artkit evaluate`: figures of a painting, and CIEDE2000."""

from __future__ import annotations

import json
import math
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

import artkit
from artkit import Phase, RenderedPainting, StrokeLog, UsageError
from artkit.cli.main import cli
from artkit_vision.colour_difference import ciede2000, lab_from_srgb
from artkit_vision.evaluation import likeness, stroke_statistics

needs_torchmetrics = pytest.mark.skipif(not find_spec("torchmetrics"), reason="needs the extra metrics")


# --------------------------------------------------------------------------------------------------------- CIEDE2000
def test_ciede2000_is_that_of_scikit_image() -> None:
    color = pytest.importorskip("skimage.color")
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.rand(1, 3, 40, 50, generator=generator) for _ in range(2))
    second[..., :10] = first[..., :10]
    second[..., 10:20] = (first[..., 10:20] + 0.02 * second[..., 10:20]).clamp(0, 1)
    first[..., 20:30] = first[:, :1, :, 20:30]  # greys, which have no hue
    labs = [lab_from_srgb(image) for image in (first, second)]
    expected = [color.rgb2lab(image[0].permute(1, 2, 0).double().numpy()) for image in (first, second)]
    for lab, reference in zip(labs, expected, strict=True):
        np.testing.assert_allclose(lab[0].permute(1, 2, 0).numpy(), reference, atol=0.01)
    np.testing.assert_allclose(ciede2000(*labs)[0].numpy(), color.deltaE_ciede2000(*expected), atol=0.01)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [  # of Sharma, Wu and Dalal (2005)
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, -1.0, 2.0), (50.0, 0.0, 0.0), 2.3669),
        ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0011), 7.2195),
        ((22.7233, 20.0904, -46.694), (23.0331, 14.973, -42.5619), 2.0373),
        ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_ciede2000_of_the_published_pairs(first: Any, second: Any, expected: float) -> None:
    a, b = (torch.tensor(lab, dtype=torch.float64).view(1, 3, 1, 1) for lab in (first, second))
    assert ciede2000(a, b).item() == pytest.approx(expected, abs=1e-4)
    assert ciede2000(b, a).item() == pytest.approx(expected, abs=1e-4)


# ----------------------------------------------------------------------------------------------------------- figures
@needs_torchmetrics
def test_likeness_falls_with_noise_and_colour() -> None:
    target = torch.linspace(0, 1, 96).expand(1, 3, 64, 96)
    noise = torch.randn(target.shape, generator=torch.Generator().manual_seed(0))
    assert likeness(target, target) == {"ms_ssim": 1.0, "ciede2000_mean": 0.0, "ciede2000_p95": 0.0}
    ssim = [likeness((target + amount * noise).clamp(0, 1), target)["ms_ssim"] for amount in (0.02, 0.1, 0.3)]
    assert None not in ssim
    assert 1 > ssim[0] > ssim[1] > ssim[2]  # type: ignore[operator]
    tinted = target * torch.tensor([1.0, 0.8, 0.8]).view(1, 3, 1, 1)
    assert likeness(tinted, target)["ciede2000_mean"] > 5  # type: ignore[operator]
    assert likeness(target[..., :10, :10], target[..., :10, :10])["ms_ssim"] is None, "smaller than a kernel"


def test_strokes_are_counted_and_measured() -> None:
    painter = artkit.painter("mypaint", brush="deevad/liner")
    straight = [0.1, 0.5, 0.5, 0.5, 0.9, 0.5, 1, 1, 0.5, 0, 0, 0]
    half_turn = [0.5, 0.2, 0.8, 0.5, 0.5, 0.8, 1, 1, 0.5, 0, 0, 0]
    log = StrokeLog(
        (128, 64), (1, 1, 1), 0, {"type": "mypaint"}, painter.space.name, painter.space.names,
        torch.tensor([straight, half_turn]), (Phase(0, 0, 0, 64, 1, 2, 64),),
    )  # fmt: skip
    statistics = stroke_statistics(RenderedPainting(log, painter.renderer))
    assert statistics["count"] == 2
    # A parabola of width 0.6 and height 0.3 tiles: its length in closed form.
    width, height = 0.6, 0.3
    root = math.hypot(width, 4 * height)
    arc = root / 2 + width**2 / (8 * height) * math.log((4 * height + root) / width)
    assert statistics["total_length"] == pytest.approx(64 * (0.8 + arc), rel=0.003)
    assert statistics["mean_length"] == pytest.approx(statistics["total_length"] / 2, rel=0.001)
    assert 0.05 < statistics["coverage"] < 0.3


# ----------------------------------------------------------------------------------------------------------- command
@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a target."""
    folder = tmp_path_factory.mktemp("evaluated")
    Image.linear_gradient("L").resize((48, 32)).convert("RGB").save(folder / "target.png")
    objective = {"look": {"type": "content", "target": folder / "target.png", "jitter": 0}}
    canvas = {"type": "grid", "tile": 16, "overlap": 8, "strokes": 1}
    artkit.paint({"objective": objective, "canvas": canvas}, steps=2, size=(48, 32), out=folder / "run").execute()
    return folder


def evaluate(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["evaluate", *map(str, arguments)], catch_exceptions=False)


@needs_torchmetrics
def test_the_figures_of_a_run(painted: Path) -> None:
    result = evaluate(painted / "run", "--json", "--network", "efficientnet_lite1", "--device", "cpu")
    assert result.exit_code == 0, result.output
    figures = json.loads(result.output)
    assert figures["target"] == str(painted / "target.png")
    assert [(row["network"], row["held_out"]) for row in figures["content"]] == [
        ("efficientnet_lite0", False),
        ("efficientnet_lite1", True),
    ]
    assert all(0 < row["content_ratio"] < 2 for row in figures["content"])
    assert figures["strokes"]["count"] == len(StrokeLog.load(painted / "run/strokes.json").actions)
    assert 0 < figures["ms_ssim"] < 1
    text = evaluate(painted / "run", "--network", "efficientnet_lite1", "--device", "cpu").output
    assert f"MS-SSIM                                      {figures['ms_ssim']:.4f}" in text
    assert "efficientnet_lite1 (held out)" in text


@needs_torchmetrics
def test_the_target_of_two_stages_is_the_picture_of_the_first(painted: Path, tmp_path: Path) -> None:
    shutil.copytree(painted / "run", tmp_path / "run")
    shutil.copy(painted / "target.png", tmp_path / "run/first.png")
    recipe = tmp_path / "run/recipe.toml"
    recipe.write_text(recipe.read_text().replace(str(painted / "target.png"), "first"))
    first, second = (
        json.loads(evaluate(folder, "--json", "--network", "efficientnet_lite0").output)
        for folder in (painted / "run", tmp_path / "run")
    )
    assert Path(second["target"]) == tmp_path / "run/first.png"
    assert second["ms_ssim"] == first["ms_ssim"]


def test_a_film_needs_a_target(painted: Path, tmp_path: Path) -> None:
    shutil.copytree(painted / "run", tmp_path / "run")
    recipe = tmp_path / "run/recipe.toml"
    recipe.write_text(f'{recipe.read_text()}\n[film]\nclip = "clip.mp4"\n')
    result = evaluate(tmp_path / "run")
    assert result.exit_code == 2
    assert "is a film" in result.output
    assert "--target FILE" in result.output


@needs_torchmetrics
def test_a_painting_of_its_target_has_the_ratio_0(painted: Path) -> None:
    result = evaluate(
        painted / "run", "--json", "--network", "efficientnet_lite0", "--target", painted / "run/painting.png"
    )
    (row,) = json.loads(result.output)["content"]
    assert row["content_ratio"] < 0.02, "the picture has 8 bits"


def test_a_class_is_scored_by_held_out_networks(tmp_path: Path) -> None:
    see = {"type": "class-activation", "class": "starfish", "networks": ["efficientnet_lite0"], "views": 1}
    canvas = {"type": "single", "strokes": 3}
    artkit.paint({"objective": {"see": see}, "canvas": canvas}, steps=1, size=(64, 64), out=tmp_path / "run").execute()
    result = evaluate(tmp_path / "run", "--json", "--network", "efficientnet_lite1")
    figures = json.loads(result.output)
    assert [(row["network"], row["held_out"]) for row in figures["classes"]] == [
        ("efficientnet_lite0", False),
        ("efficientnet_lite1", True),
    ]
    assert "target" not in figures


def test_errors_name_the_remedy(painted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = evaluate(tmp_path)
    assert result.exit_code == 1
    assert "strokes.json" in result.output
    shutil.copytree(painted / "run", tmp_path / "run")
    recipe = tmp_path / "run/recipe.toml"
    recipe.write_text(recipe.read_text().replace("target.png", "gone.png"))
    result = evaluate(tmp_path / "run")
    assert result.exit_code == 2
    assert "gone.png of the run is not there\n  name the image with --target FILE" in result.output
    monkeypatch.setitem(sys.modules, "torchmetrics.functional.image", None)
    with pytest.raises(UsageError, match=r'not installed\n  pip install "neural-artkit\[metrics\]"'):
        likeness(torch.ones(1, 3, 64, 64), torch.ones(1, 3, 64, 64))
