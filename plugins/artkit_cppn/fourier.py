"""``type = "fourier"``: a picture by its frequencies (Olah et al., 2017): the plain baseline for what strokes are."""

from __future__ import annotations

import math

import torch
from pydantic import Field as Setting
from torch import Tensor

from artkit import Config as BaseConfig
from artkit import Scene
from artkit_cppn.field import Field, normal, numbers

_COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
"""The directions in which colours of natural images vary, one a column, as long as they vary (Olah et al., 2017)."""

_CONTRAST = 0.7


class Fourier(Field):
    """Sums of waves, weaker the higher their frequency, as in natural images, in decorrelated colours."""

    name = "fourier"

    class Config(BaseConfig):
        """Settings."""

        waves: int = Setting(32, ge=1, le=256)
        """The highest frequency: so many waves along the picture's longer side."""

    config: Config
    space = numbers("fourier-32", 3, 2, 65, 33)

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._shape = (3, 2, 2 * config.waves + 1, config.waves + 1)
        self.space = numbers(f"fourier-{config.waves}", *self._shape)

    def colours(self, actions: Tensor, x: Tensor, y: Tensor, size: tuple[int, int]) -> Tensor:
        waves, longer = self.config.waves, max(size)
        across = torch.arange(waves + 1, device=x.device, dtype=actions.dtype)
        down = torch.arange(-waves, waves + 1, device=x.device, dtype=actions.dtype)
        frequency = (across.square() + down[:, None].square()).sqrt().clamp(min=0.5)
        amplitude = normal(actions).view(-1, *self._shape) * (_CONTRAST / math.sqrt(math.log(waves + 1))) / frequency
        spectrum = torch.complex(amplitude[:, :, 0], amplitude[:, :, 1])  # (m, 3, k, l)
        turn_x, turn_y = (2 * math.pi / longer * value for value in (x[:, None] * across[:, None], y[..., None] * down))
        columns = torch.polar(torch.ones_like(turn_x), turn_x)[:, None]  # (m, 1, l, w)
        rows = torch.polar(torch.ones_like(turn_y), turn_y)[:, None]  # (m, 1, h, k)
        value = (rows @ (spectrum @ columns)).real
        mix = actions.new_tensor(_COLOURS)
        mix = mix / mix.norm(dim=0).max()
        return torch.sigmoid(torch.einsum("ij,mjhw->mihw", mix, value))
