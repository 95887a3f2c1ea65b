"""The names of what a classifier tells apart."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from artkit import UsageError


class Classes:
    """The classes of a network's outputs, in order.

    keys: what identifies each class in any network, such as its WordNet synset. names: of each class, the usual one
    first.
    """

    def __init__(self, keys: Sequence[str], names: Sequence[Sequence[str]]) -> None:
        self.keys, self.names = tuple(keys), tuple(tuple(several) for several in names)
        numbered = list(enumerate(self.names))
        self._usual = _grouped((several[0], index) for index, several in numbered)
        self._any = _grouped((name, index) for index, several in numbered for name in several)
        self._whole = _grouped((", ".join(several), index) for index, several in numbered)
        self._keys = _grouped((key, index) for index, key in enumerate(self.keys))

    def __len__(self) -> int:
        return len(self.keys)

    def name(self, index: int) -> str:
        """The usual name of a class."""
        return self.names[index][0]

    def find(self, wanted: str) -> int:
        """The index of a class from one of its names, all of them as they are listed, its key, or its index.

        A name that is the usual one of a single class means that class, though others may go by it too. Raises
        UsageError with candidates, if no class or several go by the name.
        """
        if wanted.isdecimal():
            if int(wanted) < len(self):
                return int(wanted)
            raise UsageError(f"there is no class {wanted}", hint=f"indices go from 0 to {len(self) - 1}")
        candidates: dict[int, None] = {}
        for names in (self._usual, self._any, self._whole, self._keys):
            found = names.get(_plain(wanted), [])
            if len(found) == 1:
                return found[0]
            candidates |= dict.fromkeys(found)
        if candidates:
            told = "; ".join(f"{index} ({', '.join(self.names[index][:3])})" for index in candidates)
            raise UsageError(f'several classes are called "{wanted}"', hint=f"give the index of one: {told}")
        raise UsageError(f'there is no class "{wanted}"', hint=self._near(_plain(wanted)))

    def of(self, key: str, network: str) -> int:
        """The index of the class with a key. Raises UsageError, in the network's name, if it knows none."""
        found = self._keys.get(_plain(key))
        if not found:
            raise UsageError(f"{network} does not know the class {key} of the first network", hint="leave it out")
        return found[0]

    def _near(self, text: str) -> str:
        inside = sorted((name for name in self._any if set(text.split()) <= set(name.split())), key=len)
        near = list(dict.fromkeys([*inside, *difflib.get_close_matches(text, self._any, n=5)]))[:5]
        return f"near it: {', '.join(near)}" if near else "give an ImageNet class, by name or index"


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").split())


def _grouped(pairs: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    """The indices that go by each name."""
    grouped: dict[str, list[int]] = {}
    for name, index in pairs:
        if index not in grouped.setdefault(_plain(name), []):
            grouped[_plain(name)].append(index)
    return grouped


@cache
def imagenet(outputs: int) -> Classes | None:
    """The ImageNet classes of a network with so many outputs, or None if it was trained on no known part of it."""
    import timm.data

    data: Any = timm.data
    subset = data.infer_imagenet_subset({"num_classes": outputs})
    if subset is None:
        return None
    told = data.ImageNetInfo(subset)
    names = [told.index_to_description(index).split(", ") for index in range(outputs)]
    return Classes(told.label_names(), names)
