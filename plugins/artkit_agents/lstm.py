"""``type = "lstm"``: a recurrent network that paints a target stroke by stroke (paper §3)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field, ValidationError
from torch import Tensor, nn
from torch.nn import functional as F

from artkit import Agent, InputFile, Place, Scene, UsageError, weights
from artkit import Config as BaseConfig
from artkit.config import plain_message
from artkit.devices import to_device

SHIPPED = Path(__file__).parent / "weights"
"""Folder of the weights that come with artkit; ``sha256.json`` in it lists their checksums."""

_STRIDE = 2
_HEAD_INIT_GAIN = 4  # with the default initialisation strokes have hardly any length, and all get the same gradients
_FEATURE_SIDE = 4  # side of the encoder's last feature map


class Lstm(Agent):
    """An LSTM that proposes strokes one after the other from an image of the target.

    Each tile is a separate image for it, so a page of digits is painted digit by digit. It is trained in a recipe with
    `[data]`. With trained weights it paints any target, in a single step (`steps = 0`) or optimised further.
    """

    name = "lstm"
    uses_targets = True

    class Config(BaseConfig):
        """Settings."""

        weights: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] | InputFile | None = None
        """Initial weights: the name of weights that come with artkit, such as `digits`, or the `agent.safetensors` of
        a training. They determine the settings below."""
        see: Literal["both", "target"] = "target"
        """Input of the network: the target and the painting so far, before each stroke, as in the paper; or the target
        alone, once, which takes a fraction of the time."""
        view: Literal[16, 32, 64, 128] = 32
        """Side of the image of a tile, px."""
        channels: int = Field(32, ge=4, le=256)
        """Channels of the encoder's first layer; the next ones have twice as many."""
        cells: int = Field(256, ge=8, le=2048)
        """Cells of the LSTM."""
        at_once: int = Field(1, ge=1, le=64)
        """Strokes per step of the LSTM."""
        revise: int = Field(0, ge=0, le=8)
        """How many times a second network, whose input is the target and the complete painting, corrects the
        strokes."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        assert scene.renderer is not None
        assert scene.canvas is not None
        if scene.renderer.shared:
            raise UsageError(
                "the agent lstm paints with strokes, and this renderer has none", hint='use agent.type = "free"'
            )
        tensors, file = self._load_weights(config, scene)
        tiles, self._tile_of_stroke = torch.unique(scene.canvas.tiles(), dim=0, return_inverse=True)
        self._tiles = tiles.tolist()  # x, y and side of each, px
        self._turn_of_stroke = _count_earlier(self._tile_of_stroke)
        self.turns = int(self._turn_of_stroke.max()) + 1
        dimensions = len(scene.renderer.space)
        # The attribute names of the networks are keys in weights files.
        self.hand = _ActionDecoder(6 if self.config.see == "both" else 3, self.config, dimensions)
        with torch.no_grad():
            self.hand.head.weight.mul_(_HEAD_INIT_GAIN)
        self.reviser = _ActionDecoder(6, self.config, dimensions) if self.config.revise else None
        if tensors is not None and file is not None:
            weights.fill(self, tensors, file)

    def _load_weights(self, config: Config, scene: Scene) -> tuple[dict[str, Tensor] | None, Path | None]:
        """Load the weights that the config names, if any, and replace `self.config` by the settings in their file."""
        if config.weights is None:
            return None, None
        file = config.weights if isinstance(config.weights, Path) else _find_shipped(config.weights)
        tensors, metadata, self.provenance["weights"] = weights.load(file)
        assert scene.renderer is not None
        saved = metadata.get("agent")
        if not isinstance(saved, dict) or saved.get("type") != self.name:
            raise UsageError(f"{file} does not hold weights of an lstm agent")
        if metadata.get("space") != scene.renderer.space.name:
            raise UsageError(
                f"the agent in {file} paints other strokes ({metadata.get('space')}) than this renderer "
                f"({scene.renderer.space.name})",
                hint="choose the renderer that it was trained with",
            )
        settings = {key: saved[key] for key in self.Config.model_fields if key in saved}
        try:
            self.config = self.Config.model_validate({**settings, "weights": config.weights})
        except ValidationError as error:
            first = error.errors()[0]
            raise UsageError(f"the agent in {file} is damaged: {first['loc'][0]} {plain_message(first)}") from None
        return tensors, file

    def forward(self, scene: Scene, targets: Tensor | None = None) -> Tensor:
        return self.forward_subset(scene, torch.arange(len(self._tile_of_stroke)), targets)

    def forward_subset(self, scene: Scene, indices: Tensor, targets: Tensor | None = None) -> Tensor:
        device = self.hand.head.weight.device
        if targets is None:
            targets = scene.background.view(1, 3, 1, 1).expand(1, 3, *reversed(scene.size))
        indices = indices.cpu()
        tiles, rows = torch.unique(self._tile_of_stroke[indices], return_inverse=True)
        tile_targets = self._crop_tiles(targets.to(device), tiles.tolist(), scene)
        actions = self._decode(tile_targets, scene, len(targets), tiles)
        return actions[:, to_device(rows, device), to_device(self._turn_of_stroke[indices], device)]

    def _crop_tiles(self, targets: Tensor, tiles: list[int], scene: Scene) -> Tensor:
        """Return the targets of tiles, with edge padding beyond the picture: (n tiles, 3, view, view), image-major."""
        side, scale = self.config.view, targets.shape[-1] / scene.size[0]
        if len(self._tiles) == 1 and scene.size[0] == scene.size[1]:
            return _resize(targets, side)
        pad = max(max(-x, -y, x + s - scene.size[0], y + s - scene.size[1], 0) for x, y, s in self._tiles)
        pad = math.ceil(pad * scale)
        padded = F.pad(targets, (pad,) * 4, mode="replicate") if pad else targets
        crops = []
        for x, y, s in (self._tiles[index] for index in tiles):
            left, top, length = round(x * scale) + pad, round(y * scale) + pad, max(round(s * scale), 1)
            crops.append(_resize(padded[:, :, top : top + length, left : left + length], side))
        return torch.stack(crops, dim=1).flatten(0, 1)

    def _decode(self, targets: Tensor, scene: Scene, n: int, tiles: Tensor) -> Tensor:
        """Return the actions (n, tiles, turns, A) for the targets (n tiles, 3, view, view) of tiles."""
        config = self.config
        state = self.hand.initial_state(targets)
        canvas = _CanvasState(self, scene, targets, n, tiles) if config.see == "both" else None
        features: Tensor = self.hand.encode(targets) if canvas is None else torch.empty(0)
        logits: list[Tensor] = []  # (n tiles, at_once A) for each step of the LSTM
        for turn in range(0, self.turns, config.at_once):
            if canvas is not None:
                features = self.hand.encode(torch.cat([targets, canvas.picture], dim=1))
            previous = torch.sigmoid(logits[-1]) if logits else targets.new_full((len(targets), self.hand.moves), 0.5)
            step_logits, state = self.hand(features, previous, state)
            logits.append(step_logits)
            if canvas is not None and turn + config.at_once < self.turns:
                canvas.paint(self._to_actions(logits))
        if self.reviser is not None:
            for _ in range(config.revise):
                canvas = _CanvasState(self, scene, targets, n, tiles)
                logits = self._revise(self.reviser, logits, targets, canvas)
        return self._to_actions(logits)[:, : self.turns].view(n, len(tiles), self.turns, -1)

    def _to_actions(self, logits: list[Tensor]) -> Tensor:
        """Return the actions (m, strokes, A) of the logits of consecutive steps."""
        return torch.sigmoid(torch.stack(logits, dim=1)).view(len(logits[0]), len(logits) * self.config.at_once, -1)

    def _revise(
        self, reviser: _ActionDecoder, logits: list[Tensor], targets: Tensor, canvas: _CanvasState
    ) -> list[Tensor]:
        """Return the logits plus the reviser's corrections, given the targets and the painting of all strokes."""
        canvas.paint(self._to_actions(logits)[:, : self.turns])
        features = reviser.encode(torch.cat([targets, canvas.picture], dim=1))
        state = reviser.initial_state(targets)
        corrected = []
        for step_logits in logits:
            correction, state = reviser(features, torch.sigmoid(step_logits), state)
            corrected.append(step_logits + correction)
        return corrected


