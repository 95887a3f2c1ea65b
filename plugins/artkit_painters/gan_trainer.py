"""``type = "gan"``: trains the `gan` painter (paper §2.3), first by regression, then against a critic that sees real
and painted strokes.

The paper's generator and critic are a DCGAN's that see the bare action. This painter knows its geometry, and its critic
sees the same features, so it judges whether the paint suits the stroke rather than having to learn what a stroke is.
Departures, with the reasons, are in docs/design.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from artkit.config import Config as BaseConfig
from artkit.part import Scene
from artkit.trainer import Trainer
from artkit_painters import stroke, weights
from artkit_painters.data import SHARD, StrokeSet
from artkit_painters.geometry import CELL, FEATURES, GeometryPainter
from artkit_painters.workers import Workers

Radii = Annotated[float, Field(ge=0, le=20, allow_inf_nan=False)]


class Critic(nn.Module):
    """Scores patches of a stroke, higher for real ones: sees coverage, features and gate on the painter's grid."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(CELL * CELL + FEATURES + 1, channels, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * channels, 2 * channels, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * channels, 1, 3, padding=1),
        )

    def forward(self, coverage: Tensor, features: Tensor, gate: Tensor) -> Tensor:
        """Coverage (m, 1, 2 h, 2 w), features (m, FEATURES, h, w), gate (m, 1, h, w) -> (m,)."""
        patches = self.layers(torch.cat([F.pixel_unshuffle(coverage, CELL), features, gate], dim=1))
        where = F.avg_pool2d(gate, 2)
        score: Tensor = (patches * where).sum((1, 2, 3)) / where.sum((1, 2, 3)).clamp(min=1)
        return score


