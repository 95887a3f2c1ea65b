"""``type = "free"``: every value of every action is a parameter of its own (paper §5)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import AfterValidator, Field
from torch import Tensor, nn
from torch.nn import functional as F

from artkit import Agent, InputPath, Phase, Scene, StrokeLog, UsageError, memmap
from artkit import Config as BaseConfig
from artkit.devices import to_device
from artkit.imaging.target_guide import TargetGuide
from artkit.strokes.carrying import carry_over
from artkit.strokes.stroke_log import STROKES_FILE

PositiveLength = Annotated[float, Field(gt=0, le=2, allow_inf_nan=False)]

_MAX_GUIDE_PIXELS = 1 << 21  # the target is reduced to this size before strokes are initialised from it
_COLOUR_CONTRAST = 0.4  # of random initial colours around grey
_LOSS_MOMENTUM = 0.1  # weight of a step's loss in a candidate's running loss
_MIN_INITIAL_VALUE = 0.02  # initial values stay this far from 0 and 1, where the sigmoid has hardly any gradient
_MIN_CARRIED_VALUE = 0.001  # those of a painting's strokes: less than half a step of an 8-bit colour


def _strokes_file(path: Path) -> Path:
    file = path / STROKES_FILE if path.is_dir() else path
    if not file.is_file():
        raise ValueError(f"{path} holds no painting: there is no {STROKES_FILE} in it")
    return file


PaintingFile = Annotated[InputPath, AfterValidator(_strokes_file)]


class Free(Agent):
    """Actions are the sigmoid of the parameters.

    If the actions have positions, strokes start evenly distributed over their tiles. With `start = "target"` they also
    start along the edges of the target and with its colours, large strokes below small ones. With the path of a
    painting they start as its strokes.

    The result depends on the initialisation, so several candidates can be optimised at first; the best one continues.
    """

    name = "free"

    class Config(BaseConfig):
        """Settings."""

        start: Literal["auto", "target", "random"] | PaintingFile = "auto"
        """How strokes are initialised: from the target, at random, or from the target if there is one (`auto`). Or the
        folder of a run, or its `strokes.json`: its strokes are carried over by place and scale."""
        drafts: int = Field(1, ge=1, le=64)
        """Number of candidate pictures, each with its own initialisation."""
        choose: Annotated[float, Field(gt=0, le=1)] = 0.2
        """Fraction of the run after which only the candidate with the lowest running loss continues."""
        length: tuple[PositiveLength, PositiveLength] = (0.55, 0.2)
        """Initial lengths of strokes, in tiles: of the first layer, and of the last."""
        position_rate: Annotated[float, Field(gt=0, le=10)] = 1.0
        """Learning rate of the positions of strokes, relative to that of the other values."""

    config: Config
    standing: Tensor
    """Running loss of each candidate. The names of both buffers are keys in checkpoints."""
    chosen: Tensor
    """Index of the best candidate; -1 before it is selected."""
    _rates: Tensor

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        assert scene.renderer is not None
        assert scene.canvas is not None
        self._space = scene.renderer.space
        candidates, dimensions = config.drafts, len(self._space)
        self._shape = (candidates, dimensions)
        # Adam's steps do not depend on the scale of a gradient: a parameter that counts twice moves twice as fast.
        rates = torch.tensor([config.position_rate if d.unit == "tile" else 1.0 for d in self._space.dimensions])
        self.register_buffer("_rates", rates, persistent=False)
        self.scheduled = ("choose",) if candidates > 1 else ()
        self.register_buffer("standing", torch.zeros(candidates))
        self.register_buffer("chosen", torch.tensor(0 if candidates == 1 else -1))
        self._read_choice: int | None = None
        # One row per stroke, so that a subset of the strokes needs only its rows.
        rows = torch.from_numpy(memmap.zeros((scene.action_count, candidates * dimensions), "float32", scene.folder))
        has_positions = self._space.has("start_x", "middle_x", "end_x")
        initializer = _StrokeInitializer(config, scene) if has_positions else None
        spans = [(phase.first, phase.stroke_count) for phase in scene.canvas.phases]
        carried = self._carry_over(config.start, scene) if isinstance(config.start, Path) else None
        for index, (first, count) in enumerate([(0, 1)] if scene.renderer.shared else spans):
            actions = torch.rand(candidates, count, dimensions, generator=scene.generator)
            if initializer:
                initializer.initialize(actions, scene.canvas.phases[index])
            actions = actions.clamp(_MIN_INITIAL_VALUE, 1 - _MIN_INITIAL_VALUE)
            if carried is not None:
                old = carried[first : first + count].clamp(_MIN_CARRIED_VALUE, 1 - _MIN_CARRIED_VALUE)
                actions = torch.where(old.isnan(), actions, old)
            logits = torch.logit(actions)
            rows[first : first + count] = (logits / rates).transpose(0, 1).flatten(1)
            memmap.release()
        self.parameters_of_actions = nn.Parameter(rows)

    def _carry_over(self, file: Path, scene: Scene) -> Tensor:
        """Return the strokes of a painting as raw actions (N, A) of this scene; NaN where they start anew."""
        assert scene.renderer is not None
        assert scene.canvas is not None
        log = StrokeLog.load(file)
        carried = carry_over(log, self._space, scene.size, scene.canvas.phases)
        self.start_folder = file.parent
        count, total = int((~carried.isnan()).any(1).sum()), sum(phase.stroke_count for phase in log.phases)
        if not scene.renderer.shared and (count, count) != (total, len(carried)):
            new = f", {len(carried) - count:,} of them new and below the others" if count < len(carried) else ""
            scene.notes.append(
                f"{count:,} of the {total:,} strokes of {file} are carried over to {len(carried):,} strokes{new}"
            )
        return scene.unconstrain(carried[None].to(scene.device))[0].cpu()

    def forward(self, scene: Scene, targets: Tensor | None = None) -> Tensor:
        return self._actions(self.parameters_of_actions)

    def forward_subset(self, scene: Scene, indices: Tensor, targets: Tensor | None = None) -> Tensor:
        indices = to_device(indices, self.parameters_of_actions.device)
        return self._actions(F.embedding(indices, self.parameters_of_actions, sparse=True))

    def _actions(self, rows: Tensor) -> Tensor:
        """Return the actions (n, m, A) of m parameter rows: of all candidates, or of the best one once selected."""
        candidates, best = rows.view(len(rows), *self._shape).transpose(0, 1), self._best()
        return torch.sigmoid(self._rates * (candidates if best < 0 else candidates[best : best + 1]))

    def _best(self) -> int:
        """Return `chosen`, which is read from its device only after it has changed."""
        if self._read_choice is None:
            self._read_choice = int(self.chosen)
        return self._read_choice

    def on_step_end(self, losses: Tensor, progress: float) -> None:
        if self._best() < 0:
            self.standing.lerp_(losses, _LOSS_MOMENTUM)
            if progress >= self.config.choose:
                self.chosen.copy_(self.standing.argmin())
                self._read_choice = None

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._read_choice = None


class _StrokeInitializer:
    """Initialises strokes phase by phase, evenly distributed over each tile by a low-discrepancy sequence."""

    def __init__(self, config: Free.Config, scene: Scene) -> None:
        assert scene.renderer is not None
        assert scene.canvas is not None
        self._config, self._space, self._generator = config, scene.renderer.space, scene.generator
        target = scene.target if config.start != "random" else None
        if config.start == "target" and target is None:
            raise UsageError('agent.start = "target" needs an objective with a target', hint='use "auto"')
        self._guide = TargetGuide(*target.thumbnail(_MAX_GUIDE_PIXELS)) if target else None
        phases = scene.canvas.phases
        self._layer_count = max(sum(_tiling(other) == _tiling(phase) for other in phases) for phase in phases)
        self._next_layer: dict[object, int] = {}
        self._shift: dict[object, Tensor] = {}

    def initialize(self, actions: Tensor, phase: Phase) -> None:
        """Set the actions (n, N, A) of a phase in place. Phases must be passed in painting order."""
        n, count, _ = actions.shape
        tiling = _tiling(phase)
        layer = self._next_layer.get(tiling, 0)
        self._next_layer[tiling] = layer + 1
        depth = layer / max(self._layer_count - 1, 1)  # 0 for the bottom layer, 1 for the top
        random = torch.rand(n, count, 4, generator=self._generator)
        middle = self._middle(phase, layer, n)
        angle = math.pi * random[..., 1]
        colour = None
        if self._guide:
            colour, edge_angle = self._guide.sample(phase.origins() + middle * phase.side)
            angle = edge_angle + (random[..., 1] - 0.5) * 0.5
        self._set_colour(actions, colour)
        first_length, last_length = self._config.length
        length = (first_length + (last_length - first_length) * depth) * (0.7 + 0.6 * random[..., 0])
        half = torch.stack([angle.cos(), angle.sin()], dim=-1) * length[..., None] / 2
        points = self._space.index("start_x", "start_y", "middle_x", "middle_y", "end_x", "end_y")
        actions[..., points] = torch.cat([middle - half, middle, middle + half], dim=-1)
        if self._space.has("size"):
            actions[..., self._space.index("size")[0]] = 0.75 - 0.35 * depth + 0.15 * (random[..., 2] - 0.5)
        if self._space.has("start_pressure", "end_pressure"):
            pressures = self._space.index("start_pressure", "end_pressure")
            actions[..., pressures] = 0.55 + 0.2 * (actions[..., pressures] - 0.5)

    def _middle(self, phase: Phase, layer: int, n: int) -> Tensor:
        """Return the middle points (n, N, 2) of a layer in tiles: the R2 sequence (Roberts, 2018), shifted per tile."""
        tiling = _tiling(phase)
        if tiling not in self._shift:
            self._shift[tiling] = torch.rand(n, phase.rows * phase.columns, 2, generator=self._generator)
        shift = self._shift[tiling][:, phase.cells_at(torch.arange(phase.stroke_count))]
        plastic_number = 1.32471795724474602596
        step = torch.tensor([1 / plastic_number, 1 / plastic_number**2], dtype=torch.float64)
        return (shift + (layer * step).float()) % 1.0

    def _set_colour(self, actions: Tensor, colour: Tensor | None) -> None:
        if not self._space.has("red", "green", "blue"):
            return
        channels = self._space.index("red", "green", "blue")
        if colour is None:
            # Close to grey: a saturated colour would remain where no objective has a gradient.
            colour = 0.5 + _COLOUR_CONTRAST * (actions[..., channels] - 0.5)
        actions[..., channels] = colour


def _tiling(phase: Phase) -> tuple[int, ...]:
    """Return a key that is equal for phases with the same lattice of tiles."""
    return phase.x, phase.y, phase.pitch, phase.rows, phase.columns, phase.side