_LstmState = tuple[Tensor, Tensor]


class _ActionDecoder(nn.Module):
    """A convolutional encoder and an LSTM that outputs the logits of `at_once` actions per step.

    The names of its attributes are keys in weights files.
    """

    def __init__(self, channels: int, config: Lstm.Config, dimensions: int) -> None:
        super().__init__()
        self.moves = config.at_once * dimensions
        self.look_at = _make_encoder(channels, config)
        self.enter = nn.Linear(config.cells + self.moves, config.cells)
        self.cell = nn.LSTMCell(config.cells, config.cells)
        self.head = nn.Linear(config.cells, self.moves)

    def encode(self, images: Tensor) -> Tensor:
        """Return the features (m, cells) of images (m, channels, view, view) in [0, 1]."""
        features: Tensor = self.look_at(images * 2 - 1)
        return features

    def initial_state(self, images: Tensor) -> _LstmState:
        """Return the LSTM's initial state for m images."""
        zeros = images.new_zeros(len(images), self.cell.hidden_size)
        return zeros, zeros

    def forward(self, features: Tensor, previous: Tensor, state: _LstmState) -> tuple[Tensor, _LstmState]:
        """Return the logits (m, moves) and the next state, given the previous actions (m, moves) in [0, 1]."""
        state = self.cell(F.relu(self.enter(torch.cat([features, previous], dim=1))), state)
        return self.head(state[0]), state


