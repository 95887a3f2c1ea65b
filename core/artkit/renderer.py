"""Renderers: what does an action look like? (paper §2)"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from artkit import scratch
from artkit.config import Config
from artkit.geometry import Place, Window
from artkit.part import Part, Scene
from artkit.space import ActionSpace

if TYPE_CHECKING:
    from artkit.strokes import StrokeLog


class Paint(NamedTuple):
    """What m actions look like on their sheets (tile and margin, S px a side), straight alpha.

    colour (m, 3, S, S), or (m, 3, 1, 1) where a stroke has one colour: sRGB in [0, 1]. coverage (m, 1, S, S) in [0, 1].
    """

    colour: Tensor
    coverage: Tensor


class Renderer(Part, nn.Module, ABC):
    """Draws actions.

    A subclass sets `space` and implements `forward`; its constructor takes its Config and the Scene. `shared` tells
    that one action is the whole picture's, drawn on every tile by where the tile lies.
    """

    space: ActionSpace
    differentiable: ClassVar[bool] = True
    shared: ClassVar[bool] = False

    def __init__(self, config: Config, scene: Scene) -> None:
        nn.Module.__init__(self)
        self.config, self.scene, self.provenance = config, scene, {}

    def margin(self, side: int) -> int:
        """How far paint may reach beyond a tile of `side` px, in px."""
        return 0

    def reach(self, actions: Tensor, side: int) -> Tensor | None:
        """How far beyond their tiles of `side` px the paint of m actions (m, A), or its gradient, may reach: (m,) px,
        so that sheets are composited no larger than they need be. None, if that is not known: as far as the margin.
        """
        return None

    @abstractmethod
    def forward(self, actions: Tensor, place: Place) -> Paint:
        """Draw m actions (m, A), each on the sheet that `place` describes."""

    def part(self, actions: Tensor, place: Place, part: Window) -> Paint:
        """What `forward` draws on a part of the sheets, in px of the sheet: (m, ..., part.height, part.width). Asked of
        strokes much larger than the window that is wanted. A renderer that can draw it alone does so; otherwise sheets
        are drawn whole. Raises UsageError if the machine has no room for them.
        """
        scratch.check_memory(
            16 * len(actions) * place.sheet**2,
            f"a stroke on {place.sheet:,} x {place.sheet:,} px would take",
            remedy="paint with mypaint or gan, which paint it part by part, or at a smaller scale",
        )
        rows, columns = slice(part.y, part.y + part.height), slice(part.x, part.x + part.width)
        colour, coverage = self(actions, place)
        return Paint(colour[..., rows, columns] if colour.shape[-1] > 1 else colour, coverage[..., rows, columns])

    def replay(self, log: StrokeLog, window: Window) -> Tensor:
        """A window of the picture of a stroke log: (3, h, w), sRGB. Renderers that can paint it in a way of their own,
        as MyPaint can stroke by stroke on one surface, do so.

        The log's background may be four zeros: then the picture is the paint alone, (4, h, w): red, green and blue
        times coverage, and coverage.
        """
        from artkit.compositing import render

        device = self.scene.device
        background = torch.tensor(log.background, device=device)
        picture = render(
            log.phases,
            log.size,
            lambda r, side: 0 if log.clip else r.margin(side),
            self,
            lambda numbers: log.actions[numbers].to(device)[None],
            background,
            log.seed,
            window,
        )
        return picture[0]
