"""``type = "cppn"``: a compositional pattern-producing network, whose weights are the action (paper §5.2, footnote;
Stanley, 2007; Mordvintsev et al., 2018).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from artkit_cppn.coordinate_renderer import CoordinateRenderer, array_space, to_unit_variance

LAYERS, WIDTH = 8, 24

_LAYER_SHAPES = [(2, WIDTH), *[(2 * WIDTH, WIDTH)] * (LAYERS - 1), (2 * WIDTH, 3)]
"""Inputs and outputs of each layer; the activation doubles the number of channels."""

_PARAMETER_COUNT = sum((inputs + 1) * outputs for inputs, outputs in _LAYER_SHAPES)


class Cppn(CoordinateRenderer):
    """A small network that maps coordinates to colours; its pictures look like light paintings.

    Eight layers of 24 units; the activations are the arctangent and its square (Mordvintsev et al., 2018). The action
    holds all weights and biases of the network.
    """

    name = "cppn"
    space = array_space("cppn-1", _PARAMETER_COUNT)

    def colours_at(self, actions: Tensor, x: Tensor, y: Tensor, size: tuple[int, int]) -> Tensor:
        parameters = to_unit_variance(actions)
        # The longer side extends from -√3 to √3: the coordinates of a square picture have unit variance.
        width, height = size
        unit = 2 * math.sqrt(3) / max(size)
        u, v = (x - width / 2) * unit, (y - height / 2) * unit
        m, columns, rows = len(actions), x.shape[1], y.shape[1]
        features = torch.stack(
            [u[:, None].expand(m, rows, columns), v[:, :, None].expand(m, rows, columns)], dim=-1
        ).flatten(1, 2)
        start = 0
        for index, (inputs, outputs) in enumerate(_LAYER_SHAPES):
            weight = parameters[:, start : start + inputs * outputs].view(m, inputs, outputs)
            start += inputs * outputs
            bias = parameters[:, None, start : start + outputs]
            start += outputs
            features = torch.baddbmm(bias, features, weight / math.sqrt(inputs))
            if index < len(_LAYER_SHAPES) - 1:
                arctangent = features.atan()
                # Normalised to about unit variance, and the square to zero mean.
                features = torch.cat([arctangent / 0.67, (arctangent.square() - 0.45) / 0.396], dim=-1)
        return torch.sigmoid(features).mT.reshape(m, 3, rows, columns)
