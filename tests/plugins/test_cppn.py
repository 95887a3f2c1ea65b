"""Pictures as functions of place: any part of one, at any resolution, is that part of the whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from artkit.engine.painting_task import PaintingTask
from artkit.engine.run import Run
from artkit.geometry.window import Window
from artkit.interfaces.scene import Scene
from artkit.output.export import open_painting
from artkit.recipes.reading import read_recipe
from artkit.registry.plugin_registry import get_registry
from artkit.strokes.stroke_log import StrokeLog
from artkit_cppn import field

SIZE = (72, 50)
KINDS = {"cppn": {}, "fourier": {"waves": 7}, "pixels": {"side": 12}}
CANVASES = {
    "single": {"strokes": 1},
    "grid": {"tile": 24, "overlap": 8, "strokes": 2},
    "pyramid": {"tiles": [32, 16], "strokes": [1, 1]},
}


@pytest.fixture
def build(scene: Callable[..., Scene]) -> Callable[..., Scene]:
    """A scene with one of the renderers, on a canvas."""

    def make(kind: str, canvas: str = "single", size: tuple[int, int] = SIZE) -> Scene:
        made = scene(size)
        made.renderer = made.make("renderer", kind, **KINDS[kind])
        made.canvas = made.make("canvas", canvas, **CANVASES[canvas])
        return made

    return make


def action(scene: Scene, seed: int = 0) -> Tensor:
    assert scene.renderer is not None
    numbers = len(scene.renderer.space)
    return torch.rand(1, 1, numbers, generator=torch.Generator().manual_seed(seed)) * 0.96 + 0.02


def log_of(scene: Scene) -> StrokeLog:
    assert scene.renderer is not None
    assert scene.canvas is not None
    space = scene.renderer.space
    return StrokeLog(
        SIZE, (1, 1, 1), 0, {"type": "x"}, space.name, space.names, action(scene)[0], scene.canvas.phases
    )  # fmt: skip


def replay(scene: Scene, window: Window) -> Tensor:
    assert scene.renderer is not None
    with torch.no_grad():
        return scene.renderer.replay(log_of(scene), window)


def each() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("kind", KINDS)


@each()
@pytest.mark.parametrize("canvas", CANVASES)
def test_every_canvas_shows_the_same_picture(build: Callable[..., Scene], kind: str, canvas: str) -> None:
    scene = build(kind, canvas)
    assert scene.action_count == 1
    assert scene.canvas is not None
    assert scene.renderer is not None
    with torch.no_grad():
        painted = scene.canvas.render(scene.renderer, action(scene), torch.rand(3))[0]
        part = scene.canvas.render(scene.renderer, action(scene), torch.rand(3), window=Window(30, 11, 20, 17))[0]
    whole = replay(scene, Window(0, 0, *SIZE))
    assert whole.std() > 0.02
    torch.testing.assert_close(painted, whole, atol=1e-5, rtol=0)
    torch.testing.assert_close(part, whole[:, 11:28, 30:50], atol=1e-5, rtol=0)


@each()
def test_a_window_is_that_part_of_the_whole(build: Callable[..., Scene], kind: str) -> None:
    scene = build(kind)
    for scale in (1, 2.5):
        width, height = (round(side * scale) for side in SIZE)
        whole = replay(scene, Window(0, 0, width, height, scale))
        part = replay(scene, Window(33, 20, 31, 17, scale))
        torch.testing.assert_close(part, whole[:, 20:37, 33:64], atol=1e-5, rtol=0)


@each()
def test_a_larger_picture_is_the_same_one_finer(build: Callable[..., Scene], kind: str) -> None:
    """At three times the size the middle of each three pixels is where the one of the smaller picture is."""
    scene = build(kind)
    small, large = replay(scene, Window(0, 0, *SIZE)), replay(scene, Window(0, 0, *(3 * side for side in SIZE), 3))
    torch.testing.assert_close(large[:, 1::3, 1::3], small, atol=1e-5, rtol=0)
    assert float((large[:, :, 1:] - large[:, :, :-1]).abs().max()) < float(
        (small[:, :, 1:] - small[:, :, :-1]).abs().max()
    )


def test_shapes_are_not_distorted(build: Callable[..., Scene]) -> None:
    """The middle square of a wide picture and of a tall one is the same: places are told from the middle."""
    squares = []
    for size, window in (((90, 60), Window(15, 0, 60, 60)), ((60, 90), Window(0, 15, 60, 60))):
        scene = build("cppn", size=size)
        assert scene.canvas is not None
        with torch.no_grad():
            squares.append(scene.canvas.render(scene.renderer, action(scene), torch.zeros(3), window=window))
    torch.testing.assert_close(*squares, atol=1e-5, rtol=0)


@each()
def test_large_windows_are_computed_in_pieces(
    build: Callable[..., Scene], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = build(kind)
    whole = replay(scene, Window(0, 0, *SIZE))
    renderer = scene.renderer
    assert isinstance(renderer, field.Field)
    sizes = []
    colours = renderer.colours

    def counted(actions: Tensor, x: Tensor, y: Tensor, size: tuple[int, int]) -> Tensor:
        sizes.append(len(actions) * x.shape[1] * y.shape[1])
        return colours(actions, x, y, size)

    monkeypatch.setattr(renderer, "colours", counted)
    monkeypatch.setattr(field, "_CHUNK", 300)
    torch.testing.assert_close(replay(scene, Window(0, 0, *SIZE)), whole, atol=1e-5, rtol=0)
    assert max(sizes) <= 300
    assert sum(sizes) == SIZE[0] * SIZE[1]


@each()
def test_any_image_can_be_learnt(build: Callable[..., Scene], kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a gradient through the pieces."""
    monkeypatch.setattr(field, "_CHUNK", 500)
    scene = build(kind, size=(32, 24))
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


