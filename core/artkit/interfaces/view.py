"""TODO: artkit.interfaces.view."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from torch import Tensor

from artkit.geometry.window import Window

if TYPE_CHECKING:
    pass


T = TypeVar("T")


@dataclass
class View:
    """What an objective sees of a picture in a step.

    image (n, 3, h, w) in [0, 1]: the window of the painting, which is all of it or, of a large picture, a part, or all
    of it much smaller. target (n or 1, 3, h, w): the same window of what is to be
    painted, or None. progress: 0 at the first step, 1 at the last. actions (n, N, A): the strokes of the picture as
    they were painted. raw_actions (n, N, A): what the agent raw_actions, before the constraints. Both are None where a step
    does not ask for all strokes. labels (n,) int64: the classes of the targets, or None if they have none.
    """

    image: Tensor
    target: Tensor | None
    window: Window
    progress: float
    actions: Tensor | None = None
    raw_actions: Tensor | None = None
    labels: Tensor | None = None
    _cache: dict[Hashable, Any] = field(default_factory=dict)

    def cached(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` returns, called once a step for all objectives that ask with the same key: those that look at
        the picture through one network share one pass of it.
        """
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]  # type: ignore[no-any-return]

    def with_target(self, target: Tensor | None) -> View:
        """The same view with another target; what was made for it is shared."""
        return replace(self, target=target)
