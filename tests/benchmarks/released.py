"""The baseline: the rendering of the paper's released code for a stitched canvas, reimplemented from its description.

Each stroke is one call of the generator with a batch of one. The stroke is padded to the whole canvas, converted to
coverage and composited there with a colour that is repeated over the whole canvas. Autograd saves all of it, including
what the gradient of the generator's weights needs, and every intermediate canvas is stored as an image.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from artkit.config import Config
from artkit.geometry.place import Place
from artkit.interfaces.renderer import Renderer
from artkit.interfaces.scene import Scene
from artkit.rendering.stroke_renderer import StrokePatches
from artkit.strokes.action_space import ActionSpace, Dimension

TILE = 64
ACTION_SIZE = 12
RGB = slice(6, 9)

SPACE = ActionSpace("released", tuple(Dimension(f"number_{index}") for index in range(ACTION_SIZE)))


class Dcgan(nn.Module):
    """The generator of the released GAN painter, without noise.

    Maps actions (m, 12) to strokes (m, 3, 64, 64), dark on white.
    """

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(ACTION_SIZE, 256 * 4 * 4)
        layers: list[nn.Module] = [nn.BatchNorm2d(256), nn.ReLU()]
        widths = (256, 128, 64, 32)
        for channels_in, channels_out in itertools.pairwise(widths):
            layers += [nn.ConvTranspose2d(channels_in, channels_out, 4, 2, 1), nn.BatchNorm2d(channels_out), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], 3, 4, 2, 1), nn.Sigmoid())

    def forward(self, actions: Tensor) -> Tensor:
        """Return the strokes of actions."""
        strokes: Tensor = self.layers(self.linear(actions).view(-1, 256, 4, 4))
        return strokes


def make_generator(seed: int = 0) -> Dcgan:
    """Return a generator with random weights, on which its speed does not depend. As released, it is not frozen."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Dcgan().eval()


def compute_coverage(strokes: Tensor) -> Tensor:
    """Return the darkness of strokes (m, 3, h, w), scaled to a maximum of 1 for each: (m, 1, h, w)."""
    dark = 1 - strokes.mean(1, keepdim=True)
    return dark / dark.max(dim=2, keepdim=True)[0].max(dim=3, keepdim=True)[0]


def composite_stroke(canvas: Tensor, strokes: Tensor, colour: Tensor) -> Tensor:
    """Composite strokes with colours (m, 3) over a canvas of the same size."""
    coverage = compute_coverage(strokes)
    colours = colour[:, :, None, None].repeat(1, 1, *canvas.shape[2:])
    return coverage * colours + (1 - coverage) * canvas


def paint(generator: Dcgan, actions: Tensor, rows: int, columns: int, overlap: int) -> Tensor:
    """Render the stitched canvas (1, 3, h, w) of actions (rows * columns, strokes, 12), tile after tile."""
    stride = TILE - overlap
    height, width = stride * (rows - 1) + TILE, stride * (columns - 1) + TILE
    canvas = torch.ones(1, 3, height, width)
    intermediates = []
    for tile in range(rows * columns):
        y, x = tile // columns * stride, tile % columns * stride
        padding = (x, width - x - TILE, y, height - y - TILE)
        for stroke in range(actions.shape[1]):
            action = actions[tile, stroke][None]
            padded = F.pad(generator(action), padding, value=1.0)
            canvas = composite_stroke(canvas, padded, action[:, RGB])
            intermediates.append(canvas.detach())
    return canvas


class Released(Renderer):
    """The same generator as an artkit renderer: strokes are rendered in batches and composited phase by phase."""

    name = "released"
    space = SPACE

    class Config(Config):
        """No settings."""

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self.generator = make_generator()

    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        return StrokePatches(actions[:, RGB, None, None], compute_coverage(self.generator(actions)))
