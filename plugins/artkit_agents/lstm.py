"""``type = "lstm"``: looks at a picture and paints it stroke by stroke (paper §3)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from artkit import Agent, InputFile, Place, Scene, UsageError, weights
from artkit import Config as BaseConfig

SHIPPED = Path(__file__).parent / "weights"
"""The weights that come with artkit; ``sha256.json`` beside them lists their sums."""

_STRIDE = 2
_SPREAD = 4  # times the usual first weights: strokes of hardly any length would all learn the same
_LEAST = 4  # px a side of what the encoder's last layer gives


class Lstm(Agent):
    """A network that sees what is to be painted and what it has painted, and proposes one stroke after the other.

    Each tile is a picture of its own for it, so a page of digits is painted digit by digit. It learns in a recipe with
    `[data]`; with the weights from there it paints any picture, at once (`steps = 0`) or improved on it.
    """

    name = "lstm"
    uses_targets = True

    class Config(BaseConfig):
        """Settings."""

        weights: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] | InputFile | None = None
        """Weights to begin with: the name of some that come with artkit, such as `digits`, or the `agent.safetensors`
        of a training. The settings below are then those of that training."""
        see: Literal["both", "target"] = "target"
        """What it looks at: before each stroke at what is to be painted and at its painting so far, as the paper has
        it, or once at what is to be painted alone, which takes a fraction of the time."""
        view: Literal[16, 32, 64, 128] = 32
        """Side, px, at which it sees its tile."""
        channels: int = Field(32, ge=4, le=256)
        """Width of the first layer that looks; the next ones are twice as wide."""
        cells: int = Field(256, ge=8, le=2048)
        """Cells of the LSTM."""
        at_once: int = Field(1, ge=1, le=64)
        """Strokes that it proposes at a time, before it thinks again."""
        revise: int = Field(0, ge=0, le=8)
        """How often it looks at its whole painting and corrects its strokes before they are painted."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        assert scene.renderer is not None
        assert scene.canvas is not None
        if scene.renderer.shared:
            raise UsageError("the agent lstm paints strokes; this renderer has none", hint='use agent.type = "free"')
        tensors, file = self._load(config, scene)
        told = self.config
        tiles, self._tile = torch.unique(scene.canvas.tiles(), dim=0, return_inverse=True)
        self._tiles = tiles.tolist()  # x, y and side of each, px
        # How many strokes of the same tile come before a stroke.
        order = torch.argsort(self._tile, stable=True)
        first = torch.zeros(len(tiles), dtype=torch.int64)
        first[1:] = torch.bincount(self._tile)[:-1].cumsum(0)
        self._turn = torch.empty_like(self._tile)
        self._turn[order] = torch.arange(len(order)) - first[self._tile[order]]
        self.turns = int(self._turn.max()) + 1
        numbers = len(scene.renderer.space)
        self.hand = _Hand(6 if told.see == "both" else 3, told, numbers)
        with torch.no_grad():
            self.hand.head.weight.mul_(_SPREAD)
        self.reviser = _Hand(6, told, numbers) if told.revise else None
        if tensors is not None and file is not None:
            weights.fill(self, tensors, file)

    def _load(self, config: Config, scene: Scene) -> tuple[dict[str, Tensor] | None, Path | None]:
        """The tensors of the weights that a recipe names, if it does, whose settings become this agent's."""
        if config.weights is None:
            return None, None
        file = config.weights if isinstance(config.weights, Path) else _shipped(config.weights)
        tensors, facts, self.provenance["weights"] = weights.load(file)
        assert scene.renderer is not None
        if facts.get("agent", {}).get("type") != self.name:
            raise UsageError(f"{file} does not hold weights of an lstm agent")
        if facts.get("space") != scene.renderer.space.name:
            raise UsageError(
                f"{file} are weights for the action space {facts.get('space')}, not {scene.renderer.space.name}",
                hint="choose a renderer of the same action space",
            )
        known = {key: facts["agent"][key] for key in self.Config.model_fields if key in facts["agent"]}
        self.config = self.Config.model_validate({**known, "weights": config.weights})
        return tensors, file

    def forward(self, scene: Scene, targets: Tensor | None = None) -> Tensor:
        return self.forward_subset(scene, torch.arange(len(self._tile)), targets)

    def forward_subset(self, scene: Scene, numbers: Tensor, targets: Tensor | None = None) -> Tensor:
        device = self.hand.head.weight.device
        if targets is None:
            targets = scene.background.view(1, 3, 1, 1).expand(1, 3, *reversed(scene.size))
        numbers = numbers.cpu()
        which, place = torch.unique(self._tile[numbers], return_inverse=True)
        seen = self._look(targets.to(device), which.tolist(), scene)
        proposed = self._think(seen, scene, len(targets), which)
        return proposed[:, place.to(device), self._turn[numbers].to(device)]

    def _look(self, targets: Tensor, which: list[int], scene: Scene) -> Tensor:
        """What is to be painted on some tiles: (n tiles, 3, view, view), picture by picture."""
        side, scale = self.config.view, targets.shape[-1] / scene.size[0]
        if len(self._tiles) == 1 and scene.size[0] == scene.size[1]:
            return _resized(targets, side)
        rim = max(max(-x, -y, x + s - scene.size[0], y + s - scene.size[1], 0) for x, y, s in self._tiles)
        rim = math.ceil(rim * scale)
        # Beyond the picture its edge goes on.
        wide = F.pad(targets, (rim,) * 4, mode="replicate") if rim else targets
        parts = []
        for x, y, s in (self._tiles[index] for index in which):
            left, top, length = round(x * scale) + rim, round(y * scale) + rim, max(round(s * scale), 1)
            parts.append(_resized(wide[:, :, top : top + length, left : left + length], side))
        return torch.stack(parts, dim=1).flatten(0, 1)

    def _think(self, seen: Tensor, scene: Scene, n: int, which: Tensor) -> Tensor:
        """The strokes of tiles that look so: (n, tiles, turns, A)."""
        told = self.config
        pen = self.hand.pen(seen)
        easel = _Easel(self, scene, seen, n, which) if told.see == "both" else None
        known: Tensor = self.hand.look(seen) if easel is None else torch.empty(0)
        given: list[Tensor] = []  # logits, some strokes' at a time
        for turn in range(0, self.turns, told.at_once):
            if easel is not None:
                known = self.hand.look(torch.cat([seen, easel.picture], dim=1))
            before = torch.sigmoid(given[-1]) if given else seen.new_full((len(seen), self.hand.moves), 0.5)
            logits, pen = self.hand(known, before, pen)
            given.append(logits)
            if easel is not None and turn + told.at_once < self.turns:
                easel.paint(self._strokes(given))
        if self.reviser is not None:
            for _ in range(told.revise):
                given = self._revised(self.reviser, given, seen, _Easel(self, scene, seen, n, which))
        return self._strokes(given)[:, : self.turns].view(n, len(which), self.turns, -1)

    def _strokes(self, given: list[Tensor]) -> Tensor:
        """The actions (m, strokes, A) of logits."""
        return torch.sigmoid(torch.stack(given, dim=1)).view(len(given[0]), len(given) * self.config.at_once, -1)

    def _revised(self, reviser: _Hand, given: list[Tensor], seen: Tensor, easel: _Easel) -> list[Tensor]:
        """The same strokes, corrected by who sees what they paint together beside what is to be painted."""
        easel.paint(self._strokes(given)[:, : self.turns])
        known, pen = reviser.look(torch.cat([seen, easel.picture], dim=1)), reviser.pen(seen)
        corrected = []
        for logits in given:
            change, pen = reviser(known, torch.sigmoid(logits), pen)
            corrected.append(logits + change)
        return corrected


