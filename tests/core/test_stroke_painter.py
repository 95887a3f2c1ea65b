"""`artkit.painter`, `artkit.brush` and `artkit.composite`: renderers of strokes as torch modules."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import artkit
from artkit.errors import UsageError

ACTION = torch.tensor([[0.1, 0.5, 0.5, 0.3, 0.9, 0.6, 0.8, 1.0, 0.6, 0.9, 0.2, 0.1]])


@pytest.mark.parametrize("kind", ["gan", "vae", "dcgan", "mypaint"])
def test_a_painter_is_a_differentiable_module(kind: str) -> None:
    painter = artkit.painter(kind)
    actions = ACTION.repeat(2, 1).requires_grad_()
    strokes = painter(actions, size=32)
    assert strokes.shape == (2, 4, 32, 32)
    assert torch.equal(strokes[:, :3, 0, 0], ACTION[:, 9:].expand(2, -1))
    coverage = strokes[:, 3]
    assert coverage.amin() >= 0
    assert 0.2 < coverage.amax() <= 1
    coverage[:, :16].sum().backward()
    assert actions.grad is not None
    assert (actions.grad[:, painter.space.index("middle_y")] < 0).all(), "moving it up covers more of the upper half"


@pytest.mark.parametrize("kind", ["gan", "vae", "mypaint"])
def test_a_seed_selects_the_sample(kind: str) -> None:
    painter = artkit.painter(kind, brush="classic/dry_brush")
    with torch.no_grad():
        four = painter(ACTION.expand(4, -1), seeds=[3, 8, 1, 2**40])
        assert len({stroke.numpy().tobytes() for stroke in four}) == 4
        torch.testing.assert_close(painter(ACTION, seeds=torch.tensor([8]))[0], four[1])
        torch.testing.assert_close(painter.coverage(ACTION, seeds=[1])[0], four[2, 3:])
        torch.testing.assert_close(painter(ACTION.expand(4, -1))[3], four[0], msg="numbered from 0")


def test_a_margin_shows_the_paint_around_the_tile() -> None:
    painter = artkit.brush("classic/dry_brush")
    with torch.no_grad():
        whole = painter(ACTION, size=32, margin=painter.margin(32))
        assert whole.shape[-1] == 32 + 2 * painter.margin(32)
        assert whole[0, 3, :, -8:].max() == 0
        inner = whole[..., painter.margin(32) : -painter.margin(32), painter.margin(32) : -painter.margin(32)]
        assert torch.equal(inner, painter(ACTION, size=32))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_actions_may_have_another_precision(dtype: torch.dtype) -> None:
    actions = ACTION.to(dtype).requires_grad_()
    strokes = artkit.painter("vae")(actions, size=16)
    torch.testing.assert_close(strokes, artkit.painter("vae")(ACTION, size=16), rtol=0, atol=0.01)
    strokes.sum().backward()
    assert actions.grad is not None
    assert actions.grad.dtype == dtype


def test_renderers_of_plugins_are_modules_too(toy: Any) -> None:
    painter = artkit.painter("toy-blob", reach=0.5)
    actions = torch.rand(3, len(painter.space), requires_grad=True)
    assert painter(actions, size=16).shape == (3, 4, 16, 16)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"actions": torch.rand(2, 11)}, r"shape \(m, 12\), not \(2, 11\)\n  an action is start_x"),
        ({"actions": torch.rand(12)}, r"shape \(m, 12\), not \(12,\)"),
        ({"actions": [[0.5] * 12]}, "not a list"),
        ({"actions": torch.ones(2, 12, dtype=torch.int64)}, "floating-point"),
        ({"actions": torch.rand(2, 12) + 1}, r"must lie in \[0, 1\]"),
        ({"actions": torch.full((2, 12), torch.nan)}, r"must lie in \[0, 1\]"),
        ({"actions": torch.rand(2, 12), "seeds": [1]}, "2 whole numbers"),
        ({"actions": torch.rand(2, 12), "seeds": torch.rand(2)}, "whole numbers"),
        ({"actions": torch.rand(2, 12), "size": 0}, "size must be a whole number of px from 1 to 4096, not 0"),
        ({"actions": torch.rand(2, 12), "size": (32, 16)}, r"size must be a whole number .* not \(32, 16\)"),
        ({"actions": torch.rand(2, 12), "margin": -1}, "margin must be a whole number of px from 0"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        artkit.painter("gan")(**arguments)


def test_unknown_painters_and_brushes_are_named(toy: Any) -> None:
    with pytest.raises(UsageError, match='no renderer "gam"'):
        artkit.painter("gam")
    with pytest.raises(UsageError, match="classic/drybrush"):
        artkit.brush("classic/drybrush")
    with pytest.raises(UsageError, match="choose another brush: classic/brush"):
        artkit.painter("gan", brush="deevad/liner")
    with pytest.raises(UsageError, match="paints a whole picture"):
        artkit.painter("pixels")
    with pytest.raises(UsageError, match='device "cuda:99" is not available'):
        artkit.painter("gan", device="cuda:99")


def test_strokes_are_composited_in_order() -> None:
    strokes = torch.zeros(2, 4, 1, 2)
    strokes[0, 0], strokes[0, 3, 0, 0] = 1, 1  # red, on the left
    strokes[1, 2], strokes[1, 3] = 1, 0.5  # half-covering blue, everywhere
    picture = artkit.composite(strokes, background=(0, 1, 0))
    torch.testing.assert_close(picture[:, 0].T, torch.tensor([[0.5, 0, 0.5], [0, 0.5, 0.5]]))
    torch.testing.assert_close(artkit.composite(strokes[1:], artkit.composite(strokes[:1], (0, 1, 0))), picture)
    with pytest.raises(
        UsageError, match=r"background must be a colour \(3,\) or a picture \(3, 1, 2\), not \(3, 2, 2\)"
    ):
        artkit.composite(strokes, torch.zeros(3, 2, 2))
    with pytest.raises(UsageError, match=r"shape \(m, 4, h, w\), not \(4, 1, 2\)"):
        artkit.composite(strokes[0])
