"""Coordinate renderers: any window, at any scale, equals the same window of the whole picture."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from artkit import Scene, StrokeLog, UsageError, Window, open_painting
from artkit.engine.painting_task import PaintingTask
from artkit.engine.run import Run
from artkit.recipes.reading import read_recipe
from artkit_cppn import coordinate_renderer

SIZE = (72, 50)
RENDERERS = {"cppn": {}, "fourier": {"waves": 7}, "pixels": {"side": 12}}
CANVASES = {
    "single": {"strokes": 1},
    "grid": {"tile": 24, "overlap": 8, "strokes": 2},
    "pyramid": {"tiles": [32, 16], "strokes": [1, 1]},
}


@pytest.fixture
def build(scene: Callable[..., Scene]) -> Callable[..., Scene]:
    """Build a scene with one of the renderers and a canvas."""

    def make(renderer: str, canvas: str = "single", size: tuple[int, int] = SIZE) -> Scene:
        new_scene = scene(size)
        new_scene.renderer = new_scene.make("renderer", renderer, **RENDERERS[renderer])
        new_scene.canvas = new_scene.make("canvas", canvas, **CANVASES[canvas])
        return new_scene

    return make


def random_action(scene: Scene, seed: int = 0) -> Tensor:
    assert scene.renderer is not None
    return torch.rand(1, 1, len(scene.renderer.space), generator=torch.Generator().manual_seed(seed)) * 0.96 + 0.02


def stroke_log(scene: Scene) -> StrokeLog:
    assert scene.renderer is not None
    assert scene.canvas is not None
    space = scene.renderer.space
    action = random_action(scene)[0]
    return StrokeLog(SIZE, (1, 1, 1), 0, {"type": "x"}, space.name, space.names, action, scene.canvas.phases)


def replay(scene: Scene, window: Window) -> Tensor:
    assert scene.renderer is not None
    with torch.no_grad():
        return scene.renderer.replay(stroke_log(scene), window)


def every_renderer() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("renderer", RENDERERS)


@every_renderer()
@pytest.mark.parametrize("canvas", CANVASES)
def test_every_canvas_shows_the_same_picture(build: Callable[..., Scene], renderer: str, canvas: str) -> None:
    scene = build(renderer, canvas)
    assert scene.action_count == 1
    assert scene.canvas is not None
    assert scene.renderer is not None
    with torch.no_grad():
        picture = scene.canvas.render(scene.renderer, random_action(scene), torch.rand(3))[0]
        window = Window(30, 11, 20, 17)
        part = scene.canvas.render(scene.renderer, random_action(scene), torch.rand(3), window=window)[0]
    whole = replay(scene, Window(0, 0, *SIZE))
    assert whole.std() > 0.02
    torch.testing.assert_close(picture, whole, atol=1e-5, rtol=0)
    torch.testing.assert_close(part, whole[:, 11:28, 30:50], atol=1e-5, rtol=0)


@every_renderer()
def test_window_equals_that_part_of_the_whole(build: Callable[..., Scene], renderer: str) -> None:
    scene = build(renderer)
    for scale in (1, 2.5):
        width, height = (round(side * scale) for side in SIZE)
        whole = replay(scene, Window(0, 0, width, height, scale))
        part = replay(scene, Window(33, 20, 31, 17, scale))
        torch.testing.assert_close(part, whole[:, 20:37, 33:64], atol=1e-5, rtol=0)


@every_renderer()
def test_larger_scale_renders_the_same_picture_with_more_detail(build: Callable[..., Scene], renderer: str) -> None:
    """At scale 3 the middle one of three pixels has the coordinates of a pixel at scale 1."""
    scene = build(renderer)
    small, large = replay(scene, Window(0, 0, *SIZE)), replay(scene, Window(0, 0, *(3 * side for side in SIZE), 3))
    torch.testing.assert_close(large[:, 1::3, 1::3], small, atol=1e-5, rtol=0)
    assert float((large[:, :, 1:] - large[:, :, :-1]).abs().max()) < float(
        (small[:, :, 1:] - small[:, :, :-1]).abs().max()
    )


def test_shapes_are_not_distorted(build: Callable[..., Scene]) -> None:
    """The central squares of a wide and a tall picture are equal: coordinates are relative to the centre."""
    squares = []
    for size, window in (((90, 60), Window(15, 0, 60, 60)), ((60, 90), Window(0, 15, 60, 60))):
        scene = build("cppn", size=size)
        assert scene.canvas is not None
        with torch.no_grad():
            squares.append(scene.canvas.render(scene.renderer, random_action(scene), torch.zeros(3), window=window))
    torch.testing.assert_close(*squares, atol=1e-5, rtol=0)


@every_renderer()
def test_large_windows_are_computed_in_chunks(
    build: Callable[..., Scene], renderer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = build(renderer)
    whole = replay(scene, Window(0, 0, *SIZE))
    assert isinstance(scene.renderer, coordinate_renderer.CoordinateRenderer)
    sizes = []
    colours_at = scene.renderer.colours_at

    def record_size(actions: Tensor, x: Tensor, y: Tensor, size: tuple[int, int]) -> Tensor:
        sizes.append(len(actions) * x.shape[1] * y.shape[1])
        return colours_at(actions, x, y, size)

    monkeypatch.setattr(scene.renderer, "colours_at", record_size)
    monkeypatch.setattr(coordinate_renderer, "_MAX_CHUNK_PIXELS", 300)
    torch.testing.assert_close(replay(scene, Window(0, 0, *SIZE)), whole, atol=1e-5, rtol=0)
    assert max(sizes) <= 300
    assert sum(sizes) == SIZE[0] * SIZE[1]


@every_renderer()
def test_picture_can_be_optimised_through_chunks(
    build: Callable[..., Scene], renderer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinate_renderer, "_MAX_CHUNK_PIXELS", 500)
    scene = build(renderer, size=(32, 24))
    assert scene.canvas is not None
    agent = scene.make("agent", "free")
    target = torch.linspace(0, 1, 32).expand(1, 3, 24, 32) * torch.tensor([1.0, 0.3, 0.7]).view(1, 3, 1, 1)
    optimizer = torch.optim.Adam(agent.parameters(), 0.1)
    losses = []
    for _ in range(40):
        picture = scene.canvas.render(scene.renderer, agent(scene), scene.background)
        loss = (picture - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.25 * losses[0]


def test_run_of_a_recipe_can_be_exported(tmp_path: Path, picture_file: Path) -> None:
    recipe = tmp_path / "light.toml"
    recipe.write_text(
        f'steps = 3\nsize = [48, 40]\n[canvas]\ntype = "grid"\ntile = 32\noverlap = 8\nstrokes = 1\n'
        f'[renderer]\ntype = "cppn"\n[objective.o]\ntype = "pixel"\ntarget = "{picture_file}"\n'
    )
    resolved = read_recipe([recipe])
    Run(tmp_path / "run", resolved, PaintingTask(resolved, torch.device("cpu"))).execute()
    strokes = json.loads((tmp_path / "run" / "strokes.json").read_text())["strokes"]
    assert len(strokes) == 1
    small, large = (open_painting(tmp_path / "run", scale).to_tensor() for scale in (1, 3))
    torch.testing.assert_close(large[:, 1::3, 1::3], small, atol=1e-5, rtol=0)


def test_shared_action_is_counted_once_in_the_disk_forecast(
    tmp_path: Path, picture_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "light.toml"
    recipe.write_text(
        f'size = [256, 256]\n[canvas]\ntype = "grid"\ntile = 16\noverlap = 0\nstrokes = 1\n'
        f'[renderer]\ntype = "pixels"\nside = 64\n[objective.o]\ntype = "pixel"\ntarget = "{picture_file}"\n'
    )
    monkeypatch.setattr("artkit.engine.memory_plan.shutil.disk_usage", lambda _: type("Usage", (), {"free": 10 << 20}))
    PaintingTask(read_recipe([recipe]), torch.device("cpu"), tmp_path).forecast()


@every_renderer()
def test_stroke_constraints_are_rejected(build: Callable[..., Any], renderer: str) -> None:
    with pytest.raises(UsageError, match="colour"):
        build(renderer).make("constraint", "grayscale")


def test_name_of_the_action_space_depends_on_its_size(scene: Callable[..., Scene]) -> None:
    names = {scene().make("renderer", "fourier", waves=waves).space.name for waves in (3, 4)}
    assert len(names) == 2


def test_decay_moves_contrast_to_larger_structures(scene: Callable[..., Scene]) -> None:
    contrasts, details = [], []
    for decay in (1.0, 2.0):
        renderer = scene(SIZE).make("renderer", "fourier", waves=16, decay=decay)
        actions = torch.rand(24, len(renderer.space), generator=torch.Generator().manual_seed(1)) * 0.96 + 0.02
        x, y = (torch.arange(length)[None].expand(24, -1) + 0.5 for length in SIZE)
        pictures = renderer.colours_at(actions, x, y, SIZE)
        contrasts.append(float(pictures.std()))
        details.append(float(pictures.diff(dim=-1).std()))
    assert contrasts[1] == pytest.approx(contrasts[0], rel=0.25)
    assert details[1] < 0.5 * details[0]
