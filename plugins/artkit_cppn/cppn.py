"""``type = "cppn"``: a compositional pattern-producing network, whose weights are the action (paper §5.2, footnote;
Stanley, 2007; Mordvintsev et al., 2018).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from artkit_cppn.field import Field, normal, numbers

LAYERS, WIDTH = 8, 24

_SHAPES = [(2, WIDTH), *[(2 * WIDTH, WIDTH)] * (LAYERS - 1), (2 * WIDTH, 3)]
"""Inputs and outputs of each layer; the activation gives two values for one."""

_NUMBERS = sum((inputs + 1) * outputs for inputs, outputs in _SHAPES)


class Cppn(Field):
    """A small network that maps places to colours; pictures like light paintings.

    Eight layers of 24 units, as in the paper it is from; each unit gives the arctangent of its value and the square of
    that. The action is the network's genome, all its weights and biases.
    """

    name = "cppn"
    space = numbers("cppn-1", _NUMBERS)

    def colours(self, actions: Tensor, x: Tensor, y: Tensor, size: tuple[int, int]) -> Tensor:
        weights = normal(actions)
        # The longer side goes from -√3 to √3, so that the coordinates of a square have unit variance.
        width, height = size
        unit = 2 * math.sqrt(3) / max(size)
        across, down = (x - width / 2) * unit, (y - height / 2) * unit
        m, columns, rows = len(actions), x.shape[1], y.shape[1]
        value = torch.stack(
            [across[:, None].expand(m, rows, columns), down[:, :, None].expand(m, rows, columns)], dim=-1
        ).flatten(1, 2)
        start = 0
        for index, (inputs, outputs) in enumerate(_SHAPES):
            weight = weights[:, start : start + inputs * outputs].view(m, inputs, outputs)
            start += inputs * outputs
            bias = weights[:, None, start : start + outputs]
            start += outputs
            value = torch.baddbmm(bias, value, weight / math.sqrt(inputs))
            if index < len(_SHAPES) - 1:
                bent = value.atan()
                # Both with about unit variance, and the square about zero.
                value = torch.cat([bent / 0.67, (bent.square() - 0.45) / 0.396], dim=-1)
        return torch.sigmoid(value).mT.reshape(m, 3, rows, columns)
