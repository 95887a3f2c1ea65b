"""How the paper's released code paints a stitched canvas, written anew from its description: the yardstick.

One call of the generator a stroke, with a batch of one; the stroke padded to the whole canvas, made coverage and
composited there with a colour repeated over the whole canvas; all of it kept for the gradient, the generator's own
weights included; every canvas on the way kept as an image.
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
NUMBERS = 12
RGB = slice(6, 9)

SPACE = ActionSpace("released", tuple(Dimension(f"number_{index}") for index in range(NUMBERS)))


class Dcgan(nn.Module):
    """The generator of the released GAN painter, without noise: actions (m, 12) -> strokes (m, 3, 64, 64), dark on
    white.
    """

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(NUMBERS, 256 * 4 * 4)
        layers: list[nn.Module] = [nn.BatchNorm2d(256), nn.ReLU()]
        widths = (256, 128, 64, 32)
        for before, after in itertools.pairwise(widths):
            layers += [nn.ConvTranspose2d(before, after, 4, 2, 1), nn.BatchNorm2d(after), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], 3, 4, 2, 1), nn.Sigmoid())

    def forward(self, actions: Tensor) -> Tensor:
        """The strokes of actions."""
        painted: Tensor = self.layers(self.enter(actions).view(-1, 256, 4, 4))
        return painted


def make_generator(seed: int = 0) -> Dcgan:
    """A generator with random weights: how fast it is does not depend on them. As released, it is not frozen."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Dcgan().eval()


def coverage_of(strokes: Tensor) -> Tensor:
    """Darkness of strokes (m, 3, h, w), the darkest pixel of each being 1: (m, 1, h, w)."""
    dark = 1 - strokes.mean(1, keepdim=True)
    return dark / dark.max(dim=2, keepdim=True)[0].max(dim=3, keepdim=True)[0]


def paint_over(canvas: Tensor, strokes: Tensor, colour: Tensor) -> Tensor:
    """Strokes of a colour (m, 3) over a canvas, all of the same size."""
    dark = coverage_of(strokes)
    everywhere = colour[:, :, None, None].repeat(1, 1, *canvas.shape[2:])
    return dark * everywhere + (1 - dark) * canvas


def paint(generator: Dcgan, actions: Tensor, rows: int, columns: int, overlap: int) -> Tensor:
    """The stitched canvas (1, 3, h, w) of actions (rows * columns, strokes, 12), tile after tile."""
    stride = TILE - overlap
    height, width = stride * (rows - 1) + TILE, stride * (columns - 1) + TILE
    canvas = torch.ones(1, 3, height, width)
    on_the_way = []
    for tile in range(rows * columns):
        y, x = tile // columns * stride, tile % columns * stride
        around = (x, width - x - TILE, y, height - y - TILE)
        for stroke in range(actions.shape[1]):
            action = actions[tile, stroke][None]
            white = F.pad(generator(action), around, value=1.0)
            canvas = paint_over(canvas, white, action[:, RGB])
            on_the_way.append(canvas.detach())
    return canvas


class Released(Renderer):
    """The same generator as a renderer of artkit: its strokes are painted in batches, and composited by phases."""

    name = "released"
    space = SPACE

    class Config(Config):
        """No settings."""

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self.generator = make_generator()

    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        return StrokePatches(actions[:, RGB, None, None], coverage_of(self.generator(actions)))
