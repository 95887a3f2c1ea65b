"""``type = "free"``: every number of every action is a parameter of its own (paper §5)."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from artkit import Agent, Phase, Scene, UsageError, memmap
from artkit import Config as BaseConfig

PositiveLength = Annotated[float, Field(gt=0, le=2, allow_inf_nan=False)]

_LOOK = 1 << 21  # px of the target at which strokes look for their start
_COLOUR = 0.4  # how far apart the values of colours start that nothing tells
_RECENT = 0.1  # weight of a step's loss in the standing of a draft
_EDGE = 0.02  # actions start this far from 0 and 1, where the sigmoid still has a slope


class Free(Agent):
    """Actions are the sigmoid of the parameters.

    Strokes that have places start evenly spread over their tiles. With `start = "target"` they follow the edges of what
    is to be painted and take its colours, large ones below small ones.

    How far a painting gets depends on its start. So several may be begun at once, of which the best goes on.
    """

    name = "free"

    class Config(BaseConfig):
        """Settings."""

        start: Literal["auto", "target", "random"] = "auto"
        """How the strokes start: after the target, at random, or after the target if there is one (`auto`)."""
        drafts: int = Field(1, ge=1, le=64)
        """How many pictures to begin, from different starts."""
        choose: Annotated[float, Field(gt=0, le=1)] = 0.2
        """The share of the run after which the best draft is chosen, which alone goes on."""
        length: tuple[PositiveLength, PositiveLength] = (0.55, 0.2)
        """Lengths that strokes start with, in tiles: of the first layer, and of the last."""

    config: Config
    standing: Tensor
    chosen: Tensor

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        assert scene.renderer is not None
        self._space = scene.renderer.space
        assert scene.canvas is not None
        pictures, numbers = config.drafts, len(self._space)
        self._shape = (pictures, numbers)
        self.register_buffer("standing", torch.zeros(pictures))  # the recent losses of the drafts
        self.register_buffer("chosen", torch.tensor(0 if pictures == 1 else -1))
        # A row a stroke: where only some strokes are proposed, only their rows are touched.
        rows = torch.from_numpy(memmap.zeros((scene.action_count, pictures * numbers), "float32", scene.folder))
        placed = self._space.has("start_x", "middle_x", "end_x")
        start = _Start(config, scene) if placed else None
        spans = [(phase.first, phase.stroke_count) for phase in scene.canvas.phases]
        for index, (first, count) in enumerate([(0, 1)] if scene.renderer.shared else spans):
            actions = torch.rand(pictures, count, numbers, generator=scene.generator)
            if start:
                start.place(actions, scene.canvas.phases[index])
            some = slice(first, first + count)
            rows[some] = torch.logit(actions.clamp(_EDGE, 1 - _EDGE)).transpose(0, 1).flatten(1)
            memmap.release()
        self.parameters_of_actions = nn.Parameter(rows)

    def forward(self, scene: Scene, targets: Tensor | None = None) -> Tensor:
        return self._actions(self.parameters_of_actions)

    def forward_subset(self, scene: Scene, numbers: Tensor, targets: Tensor | None = None) -> Tensor:
        numbers = numbers.to(self.parameters_of_actions.device)
        return self._actions(F.embedding(numbers, self.parameters_of_actions, sparse=True))

    def _actions(self, rows: Tensor) -> Tensor:
        """The actions (n, m, A) whose parameters are in m rows: of all drafts, or of the one that was chosen."""
        drafts, chosen = rows.view(len(rows), *self._shape).transpose(0, 1), int(self.chosen)
        return torch.sigmoid(drafts if chosen < 0 else drafts[chosen : chosen + 1])

    def on_step_end(self, losses: Tensor, progress: float) -> None:
        if int(self.chosen) < 0:
            self.standing.lerp_(losses, _RECENT)
            if progress >= self.config.choose:
                self.chosen.copy_(self.standing.argmin())


class _Start:
    """Places strokes evenly: the k-th stroke of a tile starts in the k-th cell of a grid in the tile."""

    def __init__(self, config: Free.Config, scene: Scene) -> None:
        assert scene.renderer is not None
        assert scene.canvas is not None
        self._config, self._space, self._generator = config, scene.renderer.space, scene.generator
        target = scene.target if config.start != "random" else None
        if config.start == "target" and target is None:
            raise UsageError('agent.start = "target" needs an objective that has a target', hint='use "auto"')
        self._look = _Look(*target.thumbnail(_LOOK)) if target else None
        phases = scene.canvas.phases
        self._layers = max(sum(_tiles(other) == _tiles(phase) for other in phases) for phase in phases)
        self._seen: dict[object, int] = {}
        self._shift: dict[object, Tensor] = {}

    def place(self, actions: Tensor, phase: Phase) -> None:
        """Place the strokes of the next phase, in place: their actions (n, N, A)."""
        n, count, _ = actions.shape
        key = _tiles(phase)
        layer = self._seen.get(key, 0)  # how many strokes each of these tiles has already
        self._seen[key] = layer + 1
        depth = layer / max(self._layers - 1, 1)
        random = torch.rand(n, count, 4, generator=self._generator)
        # A low-discrepancy sequence with a random shift a tile spreads each tile's strokes (R2, Roberts 2018).
        golden = 1.32471795724474602596
        step = torch.tensor([1 / golden, 1 / golden**2], dtype=torch.float64)
        if key not in self._shift:
            self._shift[key] = torch.rand(n, count, 2, generator=self._generator)
        middle = (self._shift[key] + (layer * step).float()) % 1.0
        long, short = self._config.length
        length = (long + (short - long) * depth) * (0.7 + 0.6 * random[..., 0])
        angle = math.pi * random[..., 1]
        names = ("start_x", "start_y", "middle_x", "middle_y", "end_x", "end_y")
        colour = None
        if self._look:
            colour, edge = self._look.at(phase.origins() + middle * phase.side)
            angle = edge + (random[..., 1] - 0.5) * 0.5
        if self._space.has("red", "green", "blue"):
            colours = self._space.index("red", "green", "blue")
            # Without a picture to take them from, near grey: a glaring colour that nothing speaks against would stay.
            muted = 0.5 + _COLOUR * (actions[..., colours] - 0.5)
            actions[..., colours] = muted if colour is None else colour
        along = torch.stack([angle.cos(), angle.sin()], dim=-1) * length[..., None] / 2
        points = torch.cat([middle - along, middle, middle + along], dim=-1)
        actions[..., self._space.index(*names)] = points
        if self._space.has("size"):
            actions[..., self._space.index("size")[0]] = 0.75 - 0.35 * depth + 0.15 * (random[..., 2] - 0.5)
        if self._space.has("start_pressure", "end_pressure"):
            pressures = self._space.index("start_pressure", "end_pressure")
            actions[..., pressures] = 0.55 + 0.2 * (actions[..., pressures] - 0.5)


def _tiles(phase: Phase) -> tuple[int, ...]:
    """What tells whether phases have the same tiles."""
    return phase.x, phase.y, phase.pitch, phase.rows, phase.columns, phase.side


class _Look:
    """Colours of a picture (1, 3, h, w), and the directions of its edges. scale: px of it a px of the painting."""

    def __init__(self, pixels: Tensor, scale: float) -> None:
        pixels = pixels.cpu()
        self._scale = scale
        blurred = F.avg_pool2d(F.pad(pixels, (2, 2, 2, 2), mode="replicate"), 5, 1)
        grey = F.avg_pool2d(F.pad(blurred.mean(1, keepdim=True), (3, 3, 3, 3), mode="replicate"), 7, 1)
        gx = F.pad(grey.diff(dim=-1), (0, 1, 0, 0))
        gy = F.pad(grey.diff(dim=-2), (0, 0, 0, 1))
        # The structure tensor, smoothed, has its main axis across the edges.
        self._tensor = [F.avg_pool2d(product, 9, 1, 4)[0, 0] for product in (gx * gx, gy * gy, gx * gy)]
        self._blurred = blurred[0]

    def at(self, where: Tensor) -> tuple[Tensor, Tensor]:
        """Colours (n, N, 3) at points (n, N, 2) in px of the painting, and the angles (n, N) along the edges there."""
        height, width = self._blurred.shape[-2:]
        x = (where[..., 0] * self._scale).round().long().clamp(0, width - 1)
        y = (where[..., 1] * self._scale).round().long().clamp(0, height - 1)
        xx, yy, xy = (part[y, x] for part in self._tensor)
        across = 0.5 * torch.atan2(2 * xy, xx - yy)
        return self._blurred[:, y, x].permute(1, 2, 0), across + math.pi / 2