def test_a_recipe_paints_and_its_run_exports(tmp_path: Path, picture_file: Path) -> None:
    recipe = tmp_path / "light.toml"
    recipe.write_text(
        f'steps = 3\nsize = [48, 40]\n[canvas]\ntype = "grid"\ntile = 32\noverlap = 8\nstrokes = 1\n'
        f'[renderer]\ntype = "cppn"\n[objective.o]\ntype = "pixel"\ntarget = "{picture_file}"\n'
    )
    told = read_recipe([recipe])
    Run(tmp_path / "run", told, PaintingTask(told, torch.device("cpu"))).execute()
    strokes = json.loads((tmp_path / "run" / "strokes.json").read_text())["strokes"]
    assert len(strokes) == 1
    small, large = (open_painting(tmp_path / "run", scale).to_tensor() for scale in (1, 3))
    torch.testing.assert_close(large[:, 1::3, 1::3], small, atol=1e-5, rtol=0)


def test_a_shared_action_takes_the_room_of_one(
    tmp_path: Path, picture_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "light.toml"
    recipe.write_text(
        f'size = [256, 256]\n[canvas]\ntype = "grid"\ntile = 16\noverlap = 0\nstrokes = 1\n'
        f'[renderer]\ntype = "pixels"\nside = 64\n[objective.o]\ntype = "pixel"\ntarget = "{picture_file}"\n'
    )
    monkeypatch.setattr("artkit.engine.memory_plan.shutil.disk_usage", lambda _: type("Usage", (), {"free": 10 << 20}))
    PaintingTask(read_recipe([recipe]), torch.device("cpu"), tmp_path).forecast()


@each()
def test_constraints_on_strokes_do_not_fit(build: Callable[..., Any], kind: str) -> None:
    from artkit.errors import UsageError

    with pytest.raises(UsageError, match="colour"):
        build(kind).make("constraint", "grayscale")


def test_their_spaces_differ_by_what_they_are() -> None:
    part = get_registry().component("renderer", "fourier")
    names = {part(part.Config(waves=waves), None).space.name for waves in (3, 4)}
    assert len(names) == 2
