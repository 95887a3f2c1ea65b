"""Action spaces: the names, units and ranges of the numbers of an action."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Dimension:
    """One number of an action. It lies in [0, 1]; 0 means `low` and 1 means `high`, in `unit`.

    Examples:
        >>> import artkit
        >>> artkit.Dimension("radius", "px", 1.0, 9.0)
        Dimension(name='radius', unit='px', low=1.0, high=9.0)
    """

    name: str
    unit: str = ""
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True)
class ActionSpace:
    """The order, names and units of the A numbers of an action, all in [0, 1].

    `name` identifies the space: weights trained in one space do not fit a renderer of another.

    Examples:
        >>> import artkit
        >>> x, radius = artkit.Dimension("x", "tile"), artkit.Dimension("radius", "px", 1.0, 9.0)
        >>> space = artkit.ActionSpace("dots-1", (x, radius))
        >>> len(space), space.index("radius")
        (2, [1])
    """

    name: str
    dimensions: tuple[Dimension, ...]

    def __len__(self) -> int:
        return len(self.dimensions)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the dimensions in order."""
        return tuple(dimension.name for dimension in self.dimensions)

    def index(self, *names: str) -> list[int]:
        """Return the indices of the dimensions with these names. Raises KeyError for an unknown name."""
        indices = {name: index for index, name in enumerate(self.names)}
        return [indices[name] for name in names]

    def has(self, *names: str) -> bool:
        """Return whether the space has dimensions with all these names."""
        return set(names) <= set(self.names)