class _Hand(nn.Module):
    """What looks at a tile's pictures and moves the pen, some strokes at a time."""

    def __init__(self, channels: int, told: Lstm.Config, numbers: int) -> None:
        super().__init__()
        self.moves = told.at_once * numbers
        self.look_at = _encoder(channels, told)
        self.enter = nn.Linear(told.cells + self.moves, told.cells)
        self.cell = nn.LSTMCell(told.cells, told.cells)
        self.head = nn.Linear(told.cells, self.moves)

    def look(self, pictures: Tensor) -> Tensor:
        """What is known (m, cells) of pictures (m, channels, view, view) in [0, 1]."""
        known: Tensor = self.look_at(pictures * 2 - 1)
        return known

    def pen(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """The state that m paintings begin with."""
        start = seen.new_zeros(len(seen), self.cell.hidden_size)
        return start, start

    def forward(self, known: Tensor, moves: Tensor, pen: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Logits (m, moves) by what is known and by moves (m, moves) in [0, 1], and the state after them."""
        pen = self.cell(F.relu(self.enter(torch.cat([known, moves], dim=1))), pen)
        return self.head(pen[0]), pen


class _Easel:
    """What the agent has painted so far, tile by tile, as small as it sees it; without gradient."""

    def __init__(self, agent: Lstm, scene: Scene, seen: Tensor, n: int, which: Tensor) -> None:
        self._agent, self._scene, self._n, self._which = agent, scene, n, which
        self._painted = 0
        # What is learnt must not depend on how the grain happens to fall.
        learning = scene.data is not None and torch.is_grad_enabled()
        self._seed = int(torch.randint(1 << 62, (), generator=scene.generator)) if learning else scene.seed
        self.picture = scene.background.view(1, 3, 1, 1).expand_as(seen)
        """(n tiles, 3, view, view)."""
        # Where each stroke of these tiles comes in the painting: (tiles, turns), -1 where a tile has no such stroke.
        self._numbers = torch.full((len(which), agent.turns), -1)
        mine = torch.isin(agent._tile, which)
        row = torch.searchsorted(which, agent._tile[mine])
        self._numbers[row, agent._turn[mine]] = mine.nonzero()[:, 0]

    @torch.no_grad()
    def paint(self, proposed: Tensor) -> None:
        """Paint those of the strokes (n tiles, k, A) that are not there yet."""
        scene, n, side = self._scene, self._n, self._agent.config.view
        assert scene.renderer is not None
        tiles, k = len(self._which), proposed.shape[1]
        there = self._numbers[:, :k]
        all_of_them = proposed.new_zeros(n, scene.action_count, proposed.shape[-1])
        of_tiles = proposed.view(n, tiles, k, -1)
        all_of_them[:, there[there >= 0].to(proposed.device)] = of_tiles[:, (there >= 0).to(proposed.device)]
        allowed = scene.constrain(all_of_them, 1.0)
        numbers = there[:, self._painted :].reshape(-1)
        place = Place(
            origin=torch.zeros(n * len(numbers), 2, dtype=torch.int64, device=proposed.device),
            side=side,
            margin=0,
            stroke_index=numbers.clamp(min=0).to(proposed.device).repeat(n),
            size=(side, side),
            seed=self._seed,
            scale=1.0,
        )
        colour, coverage = scene.renderer(allowed[:, numbers.clamp(min=0).to(proposed.device)].flatten(0, 1), place)
        coverage = coverage * (numbers >= 0).to(coverage).repeat(n).view(-1, 1, 1, 1)
        colours, coverages = (t.view(n * tiles, -1, *t.shape[1:]).unbind(1) for t in (colour, coverage))
        for one, covered in zip(colours, coverages, strict=True):
            self.picture = self.picture + covered * (one - self.picture)
        self._painted = k


def _encoder(channels: int, told: Lstm.Config) -> nn.Module:
    """Pictures (m, channels, view, view) to what is known of them, (m, cells)."""
    layers: list[nn.Module] = []
    side, width = int(told.view), told.channels
    while side > _LEAST:
        layers += [nn.Conv2d(channels, width, 4, _STRIDE, 1), nn.ReLU()]
        side, channels, width = side // _STRIDE, width, 2 * told.channels
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * side * side, told.cells), nn.ReLU())


def _resized(pictures: Tensor, side: int) -> Tensor:
    """Pictures (n, 3, h, w) on `side` px a side: means of what is larger, smooth where it is smaller."""
    if pictures.shape[-2:] == (side, side):
        return pictures
    if min(pictures.shape[-2:]) >= side:
        return F.interpolate(pictures, (side, side), mode="area")
    return F.interpolate(pictures, (side, side), mode="bilinear", align_corners=False)


def _shipped(name: str) -> Path:
    """The weights of a name that come with artkit. Raises UsageError with those there are."""
    file = SHIPPED / f"{name}.safetensors"
    if not file.is_file():
        there = ", ".join(sorted(f.stem for f in SHIPPED.glob("*.safetensors")))
        raise UsageError(
            f'agent.weights: artkit ships none of the name "{name}"',
            hint=(f"there are: {there}; or " if there else "") + "train an agent and name its agent.safetensors",
        )
    return file
