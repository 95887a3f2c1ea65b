"""``type = "free"``: every value of every action is a parameter of its own (paper §5)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import AfterValidator, Field
from torch import Tensor, nn
from torch.nn import functional as F

from artkit import Agent, InputPath, Scene, StrokeLog, memmap
from artkit import Config as BaseConfig
from artkit.devices import to_device
from artkit.strokes.carrying import carry_over
from artkit.strokes.stroke_log import STROKES_FILE
from artkit_agents.initial_strokes import StrokeInitializer

PositiveLength = Annotated[float, Field(gt=0, le=2, allow_inf_nan=False)]

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
    start along the edges of the target, curved as these are, and with its colours, large strokes below small ones. With
    the path of a painting they start as its strokes.

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
        spread: Annotated[float, Field(gt=0, le=1)] = 1.0
        """How far random initial values spread: 1 for all of [0, 1], 0.1 for 0.45 to 0.55. A renderer without strokes
        starts with a picture of so much less contrast, and less of its noise remains."""
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
        initializer = StrokeInitializer(config.start, config.length, scene) if has_positions else None
        spans = [(phase.first, phase.stroke_count) for phase in scene.canvas.phases]
        carried = self._carry_over(config.start, scene) if isinstance(config.start, Path) else None
        for index, (first, count) in enumerate([(0, 1)] if scene.renderer.shared else spans):
            actions = torch.rand(candidates, count, dimensions, generator=scene.generator)
            actions = 0.5 + config.spread * (actions - 0.5) if config.spread < 1 else actions
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

    def restart(self, indices: Tensor, actions: Tensor) -> None:
        logits = torch.logit(actions.clamp(_MIN_INITIAL_VALUE, 1 - _MIN_INITIAL_VALUE)) / self._rates
        self.parameters_of_actions.data[indices] = logits.repeat(1, self.config.drafts)

    def on_step_end(self, losses: Tensor, progress: float) -> None:
        if self._best() < 0:
            self.standing.lerp_(losses, _LOSS_MOMENTUM)
            if progress >= self.config.choose:
                self.chosen.copy_(self.standing.argmin())
                self._read_choice = None

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._read_choice = None
