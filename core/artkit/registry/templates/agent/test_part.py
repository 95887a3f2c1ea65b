"""The agent keeps to the interface, and starts where it is told."""

from newplugin.newpart import NewPart

from artkit.testing import check_agent, scene


def test_it_is_an_agent() -> None:
    check_agent(NewPart)


def test_without_spread_all_strokes_start_alike() -> None:
    made = scene()
    actions = made.make("agent", NewPart, spread=0)(made)
    assert (actions == 0.5).all()
