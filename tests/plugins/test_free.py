"""The `free` agent: initialisation of strokes, gradients of subsets, and selection of the best candidate."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from artkit.engine.optimizer import LazyAdam
from artkit.engine.painting_task import PaintingTask
from artkit.imaging.target_image import TargetImage
from artkit.interfaces.canvas import Canvas
from artkit.interfaces.scene import Scene
from artkit.recipes.reading import read_recipe
from artkit.strokes.stroke_log import STROKES_FILE, StrokeLog
from artkit_agents.free import Free
from artkit_mypaint.action_spaces import STROKE_SPACE

SIZE = (160, 100)

CANVASES: dict[str, tuple[str, dict[str, Any]]] = {
    "grid": ("grid", {"strokes": 4}),
    "pyramid": ("pyramid", {"tiles": (64, 32), "strokes": (2, 3)}),
    "single": ("single", {"strokes": 30}),
}


@pytest.fixture
def agent(scene: Callable[..., Scene]) -> Callable[..., tuple[Tensor, Canvas]]:
    """Make an agent; return its initial actions (n, N, 12) and the canvas."""

    def make(
        canvas_name: str = "grid", seed: int = 0, target: TargetImage | None = None, **settings: Any
    ) -> tuple[Tensor, Canvas]:
        stroke_scene = scene(SIZE, seed, target=target)
        stroke_scene.renderer = stroke_scene.make("renderer", "gan")
        canvas_type, canvas_settings = CANVASES[canvas_name]
        canvas = stroke_scene.make("canvas", canvas_type, **canvas_settings)
        stroke_scene.canvas = canvas
        free = Free(Free.Config(**settings), stroke_scene)
        actions = free(stroke_scene)
        assert actions.requires_grad
        return actions.detach(), canvas

    return make


MakeAgent = Callable[..., tuple[Tensor, Canvas]]


def values(actions: Tensor, *names: str) -> Tensor:
    """The dimensions of actions with the given names."""
    return actions[..., STROKE_SPACE.index(*names)]


def half_red_half_blue() -> TargetImage:
    pixels = torch.zeros(1, 3, SIZE[1], SIZE[0])
    pixels[:, 0, :, : SIZE[0] // 2] = 0.9
    pixels[:, 2, :, SIZE[0] // 2 :] = 0.8
    return TargetImage(pixels)


@pytest.mark.parametrize("start", ["auto", "random"])
@pytest.mark.parametrize("canvas_name", CANVASES)
def test_initial_actions_are_valid(agent: MakeAgent, canvas_name: str, start: str) -> None:
    actions, canvas = agent(canvas_name, target=half_red_half_blue(), start=start, drafts=2)
    assert actions.shape == (2, canvas.stroke_count, 12)
    assert actions.min() > 0
    assert actions.max() < 1
    # The sigmoid has a gradient everywhere.
    assert (actions * (1 - actions)).min() > 0.01


def test_the_initialisation_depends_on_the_seed_alone(agent: MakeAgent) -> None:
    target = half_red_half_blue()
    torch.manual_seed(0)
    first, _ = agent(seed=3, target=target)
    torch.manual_seed(1)
    again, _ = agent(seed=3, target=target)
    assert torch.equal(first, again)
    assert (agent(seed=4, target=target)[0] - first).abs().max() > 0.1


def test_candidates_have_different_initialisations(agent: MakeAgent) -> None:
    actions, _ = agent(drafts=3)
    assert (actions[0] - actions[1]).abs().max() > 0.1
    assert (actions[1] - actions[2]).abs().max() > 0.1


@pytest.mark.parametrize("canvas_name", CANVASES)
def test_strokes_start_with_the_colour_of_the_target(agent: MakeAgent, canvas_name: str) -> None:
    actions, canvas = agent(canvas_name, target=half_red_half_blue())
    tiles = canvas.tiles()
    x = tiles[:, 0] + values(actions, "middle_x")[0, :, 0] * tiles[:, 2]
    colour = values(actions, "red", "green", "blue")[0]
    left, right = x < SIZE[0] / 2 - 4, x > SIZE[0] / 2 + 4
    assert left.any()
    assert right.any()
    assert (colour[left] - torch.tensor([0.9, 0.02, 0.02])).abs().max() < 0.03
    assert (colour[right] - torch.tensor([0.02, 0.02, 0.8])).abs().max() < 0.03


def test_strokes_start_along_the_edges_of_the_target(agent: MakeAgent) -> None:
    """Strokes on the border of red and blue are vertical."""
    actions, canvas = agent("single", target=half_red_half_blue(), start="target")
    tiles = canvas.tiles()
    x = tiles[:, 0] + values(actions, "middle_x")[0, :, 0] * tiles[:, 2]
    on_edge = (x - SIZE[0] / 2).abs() < 6
    direction = (values(actions, "end_x", "end_y") - values(actions, "start_x", "start_y"))[0]
    assert on_edge.any()
    assert (direction[on_edge, 1].abs() > direction[on_edge, 0].abs()).all()


def test_strokes_start_curved_where_the_edges_are(agent: MakeAgent) -> None:
    """Strokes on a disc's edge start and end on it, though they are long."""
    y, x = torch.meshgrid(torch.arange(SIZE[1]) + 0.5, torch.arange(SIZE[0]) + 0.5, indexing="ij")
    radius = 36
    disc = ((x - 80).hypot(y - 50) < radius).float().expand(1, 3, -1, -1).clone()
    actions, canvas = agent("grid", target=TargetImage(disc), length=(0.9, 0.9))
    tiles = canvas.tiles()
    distances = []
    for end in ("start", "middle", "end"):
        points = tiles[:, :2] + values(actions, f"{end}_x", f"{end}_y")[0] * tiles[:, 2:]
        distances.append(((points - torch.tensor([80.0, 50.0])).norm(dim=1) - radius).abs())
    on_edge = distances[1] < 3
    assert on_edge.sum() > 5
    # The ends of straight tangents of this length would lie 10 px outside.
    assert torch.stack([distances[0][on_edge], distances[2][on_edge]]).median() < 5


