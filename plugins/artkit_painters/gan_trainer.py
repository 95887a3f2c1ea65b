"""``type = "gan"``: trains the `gan` painter (paper §2.3), first by likelihood or regression, then against a critic
that sees real and painted strokes.

The paper's generator and critic are a DCGAN's that see the bare action (`architecture = "dcgan"`). The default painter
knows that strokes are made of dabs, and learns what they are like from those of which the brush tells; its critic sees
where each pixel lies beside the stroke's curve, so it judges whether the paint suits the stroke rather than having to
learn what a stroke is. Departures, with the reasons, are in docs/design.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from artkit import Scene
from artkit_mypaint import stroke_geometry
from artkit_mypaint.dab_recording import DabRecords, record_dabs
from artkit_painters import dcgan
from artkit_painters.brush_extent import measure_extent
from artkit_painters.dab_painter import DabPainter
from artkit_painters.dab_scattering import DabShape
from artkit_painters.geometry_painter import CELL, FEATURES, GeometryPainter
from artkit_painters.patches import gradient_energy
from artkit_painters.stroke_data import SHARD_SIZE, hash_seed
from artkit_painters.stroke_trainer import Strokes, StrokeTrainer, cosine_decay, set_learning_rate

_CERTAIN = 0.01
"""A variance of coverage below which pixels count alike."""

_DABS = 4096  # dabs of which a step learns
_SIDES = (64, 512)  # px of tiles: on the larger ones MyPaint need not soften the edges of dabs
_NOTHING = 1e-6  # a gradient energy so small that it may be none
_EYE = (4.0, 4.0)  # brush radii within which a critic looks

Radii = Annotated[float, Field(ge=0, le=20, allow_inf_nan=False)]


class Critic(nn.Module):
    """Scores patches of a stroke, higher for real ones: sees coverage, features and gate on the mean painter's grid."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        self.eye = GeometryPainter(reach=_EYE).requires_grad_(False)
        self.layers = nn.Sequential(
            nn.Conv2d(CELL * CELL + FEATURES + 1, channels, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * channels, 2 * channels, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * channels, 1, 3, padding=1),
        )

    @torch.no_grad()
    def geometry(self, actions: Tensor, corner: Tensor, side: int, size: int) -> tuple[Tensor, Tensor]:
        """Where the pixels of square windows of `size` px lie beside their strokes, as maps (`Sight.maps`)."""
        return self.eye.sight(actions, corner, side, size).maps()

    def forward(self, coverage: Tensor, features: Tensor, gate: Tensor) -> Tensor:
        """Coverage (m, 1, 2 h, 2 w), features (m, FEATURES, h, w), gate (m, 1, h, w) -> (m,)."""
        patches = self.layers(torch.cat([F.pixel_unshuffle(coverage, CELL), features, gate], dim=1))
        where = F.avg_pool2d(gate, 2)
        score: Tensor = (patches * where).sum((1, 2, 3)) / where.sum((1, 2, 3)).clamp(min=1)
        return score


class Sitting(NamedTuple):
    """The strokes of a step as painter and critic see them.

    real (m, 1, W, W): their coverage. seeds (m,), which choose the grain. paint: seeds to painted coverage. judge: the
    critic's scores (k m,) of coverages (k m, 1, W, W). area (m,): pixels over which the critic takes its mean.
    """

    real: Tensor
    seeds: Tensor
    paint: Callable[[Tensor], Tensor]
    judge: Callable[[Tensor], Tensor]
    area: Tensor


class Windows(NamedTuple):
    """Parts of strokes: actions (m, 12), seeds (m,), coverage (m, 1, W, W), the corner (m, 2) of each part in px of the
    tile, and the side of the tile in px.
    """

    actions: Tensor
    seeds: Tensor
    real: Tensor
    corner: Tensor
    side: int


