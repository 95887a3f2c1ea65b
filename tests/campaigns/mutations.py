"""Damage inputs: values of a tree as JSON or TOML files hold it, and bytes."""

from __future__ import annotations

import contextlib
import copy
import random
import struct
from collections.abc import Callable
from typing import Any

HOSTILE_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 7, 255, 65536, 2**31 - 1, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64, 10**30,
    -(2**63), -(2**31), 10**400, 0.5, -0.5, 1.5, 1e-300, 1e30, 1e300, -1e300, float("nan"), float("inf"), -float("inf"),
    "", " ", "x", "0", "auto", "none", "nan", "a" * 300, "a" * 100_000, "é", "\u202e\u0000", "\ud800",
    "../../etc/passwd", "/", "/dev/zero", "~", "%s%n", "mypaint", "gan", [], [[]], [0], [1, 2], [1, 2, 3, 4, 5], ["a"],
    [None], {}, {"a": 1}, {"type": "mypaint"}, {"": {}},
)  # fmt: skip
"""Values that are of another type, out of range, huge, tiny, or no numbers."""


def mutate_tree(tree: Any, rng: random.Random, most: int = 3) -> Any:
    """Return a copy of a tree of dicts, lists and values with one to `most` changes at random places."""
    changed = copy.deepcopy(tree)
    for _ in range(rng.randint(1, most)):
        changed = _mutate_once(changed, rng)
    return changed


def _mutate_once(tree: Any, rng: random.Random) -> Any:
    places = list(_places(tree))
    if not places:
        return copy.deepcopy(rng.choice(HOSTILE_VALUES))
    # Long lists of strokes would otherwise take nearly all changes.
    depth = rng.choice(sorted({place[2] for place in places}))
    container, key, _ = rng.choice([place for place in places if place[2] == depth])
    _CHANGES[rng.randrange(len(_CHANGES))](container, key, rng)
    return tree


def _places(tree: Any, depth: int = 0) -> Any:
    """Yield (container, key, depth) of everything in a tree."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield tree, key, depth
        yield from _places(value, depth + 1)


def _replace(container: Any, key: Any, rng: random.Random) -> None:
    container[key] = copy.deepcopy(rng.choice(HOSTILE_VALUES))


def _remove(container: Any, key: Any, rng: random.Random) -> None:
    del container[key]


def _scale(container: Any, key: Any, rng: random.Random) -> None:
    value = container[key]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        factor = rng.choice((-1, 0.1, 3, 10, 1000, 10**6, 10**12))
        with contextlib.suppress(OverflowError):  # an integer that is too large for a float
            container[key] = int(value * factor) if isinstance(value, int) and factor >= 1 else value * factor
    elif isinstance(value, (str, list)):
        container[key] = value * rng.choice((0, 2, 50))
    else:
        _replace(container, key, rng)


def _nest(container: Any, key: Any, rng: random.Random) -> None:
    value = container[key]
    for _ in range(rng.choice((1, 2, 300))):
        value = [value] if rng.random() < 0.5 else {"a": value}
    container[key] = value


def _rename(container: Any, key: Any, rng: random.Random) -> None:
    value = container.pop(key)
    if isinstance(container, dict):
        container[rng.choice(("", "type", "a" * 300, f"{key}s", str(key).upper(), "é"))] = value
    else:
        container.insert(0, value)


def _copy(container: Any, key: Any, rng: random.Random) -> None:
    if isinstance(container, dict):
        container[rng.choice(list(container))] = container[key]  # no copy: it may be nested more than Python can copy
    else:
        container.append(container[key])


_CHANGES: tuple[Callable[[Any, Any, random.Random], None], ...] = (
    _replace, _replace, _replace, _remove, _scale, _scale, _nest, _rename, _copy,
)  # fmt: skip


def mutate_bytes(content: bytes, rng: random.Random, most: int = 4) -> bytes:
    """Return bytes with one to `most` changes: flipped, cut, repeated, inserted or overwritten."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, most)):
        at = rng.randrange(len(changed) + 1)
        length = min(rng.choice((1, 2, 4, 8, 64, 1000)), len(changed) - at)
        change = rng.randrange(6)
        if change == 0 and at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
        elif change == 1:
            del changed[at:]
        elif change == 2:
            del changed[at : at + length]
        elif change == 3:
            changed[at:at] = changed[at : at + length] * rng.choice((1, 2, 30))
        elif change == 4:
            changed[at : at + length] = rng.randbytes(length)
        else:
            number = rng.choice((0, 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1))
            changed[at : at + 8] = struct.pack("<Q", number)
    return bytes(changed)
