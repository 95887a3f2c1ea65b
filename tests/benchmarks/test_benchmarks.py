"""The benchmark scripts run with small settings, and the reimplemented baseline renders what artkit renders."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from artkit.interfaces.scene import Scene
from artkit.registry.plugin_registry import get_registry

HERE = Path(__file__).parent


def run(name: str, *arguments: str) -> str:
    process = subprocess.run(
        [sys.executable, HERE / f"{name}.py", *arguments], capture_output=True, text=True, timeout=240, check=False
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.fixture
def released(script: Callable[[str], Any]) -> Any:
    return script("tests/benchmarks/released.py")


@pytest.mark.slow
def test_rendering() -> None:
    out = run("rendering", "--sizes", "96", "--repeats", "1", "--threads", "1")
    rows = [line.split() for line in out.splitlines()[1:-1]]
    assert [(row[0], row[1], row[2]) for row in rows] == [
        ("96x96", "16", name) for name in ("artkit", "random", "generator", "released")
    ]
    assert all(float(number) > 0 for row in rows for number in row[3:])


def test_rendering_refuses_a_canvas_of_fractional_tiles() -> None:
    process = subprocess.run([sys.executable, HERE / "rendering.py", "--sizes", "100"], capture_output=True, text=True)
    assert process.returncode == 2
    assert "whole tiles" in process.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("mypaint")
def test_engine() -> None:
    out = run("engine", "--strokes", "20", "--repeats", "1")
    rows = [line.split()[-3:] for line in out.splitlines()[2:]]
    assert len(rows) == 5
    assert all(float(number.replace(",", "")) > 0 for row in rows for number in row)
    assert float(rows[0][-1]) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("mypaint")
@pytest.mark.parametrize("brushes", ["painters", "all"])
def test_engine_fidelity(brushes: str) -> None:
    _, _, *rows, summary = run("engine", "--brushes", brushes, "--strokes", "1").splitlines()
    assert len(rows) == 6 if brushes == "painters" else len(rows) >= 90
    assert summary.startswith(f"{len(rows)} brushes: ")
    assert all(float(row.split()[-3]) < 1e-3 for row in rows), "mean errors"


@pytest.mark.slow
def test_surrogate() -> None:
    out = run("surrogate", "--batch", "4", "--repeats", "1", "--threads", "1")
    rows = [line.split() for line in out.splitlines()[3:]]
    assert len(rows) == 4
    assert all(float(number.replace(",", "")) > 0 for row in rows for number in row[-5:])
    assert float(rows[0][-3]) == 1


@pytest.mark.slow
def test_networks() -> None:
    out = run("networks", "--side", "32", "--views", "1", "--repeats", "1", "--threads", "1")
    ratios = [float(line.split()[-1]) for line in out.splitlines()[1:]]
    assert len(ratios) == 3
    assert all(ratio > 0 for ratio in ratios)


def test_traffic_counts_bytes_that_are_read_and_written(script: Callable[[str], Any]) -> None:
    surrogate = script("tests/benchmarks/surrogate.py")
    a, b = torch.zeros(1000), torch.zeros(1000)
    with surrogate.Traffic() as counter:
        a.view(10, 100).t()
    assert counter.bytes == 0
    with surrogate.Traffic() as counter:
        a + b
    assert counter.bytes == 3 * 4000
    actions = torch.zeros(1000, requires_grad=True)
    assert surrogate.traffic(lambda a: a * 2, actions) >= 4 * 4000, "the backward pass counts, too"


@pytest.mark.slow
def test_sizes() -> None:
    out = run("sizes", "--sides", "160", "--window", "128", "--steps", "1", "--set", "canvas={tile=16, overlap=8}")
    side, _strokes, windows, *costs = out.splitlines()[1].split()
    assert (side, windows) == ("160", "16")
    assert all(float(cost) > 0 for cost in costs)


@pytest.mark.slow
def test_export() -> None:
    out = run("export", "--side", "300", "--renderer", "gan", "--files", "png")
    assert ".png" in out
    assert int(out.split()[-1]) <= 1


@pytest.mark.slow
def test_windows_and_seams(tmp_path: Path) -> None:
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "a.png")
    out = run(
        "windows", str(tmp_path / "a.png"), "--side", "144", "--window", "128",
        "--set", "steps=1", "--set", 'renderer={type="gan"}', "--set", "canvas.tile=16", "--set", "canvas.overlap=8",
    )  # fmt: skip
    ratio = float(out.splitlines()[1].split()[5])
    assert 0.8 < ratio < 1.2


def test_the_baseline_renders_what_the_canvas_grid_renders(released: Any) -> None:
    """On a single tile, where the order of the strokes is the same."""
    scene = Scene((64, 64), torch.device("cpu"), 0, torch.Generator(), torch.ones(3), lambda *_, **__: None)
    scene.renderer = renderer = released.Released(released.Released.Config(), scene)
    grid = get_registry().component("canvas", "grid")
    canvas = grid(grid.Config(bleed=0, overlap=0, strokes=5, clip=True), scene)
    actions = torch.rand(1, 5, 12, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        actual = canvas.render(renderer, actions, scene.background)
        expected = released.paint(renderer.generator, actions, 1, 1, 0)
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=0)
    assert expected.std() > 0.01


@pytest.mark.slow
def test_classes(tmp_path: Path) -> None:
    small = ["steps=1", "size=[32, 32]", 'renderer={type="gan"}', "canvas.strokes=2", "objective.see.views=1"]
    arguments = ["--count", "2", "--keep", str(tmp_path), *(word for setting in small for word in ("--set", setting))]
    first = run("classes", *arguments)
    log = (next(tmp_path.iterdir()) / "log.jsonl").read_text()
    again = run("classes", *arguments, "--evaluator", "efficientnet_lite1")
    assert (next(tmp_path.iterdir()) / "log.jsonl").read_text() == log, "finished paintings are not painted again"
    assert [line.split(":")[0] for line in (first.splitlines()[-1], again.splitlines()[-1])] == [
        "efficientnet_lite2",
        "efficientnet_lite1",
    ]
    assert first.count("rank") == 2
    assert "of 2 classes" in first


@pytest.mark.slow
def test_sweep() -> None:
    small = ["--set", "size=[64, 48]", "--set", "steps=2", "--set", "canvas.strokes=1", "--set", "output.long_side=64"]
    _, _, one, two, alone, ratio, over_loop = run(
        "sweep", "workers", "--runs", "3", "--repeats", "1", *small
    ).splitlines()
    for line in (one, two, alone):
        assert all(float(number) > 0 for number in line.split()[2:])
    assert float(ratio.split()[-1]) > 0
    assert float(over_loop.split()[-1]) > 0
    assert "1 kills in" in (killed := run("sweep", "kills", "--runs", "2", "--kills", "1", *small))
    assert "2 of 2 runs have the same bytes" in killed


def test_discovery() -> None:
    result = json.loads(run("discovery", "--plugins", "3", "--runs", "1"))
    assert result["plugins"] == 3
    assert result["alone"] > 0


@pytest.mark.slow
def test_gpu_benchmark_runs_on_another_device(tmp_path: Path) -> None:
    pytest.importorskip("triton")
    file = tmp_path / "gpu.json"
    run("gpu", "--out", str(file), "--device", "cpu", "--quick", "--seconds", "200")
    sections = json.loads(file.read_text())
    expected = run("gpu", "--list").split()[::3]
    assert list(sections) == expected
    for section, figures in sections.items():
        assert not {"failed", "failed with status", "cut off after seconds"} & set(figures), (section, figures)
        numbers = [value for value in figures.values() if isinstance(value, float)]
        assert len(numbers) > 1
        assert all(number >= 0 for number in numbers), section
    assert sections["kernels"]["classic/dry_brush: largest difference of a coverage"] < 1e-4


def test_gpu_benchmark_keeps_what_it_measured_before_a_section_is_cut_off(
    tmp_path: Path, script: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = script("tests/benchmarks/gpu.py")
    monkeypatch.setattr(gpu, "LIMITS", {"first": 0.5, "second": 30, "third": 30})
    monkeypatch.setattr(gpu, "_START_SECONDS", 30)
    (tmp_path / "gpu_sections.py").write_text(
        "import json, sys, time\n"
        "for name in sys.argv[sys.argv.index('--sections') + 1 :]:\n"
        "    print(json.dumps({'begin': name}))\n"
        "    print(json.dumps({'name': 'x', 'value': 1.5}))\n"
        "    time.sleep(60 * (name == 'first'))\n"
        "    sys.exit(3) if name == 'second' else None\n"
    )
    monkeypatch.setattr(gpu, "__file__", str(tmp_path / "gpu.py"))
    results = gpu.Results(tmp_path / "out.json")
    gpu.run_sections(["first", "second", "third"], results, [], 100)
    figures = json.loads((tmp_path / "out.json").read_text())
    assert {name: section["x"] for name, section in figures.items()} == dict.fromkeys(("first", "second", "third"), 1.5)
    assert 0 < figures["first"]["cut off after seconds"] < 20
    assert figures["second"]["failed with status"] == 3
    assert list(figures["third"]) == ["x"]


@pytest.mark.slow
def test_studio() -> None:
    pytest.importorskip("playwright")
    pytest.importorskip("uvicorn")
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        pytest.skip("Chromium is not installed")
    out = run(
        "studio", "--size", "64", "--steps", "6", "--side", "700", "--repeats", "2", "--parts", "page", "live", "zoom"
    )
    for line in (
        "page ready, ms: median",
        "first picture after",
        "preview lag, ms: median",
        "tiles afterwards, ms: median",
    ):
        assert line in out