class GanTrainer(Trainer):
    """A painter of one brush, from its own strokes."""

    name = "gan"

    class Config(BaseConfig):
        """Settings."""

        brush: str = "classic/dry_brush"
        """The brush to learn, as MyPaint names it, or a path to a .myb file."""
        strokes: int = Field(120_000, ge=1000)
        """How many strokes of the real MyPaint to learn from; they are stored in the run's folder."""
        batch: int = Field(64, ge=1)
        """Strokes a step."""
        regression: float = Field(0.6, ge=0, le=1)
        """Share of the steps that are plain regression, before the critic comes in. 1 gives a painter of the mean."""
        noise: bool = True
        """Make grain from noise; without, the painter is deterministic."""
        channels: int = Field(32, ge=4)
        """Width of the painter."""
        reach: tuple[Radii, Radii] = (2.0, 2.0)
        """Brush radii from the curve within which there may be paint: at no pressure, and how many more at full
        pressure."""
        lr: float = Field(4e-3, gt=0)
        """Learning rate of the regression."""
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

    config: Config

    def __init__(self, config: Config, scene: Scene, steps: int, folder: Path) -> None:
        super().__init__(config, scene, steps, folder)
        self.set = StrokeSet(config.brush, config.strokes, scene.seed)
        self.strokes = folder / "strokes"
        self.painter = GeometryPainter(config.noise, config.channels, config.reach)
        self.critic = Critic()
        self._regression = torch.optim.Adam(self.painter.parameters(), config.lr)
        self._painting = torch.optim.Adam(self.painter.parameters(), config.adversarial_lr, betas=(0.0, 0.9))
        self._judging = torch.optim.Adam(self.critic.parameters(), config.adversarial_lr, betas=(0.0, 0.9))
        self._data: tuple[Tensor, list[np.ndarray]] | None = None
        self.to(scene.device)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"regression": self._regression, "painting": self._painting, "judging": self._judging}

    def _batch(self, size: int) -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
        """Random strokes: actions (m, 12), seeds (m,), coverage windows (m, 1, W, W), their corners (m, 2) in px of
        the tile, and W: windows of the tile's size in which the stroke is centred. One batch in three is of strokes
        half as large, so that the painter knows thinner ones too.
        """
        assert self._data is not None
        actions, shards = self._data
        chosen = torch.randint(len(actions), (size,), generator=self.scene.generator)
        action = actions[chosen]
        side, margin = self.set.side, self.set.margin
        t = torch.linspace(0, 1, 9)
        nodes = stroke.curve(action, t) * side
        centre = (nodes.amin(1) + nodes.amax(1)) / 2
        corner = ((centre - side / 2) / CELL).round().long().mul(CELL).clamp(-margin, margin)
        sheets = np.empty((size, side, side), np.uint8)
        for row, index in enumerate(chosen.tolist()):
            x, y = (corner[row] + margin).tolist()
            sheets[row] = shards[index // SHARD][index % SHARD, y : y + side, x : x + side]
        device = self.scene.device
        coverage = torch.from_numpy(sheets).to(device).float().div_(255)[:, None]
        seeds = torch.randint(1 << 30, (size,), generator=self.scene.generator)
        if float(torch.rand((), generator=self.scene.generator)) < 1 / 3:
            side, corner, coverage = side // 2, corner // 2, F.avg_pool2d(coverage, 2)
        return action.to(device), seeds.to(device), coverage, corner.to(device), side

    def prepare(self) -> None:
        """Paint the strokes that are not there yet, and open them."""
        for _ in self.set.store(self.strokes, Workers(self.config.brush)):
            pass
        self._data = self.set.load(self.strokes)

    def step(self, step: int) -> dict[str, float]:
        if self._data is None:
            self.prepare()
        turn = round(self.steps * self.config.regression)
        if step < turn:
            return self._regress(step / max(turn, 1))
        return self._compete((step - turn) / max(self.steps - turn, 1))

    def _regress(self, progress: float) -> dict[str, float]:
        rate = self.config.lr * min(1.0, progress * 50 + 0.02) * (0.5 + 0.5 * float(np.cos(np.pi * progress)))
        _set_rate(self._regression, rate + 1e-5)
        actions, seeds, real, corner, side = self._batch(self.config.batch)
        painted = self.painter.window(actions, corner, side, side, seeds)
        loss = (painted - real).square().mean()
        self._regression.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._regression.step()
        return {"mse": loss.item()}

    def _compete(self, progress: float) -> dict[str, float]:
        fade = 1.0 if progress < 0.6 else max(0.05, (1 - progress) / 0.4)
        _set_rate(self._painting, self.config.adversarial_lr * fade)
        _set_rate(self._judging, self.config.adversarial_lr * fade)
        actions, seeds, real, corner, side = self._batch(self.config.batch)
        with torch.no_grad():
            sight = self.painter.sight(actions, corner, side, side)
        features, gate = _map(sight.features, side), _map(sight.gate[None], side)
        # The slope of a mean over patches shrinks with the area they cover; scaled, its norm is one a patch.
        area = gate.sum((1, 2, 3)).clamp(min=4) * CELL * CELL
        losses = {}
        for turn in range(self.config.critic_steps):
            with torch.no_grad():
                fake = self.painter.paint(sight, actions, corner, side, side, seeds + turn + 1)
            between = torch.rand(len(real), 1, 1, 1, generator=self.scene.generator).to(real)
            mixed = (between * real + (1 - between) * fake).requires_grad_()
            (slope,) = torch.autograd.grad(self.critic(mixed, features, gate).sum(), mixed, create_graph=True)
            penalty = ((slope.square().sum((1, 2, 3)) * area + 1e-8).sqrt() - 1).square().mean()
            scores = self.critic(torch.cat([real, fake]), features.repeat(2, 1, 1, 1), gate.repeat(2, 1, 1, 1))
            gap = scores[: len(real)].mean() - scores[len(real) :].mean()
            self._judging.zero_grad()
            (self.config.penalty * penalty - gap).backward()
            self._judging.step()
            losses = {"gap": gap.item(), "penalty": penalty.item()}
        fake = self.painter.paint(sight, actions, corner, side, side, seeds)
        tone = (F.avg_pool2d(fake, 8, 4) - F.avg_pool2d(real, 8, 4)).square().mean()
        energy = gradient_energy(fake) / gradient_energy(real)
        grain = energy.log().square()
        loss = self.config.tone * tone + self.config.grain * grain - self.critic(fake, features, gate).mean()
        self._painting.zero_grad()
        loss.backward()
        self._painting.step()
        losses |= {"tone": tone.item(), "mse": (fake - real).square().mean().item()}
        losses["energy"] = energy.item()
        return losses

    @torch.no_grad()
    def sample(self) -> Tensor:
        """Real strokes above, painted ones below, three rows of eight."""
        if self._data is None:
            self.prepare()
        assert self._data is not None
        actions, shards = self._data
        actions = actions[:24].to(self.scene.device)
        real = torch.from_numpy(np.array(shards[0][:24])).float().div(255)
        seeds = torch.arange(24, device=actions.device)
        painted = self.painter(actions, self.set.side, self.set.margin, seeds)[:, 0].cpu()
        rows = [
            torch.cat([torch.cat([r, p]) for r, p in zip(real[i : i + 8], painted[i : i + 8], strict=True)], 1)
            for i in (0, 8, 16)
        ]
        return 1 - torch.cat(rows)[None].expand(3, -1, -1)

    def save(self, folder: Path) -> Path:
        kind = "gan" if self.config.noise else "mean"
        file = folder / f"{kind}-{self.config.brush.replace('/', '-')}.safetensors"
        facts = {
            "architecture": "geometry",
            "noise": self.config.noise,
            "channels": self.config.channels,
            "reach": self.config.reach,
            "brush": self.config.brush,
            "space": stroke.SPACE.name,
            "margin": self.set.margin,
            "training": self.config.model_dump(mode="json") | {"steps": self.steps, "seed": self.scene.seed},
        }
        weights.save(self.painter, facts, file)
        return file


def _map(values: Tensor, side: int) -> Tensor:
    """Values (k, cells, m) of the cells of windows as maps (m, k, side / CELL, side / CELL)."""
    cells = side // CELL
    return values.permute(2, 0, 1).reshape(values.shape[2], -1, cells, cells).contiguous()


def gradient_energy(coverage: Tensor) -> Tensor:
    """Mean squared difference of neighbouring pixels: how much grain there is."""
    return coverage.diff(dim=-1).square().mean() + coverage.diff(dim=-2).square().mean()


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