class GanTrainer(StrokeTrainer):
    """A painter of one brush, from its own strokes."""

    name = "gan"

    class Config(StrokeTrainer.Config):
        """Settings."""

        architecture: Literal["dabs", "geometry", "dcgan"] = "dabs"
        """`dabs`: samples of strokes, made of dabs as the brush makes them. `geometry`: the mean of the brush, by a
        network that knows where each pixel lies beside the stroke. `dcgan`: the paper's own, a generator that sees the
        bare action; its strokes end at the edge of their tile."""
        discrete: bool = False
        """Learn the discrete action space of the paper's §3.1, for the renderer `discrete`; `dcgan` only."""
        regression: float = Field(1.0, ge=0, le=1)
        """Share of the steps that are plain regression, or of `dabs` likelihood, before the critic comes in. `geometry`
        has no samples that a critic could judge."""
        listen: int = Field(1000, ge=2, le=SHARD_SIZE)
        """Strokes of whose dabs `dabs` learns."""
        channels: int = Field(32, ge=4)
        """Width of `geometry`."""
        reach: tuple[Radii, Radii] | None = None
        """Of `geometry`, brush radii from the curve within which there may be paint: at no pressure, and how many more
        at full pressure. Measured on the brush unless told."""
        lr: float = Field(4e-3, gt=0)
        """Learning rate of the regression, or of the likelihood."""
        adversarial_lr: float = Field(8e-4, gt=0)
        """Learning rate of painter and critic while they compete."""
        critic_steps: int = Field(3, ge=1)
        """Steps of the critic a step of the painter."""
        penalty: float = Field(10.0, ge=0)
        """Weight of the critic's gradient penalty (WGAN-GP)."""
        tone: float = Field(4.0, ge=0)
        """Weight of the squared error of the blurred coverage, which holds the tone while the critic judges grain."""
        grain: float = Field(0.1, ge=0)
        """Weight of the squared logarithm of the gradient energy over the real strokes', which keeps the competition
        from overshooting."""

        @model_validator(mode="after")
        def _fits(self) -> Self:
            if self.discrete and self.architecture != "dcgan":
                raise ValueError('discrete = true needs architecture = "dcgan"')
            if self.architecture == "geometry" and self.regression < 1:
                raise ValueError('architecture = "geometry" paints a mean, which no critic can judge: regression = 1')
            return self

    config: Config

    def __init__(self, config: Config, scene: Scene, steps: int, folder: Path) -> None:
        super().__init__(config, scene, steps, folder, config.discrete)
        self.painter: DabPainter | GeometryPainter | dcgan.Generator
        self.critic: Critic | dcgan.Critic = Critic()
        self._heard: DabRecords | None = None
        brush = self.workers.brush
        if config.architecture == "dcgan":
            self.painter, self.critic = dcgan.Generator(config.discrete), dcgan.Critic(config.discrete)
        elif config.architecture == "geometry":
            reach = config.reach or measure_extent(self.workers, scene.seed)
            self.painter = GeometryPainter(
                config.channels, reach, brush.pressure_radius_curve, DabShape(*brush.dab_shape), brush.stochastic
            )
        else:
            some = replace(self.set, count=config.listen).actions(0)
            self._heard = record_dabs(brush, some, hash_seed(scene.seed, 0), _SIDES).to(scene.device)
            self.painter = DabPainter(
                brush.softness,
                brush.min_radius_ratio,
                self._heard.upright,
                brush.pressure_radius_curve,
                brush.dab_shape[2],
            )
            self.painter.to(scene.device).keep_within(self._heard)
        self._regression = torch.optim.Adam(self.painter.parameters(), config.lr)
        self._painting = torch.optim.Adam(self.painter.parameters(), config.adversarial_lr, betas=(0.0, 0.9))
        self._judging = torch.optim.Adam(self.critic.parameters(), config.adversarial_lr, betas=(0.0, 0.9))
        self.to(scene.device)

    @property
    def kind(self) -> str:
        if isinstance(self.painter, dcgan.Generator):
            return "discrete" if self.config.discrete else "dcgan"
        return "mean" if isinstance(self.painter, GeometryPainter) else "gan"

    def trained(self) -> tuple[nn.Module, dict[str, Any]]:
        facts = {} if isinstance(self.painter, dcgan.Generator) else self.painter.facts()
        return self.painter, {"architecture": self.config.architecture, **facts}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"regression": self._regression, "painting": self._painting, "judging": self._judging}

    @property
    def _turn(self) -> int:
        """The step with which the critic comes in."""
        return round(self.steps * self.config.regression)

    def sees_strokes(self, step: int) -> bool:
        return self._heard is None or step >= self._turn

    def learn(self, step: int) -> dict[str, float]:
        if step < self._turn:
            progress = step / max(self._turn, 1)
            return self._regress(step, progress) if self._heard is None else self._listen(self._heard, progress)
        return self._compete(self._sit(step), (step - self._turn) / max(self.steps - self._turn, 1))

    def _sit(self, step: int) -> Sitting:
        """The strokes of a step, and how painter and critic see them."""
        painter, critic = self.painter, self.critic
        if isinstance(painter, DabPainter):
            assert isinstance(critic, Critic)
            # The critic judges grain, for which it need not see the whole of a stroke; so it sees four times as many.
            return _beside_the_curve(painter, critic, self._windows(step, close=True))
        assert isinstance(painter, dcgan.Generator)
        actions, real = self.tiles(step, self.config.batch)
        seeds, painted = torch.zeros(len(actions), dtype=torch.int64), painter(actions)
        return Sitting(
            real,
            seeds,
            paint=lambda _: painted,
            judge=lambda coverage: critic(coverage, _again(actions, coverage)),
            area=torch.ones(len(actions), device=real.device),
        )

    def _listen(self, heard: DabRecords, progress: float) -> dict[str, float]:
        """Make dabs of which the brush told likelier."""
        assert isinstance(self.painter, DabPainter)
        set_learning_rate(self._regression, self.config.lr * cosine_decay(progress) + 1e-5)
        generator, device = self.scene.generator, heard.t.device
        dabs = torch.randint(len(heard.t), (_DABS,), generator=generator).to(device)
        strokes = torch.randint(len(heard.actions), (self.config.batch,), generator=generator).to(device)
        losses = self.painter.unlikely(heard, dabs, strokes)
        self.improve(self._regression, sum(losses.values(), torch.zeros((), device=device)), most=1.0)
        return {name: loss.item() for name, loss in losses.items()}

    def _windows(self, step: int, close: bool = False) -> Windows:
        """The strokes of a step in windows of the tile's size, in which the stroke is centred; `close`: in windows half
        as wide around a point of each stroke. Of the others one batch in three is of strokes half as large, so that the
        painter knows thinner ones too.
        """
        size, generator = self.config.batch, self.scene.generator
        action, sheets = self.draw(step, size)
        side, margin = self.set.side, self.set.margin
        # A critic would take what averaging makes of edges, which MyPaint softens in px, for the brush.
        halved = not close and float(torch.rand((), generator=generator)) < 1 / 3
        if close:
            centre = stroke_geometry.curve(action, torch.rand(1, generator=generator))[:, 0] * side
        else:
            nodes = stroke_geometry.curve(action, torch.linspace(0, 1, 9)) * side
            centre = (nodes.amin(1) + nodes.amax(1)) / 2
        across = side // 2 if close else side
        least, most = -margin, side + margin - across
        corner = ((centre - across / 2) / (2 * CELL)).round().long().mul(2 * CELL).clamp(least, most)
        windows = np.empty((size, across, across), np.uint8)
        for row, sheet in enumerate(sheets):
            x, y = (corner[row] + margin).tolist()
            windows[row] = sheet[y : y + across, x : x + across]
        device = self.scene.device
        coverage = torch.from_numpy(windows).to(device).float().div_(255)[:, None]
        seeds = torch.randint(1 << 30, (size,), generator=generator)
        if halved:
            side, corner, coverage = side // 2, corner // 2, F.avg_pool2d(coverage, 2)
        return Windows(action.to(device), seeds.to(device), coverage, corner.to(device), side)

    def _regress(self, step: int, progress: float) -> dict[str, float]:
        set_learning_rate(self._regression, self.config.lr * cosine_decay(progress) + 1e-5)
        if isinstance(self.painter, GeometryPainter):
            actions, _, real, corner, side = self._windows(step)
            mean, square = self.painter.moments(actions, corner, side, real.shape[-1])
            error, loss = (mean - real).square().mean(), _off(mean, square, real)
        else:
            assert isinstance(self.painter, dcgan.Generator)
            actions, real = self.tiles(step, self.config.batch)
            error = loss = (self.painter(actions) - real).square().mean()
        self.improve(self._regression, loss)
        return {"mse": error.item()}

    def _compete(self, sitting: Sitting, progress: float) -> dict[str, float]:
        fade = 1.0 if progress < 0.6 else max(0.05, (1 - progress) / 0.4)
        set_learning_rate(self._painting, self.config.adversarial_lr * fade)
        set_learning_rate(self._judging, self.config.adversarial_lr * fade)
        real, seeds = sitting.real, sitting.seeds
        losses = {}
        for turn in range(self.config.critic_steps):
            with torch.no_grad():
                fake = sitting.paint(seeds + turn + 1).detach()
            between = torch.rand(len(real), 1, 1, 1, generator=self.scene.generator).to(real)
            mixed = (between * real + (1 - between) * fake).requires_grad_()
            (slope,) = torch.autograd.grad(sitting.judge(mixed).sum(), mixed, create_graph=True)
            penalty = ((slope.square().sum((1, 2, 3)) * sitting.area + 1e-8).sqrt() - 1).square().mean()
            scores = sitting.judge(torch.cat([real, fake]))
            gap = scores[: len(real)].mean() - scores[len(real) :].mean()
            self.improve(self._judging, self.config.penalty * penalty - gap)
            losses = {"gap": gap.item(), "penalty": penalty.item()}
        fake = sitting.paint(seeds)
        tone = (F.avg_pool2d(fake, 8, 4) - F.avg_pool2d(real, 8, 4)).square().mean()
        energy = (gradient_energy(fake) + _NOTHING) / (gradient_energy(real) + _NOTHING)
        grain = energy.log().square()
        loss = self.config.tone * tone + self.config.grain * grain - sitting.judge(fake).mean()
        self.improve(self._painting, loss)
        losses |= {"tone": tone.item(), "mse": (fake - real).square().mean().item()}
        losses["energy"] = energy.item()
        return losses

    def painted(self, actions: Tensor) -> Tensor:
        if isinstance(self.painter, dcgan.Generator):
            tiles: Tensor = self.painter(actions)
            return tiles[:, 0]
        side, margin = self.set.side, self.set.margin
        if isinstance(self.painter, GeometryPainter):
            sheets: Tensor = self.painter(actions, side, margin)
        else:
            sheets = self.painter(actions, side, margin, torch.arange(len(actions), device=actions.device))
        return sheets[:, 0]

    def cut(self, sheets: Strokes) -> Strokes:
        return super().cut(sheets) if isinstance(self.painter, dcgan.Generator) else sheets


