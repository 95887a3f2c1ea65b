"""The `free` agent: where strokes start."""

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
    """The actions (n, N, 12) that an agent starts with, and the canvas they are for."""

    def make(
        which: str = "grid", seed: int = 0, target: TargetImage | None = None, **settings: Any
    ) -> tuple[Tensor, Canvas]:
        made = scene(SIZE, seed, target=target)
        made.renderer = made.make("renderer", "gan")
        kind, told = CANVASES[which]
        canvas = made.make("canvas", kind, **told)
        made.canvas = canvas
        free = Free(Free.Config(**settings), made)
        actions = free(made)
        assert actions.requires_grad
        return actions.detach(), canvas

    return make


Agent = Callable[..., tuple[Tensor, Canvas]]


def of(actions: Tensor, *names: str) -> Tensor:
    return actions[..., STROKE_SPACE.index(*names)]


def half_red_half_blue() -> TargetImage:
    pixels = torch.zeros(1, 3, SIZE[1], SIZE[0])
    pixels[:, 0, :, : SIZE[0] // 2] = 0.9
    pixels[:, 2, :, SIZE[0] // 2 :] = 0.8
    return TargetImage(pixels)


@pytest.mark.parametrize("start", ["auto", "random"])
@pytest.mark.parametrize("which", CANVASES)
def test_actions_are_actions(agent: Agent, which: str, start: str) -> None:
    actions, canvas = agent(which, target=half_red_half_blue(), start=start, drafts=2)
    assert actions.shape == (2, canvas.stroke_count, 12)
    assert actions.min() > 0
    assert actions.max() < 1
    # None lies where the sigmoid is flat and no gradient would move it.
    assert (actions * (1 - actions)).min() > 0.01


def test_the_seed_chooses_the_start(agent: Agent) -> None:
    target = half_red_half_blue()
    torch.manual_seed(0)
    one, _ = agent(seed=3, target=target)
    torch.manual_seed(1)
    again, _ = agent(seed=3, target=target)
    assert torch.equal(one, again)
    assert (agent(seed=4, target=target)[0] - one).abs().max() > 0.1


def test_several_pictures_start_apart(agent: Agent) -> None:
    actions, _ = agent(drafts=3)
    assert (actions[0] - actions[1]).abs().max() > 0.1
    assert (actions[1] - actions[2]).abs().max() > 0.1


@pytest.mark.parametrize("which", CANVASES)
def test_strokes_take_the_colour_of_what_they_lie_on(agent: Agent, which: str) -> None:
    actions, canvas = agent(which, target=half_red_half_blue())
    tiles = canvas.tiles()
    x = tiles[:, 0] + of(actions, "middle_x")[0, :, 0] * tiles[:, 2]
    colour = of(actions, "red", "green", "blue")[0]
    left, right = x < SIZE[0] / 2 - 4, x > SIZE[0] / 2 + 4
    assert left.any()
    assert right.any()
    assert (colour[left] - torch.tensor([0.9, 0.02, 0.02])).abs().max() < 0.03
    assert (colour[right] - torch.tensor([0.02, 0.02, 0.8])).abs().max() < 0.03


def test_strokes_follow_the_edges(agent: Agent) -> None:
    """Along the border of red and blue, strokes start upright."""
    actions, canvas = agent("single", target=half_red_half_blue(), start="target")
    tiles = canvas.tiles()
    x = tiles[:, 0] + of(actions, "middle_x")[0, :, 0] * tiles[:, 2]
    near = (x - SIZE[0] / 2).abs() < 6
    along = (of(actions, "end_x", "end_y") - of(actions, "start_x", "start_y"))[0]
    assert near.any()
    assert (along[near, 1].abs() > along[near, 0].abs()).all()


def test_a_random_start_does_not_look(agent: Agent) -> None:
    actions, _ = agent(target=half_red_half_blue(), start="random")
    assert torch.equal(actions, agent(target=None, start="random")[0])
    assert of(actions, "green").std() > 0.08
    assert (of(actions, "red", "green", "blue") - 0.5).abs().max() <= 0.2, "near grey"


@pytest.mark.parametrize("which", CANVASES)
def test_the_strokes_of_a_tile_are_spread(agent: Agent, which: str) -> None:
    actions, canvas = agent(which)
    middles = of(actions, "middle_x", "middle_y")[0]
    tiles, of_tile = torch.unique(canvas.tiles(), dim=0, return_inverse=True)
    for index in range(len(tiles)):
        mine = middles[of_tile == index]
        apart = torch.cdist(mine, mine) + 9 * torch.eye(len(mine))
        # Clamping at the tile's edge may bring two a little nearer, on top of each other they never are.
        assert apart.min() > 0.3 / len(mine)


def test_every_tile_is_painted_and_all_of_it(agent: Agent) -> None:
    """Each quarter of the tiles' area gets its share of the middles."""
    actions, canvas = agent("grid")
    tiles = canvas.tiles()
    assert len(torch.unique(tiles, dim=0)) * 4 == canvas.stroke_count
    middles = of(actions, "middle_x", "middle_y")[0]
    quarter = (middles > 0.5).long() @ torch.tensor([1, 2])
    shares = torch.bincount(quarter, minlength=4) / len(quarter)
    assert shares.min() > 0.15
    where = tiles[:, :2] + middles * tiles[:, 2:]
    for x in range(0, SIZE[0] - 31, 32):
        for y in range(0, SIZE[1] - 31, 32):
            inside = (where[:, 0] >= x) & (where[:, 0] < x + 32) & (where[:, 1] >= y) & (where[:, 1] < y + 32)
            assert inside.any(), (x, y)


def test_large_strokes_lie_below_small_ones(agent: Agent) -> None:
    actions, canvas = agent("grid")
    sizes = of(actions, "size")[0, :, 0]
    quarter = canvas.stroke_count // 4
    assert sizes[:quarter].mean() > sizes[-quarter:].mean() + 0.1


def test_lengths_are_as_told(agent: Agent) -> None:
    actions, _ = agent("single", length=(0.3, 0.1), start="random")
    lengths = (of(actions, "end_x", "end_y") - of(actions, "start_x", "start_y"))[0].norm(dim=1)
    assert lengths.max() < 0.3 * 1.31
    assert lengths[:8].mean() > 1.5 * lengths[-8:].mean()


def test_strokes_learn_the_same_whether_all_are_asked_for_or_these_alone(scene: Callable[..., Scene]) -> None:
    made = scene(SIZE)
    made.renderer = made.make("renderer", "gan")
    made.canvas = made.make("canvas", "grid", tile=64, overlap=32, strokes=2)
    start = Free(Free.Config(drafts=2), made).state_dict()
    every = torch.arange(made.action_count)
    learnt = []
    for ask in (Free.forward, lambda agent, scene: agent.forward_subset(scene, every)):
        agent = Free(Free.Config(drafts=2), made)
        agent.load_state_dict(start)
        optimizer = LazyAdam(agent.parameters(), 0.1)
        for step in range(3):
            optimizer.zero_grad()
            (ask(agent, made) - 0.1 * step).square().sum().backward()
            optimizer.step()
        learnt.append(agent(made))
    assert torch.equal(*learnt)
    some = torch.tensor([3, 1])
    torch.testing.assert_close(agent.forward_subset(made, some), agent(made)[:, some])


def test_of_several_drafts_the_best_goes_on(scene: Callable[..., Scene]) -> None:
    made = scene(SIZE)
    made.renderer = made.make("renderer", "gan")
    made.canvas = made.make("canvas", "single", strokes=5)
    agent = Free(Free.Config(drafts=3, choose=0.5), made)
    drafts = agent(made)
    agent.on_step_end(torch.tensor([3.0, 1.0, 2.0]), 0.1)
    agent.on_step_end(torch.tensor([3.0, 1.0, 0.9]), 0.4)  # a lucky step decides nothing
    torch.testing.assert_close(agent(made), drafts)
    agent.on_step_end(torch.tensor([3.0, 1.0, 2.0]), 0.5)
    torch.testing.assert_close(agent(made), drafts[1:2])
    agent.on_step_end(torch.tensor([0.0]), 0.6)
    torch.testing.assert_close(agent.forward_subset(made, torch.tensor([4, 2])), drafts[1:2, [4, 2]])
    again = Free(Free.Config(drafts=3, choose=0.5), made)
    again.load_state_dict(agent.state_dict())
    torch.testing.assert_close(again(made), drafts[1:2])


def test_a_painting_goes_on_with_the_draft_that_is_nearest_its_target(tmp_path: Path) -> None:
    Image.linear_gradient("L").resize((48, 48)).save(tmp_path / "target.png")
    (tmp_path / "r.toml").write_text(
        'steps = 8\nsize = [48, 48]\n[canvas]\ntype = "single"\nstrokes = 3\n[renderer]\ntype = "gan"\n'
        '[agent]\ntype = "free"\nstart = "random"\ndrafts = 3\nchoose = 0.5\n'
        '[objective.look]\ntype = "pixel"\ntarget = "target.png"\n'
    )
    recipe = read_recipe([tmp_path / "r.toml"])
    job = PaintingTask(recipe, torch.device("cpu"))
    target = torch.linspace(0, 1, 48).view(1, 1, 48, 1)
    for step in range(4):
        job.step(step)
    drafts = job.canvas.render(job.renderer, job.actions(1.0), job.scene.background, job.scene.seed)
    far = (drafts - target).square().mean((1, 2, 3))
    assert len(far) == 3
    assert far.std() > 0.005
    other = PaintingTask(recipe, torch.device("cpu"))
    other.load_state_dict(copy.deepcopy(job.state_dict()))
    for step in range(4, 8):
        assert other.step(step) == job.step(step)
    (going_on,) = job.canvas.render(job.renderer, job.actions(1.0), job.scene.background, job.scene.seed)
    nearest = (going_on - drafts).square().mean((1, 2, 3)).argmin()
    assert nearest == far.argmin()
    assert torch.equal(other.log().actions, job.log().actions)
