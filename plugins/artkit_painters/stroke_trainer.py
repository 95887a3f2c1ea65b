"""Base class of the painters' trainers: strokes of a brush as training data, and sample images."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from artkit import Config as BaseConfig
from artkit import Scene, Trainer
from artkit.devices import to_device
from artkit.engine.task import read_losses
from artkit_mypaint.brush_files import BrushName
from artkit_mypaint.engine.engine import Engine
from artkit_painters import weights
from artkit_painters.patches import comparison_image
from artkit_painters.stroke_data import SHARD_SIZE, PatchArray, StrokeSet, StrokeStream

Patches = TypeVar("Patches", Tensor, PatchArray)

DIVERGED_HINT = "try a lower learning rate"

_SAMPLE_STROKES = 24


class StrokeTrainer(Trainer):
    """Trains a painter on strokes of one brush.

    Subclasses implement `train_step`, `paint`, `kind` and `network_and_metadata`.
    """

    class Config(BaseConfig):
        """Settings."""

        brush: BrushName = "classic/dry_brush"
        """The brush to learn, as MyPaint names it, or a path to a .myb file."""
        strokes: int = Field(120_000, ge=0)
        """Number of MyPaint strokes to train on; they are stored in the run's folder. 0: endless strokes, painted
        during the training and used once each, for machines with more than two cores."""
        batch: int = Field(64, ge=1)
        """Strokes per step."""

        @model_validator(mode="before")
        @classmethod
        def _tensorboard_is_a_setting_of_the_run(cls, values: Any) -> Any:
            """Accept recipes of runs that were made before `tensorboard` became a top-level key."""
            if isinstance(values, dict) and "tensorboard" in values:
                values = dict(values)
                if values.pop("tensorboard"):
                    raise ValueError("tensorboard is now a top-level key of the recipe: tensorboard = true")
            return values

    config: Config

    def __init__(self, config: Config, scene: Scene, steps: int, folder: Path, discrete: bool = False) -> None:
        super().__init__(config, scene, steps, folder)
        self.engine = Engine(config.brush)
        self.engine.brush.require_one_colour()
        self.stroke_set = StrokeSet(config.brush, config.strokes, scene.seed, discrete=discrete)
        self.batch_size = config.batch
        self.strokes_folder = folder / "strokes"
        self._sample_set = replace(self.stroke_set, count=_SAMPLE_STROKES)
        self._sample_patches: PatchArray | None = None
        self._stored: tuple[Tensor, list[PatchArray]] | None = None
        self._stream: StrokeStream | None = None

    def prepare(self) -> None:
        if self.needs_strokes(0):
            self._open_strokes()

    def step(self, step: int) -> dict[str, float]:
        if self._stored is None and self._stream is None and self.needs_strokes(step):
            self._open_strokes()
        with _tf32_matmul(self.scene.device):
            losses = self.train_step(step)
        return losses

    def reduce_memory(self) -> str | None:
        if self.batch_size == 1:
            return None
        self.batch_size //= 2
        return f"batches of {self.batch_size} strokes"

    @torch.no_grad()
    def sample(self) -> Tensor:
        """Return an image of real strokes with each painted one below, in rows of eight."""
        actions = self._sample_set.actions(0)
        if self._sample_patches is None:
            self._sample_patches = self._sample_set.paint(0, self.engine)
        real = torch.from_numpy(self._sample_patches.astype(np.float32) / 255)
        was_training = self.training
        self.eval()  # so that batch normalisation does not change
        painted = self.paint(actions.to(self.scene.device)).cpu()
        self.train(was_training)
        return comparison_image(self.crop(real), painted)

    def save(self, folder: Path) -> Path:
        network, metadata = self.network_and_metadata()
        file = folder / f"{self.kind}-{self.config.brush.replace('/', '-')}.safetensors"
        training = self.config.model_dump(mode="json") | {"steps": self.steps, "seed": self.scene.seed}
        common = {"brush": self.config.brush, "space": self.stroke_set.space.name, "training": training}
        weights.save(network, metadata | common, file)
        return file

    @abstractmethod
    def train_step(self, step: int) -> dict[str, float]:
        """Train for one step and return the losses by name."""

    @abstractmethod
    def paint(self, actions: Tensor) -> Tensor:
        """Paint actions (m, A) with the present network: patches (m, S, S), of the size that `crop` returns."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """Kind of painter, with which the name of the weights file starts."""

    @abstractmethod
    def network_and_metadata(self) -> tuple[nn.Module, dict[str, Any]]:
        """Return the network to save, and the metadata that a renderer needs beside the brush and the action space."""

    def needs_strokes(self, step: int) -> bool:
        """Whether a step trains on painted strokes."""
        return True

    def crop(self, patches: Patches) -> Patches:
        """Crop patches (m, S, S) to the area that the painter paints, the tiles by default."""
        return patches[:, self.stroke_set.tile_slice, self.stroke_set.tile_slice]

    @staticmethod
    def optimizer_step(
        optimizer: torch.optim.Optimizer, loss: Tensor, losses: Mapping[str, Tensor], max_norm: float = math.inf
    ) -> dict[str, float]:
        """Minimise a loss by one step, with the norm of the gradient clipped to `max_norm`.

        Returns losses, scalars by name, as numbers. Raises Diverged, before any weight changes, if one of them or the
        gradient is not finite.
        """
        norm = compute_gradient(optimizer, loss, max_norm)
        read = read_losses(losses, [norm], hint=DIVERGED_HINT)
        optimizer.step()
        return read

    def draw_batch(self, step: int, size: int) -> tuple[Tensor, PatchArray]:
        """Return the strokes of a step: actions (size, A), on the CPU, and patches (size, S, S)."""
        if self._stream is not None:
            return self._stream.take(step * size, size)
        assert self._stored is not None
        actions, shards = self._stored
        indices = torch.randint(len(actions), (size,), generator=self.scene.generator)
        patches = np.stack([shards[index // SHARD_SIZE][index % SHARD_SIZE] for index in indices.tolist()])
        return actions[indices], patches

    def draw_tiles(self, step: int, size: int) -> tuple[Tensor, Tensor]:
        """Return the tiles of a step, on the device: actions (m, A), coverage (m, 1, 64, 64)."""
        actions, patches = self.draw_batch(step, size)
        return to_device(actions, self.scene.device), self.to_coverage(patches)

    def to_coverage(self, patches: PatchArray) -> Tensor:
        """Crop patches (m, S, S) and move them to the device: coverage (m, 1, 64, 64) in [0, 1]."""
        cropped = torch.from_numpy(np.ascontiguousarray(self.crop(patches)))[:, None]
        return to_device(cropped, self.scene.device).float() / 255

    def _open_strokes(self) -> None:
        """Paint the missing strokes and open them, or start the stream."""
        if not self.config.strokes:
            self._stream = StrokeStream(self.stroke_set, self.engine)
            return
        for _ in self.stroke_set.store(self.strokes_folder, self.engine):
            pass
        self._stored = self.stroke_set.load(self.strokes_folder)


def compute_gradient(optimizer: torch.optim.Optimizer, loss: Tensor, max_norm: float = math.inf) -> Tensor:
    """Compute the gradient of the parameters of an optimizer, clipped to `max_norm`. Returns its norm before that."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    norm: Tensor = nn.utils.clip_grad_norm_(parameters, max_norm)
    return norm


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of an optimizer."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def cosine_decay(progress: float) -> float:
    """Return the factor of the learning rate at `progress` in [0, 1]: linear warm-up over 2 %, then cosine decay."""
    return min(1.0, progress * 50 + 0.02) * (0.5 + 0.5 * math.cos(math.pi * progress))


@contextmanager
def _tf32_matmul(device: torch.device) -> Iterator[None]:
    """Compute matrix products in TF32 on a GPU: its ten bits of mantissa suffice for training."""
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