def _beside_the_curve(painter: DabPainter, critic: Critic, windows: Windows) -> Sitting:
    """A sitting whose critic sees the geometry of the strokes beside their paint."""
    actions, seeds, real, corner, side = windows
    size = real.shape[-1]
    features, gate = critic.geometry(actions, corner, side, size)
    return Sitting(
        real,
        seeds,
        paint=lambda seeds: painter.window(actions, corner, side, (size, size), seeds),
        judge=lambda coverage: critic(coverage, _again(features, coverage), _again(gate, coverage)),
        # The slope of a mean over patches shrinks with the area they cover; scaled, its norm is one a patch.
        area=gate.sum((1, 2, 3)).clamp(min=4) * CELL * CELL,
    )


def _off(mean: Tensor, square: Tensor, real: Tensor) -> Tensor:
    """How far the means of coverage and of its square are from those of real strokes, of which each is a sample.

    A pixel counts the more the less it varies. Otherwise the middle of strokes, where much is left to chance, drowns
    what there is at their fringe: hardly anything, but what a critic sees first.
    """
    # Thrice the least variance keeps the sum as large as that of plain squares, on dry_brush.
    spread = (square - mean.square()).detach().clamp(min=0) + _CERTAIN
    return _CERTAIN * 3 * (((mean - real).square() + (square - real.square()).square()) / spread).mean()


def _again(known: Tensor, coverage: Tensor) -> Tensor:
    """What is known of m strokes, for coverages of k times m."""
    return known.repeat(len(coverage) // len(known), *[1] * (known.dim() - 1))
