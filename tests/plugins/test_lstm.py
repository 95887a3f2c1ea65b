"""The agent that looks: strokes of a tile from what is seen of it, alone or beside the painting so far."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from artkit import weights
from artkit.errors import UsageError
from artkit.files import sha256
from artkit.imaging.loading import load_target_image
from artkit.recipes.shipped import recipe_folder
from artkit.testing import check_agent, scene

SMALL = {"view": 16, "channels": 4, "cells": 16}


@pytest.mark.parametrize("told", [{}, {"see": "both"}, {"at_once": 3}, {"see": "both", "at_once": 2}, {"revise": 1}])
def test_it_is_an_agent(told: dict[str, Any]) -> None:
    def four_strokes() -> Any:
        made = scene()
        made.canvas = made.make("canvas", "single", strokes=4)
        return made

    check_agent("lstm", {**SMALL, **told}, exact_gradient=not {"see", "revise"} & set(told), scene=four_strokes)


def of(told: dict[str, Any], **of_scene: Any) -> tuple[Any, Any]:
    made = scene(renderer="gan", **of_scene)
    return made.make("agent", "lstm", **{**SMALL, **told}), made


@pytest.mark.parametrize("told", [{}, {"see": "both"}, {"revise": 2}])
def test_each_tile_is_a_picture_of_its_own(told: dict[str, Any]) -> None:
    """A page of pictures is painted as each of them would be."""
    agent, page = of(told, size=(64, 32))
    page.canvas = page.make("canvas", "grid", tile=32, overlap=0, strokes=4)
    agent = page.make("agent", "lstm", **SMALL, **told)
    shown = torch.rand(1, 3, 32, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        both = agent(page, shown)
    _, one = of({}, size=(32, 32))
    one.canvas = one.make("canvas", "single", strokes=4)
    single = one.make("agent", "lstm", **SMALL, **told)
    single.load_state_dict(agent.state_dict())
    tiles = page.canvas.tiles()
    for column in range(2):
        mine = tiles[:, 0] == 32 * column
        with torch.no_grad():
            alone = single(one, shown[..., 32 * column : 32 * (column + 1)])
        # What it sees of its own painting is the same but for rounding, which its first layers make more of.
        torch.testing.assert_close(both[:, mine], alone, atol=5e-4, rtol=0)


def test_it_sees_what_the_constraints_leave_of_its_strokes() -> None:
    """Two agents whose strokes differ in nothing but what a constraint takes away propose the same next stroke."""
    agent, made = of({"see": "both"}, size=(32, 32))
    made.canvas = made.make("canvas", "single", strokes=3)
    agent = made.make("agent", "lstm", **SMALL, see="both")
    shown = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    free = agent(made, shown)
    made.constraints = (made.make("constraint", "colour", colour=(0.0, 0.0, 0.0)),)
    black = agent(made, shown)
    assert torch.equal(free[:, 0], black[:, 0])
    assert not torch.equal(free[:, 1], black[:, 1])


def test_no_gradient_goes_through_what_it_has_painted() -> None:
    agent, made = of({"see": "both"}, size=(32, 32))
    made.canvas = made.make("canvas", "single", strokes=2)
    agent = made.make("agent", "lstm", **SMALL, see="both")
    painted: list[Tensor] = []
    inner = agent.hand.look_at.forward

    def spy(seen: Tensor) -> Tensor:
        painted.append(seen)
        found: Tensor = inner(seen)
        return found

    agent.hand.look_at.forward = spy
    agent(made, torch.rand(1, 3, 32, 32))
    assert len(painted) == 2
    assert not torch.equal(painted[0], painted[1])
    assert not painted[1].requires_grad


def test_it_revises_what_it_has_painted() -> None:
    """Corrections depend on what the strokes look like: the same proposals in black are corrected otherwise."""
    agent, made = of({"revise": 1}, size=(32, 32))
    made.canvas = made.make("canvas", "single", strokes=3)
    agent = made.make("agent", "lstm", **SMALL, revise=1)
    shown = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    free = agent(made, shown)
    made.constraints = (made.make("constraint", "colour", colour=(0.0, 0.0, 0.0)),)
    black = agent(made, shown)
    assert not torch.equal(free, black)
    rough = made.make("agent", "lstm", **SMALL)
    rough.load_state_dict(agent.state_dict(), strict=False)
    assert not torch.equal(rough(made, shown), black)


def test_weights_bring_their_settings_and_their_strokes(tmp_path: Path) -> None:
    agent, made = of({"see": "both"}, size=(32, 32))
    facts = {"agent": {"type": "lstm", **SMALL, "see": "both"}, "space": made.renderer.space.name}
    weights.save(agent, facts, tmp_path / "mine.safetensors")
    again = made.make("agent", "lstm", weights=str(tmp_path / "mine.safetensors"))
    assert again.config.see == "both"
    assert again.config.cells == 16
    assert set(again.provenance) == {"weights"}
    shown = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(again(made, shown), agent(made, shown), atol=0.01, rtol=0)  # half precision


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"agent": {"type": "free"}, "space": "mypaint-stroke-1"}, "does not hold weights of an lstm"),
        ({"agent": {"type": "lstm", **SMALL}, "space": "spray-9"}, "action space spray-9"),
        ({"agent": {"type": "lstm", **SMALL, "cells": 32}, "space": "mypaint-stroke-1"}, "another version"),
        ({}, "does not hold weights of an lstm"),
    ],
)
def test_weights_of_something_else_are_refused(tmp_path: Path, facts: dict[str, Any], told: str) -> None:
    agent, made = of({}, size=(32, 32))
    weights.save(agent, facts, tmp_path / "mine.safetensors")
    with pytest.raises(UsageError, match=told):
        made.make("agent", "lstm", weights=str(tmp_path / "mine.safetensors"))


def test_unknown_shipped_weights_are_refused_by_their_name() -> None:
    with pytest.raises(UsageError, match='none of the name "runes"'):
        of({"weights": "runes"})


def test_it_paints_strokes_and_no_fields() -> None:
    made = scene(renderer="pixels")
    with pytest.raises(UsageError, match="paints strokes"):
        made.make("agent", "lstm")


# ------------------------------------------------------------------------------------------------------ what ships
def test_shipped_weights_are_those_that_were_released() -> None:
    folder = weights_that_ship()
    files = sorted(folder.glob("*.safetensors"))
    assert files
    assert {file.name: sha256(file) for file in files} == json.loads((folder / weights.SUMS).read_text())
    assert sum(file.stat().st_size for file in files) < 8 << 20


@pytest.mark.parametrize(("name", "share"), [("digits", 0.16), ("handwriting", 0.2)])
def test_digits_are_written_at_a_glance(name: str, share: float) -> None:
    """The page that ships with artkit, by the painter: most of its ink lies where it should."""
    page = load_target_image(recipe_folder() / "targets/digits.png", (320, 128))
    made = scene((320, 128), renderer="gan")
    made.background = torch.ones(3)
    made.canvas = made.make("canvas", "grid", tile=64, overlap=0, strokes=6)
    made.constraints = tuple(made.make("constraint", name) for name in ("colour", "connected"))
    made.constraints += (made.make("constraint", "size", largest=0.5),)
    agent = made.make("agent", "lstm", weights=name)
    with torch.no_grad():
        actions = made.constrain(agent(made, page.pixels), 1.0)
        painted = made.canvas.render(made.renderer, actions, made.background)
    error = (painted - page.pixels).square().mean()
    assert error < share * (1 - page.pixels).square().mean(), error / (1 - page.pixels).square().mean()


def weights_that_ship() -> Path:
    from artkit_agents import lstm

    return lstm.SHIPPED
