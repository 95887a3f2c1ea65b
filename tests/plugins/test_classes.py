"""Class names: lookup by name, key or index, and suggestions for unknown names."""

from __future__ import annotations

import re

import pytest

from artkit.errors import UsageError
from artkit.torchvision_compat import declare_missing_operators
from artkit_vision.classes import Classes, imagenet_classes


@pytest.fixture(scope="module")
def classes() -> Classes:
    declare_missing_operators()
    found = imagenet_classes(1000)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("starfish", 327),
        ("Sea Star", 327),
        ("starfish, sea star", 327),
        ("n02317335", 327),
        ("327", 327),
        ("giant_panda", 388),
        ("violin", 889),
        ("harp", 594),  # also a synonym of the harmonica
    ],
)
def test_a_class_is_found_by_every_name_key_and_index(classes: Classes, query: str, index: int) -> None:
    assert classes.find(query) == index


def test_every_unique_first_name_finds_its_class(classes: Classes) -> None:
    first_names = [classes.name(index).lower() for index in range(len(classes))]
    unique = [index for index, name in enumerate(first_names) if first_names.count(name) == 1]
    assert len(unique) > 990
    assert [classes.find(classes.name(index)) for index in unique] == unique


@pytest.mark.parametrize(("query", "hint"), [("panda", "387 .*388 "), ("crane", "134 .*517 ")])
def test_an_ambiguous_name_lists_the_candidates(classes: Classes, query: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f'several classes are called "{query}"') as raised:
        classes.find(query)
    assert re.search(hint, raised.value.hint)


@pytest.mark.parametrize(
    ("query", "hint"), [("starfsh", "starfish"), ("coot", "american coot"), ("1000", "0 to 999"), ("qqqq", "ImageNet")]
)
def test_an_unknown_name_lists_similar_ones(classes: Classes, query: str, hint: str) -> None:
    with pytest.raises(UsageError, match="there is no class") as raised:
        classes.find(query)
    assert hint in raised.value.hint


def test_the_number_of_outputs_identifies_the_classes() -> None:
    assert imagenet_classes(21843) is not None
    assert imagenet_classes(21843).find("n02317335") != 327  # type: ignore[union-attr]
    assert imagenet_classes(7) is None