class _CanvasState:
    """The strokes so far, rendered tile by tile at the network's input size, without gradient."""

    def __init__(self, agent: Lstm, scene: Scene, targets: Tensor, n: int, tiles: Tensor) -> None:
        self._scene, self._n, self._side = scene, n, int(agent.config.view)
        self._painted = 0
        # In training the stroke noise is drawn anew, so that the agent does not overfit to one seed.
        training = scene.data is not None and torch.is_grad_enabled()
        self._seed = int(torch.randint(1 << 62, (), generator=scene.generator)) if training else scene.seed
        self.picture = scene.background.view(1, 3, 1, 1).expand_as(targets)
        """(n tiles, 3, view, view)."""
        # The index of each stroke in painting order: (tiles, turns), -1 where a tile has fewer strokes.
        self._indices = torch.full((len(tiles), agent.turns), -1)
        selected = torch.isin(agent._tile_of_stroke, tiles)
        row = torch.searchsorted(tiles, agent._tile_of_stroke[selected])
        self._indices[row, agent._turn_of_stroke[selected]] = selected.nonzero()[:, 0]

    @torch.no_grad()
    def paint(self, actions: Tensor) -> None:
        """Paint those of the first k strokes of each tile, (n tiles, k, A), that are not painted yet."""
        scene, n, side = self._scene, self._n, self._side
        assert scene.renderer is not None
        device, tiles, k = actions.device, len(self._indices), actions.shape[1]
        indices = self._indices[:, self._painted : k].reshape(-1)
        exists, indices = to_device(indices >= 0, device), to_device(indices.clamp(min=0), device)
        place = Place(
            origin=torch.zeros(n * len(indices), 2, dtype=torch.int64, device=device),
            side=side,
            margin=0,
            stroke_index=indices.repeat(n),
            size=(side, side),
            seed=self._seed,
            scale=1.0,
        )
        constrained = self._constrain(actions.view(n, tiles, k, -1))
        colour, coverage = scene.renderer(constrained[:, indices].flatten(0, 1), place)
        coverage = coverage * exists.to(coverage).repeat(n).view(-1, 1, 1, 1)
        colours, coverages = (t.view(n * tiles, -1, *t.shape[1:]).unbind(1) for t in (colour, coverage))
        for stroke_colour, stroke_coverage in zip(colours, coverages, strict=True):
            self.picture = self.picture + stroke_coverage * (stroke_colour - self.picture)
        self._painted = k

    def _constrain(self, actions: Tensor) -> Tensor:
        """Constrain actions (n, tiles, k, A); return them in painting order, (n, N, A), zero for other strokes."""
        n, _, k, dimensions = actions.shape
        indices = self._indices[:, :k]
        exists = indices >= 0  # on the CPU, as the indices
        tiles, turns = to_device(exists.nonzero().T, actions.device)
        raw_actions = actions.new_zeros(n, self._scene.action_count, dimensions)
        raw_actions[:, to_device(indices[exists], actions.device)] = actions[:, tiles, turns]
        return self._scene.constrain(raw_actions, 1.0)


def _count_earlier(tile_of_stroke: Tensor) -> Tensor:
    """Return for each stroke how many earlier strokes have the same tile."""
    order = torch.argsort(tile_of_stroke, stable=True)
    counts = torch.bincount(tile_of_stroke)
    first = counts.cumsum(0) - counts  # position in `order` of each tile's first stroke
    earlier = torch.empty_like(tile_of_stroke)
    earlier[order] = torch.arange(len(order)) - first[tile_of_stroke[order]]
    return earlier


def _make_encoder(channels: int, config: Lstm.Config) -> nn.Module:
    """Return a network from images (m, channels, view, view) to features (m, cells)."""
    layers: list[nn.Module] = []
    side, width = int(config.view), config.channels
    while side > _FEATURE_SIDE:
        layers += [nn.Conv2d(channels, width, 4, _STRIDE, 1), nn.ReLU()]
        side, channels, width = side // _STRIDE, width, 2 * config.channels
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * side * side, config.cells), nn.ReLU())


def _resize(images: Tensor, side: int) -> Tensor:
    """Resize images (n, 3, h, w) to (n, 3, side, side): area if they shrink, otherwise bilinear."""
    if images.shape[-2:] == (side, side):
        return images
    if min(images.shape[-2:]) >= side:
        return F.interpolate(images, (side, side), mode="area")
    return F.interpolate(images, (side, side), mode="bilinear", align_corners=False)


def _find_shipped(name: str) -> Path:
    """Return the path of shipped weights. Raises UsageError, with the available names, if there are none."""
    file = SHIPPED / f"{name}.safetensors"
    if not file.is_file():
        names = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.safetensors")))
        raise UsageError(
            f'agent.weights: no weights called "{name}" come with artkit',
            hint=(f"there are: {names}; or " if names else "") + "train an agent and give its agent.safetensors",
        )
    return file