def test_a_random_start_does_not_depend_on_the_target(agent: MakeAgent) -> None:
    actions, _ = agent(target=half_red_half_blue(), start="random")
    assert torch.equal(actions, agent(target=None, start="random")[0])
    assert values(actions, "green").std() > 0.08
    assert (values(actions, "red", "green", "blue") - 0.5).abs().max() <= 0.2, "close to grey"


@pytest.mark.parametrize("canvas_name", CANVASES)
def test_the_strokes_of_a_tile_are_evenly_distributed(agent: MakeAgent, canvas_name: str) -> None:
    actions, canvas = agent(canvas_name)
    middles = values(actions, "middle_x", "middle_y")[0]
    tiles, tile_of_stroke = torch.unique(canvas.tiles(), dim=0, return_inverse=True)
    for index in range(len(tiles)):
        points = middles[tile_of_stroke == index]
        distances = torch.cdist(points, points) + 9 * torch.eye(len(points))
        # Clamping at the tile's edge may reduce distances a little, but not to 0.
        assert distances.min() > 0.3 / len(points)


def test_strokes_cover_the_picture(agent: MakeAgent) -> None:
    """Each quarter of the tiles, and each square of 32 px of the picture, contains middle points."""
    actions, canvas = agent("grid")
    tiles = canvas.tiles()
    assert len(torch.unique(tiles, dim=0)) * 4 == canvas.stroke_count
    middles = values(actions, "middle_x", "middle_y")[0]
    quarter = (middles > 0.5).long() @ torch.tensor([1, 2])
    shares = torch.bincount(quarter, minlength=4) / len(quarter)
    assert shares.min() > 0.15
    squares = ((tiles[:, :2] + middles * tiles[:, 2:]) // 32).long().tolist()
    assert {(x, y) for x in range(SIZE[0] // 32) for y in range(SIZE[1] // 32)} <= {tuple(square) for square in squares}


def test_large_strokes_are_below_small_ones(agent: MakeAgent) -> None:
    actions, canvas = agent("grid")
    sizes = values(actions, "size")[0, :, 0]
    quarter = canvas.stroke_count // 4
    assert sizes[:quarter].mean() > sizes[-quarter:].mean() + 0.1


def test_initial_lengths_follow_the_setting(agent: MakeAgent) -> None:
    actions, _ = agent("single", length=(0.3, 0.1), start="random")
    lengths = (values(actions, "end_x", "end_y") - values(actions, "start_x", "start_y"))[0].norm(dim=1)
    assert lengths.max() < 0.3 * 1.31
    assert lengths[:8].mean() > 1.5 * lengths[-8:].mean()


def test_all_strokes_as_a_subset_get_the_same_updates(scene: Callable[..., Scene]) -> None:
    stroke_scene = scene(SIZE)
    stroke_scene.renderer = stroke_scene.make("renderer", "gan")
    stroke_scene.canvas = stroke_scene.make("canvas", "grid", tile=64, overlap=32, strokes=2)
    start = Free(Free.Config(drafts=2), stroke_scene).state_dict()
    all_indices = torch.arange(stroke_scene.action_count)
    results = []
    for get_actions in (Free.forward, lambda agent, scene: agent.forward_subset(scene, all_indices)):
        agent = Free(Free.Config(drafts=2), stroke_scene)
        agent.load_state_dict(start)
        optimizer = LazyAdam(agent.parameters(), 0.1)
        for step in range(3):
            optimizer.zero_grad()
            (get_actions(agent, stroke_scene) - 0.1 * step).square().sum().backward()
            optimizer.step()
        results.append(agent(stroke_scene))
    assert torch.equal(*results)
    subset = torch.tensor([3, 1])
    torch.testing.assert_close(agent.forward_subset(stroke_scene, subset), agent(stroke_scene)[:, subset])


def test_only_the_best_candidate_continues(scene: Callable[..., Scene]) -> None:
    stroke_scene = scene(SIZE)
    stroke_scene.renderer = stroke_scene.make("renderer", "gan")
    stroke_scene.canvas = stroke_scene.make("canvas", "single", strokes=5)
    agent = Free(Free.Config(drafts=3, choose=0.5), stroke_scene)
    candidates = agent(stroke_scene)
    agent.on_step_end(torch.tensor([3.0, 1.0, 2.0]), 0.1)
    agent.on_step_end(torch.tensor([3.0, 1.0, 0.9]), 0.4)  # a single step does not decide
    torch.testing.assert_close(agent(stroke_scene), candidates)
    agent.on_step_end(torch.tensor([3.0, 1.0, 2.0]), 0.5)
    torch.testing.assert_close(agent(stroke_scene), candidates[1:2])
    agent.on_step_end(torch.tensor([0.0]), 0.6)
    torch.testing.assert_close(agent.forward_subset(stroke_scene, torch.tensor([4, 2])), candidates[1:2, [4, 2]])
    again = Free(Free.Config(drafts=3, choose=0.5), stroke_scene)
    again.load_state_dict(agent.state_dict())
    torch.testing.assert_close(again(stroke_scene), candidates[1:2])


def test_a_painting_continues_with_the_candidate_closest_to_its_target(tmp_path: Path) -> None:
    Image.linear_gradient("L").resize((48, 48)).save(tmp_path / "target.png")
    (tmp_path / "r.toml").write_text(
        'steps = 8\nsize = [48, 48]\n[canvas]\ntype = "single"\nstrokes = 3\n[renderer]\ntype = "gan"\n'
        '[agent]\ntype = "free"\nstart = "random"\ndrafts = 3\nchoose = 0.5\n'
        '[objective.look]\ntype = "pixel"\ntarget = "target.png"\n'
    )
    recipe = read_recipe([tmp_path / "r.toml"])
    task = PaintingTask(recipe, torch.device("cpu"))
    target = torch.linspace(0, 1, 48).view(1, 1, 48, 1)
    for step in range(4):
        task.step(step)
    candidates = task.canvas.render(task.renderer, task.actions(1.0), task.scene.background, task.scene.seed)
    errors = (candidates - target).square().mean((1, 2, 3))
    assert len(errors) == 3
    assert errors.std() > 0.005
    resumed = PaintingTask(recipe, torch.device("cpu"))
    resumed.load_state_dict(copy.deepcopy(task.state_dict()))
    for step in range(4, 8):
        assert resumed.step(step) == task.step(step)
    (continued,) = task.canvas.render(task.renderer, task.actions(1.0), task.scene.background, task.scene.seed)
    closest = (continued - candidates).square().mean((1, 2, 3)).argmin()
    assert closest == errors.argmin()
    assert torch.equal(resumed.log().actions, task.log().actions)


@pytest.mark.parametrize("constraints", [{}, {"size": {"smallest": 0.2, "largest": 0.6}, "pressure": {"largest": 0.5}}])
def test_a_painting_is_kept_under_the_same_constraints(
    scene: Callable[..., Scene], tmp_path: Path, constraints: dict[str, Any]
) -> None:
    old, new = (scene(SIZE, seed) for seed in (0, 1))
    for each in (old, new):
        each.renderer = each.make("renderer", "gan")
        each.canvas = each.make("canvas", "grid", tile=32, overlap=16)
        each.constraints = tuple(each.make("constraint", kind, **settings) for kind, settings in constraints.items())
    assert old.renderer is not None
    assert old.canvas is not None
    actions = old.constrain(old.make("agent", "free", start="random")(old), 1.0)[0].detach()
    names = old.renderer.space.names
    log = StrokeLog(SIZE, (1.0, 1.0, 1.0), 0, {"type": "gan"}, STROKE_SPACE.name, names, actions, old.canvas.phases)
    log.save(tmp_path / STROKES_FILE)
    carried = new.constrain(new.make("agent", "free", start=str(tmp_path))(new), 1.0)[0]
    torch.testing.assert_close(carried, actions, atol=1e-4, rtol=0)
