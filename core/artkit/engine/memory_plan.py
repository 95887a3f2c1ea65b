"""Memory planning: estimate the memory of an optimisation step and choose the window size.

What limits memory: a step renders all strokes of a window and keeps their patches, and the activations of the networks,
for the backward pass. `MemoryPlan.bytes` estimates both; training an agent multiplies it by the batch. For an automatic
window, `MemoryPlan.windows` chooses windows of which a step takes a quarter of the memory of the machine or container,
or half of the free memory of a GPU, unless that would be too small for the margins; `artkit.memory.check_memory`
refuses what takes more than 80 %. `MemoryPlan.smaller_windows` halves windows that did not fit after all.
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Literal

from artkit import memory
from artkit.errors import UsageError
from artkit.formatting import counted
from artkit.geometry.window_grid import WindowGrid
from artkit.interfaces.canvas import Canvas
from artkit.interfaces.renderer import Renderer

_BYTES_PER_PATCH_PIXEL = 56  # coverage, the pixels below it, and what the backward pass keeps of both
_BYTES_PER_WINDOW_PIXEL = 700  # activations of the networks
_MEMORY_DIVISOR = 4  # a step may take this fraction of the machine's memory: 1 / 4
_GPU_MEMORY_DIVISOR = 2  # and this of the free memory of a GPU, which nothing else needs
_BYTES_PER_ACTION_VALUE = 4


class MemoryPlan:
    """Memory and disk space of the steps of a canvas with a renderer.

    margin: px that the objectives need around the part of a picture that they score. reach: px by which paint extends,
    at most, beyond the centre of its tile.
    """

    def __init__(self, canvas: Canvas, renderer: Renderer, margin: int) -> None:
        self._canvas, self._device = canvas, renderer.device
        self._patch_sizes = [(phase, phase.side + 2 * canvas.margin(renderer, phase.side)) for phase in canvas.phases]
        self.reach = max((size + 1) // 2 for _, size in self._patch_sizes)
        # A stroke belongs to the core that contains its tile's centre, so its tile may extend beyond by half a side.
        self.margin = margin + max(phase.side for phase in canvas.phases) // 2

    def bytes(self, width: int, height: int) -> int:
        """Estimate the memory of a step with a window of `width` x `height` px, in bytes."""
        pixels = 0
        for phase, patch_size in self._patch_sizes:
            rows = min(phase.rows, -(-(height + patch_size) // phase.pitch))
            columns = min(phase.columns, -(-(width + patch_size) // phase.pitch))
            pixels += min(rows * columns, phase.stroke_count) * patch_size**2
        return pixels * _BYTES_PER_PATCH_PIXEL + width * height * _BYTES_PER_WINDOW_PIXEL

    def windows(self, side: int | Literal["auto"]) -> WindowGrid:
        """Return the windows for a recipe's `window`: their side in px, or "auto".

        Raises UsageError if no windows are larger than their margins and fit into memory.
        """
        width, height = self._canvas.size
        if side != "auto":
            return self._grid(side)
        divisor = _GPU_MEMORY_DIVISOR if self._device.type == "cuda" else _MEMORY_DIVISOR
        budget = memory.available_memory(self._device) // divisor
        if self.bytes(width, height) <= budget:
            return self._grid(max(width, height))
        # Of a window of ten margins four fifths are core; of one of four margins only half.
        side = 10 * self.margin
        while side > 4 * self.margin and self.bytes(side, side) > budget:
            side -= self.margin // 2
        return self._grid(side)

    def _grid(self, side: int) -> WindowGrid:
        try:
            windows = WindowGrid.covering(self._canvas.size, side, self.margin)
        except ValueError as error:
            raise UsageError(f"window: {error}", hint="set a larger window, or smaller tiles") from None
        memory.check_memory(
            self.bytes(windows.width, windows.height),
            f"{counted(self._canvas.stroke_count, 'stroke')}, {windows.width} x {windows.height} px at a time, "
            "would take",
            hint="set a smaller window, larger tiles, or fewer strokes",
            device=self._device,
        )
        return windows

    def smaller_windows(self, windows: WindowGrid) -> WindowGrid | None:
        """Return windows of half the side, but at least of three margins; None if they are not smaller."""
        side = max(windows.width, windows.height)
        smaller = max(side // 2, 3 * self.margin)
        return WindowGrid.covering(self._canvas.size, smaller, self.margin) if smaller < side else None

    def check_disk(self, actions_shape: tuple[int, int], output_scale: float, folder: Path) -> None:
        """Raise UsageError if `folder` has no room for the files of a run.

        actions_shape: (N, A). output_scale: the size of the finished picture relative to that of the canvas.
        """
        actions = math.prod(actions_shape) * _BYTES_PER_ACTION_VALUE
        width, height = (round(side * output_scale) for side in self._canvas.size)
        # Memory-mapped parameters and two moments; the checkpoint, stroke log and picture, each beside its new version.
        required = actions * (3 + 2 * 3 + 2) + 2 * 3 * width * height
        if required > (free := shutil.disk_usage(folder).free):
            raise UsageError(
                f"{counted(self._canvas.stroke_count, 'stroke')} on {width} x {height} px would take about "
                f"{required / 2**30:.0f} GB of the disk; {folder} has {free / 2**30:.0f} GB",
                hint="paint a smaller size, larger tiles, or fewer strokes, or choose another disk with --out",
            )
