"""``type = "fourier"``: a picture parameterized by its Fourier spectrum (Olah et al., 2017), a baseline for strokes."""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor

from artkit import Config as BaseConfig
from artkit import Scene
from artkit.devices import to_device
from artkit.imaging.photo_colours import PHOTO_COLOUR_COMPONENTS
from artkit_cppn.coordinate_renderer import CoordinateRenderer, array_space, to_unit_variance

_CONTRAST = 0.7


class Fourier(CoordinateRenderer):
    """A sum of waves in decorrelated colours, with amplitudes that fall with the frequency as in natural images."""

    name = "fourier"

    class Config(BaseConfig):
        """Settings."""

        waves: int = Field(32, ge=1, le=256)
        """The highest frequency, in periods along the picture's longer side."""
        decay: float = Field(1.0, ge=0, le=4)
        """Amplitudes fall with this power of the frequency: 1 as in photos, more for larger structures. The contrast
        stays the same."""

    config: Config
    space = array_space("fourier-32", 3, 2, 65, 33)

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._shape = (3, 2, 2 * config.waves + 1, config.waves + 1)
        self.space = array_space(f"fourier-{config.waves}", *self._shape)
        mix = torch.tensor(PHOTO_COLOUR_COMPONENTS)
        self._mix = mix / mix.norm(dim=0).max()
        self._scale = _CONTRAST / math.sqrt(math.log(config.waves + 1))
        if config.decay != 1:
            frequency = _length(torch.arange(config.waves + 1.0), torch.arange(-config.waves, config.waves + 1.0))
            self._scale *= float((frequency.pow(-2).sum() / frequency.pow(-2 * config.decay).sum()).sqrt())

    def colours_at(self, actions: Tensor, x: Tensor, y: Tensor, size: tuple[int, int]) -> Tensor:
        waves, longer_side = self.config.waves, max(size)
        kx = torch.arange(waves + 1, device=x.device, dtype=actions.dtype)
        ky = torch.arange(-waves, waves + 1, device=x.device, dtype=actions.dtype)
        frequency = _length(kx, ky)
        amplitude = to_unit_variance(actions).view(-1, *self._shape) * self._scale / frequency**self.config.decay
        spectrum = torch.complex(amplitude[:, :, 0], amplitude[:, :, 1])  # (m, 3, ky, kx)
        phase_x, phase_y = (2 * math.pi / longer_side * a for a in (x[:, None] * kx[:, None], y[..., None] * ky))
        columns = torch.polar(torch.ones_like(phase_x), phase_x)[:, None]  # (m, 1, kx, w)
        rows = torch.polar(torch.ones_like(phase_y), phase_y)[:, None]  # (m, 1, h, ky)
        value = (rows @ (spectrum @ columns)).real
        mix = to_device(self._mix, actions.device).to(actions.dtype)
        return torch.sigmoid(torch.einsum("ij,mjhw->mihw", mix, value))


def _length(kx: Tensor, ky: Tensor) -> Tensor:
    """Return the frequencies (ky, kx) of waves with these components, at least half a period."""
    return (kx.square() + ky[:, None].square()).sqrt().clamp(min=0.5)
