"""What the trainers of painters have in common: strokes of a brush to learn from, and what is shown of the training."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from artkit import Config as BaseConfig
from artkit import Scene, Trainer, UsageError
from artkit.engine.task import Diverged
from artkit_mypaint.workers import Workers
from artkit_painters import weights
from artkit_painters.patches import comparison_image
from artkit_painters.stroke_data import SHARD_SIZE, Sheets, StrokeSet, StrokeStream

Strokes = TypeVar("Strokes", Tensor, Sheets)

_SHOWN = 24  # strokes on the sample sheet
_PICTURES = 200  # steps between sample sheets in TensorBoard


class StrokeTrainer(Trainer):
    """A painter of one brush in the making.

    A subclass implements `learn` and `painted`, and says what its `weights` are called and what is in them.
    """

    class Config(BaseConfig):
        """Settings."""

        brush: str = "classic/dry_brush"
        """The brush to learn, as MyPaint names it, or a path to a .myb file."""
        strokes: int = Field(120_000, ge=0)
        """How many strokes of the real MyPaint to learn from; they are stored in the run's folder. 0: strokes without
        end, painted while they are learnt from and each used once, for machines with more cores than two."""
        batch: int = Field(64, ge=1)
        """Strokes a step."""
        tensorboard: bool = False
        """Also write losses and sample sheets for TensorBoard, under `tensorboard/` in the run's folder; needs the
        extra `tensorboard`."""

    config: Config

    def __init__(self, config: Config, scene: Scene, steps: int, folder: Path, discrete: bool = False) -> None:
        super().__init__(config, scene, steps, folder)
        self.workers = Workers(config.brush)
        self.workers.brush.require_coverage_only()
        self.set = StrokeSet(config.brush, config.strokes, scene.seed, discrete=discrete)
        self.strokes = folder / "strokes"
        self._shown = replace(self.set, count=_SHOWN)
        self._sheets: Sheets | None = None
        self._stored: tuple[Tensor, list[Sheets]] | None = None
        self._stream: StrokeStream | None = None
        self._board = _Board(folder / "tensorboard") if config.tensorboard else None

    def prepare(self) -> None:
        if self.sees_strokes(0):
            self._open()

    def _open(self) -> None:
        """Paint the strokes that are not there yet, and open them."""
        if not self.config.strokes:
            self._stream = StrokeStream(self.set, self.workers)
            return
        for _ in self.set.store(self.strokes, self.workers):
            pass
        self._stored = self.set.load(self.strokes)

    def step(self, step: int) -> dict[str, float]:
        if self._stored is None and self._stream is None and self.sees_strokes(step):
            self._open()
        with _tensor_cores(self.scene.device):
            losses = self.learn(step)
        if self._board:
            self._board.tell(step, losses, self.sample)
        return losses

    @staticmethod
    def improve(optimizer: torch.optim.Optimizer, loss: Tensor, most: float = math.inf) -> None:
        """Take an optimizer's step down a loss, along a gradient that is at most so long. Raises Diverged, before
        anything has changed, if that is no number.
        """
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        if not nn.utils.clip_grad_norm_(parameters, most).isfinite():
            raise Diverged("the gradient stopped being a number", hint="try a lower learning rate")
        optimizer.step()

    def sees_strokes(self, step: int) -> bool:
        """Whether a step learns from strokes as MyPaint painted them, which must be there then."""
        return True

    @abstractmethod
    def learn(self, step: int) -> dict[str, float]:
        """Train for one step; the losses by name."""

    @abstractmethod
    def painted(self, actions: Tensor) -> Tensor:
        """The sheets (m, S, S) of strokes (m, A) as the painter draws them now, cut as `cut` cuts the real ones."""

    def cut(self, sheets: Strokes) -> Strokes:
        """The tiles of sheets (m, S, S), beyond which the painter does not paint."""
        return sheets[:, self.set.inside, self.set.inside]

    @property
    @abstractmethod
    def kind(self) -> str:
        """With which the name of the weights' file begins."""

    @abstractmethod
    def trained(self) -> tuple[nn.Module, dict[str, Any]]:
        """The painter's network, and what a renderer must know of its weights beside brush and action space."""

    def draw(self, step: int, size: int) -> tuple[Tensor, Sheets]:
        """The strokes of a step: actions (size, A) on the CPU and what MyPaint makes of them (size, S, S), uint8."""
        if self._stream is not None:
            return self._stream.take(step * size, size)
        assert self._stored is not None
        actions, shards = self._stored
        chosen = torch.randint(len(actions), (size,), generator=self.scene.generator)
        sheets = np.stack([shards[index // SHARD_SIZE][index % SHARD_SIZE] for index in chosen.tolist()])
        return actions[chosen], sheets

    def tiles(self, step: int, size: int) -> tuple[Tensor, Tensor]:
        """The strokes of a step, cut at their tile, on the device: actions (m, A), coverage (m, 1, 64, 64)."""
        actions, sheets = self.draw(step, size)
        return actions.to(self.scene.device), self.coverage(sheets)

    def coverage(self, sheets: Sheets) -> Tensor:
        """Sheets (m, S, S), uint8, cut at their tile, on the device: (m, 1, 64, 64) in [0, 1]."""
        cut = torch.from_numpy(np.ascontiguousarray(self.cut(sheets)))[:, None]
        return cut.to(self.scene.device).float() / 255

    @torch.no_grad()
    def sample(self) -> Tensor:
        """Real strokes, below each the painted one, in rows of eight."""
        actions = self._shown.actions(0)
        if self._sheets is None:
            self._sheets = self._shown.paint(0, self.workers)
        real = torch.from_numpy(self._sheets.astype(np.float32) / 255)
        was = self.training
        self.eval()  # no layer may learn from what is only shown
        painted = self.painted(actions.to(self.scene.device)).cpu()
        self.train(was)
        return comparison_image(self.cut(real), painted)

    def save(self, folder: Path) -> Path:
        network, facts = self.trained()
        file = folder / f"{self.kind}-{self.config.brush.replace('/', '-')}.safetensors"
        training = self.config.model_dump(mode="json") | {"steps": self.steps, "seed": self.scene.seed}
        told = {"brush": self.config.brush, "space": self.set.space.name, "training": training}
        weights.save(network, facts | told, file)
        return file


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set an optimizer's learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def cosine_decay(progress: float) -> float:
    """A learning rate's share of its highest, at `progress` in [0, 1] of its steps: up at once, down in a cosine."""
    return min(1.0, progress * 50 + 0.02) * (0.5 + 0.5 * math.cos(math.pi * progress))


@contextmanager
def _tensor_cores(device: torch.device) -> Iterator[None]:
    """Products of matrices in TF32 on a GPU, whose ten bits of mantissa are plenty for weights; elsewhere nothing."""
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


class _Board:
    """Losses and sample sheets for TensorBoard. Raises UsageError if it is not installed."""

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise UsageError(
                "trainer.tensorboard: TensorBoard is not installed", hint='pip install "neural-artkit[tensorboard]"'
            ) from None
        self._open: Callable[[int], Any] = lambda step: SummaryWriter(str(folder), purge_step=step)
        self._writer: Any = None

    def tell(self, step: int, losses: dict[str, float], sample: Callable[[], Tensor]) -> None:
        """Write a step's losses, and a sheet every so often."""
        if self._writer is None:
            self._writer = self._open(step)  # what an interrupted training wrote beyond this step is void
        for name, value in losses.items():
            self._writer.add_scalar(name, value, step)
        if step % _PICTURES == 0:
            self._writer.add_image("sheet", sample().clamp(0, 1), step)
        self._writer.flush()
