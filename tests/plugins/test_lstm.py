"""The `lstm` agent: tiles, its inputs, revision, weights files, and the weights that come with artkit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from artkit import testing, weights
from artkit.errors import UsageError
from artkit.files import sha256
from artkit.imaging.loading import load_target_image
from artkit.recipes.shipped import recipe_folder
from artkit_agents.lstm import SHIPPED

SMALL = {"view": 16, "channels": 4, "cells": 16}


@pytest.mark.parametrize(
    "settings", [{}, {"see": "both"}, {"at_once": 3}, {"see": "both", "at_once": 2}, {"revise": 1}]
)
def test_it_is_an_agent(settings: dict[str, Any]) -> None:
    def four_strokes() -> Any:
        scene = testing.scene()
        scene.canvas = scene.make("canvas", "single", strokes=4)
        return scene

    exact_gradient = not {"see", "revise"} & set(settings)
    testing.check_agent("lstm", {**SMALL, **settings}, exact_gradient=exact_gradient, scene=four_strokes)


def single_tile(strokes: int, **settings: Any) -> tuple[Any, Any]:
    """An agent and its scene, a single tile of 32 px."""
    scene = testing.scene((32, 32), renderer="gan")
    scene.canvas = scene.make("canvas", "single", strokes=strokes)
    return scene.make("agent", "lstm", **SMALL, **settings), scene


def random_target(width: int = 32) -> Tensor:
    return torch.rand(1, 3, 32, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("settings", [{}, {"see": "both"}, {"revise": 2}])
def test_each_tile_is_a_separate_image(settings: dict[str, Any]) -> None:
    """A page of two images is painted as each of them alone."""
    page = testing.scene((64, 32), renderer="gan")
    page.canvas = page.make("canvas", "grid", tile=32, overlap=0, strokes=4)
    page_agent = page.make("agent", "lstm", **SMALL, **settings)
    target = random_target(64)
    with torch.no_grad():
        page_actions = page_agent(page, target)
    agent, single = single_tile(4, **settings)
    agent.load_state_dict(page_agent.state_dict())
    tiles = page.canvas.tiles()
    for column in range(2):
        in_column = tiles[:, 0] == 32 * column
        with torch.no_grad():
            actions = agent(single, target[..., 32 * column : 32 * (column + 1)])
        # Rounding errors of the painted input are amplified by the encoder.
        torch.testing.assert_close(page_actions[:, in_column], actions, atol=5e-4, rtol=0)


def test_constraints_apply_to_the_painting_it_gets_as_input() -> None:
    agent, scene = single_tile(3, see="both")
    target = random_target()
    unconstrained = agent(scene, target)
    scene.constraints = (scene.make("constraint", "colour", colour=(0.0, 0.0, 0.0)),)
    black = agent(scene, target)
    assert torch.equal(unconstrained[:, 0], black[:, 0])
    assert not torch.equal(unconstrained[:, 1], black[:, 1])


def test_no_gradient_flows_through_the_painting_it_gets_as_input() -> None:
    agent, scene = single_tile(2, see="both")
    inputs: list[Tensor] = []
    agent.hand.look_at.register_forward_pre_hook(lambda _module, args: inputs.append(args[0]))
    agent(scene, torch.rand(1, 3, 32, 32))
    assert len(inputs) == 2
    assert not torch.equal(inputs[0], inputs[1])
    assert not inputs[1].requires_grad


def test_revision_depends_on_the_painting() -> None:
    """If a constraint makes the strokes black, the corrections differ."""
    agent, scene = single_tile(3, revise=1)
    target = random_target()
    unconstrained = agent(scene, target)
    scene.constraints = (scene.make("constraint", "colour", colour=(0.0, 0.0, 0.0)),)
    black = agent(scene, target)
    assert not torch.equal(unconstrained, black)
    without_revision = scene.make("agent", "lstm", **SMALL)
    without_revision.load_state_dict(agent.state_dict(), strict=False)
    assert not torch.equal(without_revision(scene, target), black)


# -------------------------------------------------------------------------------------------------------------- weights
def test_a_weights_file_determines_the_settings(tmp_path: Path) -> None:
    agent, scene = single_tile(5, see="both")
    metadata = {"agent": {"type": "lstm", **SMALL, "see": "both"}, "space": scene.renderer.space.name}
    weights.save(agent, metadata, tmp_path / "agent.safetensors")
    loaded = scene.make("agent", "lstm", weights=str(tmp_path / "agent.safetensors"))
    assert loaded.config.see == "both"
    assert loaded.config.cells == 16
    assert set(loaded.provenance) == {"weights"}
    target = random_target()
    torch.testing.assert_close(loaded(scene, target), agent(scene, target), atol=0.01, rtol=0)  # half precision


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"agent": {"type": "free"}, "space": "mypaint-stroke-1"}, "does not hold weights of an lstm"),
        ({"agent": {"type": "lstm", **SMALL}, "space": "spray-9"}, r"other strokes \(spray-9\)"),
        ({"agent": {"type": "lstm", **SMALL, "cells": 32}, "space": "mypaint-stroke-1"}, "another version"),
        ({}, "does not hold weights of an lstm"),
        ({"agent": "lstm", "space": "mypaint-stroke-1"}, "does not hold weights of an lstm"),
        ({"agent": {"type": "lstm", **SMALL, "cells": 10**9}, "space": "mypaint-stroke-1"}, "cells must be at most"),
        ({"agent": {"type": "lstm", **SMALL, "see": 3}, "space": "mypaint-stroke-1"}, 'see must be "both"'),
    ],
)
def test_other_weights_are_rejected(tmp_path: Path, metadata: dict[str, Any], message: str) -> None:
    agent, scene = single_tile(5)
    weights.save(agent, metadata, tmp_path / "agent.safetensors")
    with pytest.raises(UsageError, match=message):
        scene.make("agent", "lstm", weights=str(tmp_path / "agent.safetensors"))


def test_an_unknown_name_of_shipped_weights_is_an_error() -> None:
    with pytest.raises(UsageError, match='no weights called "runes"') as raised:
        testing.scene(renderer="gan").make("agent", "lstm", weights="runes")
    assert "digits" in raised.value.hint


def test_it_needs_a_renderer_of_strokes() -> None:
    with pytest.raises(UsageError, match="this renderer has none"):
        testing.scene(renderer="pixels").make("agent", "lstm")


def test_shipped_weights_have_their_released_checksums() -> None:
    files = sorted(SHIPPED.glob("*.safetensors"))
    assert files
    assert {file.name: sha256(file) for file in files} == json.loads((SHIPPED / weights.SUMS).read_text())
    assert sum(file.stat().st_size for file in files) < 8 << 20


@pytest.mark.parametrize(("name", "max_error"), [("digits", 0.16), ("handwriting", 0.2)])
def test_shipped_weights_paint_digits_in_one_step(name: str, max_error: float) -> None:
    """The error on the shipped page of digits is a small fraction of that of a blank canvas."""
    page = load_target_image(recipe_folder() / "targets/digits.png", (320, 128))
    scene = testing.scene((320, 128), renderer="gan")
    scene.background = torch.ones(3)
    scene.canvas = scene.make("canvas", "grid", tile=64, overlap=0, strokes=6)
    scene.constraints = tuple(scene.make("constraint", name) for name in ("colour", "connected"))
    scene.constraints += (scene.make("constraint", "size", largest=0.5),)
    agent = scene.make("agent", "lstm", weights=name)
    with torch.no_grad():
        actions = scene.constrain(agent(scene, page.pixels), 1.0)
        painted = scene.canvas.render(scene.renderer, actions, scene.background)
    error = (painted - page.pixels).square().mean() / (1 - page.pixels).square().mean()
    assert error < max_error
