"""What a step costs: the memory that a window of a picture takes, and how large windows may therefore be."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

from artkit import memory
from artkit.errors import UsageError
from artkit.geometry.window_grid import WindowGrid
from artkit.interfaces.canvas import Canvas
from artkit.interfaces.renderer import Renderer

_BYTES_PER_PATCH_PIXEL = 56  # bytes a px of a sheet: coverage, what lay below it, and what their gradients keep


_BYTES_PER_WINDOW_PIXEL = 700  # bytes a px of a window: what the networks keep of it


_MEMORY_DIVISOR = 4
"""The share of the machine's memory, one over this, that a step may take."""


class MemoryPlan:
    """The cost of a canvas's steps with a renderer. margin: px that the objectives need around what they score."""

    def __init__(self, canvas: Canvas, renderer: Renderer, margin: int) -> None:
        self._canvas = canvas
        self._sheets = [(phase, phase.side + 2 * canvas.margin(renderer, phase.side)) for phase in canvas.phases]
        # Of a stroke whose tile's centre lies at the border of a core, at least the tile is seen, and its surroundings.
        self.margin = margin + max(phase.side for phase in canvas.phases) // 2

    def bytes(self, width: int, height: int) -> int:
        """Memory that a step with a window of so many px takes, about."""
        pixels = 0
        for phase, sheet in self._sheets:
            rows = min(phase.rows, -(-(height + sheet) // phase.pitch))
            columns = min(phase.columns, -(-(width + sheet) // phase.pitch))
            pixels += rows * columns * sheet**2
        return pixels * _BYTES_PER_PATCH_PIXEL + width * height * _BYTES_PER_WINDOW_PIXEL

    def windows(self, told: int | Literal["auto"]) -> WindowGrid:
        """The windows of a recipe's `window`. Raises UsageError where none are large enough and fit into memory."""
        width, height = self._canvas.size
        if told != "auto":
            return self._of(told)
        if self.bytes(width, height) <= memory.total_memory() // _MEMORY_DIVISOR:
            return self._of(max(width, height))
        # Of ten margins' length four fifths are core. In four there would be more margin than core.
        side = 10 * self.margin
        while side > 4 * self.margin and self.bytes(side, side) > memory.total_memory() // _MEMORY_DIVISOR:
            side -= self.margin // 2
        return self._of(side)

    def _of(self, side: int) -> WindowGrid:
        try:
            windows = WindowGrid.covering(self._canvas.size, side, self.margin)
        except ValueError as error:
            raise UsageError(f"window: {error}", hint="set a larger window, or smaller tiles") from None
        memory.check_memory(
            self.bytes(windows.width, windows.height),
            f"{self._canvas.stroke_count:,} strokes, {windows.width} x {windows.height} px at a time, would take",
            hint="set a smaller window, larger tiles, or fewer strokes",
        )
        return windows

    def check_disk(self, actions: int, numbers: int, folder: Path) -> None:
        """Raises UsageError if `folder` has no room for what a run keeps there of its actions of so many numbers."""
        strokes = actions * numbers * 4
        width, height = self._canvas.size
        # Parameters and moments, twice a checkpoint of them, the log twice, and the picture twice.
        need = strokes * (3 + 2 * 3 + 2) + 2 * 3 * width * height
        if need > (free := shutil.disk_usage(folder).free):
            raise UsageError(
                f"{self._canvas.stroke_count:,} strokes on {width} x {height} px would take about {need / 2**30:.0f} GB of "
                f"the disk; {folder} has {free / 2**30:.0f} GB",
                hint="paint a smaller size, larger tiles, or fewer strokes, or choose another disk with --out",
            )
