"""Names of the classes of a classifier."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from artkit import UsageError


class Classes:
    """The classes of a network's outputs, in the order of the outputs.

    keys: of each class, the same in all networks, such as its WordNet synset. names: the synonyms of each class, the
    most common one first. definitions: what each class shows, or none.
    """

    def __init__(self, keys: Sequence[str], names: Sequence[Sequence[str]], definitions: Sequence[str] = ()) -> None:
        self.definitions = tuple(definitions)
        self.keys, self.names = tuple(keys), tuple(tuple(synonyms) for synonyms in names)
        numbered = list(enumerate(self.names))
        self._by_first_name = _group_by_name((synonyms[0], index) for index, synonyms in numbered)
        self._by_any_name = _group_by_name((name, index) for index, synonyms in numbered for name in synonyms)
        self._by_full_name = _group_by_name((", ".join(synonyms), index) for index, synonyms in numbered)
        self._by_key = _group_by_name((key, index) for index, key in enumerate(self.keys))

    def __len__(self) -> int:
        return len(self.keys)

    def name(self, index: int) -> str:
        """Return the most common name of a class."""
        return self.names[index][0]

    def find(self, query: str) -> int:
        """Return the index of a class from one of its names, its comma-separated list of names, its key or its index.

        If the query is the first name of exactly one class, that class is returned even if other classes list it as a
        synonym. Raises UsageError with suggestions if no class or more than one matches.
        """
        if query.isdecimal():
            if int(query) < len(self):
                return int(query)
            raise UsageError(f"there is no class {query}", hint=f"indices go from 0 to {len(self) - 1}")
        candidates: dict[int, None] = {}
        for lookup in (self._by_first_name, self._by_any_name, self._by_full_name, self._by_key):
            matches = lookup.get(_normalize(query), [])
            if len(matches) == 1:
                return matches[0]
            candidates |= dict.fromkeys(matches)
        if candidates:
            options = "; ".join(f"{index} ({', '.join(self.names[index][:3])})" for index in candidates)
            raise UsageError(f'several classes are called "{query}"', hint=f"give the index of one: {options}")
        raise UsageError(f'there is no class "{query}"', hint=self.suggest(query))

    def search(self, query: str) -> list[int]:
        """Return the indices of the classes whose names contain all words of a query, in order; all for no words."""
        words = _normalize(query).split()
        texts = (_normalize(" ".join(synonyms)) for synonyms in self.names)
        return [index for index, text in enumerate(texts) if all(word in text for word in words)]

    def index_of_key(self, key: str, network: str) -> int:
        """Return the index of the class with a key. Raises UsageError, naming the network, if there is none."""
        matches = self._by_key.get(_normalize(key))
        if not matches:
            raise UsageError(f"{network} has no class {key}, which the first network has", hint=f"leave {network} out")
        return matches[0]

    def suggest(self, query: str) -> str:
        """Return a hint with the names that are similar to a query."""
        text = _normalize(query)
        words = set(text.split())
        containing = sorted((name for name in self._by_any_name if words <= set(name.split())), key=len)
        similar = difflib.get_close_matches(text, self._by_any_name, n=5)
        names = list(dict.fromkeys([*containing, *similar]))[:5]
        return f"similar names: {', '.join(names)}" if names else "give an ImageNet class, by name or index"


def _normalize(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").split())


def _group_by_name(pairs: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    grouped: dict[str, list[int]] = {}
    for name, index in pairs:
        if index not in grouped.setdefault(_normalize(name), []):
            grouped[_normalize(name)].append(index)
    return grouped


@cache
def imagenet_classes(output_count: int) -> Classes | None:
    """Return the ImageNet classes of a network with `output_count` outputs, or None if timm knows no such subset."""
    import timm.data

    data: Any = timm.data
    subset = data.infer_imagenet_subset({"num_classes": output_count})
    if subset is None:
        return None
    info = data.ImageNetInfo(subset)
    names = [info.index_to_description(index).split(", ") for index in range(output_count)]
    detailed = [info.index_to_description(index, detailed=True) for index in range(output_count)]
    return Classes(info.label_names(), names, [text.partition(": ")[2] for text in detailed])
