"""Relocation: strokes that contribute least to the picture are moved to where it differs most from the target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from artkit.devices import to_device
from artkit.engine.film_births import start_strokes
from artkit.engine.optimization_task import OptimizationTask
from artkit.errors import UsageError
from artkit.geometry.free_tiles import phases_of_tiles
from artkit.geometry.phase import Phase
from artkit.geometry.window import Window
from artkit.geometry.window_grid import WindowGrid
from artkit.imaging.target_guide import TargetGuide
from artkit.interfaces.agent import Agent
from artkit.rendering.patch_rendering import ActionLookup

_TILE_RATIO = 2  # the smallest tile of the canvas over those of moved strokes
_MIN_TILE = 8  # px of a moved stroke's tile
_MAX_COORDINATE = 1 << 20  # px of a tile in a checkpoint that is not damaged


class Relocation:
    """Moves the share `optimizer.relocate` of the strokes at the steps `optimizer.relocate_at`.

    Those that change the picture least, since others cover them or they have the colour of what they cover, become
    small strokes on top of the others, where the picture differs most from the target. A moved stroke keeps its row of
    the agent's parameters, and the noise that follows from it; Adam forgets its moments.

    order (N,) int64: the row of each stroke, in painting order, once strokes were moved; None before.
    """

    def __init__(self, task: OptimizationTask) -> None:
        self.order: Tensor | None = None
        self._task = task
        self._share = task.recipe.settings.optimizer.relocate
        self._moments = task.recipe.settings.optimizer.relocate_at
        self._last_epoch = -1  # in which strokes were moved
        self._phases = task.canvas.phases  # those of the strokes that were not moved
        self._rows, self._tiles = torch.zeros(0, dtype=torch.int64), torch.zeros(0, 3, dtype=torch.int64)
        if self._share:
            _check(task)

    def raw_actions(self, targets: Tensor | None, indices: Tensor | None = None) -> Tensor:
        """Return the agent's actions (n, m, A) of all strokes, or of those with the given indices (m,)."""
        task, rows = self._task, self.order
        if indices is not None:
            return task.agent.forward_subset(task.scene, indices if rows is None else rows[indices], targets)
        actions: Tensor = task.agent(task.scene, targets)
        return actions if rows is None else actions[:, to_device(rows, actions.device)]

    def begin_epoch(self, epoch: int, windows: WindowGrid, actions: Callable[[], Tensor | ActionLookup]) -> None:
        """Move strokes if the epoch, counted from the beginning of the painting, is one of those to do so.

        actions: returns those of all strokes, as they are rendered at present.
        """
        if self._share and epoch in self._moments and epoch != self._last_epoch:
            self._last_epoch = epoch
            self._move(windows, actions())

    @torch.no_grad()
    def _move(self, windows: WindowGrid, actions: Tensor | ActionLookup) -> None:
        task, canvas = self._task, self._task.canvas
        count = round(self._share * canvas.stroke_count)
        side = max(_MIN_TILE, min(phase.side for phase in canvas.phases) // _TILE_RATIO)
        contributions, places = self._measure(windows, actions, side // 2)
        count = min(count, len(places))
        weakest = torch.zeros(canvas.stroke_count, dtype=torch.bool)
        weakest[contributions.argsort(stable=True)[:count]] = True
        assert task.scene.target is not None
        guide = TargetGuide.of(task.scene.target)
        tiles, started = start_strokes(places[:count], guide, side, task.renderer.space)
        rows = torch.arange(canvas.stroke_count) if self.order is None else self.order
        raw = task.scene.unconstrain(to_device(started, task.scene.device)[None])[0]
        task.agent.restart(rows[weakest], raw)
        task.optimizer.forget_rows(rows[weakest])
        again = torch.isin(self._rows, rows[weakest])
        moved = torch.cat([self._rows[~again], rows[weakest]])
        self._set_moved(moved, torch.cat([self._tiles[~again], tiles]))

    def _measure(self, windows: WindowGrid, actions: Tensor | ActionLookup, cell: int) -> tuple[Tensor, Tensor]:
        """Return what each stroke contributes to the picture (N,), and the centres (m, 2), px, of cells of `cell` px
        that cover the picture, those with the largest mean error first.
        """
        task, scene = self._task, self._task.scene
        columns, rows = (-(-side // cell) for side in scene.size)
        contributions = torch.zeros(task.canvas.stroke_count)
        error, pixels = torch.zeros(rows * columns), torch.zeros(rows * columns)
        tiles = task.canvas.tiles()
        centres = tiles[:, :2] + tiles[:, 2:] / 2
        assert scene.target is not None
        for index in range(windows.count):
            window, core = windows.at(index, (0.0, 0.0))
            picture, strokes, changes = task.canvas.render_contributions(
                task.renderer, actions, scene.base, scene.seed, window
            )
            own = _inside(centres[strokes], core)
            contributions[strokes[own]] = changes.cpu()[own]
            difference = (picture - scene.target.window(window)).abs().mean((0, 1)).flatten().cpu()
            y, x = torch.meshgrid(torch.arange(window.height), torch.arange(window.width), indexing="ij")
            place = torch.stack([x, y], dim=-1).reshape(-1, 2) + torch.tensor([window.x, window.y])
            seen = _inside(place, core)
            cells = (place // cell)[seen]
            cells = cells[:, 1] * columns + cells[:, 0]
            error.index_add_(0, cells, difference[seen])
            pixels.index_add_(0, cells, torch.ones(len(cells)))
        order = (error / pixels.clamp(min=1)).argsort(descending=True, stable=True)
        return contributions, (torch.stack([order % columns, order // columns], dim=-1) + 0.5) * cell

    def _set_moved(self, rows: Tensor, tiles: Tensor) -> None:
        """Set which rows (m,) of the agent's parameters are moved strokes, and their tiles (m, 3), from below up."""
        canvas = self._task.canvas
        stays = torch.ones(self._task.scene.action_count, dtype=torch.bool)
        stays[rows] = False
        phases: list[Phase] = []
        first = 0
        for phase in self._phases:
            own = stays[phase.first : phase.first + phase.stroke_count].nonzero()[:, 0]
            if len(own):
                cells = phase.cells if len(own) == phase.stroke_count else tuple(phase.cells_at(own).tolist())
                phases.append(replace(phase, first=first, cells=cells))
                first += len(own)
        top, order = phases_of_tiles(tiles, lambda side: canvas.margin(self._task.renderer, side))
        self._rows, self._tiles = rows[order], tiles[order]
        canvas.phases = (*phases, *(replace(phase, first=first + phase.first) for phase in top))
        self.order = canvas.noise_indices = torch.cat([stays.nonzero()[:, 0], self._rows])

    def state_dict(self) -> dict[str, Any]:
        """Return which strokes were moved, and where they are."""
        return {"rows": self._rows, "tiles": self._tiles, "epoch": self._last_epoch} if len(self._rows) else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state. Raises ValueError if it is damaged."""
        if not state:
            return
        rows, tiles, epoch = state["rows"], state["tiles"], state["epoch"]
        fits = tiles.shape == (len(rows), 3) and len(rows.unique()) == len(rows) and int(rows.min()) >= 0
        if not fits or not isinstance(epoch, int):
            raise ValueError("its moved strokes are damaged")
        if int(tiles[:, 2].min()) < 1 or int(tiles.abs().max()) > _MAX_COORDINATE:
            raise ValueError("its tiles are damaged")
        self._last_epoch = epoch
        self._set_moved(rows, tiles)


def _inside(points: Tensor, window: Window) -> Tensor:
    """Return which points (m, 2) lie in a window: (m,) bool."""
    low = torch.tensor([window.x, window.y])
    return ((points >= low) & (points < low + torch.tensor([window.width, window.height]))).all(1)


def _check(task: OptimizationTask) -> None:
    """Raise UsageError if the strokes of a painting cannot be moved."""
    hint = "set optimizer.relocate = 0"
    if not task.strokes_have_points:
        raise UsageError(f'optimizer.relocate: the renderer "{task.renderer.name}" has no strokes to move', hint)
    if task.scene.target is None:
        raise UsageError("optimizer.relocate needs an objective that has a target", hint)
    if type(task.agent).restart is Agent.restart:
        raise UsageError(f'optimizer.relocate: the agent "{task.agent.name}" cannot move strokes', hint)
    for name in task.constraints_of_canvas():
        raise UsageError(f"optimizer.relocate: constraint.{name} needs the strokes where the canvas has them", hint)
