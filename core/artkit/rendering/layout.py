"""The layout of the strokes of a picture, and their rendering."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from torch import Tensor

from artkit.geometry.phase import Phase, stroke_tiles
from artkit.geometry.window import Window
from artkit.imaging.target_image import TargetImage
from artkit.rendering.patch_rendering import ActionLookup
from artkit.rendering.stroke_renderer import StrokeRenderer
from artkit.rendering.window_rendering import WindowRendering, strokes_in_window


class StrokeLayout:
    """A layout of strokes on a picture of `size` (width, height) px.

    phases: the tiles of the strokes, in painting order. clip: whether paint ends at the edge of its tile, as in the
    released code of the paper; otherwise it continues into the margin, as in MyPaint. noise_indices (N,) int64: the
    index from which the noise of each stroke follows, if it is not its index in painting order. chain (N,) int64: the
    indices of the strokes along the line that they form, for a layout of one line. initial_points (N, 3, 2): start,
    middle and end of each stroke in tiles, where the layout says how strokes start.
    """

    size: tuple[int, int]
    phases: tuple[Phase, ...]
    clip: bool = False
    noise_indices: Tensor | None = None
    chain: Tensor | None = None
    initial_points: Tensor | None = None

    def __init__(
        self, size: tuple[int, int], phases: Sequence[Phase], clip: bool = False, noise_indices: Tensor | None = None
    ) -> None:
        self.size, self.phases, self.clip, self.noise_indices = size, tuple(phases), clip, noise_indices

    def margin(self, renderer: StrokeRenderer, side: int) -> int:
        """Return how many px around a tile of `side` px are rendered too."""
        return 0 if self.clip else renderer.margin(side)

    @property
    def stroke_count(self) -> int:
        """The number of strokes."""
        return sum(phase.stroke_count for phase in self.phases)

    @property
    def levels(self) -> tuple[tuple[Phase, ...], ...]:
        """The levels of the layout in painting order: successive phases with tiles of the same side."""
        return tuple(tuple(phases) for _, phases in groupby(self.phases, key=lambda phase: phase.side))

    def tiles(self) -> Tensor:
        """Return the tile of each stroke in painting order: x, y and side in px, (N, 3) int64."""
        return stroke_tiles(self.phases)

    def strokes_in(self, renderer: StrokeRenderer, window: Window) -> Tensor:
        """Return the indices of the strokes whose patches overlap a window, without its scale: (m,) int64."""
        return strokes_in_window(self.phases, self._margins(renderer), window)

    def _margins(self, renderer: StrokeRenderer) -> dict[int, int]:
        return {phase.side: self.margin(renderer, phase.side) for phase in self.phases}

    def render(
        self,
        renderer: StrokeRenderer,
        actions: Tensor | ActionLookup,
        background: Tensor | TargetImage,
        seed: int = 0,
        window: Window | None = None,
        trainable: Window | None = None,
    ) -> Tensor:
        """Render the pictures of actions (n, N, A), or a window of them: (n, 3, h, w), sRGB.

        Strokes are composited in painting order over `background`: a colour (3,), or a picture of the same size. Only
        strokes whose patches overlap the window are rendered, so memory depends on the window and not on the picture.
        actions may be a function that returns the actions of the strokes with the given indices. trainable: only
        strokes whose tile has its centre in this window get a gradient; None means all strokes. A background of four
        values has an alpha; then the pictures are (n, 4, h, w), premultiplied.
        """
        rendering = self._rendering(renderer, actions, background, seed, window or Window(0, 0, *self.size))
        return rendering.render(trainable)

    def render_contributions(
        self,
        renderer: StrokeRenderer,
        actions: Tensor | ActionLookup,
        background: Tensor | TargetImage,
        seed: int,
        window: Window,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Render a window of the pictures of actions (n, N, A), and measure what each stroke contributes to it.

        Returns the pictures (n, 3, h, w), the indices of the strokes in the window (m,), and how much each of them
        changes it (m,): the sum over px of the mean absolute change of the channels, as far as later strokes do not
        hide it. Without gradients; all patches of the window are in memory at a time, as in a step.
        """
        return self._rendering(renderer, actions, background, seed, window).render_contributions()

    def _rendering(
        self,
        renderer: StrokeRenderer,
        actions: Tensor | ActionLookup,
        background: Tensor | TargetImage,
        seed: int,
        window: Window,
    ) -> WindowRendering:
        margins, phases = self._margins(renderer), self.phases
        return WindowRendering(
            phases, self.size, margins, renderer, actions, background, seed, window, self.noise_indices
        )
