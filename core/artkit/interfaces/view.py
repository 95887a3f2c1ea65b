"""The view of a picture that objectives score in one step."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from artkit.geometry.window import Window

T = TypeVar("T")


class PreviousFrame(NamedTuple):
    """The painting of the previous frame of a film, moved to where it is in the present one.

    picture (1, 3, h, w), sRGB in [0, 1]. visible (1, 1, h, w): 1 where the scene was visible in the previous frame, 0
    where it was covered or outside.

    Examples:
        >>> import artkit, torch
        >>> previous = artkit.PreviousFrame(torch.rand(1, 3, 8, 8), torch.ones(1, 1, 8, 8))
        >>> window = artkit.Window(0, 0, 8, 8)
        >>> view = artkit.View(torch.rand(1, 3, 8, 8), None, window, progress=1.0, previous=previous)
        >>> artkit.scene((8, 8)).make("objective", "temporal")(view).shape
        torch.Size([1])
    """

    picture: Tensor
    visible: Tensor


@dataclass
class View:
    """The input of an objective in one step: n pictures, or a window of each.

    image (n, 3, h, w), sRGB in [0, 1]: the whole picture or, if it is large, a window of it or all of it downscaled.
    target (n or 1, 3, h, w): the same window of the target, or None. window: the rectangle that `image` shows and its
    scale. progress: 0 at the first step, 1 at the last. actions (n, N, A): the constrained actions of all strokes.
    raw_actions (n, N, A): the actions before the constraints. Both are None in steps that render a subset of the
    strokes. labels (n,) int64: the classes of the targets, or None if they have none. previous: the frame before, in a
    film; None for a picture and for the first frame of a shot.

    Examples:
        >>> import artkit, torch
        >>> view = artkit.View(torch.rand(1, 3, 8, 8), None, artkit.Window(0, 0, 8, 8), progress=0.5)
        >>> view.cached("mean", lambda: view.image.mean()) is view.cached("mean", lambda: None)
        True
    """

    image: Tensor
    target: Tensor | None
    window: Window
    progress: float
    actions: Tensor | None = None
    raw_actions: Tensor | None = None
    labels: Tensor | None = None
    previous: PreviousFrame | None = None
    _cache: dict[Hashable, Any] = field(default_factory=dict)

    def cached(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return ``make()``, called once a step for all objectives that use the same key.

        Objectives that use the same network share one forward pass in this way.
        """
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]  # type: ignore[no-any-return]

    def with_target(self, target: Tensor | None) -> View:
        """Return the same view with another target; both share the cache."""
        return replace(self, target=target)

    def with_pixel_weights(self, weights: Tensor) -> View:
        """Return the same view, with a cache of its own, whose gradient at each pixel is multiplied by a weight.

        weights: (1, 1, h, w).
        """
        image: Tensor = _ScaledGradient.apply(self.image, weights)  # type: ignore[no-untyped-call]
        return replace(self, image=image, _cache={})


class _ScaledGradient(torch.autograd.Function):
    """The identity, whose gradient is multiplied by `scale`."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, scale: Tensor) -> Tensor:
        ctx.save_for_backward(scale)
        return image.view_as(image)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * ctx.saved_tensors[0], None
