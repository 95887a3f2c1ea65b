"""The canvas `line` and the constraint `connected`: strokes that form one line through the picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from artkit import Scene, UsageError
from artkit.engine.painting_task import PaintingTask
from artkit.engine.run import Run
from artkit.imaging.png import save_png
from artkit.imaging.target_image import TargetImage
from artkit.output.export import open_painting
from artkit.recipes.reading import read_recipe
from artkit_canvases.line_course import short_tour, spread_points

SIZE = (96, 64)
STROKES = 200


def half_dark() -> Tensor:
    """A target (1, 3, h, w) that is dark on the left half and white on the right."""
    pixels = torch.ones(1, 3, SIZE[1], SIZE[0])
    pixels[..., : SIZE[0] // 2] = 0.1
    return pixels


@pytest.fixture
def line_scene(scene: Callable[..., Scene]) -> Scene:
    """A scene with the canvas `line`."""
    built = scene(SIZE, target=TargetImage(half_dark()))
    built.renderer = built.make("renderer", "mypaint")
    built.canvas = built.make("canvas", "line", strokes=STROKES)
    return built


def points_of(scene: Scene, actions: Tensor) -> Tensor:
    """Return start and end of each stroke along the line, px: (N, 2, 2)."""
    assert scene.canvas is not None
    assert scene.renderer is not None
    assert scene.canvas.chain is not None
    tiles = scene.canvas.tiles()
    on_tile = actions[0][:, scene.renderer.space.index("start_x", "start_y", "end_x", "end_y")].view(-1, 2, 2)
    points: Tensor = (tiles[:, None, :2] + on_tile * tiles[:, None, 2:])[scene.canvas.chain]
    return points


def test_the_line_is_denser_in_the_dark(line_scene: Scene) -> None:
    assert line_scene.canvas is not None
    assert line_scene.canvas.stroke_count == STROKES
    centres = line_scene.canvas.tiles()[:, 0] + 16
    assert float((centres < SIZE[0] / 2).float().mean()) > 0.8


def test_strokes_start_along_the_line(line_scene: Scene) -> None:
    actions = line_scene.make("agent", "free")(line_scene).detach()
    points = points_of(line_scene, actions)
    assert float((points[1:, 0] - points[:-1, 1]).norm(dim=1).max()) < 0.01
    assert float(points[:, 0].norm(dim=1).max()) < 128  # in the picture


def test_connected_strokes_remain_one_line(line_scene: Scene) -> None:
    """Also where the end of a stroke lies outside the tile of the next one."""
    connected, space = line_scene.make("constraint", "connected"), line_scene.renderer.space  # type: ignore[union-attr]
    actions = torch.rand(1, STROKES, len(space), generator=torch.Generator().manual_seed(1)).requires_grad_()
    constrained = connected(actions, 0.0)
    assert connected.is_satisfied(constrained)
    assert not connected.is_satisfied(actions)
    points = points_of(line_scene, constrained.detach())
    assert float((points[1:, 0] - points[:-1, 1]).norm(dim=1).max()) < 0.01
    chain = line_scene.canvas.chain  # type: ignore[union-attr]
    pressure = constrained[0, chain][:, space.index("start_pressure", "end_pressure")]
    assert torch.equal(pressure[1:, 0], pressure[:-1, 1])
    assert float(constrained.detach().min()) >= 0
    assert float(constrained.detach().max()) <= 1
    constrained.sum().backward()
    assert actions.grad is not None
    ends = actions.grad[0, chain[:-1]][:, space.index("end_x", "end_y", "end_pressure")]
    assert (ends == 2).all()  # of its own stroke and the next one, also at the edge of a tile


def test_a_finished_line_is_stored_and_rendered_again(tmp_path: Path) -> None:
    save_png(half_dark()[0], tmp_path / "target.png")
    file = tmp_path / "line.toml"
    file.write_text(
        f'steps = 2\nsize = {list(SIZE)}\ncanvas = {{type = "line", strokes = {STROKES}}}\n'
        '[constraint.pen]\ntype = "connected"\n[objective.look]\ntype = "pixel"\ntarget = "target.png"\n'
    )
    recipe = read_recipe([file])
    task = PaintingTask(recipe, torch.device("cpu"))
    Run(tmp_path / "out", recipe, task).execute()
    replayed = open_painting(tmp_path / "out").to_tensor()
    with torch.no_grad():
        painted = task.canvas.render(task.renderer, task.actions(1.0), task.scene.base, task.scene.seed)[0]
    assert float((replayed - painted).abs().mean()) < 2 / 255


def test_too_few_strokes_for_the_tiles_are_refused(line_scene: Scene) -> None:
    with pytest.raises(UsageError, match=r"a line of 20 strokes has segments of .* px, longer than half of a tile"):
        line_scene.make("canvas", "line", strokes=20)


def test_the_tour_visits_each_point_once_and_is_short() -> None:
    points = spread_points(torch.ones(60, 60), 144)
    tour = short_tour(points)
    assert tour.sort().values.tolist() == list(range(144))
    length = float(points[tour].diff(dim=0).norm(dim=1).sum())
    assert length < 1.15 * 143 * 5  # points 5 px apart: a line through a lattice would have 143 steps of 5 px
