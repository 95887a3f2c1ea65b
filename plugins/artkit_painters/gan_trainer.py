"""``type = "gan"``: trains the `gan` painter (paper §2.3).

The first steps minimise a likelihood or a regression loss, the others, if any, are adversarial. The architecture
`dcgan` is the paper's: a generator and a critic that see the bare action. The default, `dabs`, predicts the
distribution of the dabs of which strokes consist. It is trained by the likelihood of dabs that MyPaint reports. The
reasons for departures from the paper are in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from artkit import Scene
from artkit.devices import to_device
from artkit.engine.task import Diverged, read_losses
from artkit_mypaint.dab_recording import DabRecords, record_dabs
from artkit_painters import adversarial, dcgan_networks
from artkit_painters.adversarial import AdversarialBatch, PatchCritic
from artkit_painters.brush_extent import measure_extent
from artkit_painters.dab_painter import DabPainter
from artkit_painters.geometry_painter import GeometryPainter
from artkit_painters.stroke_data import SHARD_SIZE, hash_seed
from artkit_painters.stroke_trainer import (
    DIVERGED_HINT,
    Patches,
    StrokeTrainer,
    compute_gradient,
    cosine_decay,
    set_learning_rate,
)
from artkit_painters.stroke_windows import centred_windows, close_windows

_MIN_LR = 1e-5  # of the regression and the likelihood, added to the cosine decay
_BATCH_DABS = 4096
_RECORDED_SIDES_PX = (64, 512)  # of tiles: on the large ones, MyPaint does not have to soften the edges of dabs
_MIN_VARIANCE = 0.01  # variance of coverage below which all pixels have the same weight

Radii = Annotated[float, Field(ge=0, le=20, allow_inf_nan=False)]


class GanTrainer(StrokeTrainer):
    """Trains a painter of one brush on the brush's own strokes."""

    name = "gan"

    class Config(StrokeTrainer.Config):
        """Settings."""

        architecture: Literal["dabs", "geometry", "dcgan"] = "dabs"
        """`dabs`: samples of strokes, drawn dab by dab. `geometry`: the mean of the brush, by a network that sees where
        each pixel lies relative to the stroke. `dcgan`: the paper's generator, which sees the bare action; its strokes
        end at the edge of their tile."""
        discrete: bool = False
        """Train on the discrete action space of the paper's §3.1, for the renderer `discrete`; `dcgan` only."""
        regression: float = Field(1.0, ge=0, le=1)
        """Share of the steps that are regression, or likelihood for `dabs`; the other steps are adversarial. Must be 1
        for `geometry`, which paints a mean."""
        listen: int = Field(1000, ge=2, le=SHARD_SIZE)
        """Number of strokes whose dabs are recorded for `dabs`."""
        channels: int = Field(32, ge=4)
        """Width of the network of `geometry`."""
        reach: tuple[Radii, Radii] | None = None
        """For `geometry`: distance from the curve, in brush radii, within which there may be paint, at pressure 0, and
        its increase at pressure 1. Measured on the brush by default."""
        lr: float = Field(4e-3, gt=0)
        """Learning rate of the regression or likelihood steps."""
        adversarial_lr: float = Field(8e-4, gt=0)
        """Learning rate of painter and critic in the adversarial steps."""
        critic_steps: int = Field(3, ge=1)
        """Steps of the critic per step of the painter."""
        penalty: float = Field(10.0, ge=0)
        """Weight of the critic's gradient penalty (WGAN-GP)."""
        tone: float = Field(4.0, ge=0)
        """Weight of the squared error of the blurred coverage, which keeps the tone in adversarial steps."""
        grain: float = Field(0.1, ge=0)
        """Weight of the squared logarithm of the gradient energy over that of the real strokes, which keeps adversarial
        steps from adding too much noise."""

        @model_validator(mode="after")
        def _check_architecture(self) -> Self:
            if self.discrete and self.architecture != "dcgan":
                raise ValueError('discrete = true needs architecture = "dcgan"')
            if self.architecture == "geometry" and self.regression < 1:
                raise ValueError(
                    'architecture = "geometry" paints a mean, without adversarial steps: set regression = 1'
                )
            return self

    config: Config

    def __init__(self, config: Config, scene: Scene, steps: int, folder: Path) -> None:
        super().__init__(config, scene, steps, folder, config.discrete)
        self.critic: PatchCritic | dcgan_networks.Critic | None = None
        self.painter: DabPainter | GeometryPainter | dcgan_networks.Generator
        self._records: DabRecords | None = None
        # Initialised before the painter for every architecture, so that the painter's initial weights for a seed stay
        # those from which the shipped weights were trained.
        patch_critic = PatchCritic()
        if config.architecture == "dcgan":
            self.painter = dcgan_networks.Generator(config.discrete)
            self.critic = dcgan_networks.Critic(config.discrete)
        elif config.architecture == "geometry":
            self.painter = self._build_geometry_painter()
        else:
            self.critic = patch_critic
            self._records = self._record_dabs()
            self.painter = self._build_dab_painter(self._records)
        self._optimizers = {"regression": torch.optim.Adam(self.painter.parameters(), config.lr)}
        if self.critic is not None:
            for name, network in (("painting", self.painter), ("judging", self.critic)):
                self._optimizers[name] = torch.optim.Adam(network.parameters(), config.adversarial_lr, betas=(0.0, 0.9))
        self.to(scene.device)

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        if self.critic is None:  # version 0.1.0 saved a critic that it did not use
            state_dict = {name: value for name, value in state_dict.items() if not name.startswith("critic.")}
        return super().load_state_dict(state_dict, *args, **kwargs)

    def _build_geometry_painter(self) -> GeometryPainter:
        brush = self.engine.brush
        extent = self.config.reach or measure_extent(self.engine, self.scene.seed)
        return GeometryPainter(
            self.config.channels, extent, brush.pressure_radius_curve, brush.dab_settings, brush.stochastic
        )

    def _record_dabs(self) -> DabRecords:
        actions = replace(self.stroke_set, count=self.config.listen).actions(0)
        records = record_dabs(self.engine, actions, hash_seed(self.scene.seed, 0), _RECORDED_SIDES_PX)
        return records.to(self.scene.device)

    def _build_dab_painter(self, records: DabRecords) -> DabPainter:
        brush = self.engine.brush
        painter = DabPainter(
            brush.softness,
            brush.min_radius_ratio,
            records.upright,
            brush.pressure_radius_curve,
            brush.dab_settings.opacity,
        ).to(self.scene.device)
        painter.set_limits(records)
        return painter

    @property
    def kind(self) -> str:
        if isinstance(self.painter, dcgan_networks.Generator):
            return "discrete" if self.config.discrete else "dcgan"
        return "mean" if isinstance(self.painter, GeometryPainter) else "gan"

    def network_and_metadata(self) -> tuple[nn.Module, dict[str, Any]]:
        metadata = {} if isinstance(self.painter, dcgan_networks.Generator) else self.painter.metadata()
        return self.painter, {"architecture": self.config.architecture, **metadata}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return dict(self._optimizers)

    @property
    def _adversarial_start(self) -> int:
        """The first adversarial step."""
        return round(self.steps * self.config.regression)

    def needs_strokes(self, step: int) -> bool:
        return self._records is None or step >= self._adversarial_start

    def train_step(self, step: int) -> dict[str, float]:
        start = self._adversarial_start
        if step >= start:
            return self._adversarial_step(self._adversarial_batch(step), (step - start) / max(self.steps - start, 1))
        set_learning_rate(self._optimizers["regression"], self.config.lr * cosine_decay(step / start) + _MIN_LR)
        return self._regression_step(step) if self._records is None else self._likelihood_step(self._records)

    def _likelihood_step(self, records: DabRecords) -> dict[str, float]:
        """Minimise the negative log-likelihood of recorded dabs."""
        assert isinstance(self.painter, DabPainter)
        generator, device = self.scene.generator, records.t.device
        dabs = to_device(torch.randint(len(records.t), (_BATCH_DABS,), generator=generator), device)
        strokes = to_device(torch.randint(len(records.actions), (self.batch_size,), generator=generator), device)
        losses = self.painter.negative_log_likelihood(records, dabs, strokes)
        total = sum(losses.values(), torch.zeros((), device=device))
        return self.optimizer_step(self._optimizers["regression"], total, losses, max_norm=1.0)

    def _regression_step(self, step: int) -> dict[str, float]:
        """Minimise the error of the painted mean."""
        if isinstance(self.painter, GeometryPainter):
            strokes = self.draw_batch(step, self.batch_size)
            windows = centred_windows(*strokes, self.stroke_set, self.scene.generator).to(self.scene.device)
            real = windows.coverage
            mean, square = self.painter.moments(windows.actions, windows.corner, windows.side, real.shape[-1])
            error, loss = (mean - real).square().mean(), _moment_loss(mean, square, real)
        else:
            assert isinstance(self.painter, dcgan_networks.Generator)
            actions, real = self.draw_tiles(step, self.batch_size)
            error = loss = (self.painter(actions) - real).square().mean()
        return self.optimizer_step(self._optimizers["regression"], loss, {"mse": error})

    def _adversarial_batch(self, step: int) -> AdversarialBatch:
        if isinstance(self.painter, DabPainter):
            assert isinstance(self.critic, PatchCritic)
            # The critic scores local texture, for which a part of the stroke suffices.
            strokes = self.draw_batch(step, self.batch_size)
            windows = close_windows(*strokes, self.stroke_set, self.scene.generator).to(self.scene.device)
            return adversarial.dab_batch(self.painter, self.critic, windows)
        assert isinstance(self.painter, dcgan_networks.Generator)
        assert isinstance(self.critic, dcgan_networks.Critic)
        return adversarial.dcgan_batch(self.painter, self.critic, *self.draw_tiles(step, self.batch_size))

    def _adversarial_step(self, batch: AdversarialBatch, progress: float) -> dict[str, float]:
        """Train the critic for some steps, then the painter for one."""
        decay = 1.0 if progress < 0.6 else max(0.05, (1 - progress) / 0.4)
        for name in ("painting", "judging"):
            set_learning_rate(self._optimizers[name], self.config.adversarial_lr * decay)
        with self._critic_restored_on_failure():
            read = self._compute_adversarial_gradients(batch)
        self._optimizers["painting"].step()
        return read

    @contextmanager
    def _critic_restored_on_failure(self) -> Iterator[None]:
        """Restore the critic if a step fails after it was trained: all losses are read at once, at the end."""
        critic, optimizer = self.critic, self._optimizers["judging"]
        assert critic is not None
        before = deepcopy((critic.state_dict(), optimizer.state_dict()))
        try:
            yield
        except (Diverged, torch.OutOfMemoryError):
            critic.load_state_dict(before[0])
            optimizer.load_state_dict(before[1])
            raise

    def _compute_adversarial_gradients(self, batch: AdversarialBatch) -> dict[str, float]:
        """Train the critic, and compute the gradient of the painter; return the losses."""
        critic_optimizer = self._optimizers["judging"]
        losses, norms = {}, []
        for index in range(self.config.critic_steps):
            with torch.no_grad():
                fake = batch.paint(batch.seeds + index + 1).detach()
            gap, penalty = adversarial.critic_losses(batch, fake, self.scene.generator)
            losses = {"gap": gap, "penalty": penalty}
            norms.append(compute_gradient(critic_optimizer, self.config.penalty * penalty - gap))
            critic_optimizer.step()
        fake = batch.paint(batch.seeds)
        tone = adversarial.tone_error(fake, batch.real)
        energy = adversarial.energy_ratio(fake, batch.real)
        noise = energy.log().square()
        loss = self.config.tone * tone + self.config.grain * noise - batch.score(fake).mean()
        losses |= {"tone": tone, "mse": (fake - batch.real).square().mean(), "energy": energy}
        norms.append(compute_gradient(self._optimizers["painting"], loss))
        return read_losses(losses, norms, hint=DIVERGED_HINT)

    def paint(self, actions: Tensor) -> Tensor:
        if isinstance(self.painter, dcgan_networks.Generator):
            tiles: Tensor = self.painter(actions)
            return tiles[:, 0]
        side, margin = self.stroke_set.side, self.stroke_set.margin
        if isinstance(self.painter, GeometryPainter):
            patches: Tensor = self.painter(actions, side, margin)
        else:
            patches = self.painter(actions, side, margin, torch.arange(len(actions), device=actions.device))
        return patches[:, 0]

    def crop(self, patches: Patches) -> Patches:
        return super().crop(patches) if isinstance(self.painter, dcgan_networks.Generator) else patches


def _moment_loss(mean: Tensor, square: Tensor, real: Tensor) -> Tensor:
    """Compute the squared errors of the mean coverage and of its mean square, on single samples.

    Pixels are weighted by their inverse variance. Otherwise the middle of strokes, where coverage varies most, would
    dominate their edges, where there is hardly any paint but where errors are most visible to a critic.
    """
    variance = (square - mean.square()).detach().clamp(min=0) + _MIN_VARIANCE
    # The factor of 3 makes the loss about as large as the plain squared error for dry_brush.
    return _MIN_VARIANCE * 3 * (((mean - real).square() + (square - real.square()).square()) / variance).mean()
