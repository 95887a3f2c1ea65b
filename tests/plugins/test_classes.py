"""The names of what a classifier tells apart."""

from __future__ import annotations

import pytest

from artkit.errors import UsageError
from artkit.torchvision_compat import declare_missing_operators
from artkit_vision.classes import Classes, imagenet


@pytest.fixture(scope="module")
def names() -> Classes:
    declare_missing_operators()
    found = imagenet(1000)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ("starfish", 327),
        ("Sea Star", 327),
        ("starfish, sea star", 327),
        ("n02317335", 327),
        ("327", 327),
        ("giant_panda", 388),
        ("violin", 889),
        ("harp", 594),  # the mouth organ goes by it too, but usually by another name
    ],
)
def test_a_class_is_found_by_all_it_goes_by(names: Classes, wanted: str, index: int) -> None:
    assert names.find(wanted) == index


def test_every_usual_name_that_is_unique_finds_its_class(names: Classes) -> None:
    usual = [names.name(index).lower() for index in range(len(names))]
    unique = [index for index, name in enumerate(usual) if usual.count(name) == 1]
    assert len(unique) > 990
    assert [names.find(names.name(index)) for index in unique] == unique


@pytest.mark.parametrize(("wanted", "told"), [("panda", "387 .*388 "), ("crane", "134 .*517 ")])
def test_an_ambiguous_name_lists_the_candidates(names: Classes, wanted: str, told: str) -> None:
    with pytest.raises(UsageError, match=f'several classes are called "{wanted}"') as raised:
        names.find(wanted)
    import re

    assert re.search(told, raised.value.hint)


@pytest.mark.parametrize(
    ("wanted", "near"), [("starfsh", "starfish"), ("coot", "american coot"), ("1000", "0 to 999"), ("qqqq", "ImageNet")]
)
def test_a_miss_lists_the_nearest(names: Classes, wanted: str, near: str) -> None:
    with pytest.raises(UsageError, match="there is no class") as raised:
        names.find(wanted)
    assert near in raised.value.hint


def test_networks_of_other_classes_are_told_apart() -> None:
    assert imagenet(21843) is not None
    assert imagenet(21843).find("n02317335") != 327  # type: ignore[union-attr]
    assert imagenet(7) is None
