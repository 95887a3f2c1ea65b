"""Tests of the agent: the interface, and its initial actions."""

from artkit.testing import check_agent, scene
from newplugin.newcomponent import NewComponent


def test_is_an_agent() -> None:
    check_agent(NewComponent)


def test_without_spread_all_strokes_start_equal() -> None:
    bench = scene()
    actions = bench.make("agent", NewComponent, spread=0)(bench)
    assert (actions == 0.5).all()
