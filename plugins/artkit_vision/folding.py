"""Folding of batch normalisation into the preceding convolution, for frozen networks.

The normalisation of a frozen network is a scale and a shift of each channel, which the convolution's weight and bias
can include. This saves a fifth to a quarter of a network's time, forward and backward.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import NamedTuple

import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights


class ChannelStatistics(NamedTuple):
    """Mean and standard deviation (c,) of each channel of a layer's output over the images of the training."""

    mean: Tensor
    std: Tensor


@torch.no_grad()
def fold_batch_norms(model: nn.Module, side: int) -> dict[str, ChannelStatistics]:
    """Fold the batch normalisations of a frozen model in place; `side`: of its input images, px.

    Layers keep their names. If the output of the model changes, because it also uses the bare output of a convolution,
    nothing is folded. Returns the statistics that the normalisations stored, by the name of the convolution to whose
    output they apply from then on, in the order of the forward pass.
    """
    image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    expected, pairs = _find_pairs(model, image)
    original = {conv: (conv.weight, conv.bias) for conv, _ in pairs}
    names = {module: name for name, module in model.named_modules()}
    for conv, norm in pairs:
        mean, var = norm.running_mean, norm.running_var
        assert mean is not None
        assert var is not None
        folded = fuse_conv_bn_weights(conv.weight, conv.bias, mean, var, norm.eps, norm.weight, norm.bias)
        conv.weight, conv.bias = folded
        model.set_submodule(names[norm], _without_norm(norm).eval())
    if pairs and not torch.allclose(model(image), expected, rtol=1e-3, atol=1e-3):
        for conv, norm in pairs:
            conv.weight, conv.bias = original[conv]
            model.set_submodule(names[norm], norm)
        return {names[conv]: _stored_statistics(norm) for conv, norm in pairs}
    return {names[conv]: _folded_statistics(norm) for conv, norm in pairs}


def _stored_statistics(norm: nn.BatchNorm2d) -> ChannelStatistics:
    """Return the statistics of the input of a normalisation."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return ChannelStatistics(norm.running_mean, (norm.running_var + norm.eps).sqrt())


def _folded_statistics(norm: nn.BatchNorm2d) -> ChannelStatistics:
    """Return the statistics of the output of a normalisation."""
    if not norm.affine:
        assert norm.running_mean is not None
        return ChannelStatistics(torch.zeros_like(norm.running_mean), torch.ones_like(norm.running_mean))
    return ChannelStatistics(norm.bias.detach(), norm.weight.detach().abs())


def _find_pairs(model: nn.Module, image: Tensor) -> tuple[Tensor, list[tuple[nn.Conv2d, nn.BatchNorm2d]]]:
    """Return the model's output, and each convolution with the normalisation that is applied to its output.

    Modules that occur in several pairs are left out.
    """
    conv_outputs: dict[int, tuple[nn.Conv2d, Tensor]] = {}  # holds the outputs, so that ids are not reused
    pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []

    def record_output(conv: nn.Conv2d, _input: object, output: Tensor) -> None:
        conv_outputs[id(output)] = conv, output

    def match_input(norm: nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
        if (match := conv_outputs.get(id(inputs[0]))) and norm.running_mean is not None:
            pairs.append((match[0], norm))

    handles = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            handles.append(module.register_forward_hook(record_output))
        elif type(module) in (nn.BatchNorm2d, BatchNormAct2d):
            handles.append(module.register_forward_pre_hook(match_input))
    try:
        output = model(image)
    finally:
        for handle in handles:
            handle.remove()
    counts = Counter(module for pair in pairs for module in pair)
    return output, [pair for pair in pairs if all(counts[module] == 1 for module in pair)]


def _without_norm(norm: nn.BatchNorm2d) -> nn.Module:
    if isinstance(norm, BatchNormAct2d):
        return nn.Sequential(OrderedDict(drop=norm.drop, act=norm.act))
    return nn.Identity()
