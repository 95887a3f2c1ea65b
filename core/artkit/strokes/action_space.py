"""Action spaces: what the numbers of an action are called, and what they mean."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Dimension:
    """One number of an action. It always lies in [0, 1]; `low` and `high` are what 0 and 1 mean, in `unit`."""

    name: str
    unit: str = ""
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True)
class ActionSpace:
    """The order, names and units of an action's A numbers, all in [0, 1].

    `name` identifies the space: weights trained in one space do not fit a renderer of another.
    """

    name: str
    dimensions: tuple[Dimension, ...]

    def __len__(self) -> int:
        return len(self.dimensions)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the numbers in order."""
        return tuple(number.name for number in self.dimensions)

    def index(self, *names: str) -> list[int]:
        """Where the numbers of these names lie in an action. Raises KeyError for a name that is not in the space."""
        places = {name: place for place, name in enumerate(self.names)}
        return [places[name] for name in names]

    def has(self, *names: str) -> bool:
        """Whether the space has numbers of all these names."""
        return set(names) <= set(self.names)
