"""Compositing of layers of patches: gradients, and inputs that stay unchanged."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from artkit.rendering.compositing import TileLattice, composite


def _layers() -> list[TileLattice]:
    return [
        TileLattice(top=0, left=1, pitch=3, rows=2, columns=2, patch_size=2),
        TileLattice(top=1, left=0, pitch=4, rows=1, columns=1, patch_size=4),
        TileLattice(top=2, left=0, pitch=2, rows=1, columns=3, patch_size=2),
        TileLattice(0, 0, 3, rows=2, columns=2, patch_size=3, cells=(torch.tensor([1, 0]), torch.tensor([0, 1]))),
    ]


def _patch_count(layer: TileLattice) -> int:
    return layer.rows * layer.columns if layer.cells is None else len(layer.cells[0])


TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-5, torch.float16: 2e-2, torch.bfloat16: 1e-1}


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_a_device_composites_as_the_cpu_does(gpu: torch.device, dtype: torch.dtype) -> None:
    generator, layers = torch.Generator().manual_seed(0), _layers()
    inputs = [torch.rand(1, 3, 6, 6, generator=generator)]
    for layer in layers:
        count, side = _patch_count(layer), layer.patch_size
        inputs += [torch.rand(1, count, c, s, s, generator=generator) for c, s in ((3, 1), (1, side))]

    def results(device: torch.device | str, dtype: torch.dtype) -> list[Tensor]:
        leaves = [tensor.to(device, dtype).requires_grad_() for tensor in inputs]
        picture = composite(leaves[0], layers, leaves[1:])
        picture.square().sum().backward()
        return [
            picture.detach().cpu().double(),
            *(leaf.grad.cpu().double() for leaf in leaves if leaf.grad is not None),
        ]

    expected = results("cpu", torch.float64)
    assert len(expected) == 1 + len(inputs)
    for actual, reference in zip(results(gpu, dtype), expected, strict=True):
        tolerance = TOLERANCES[dtype]
        torch.testing.assert_close(actual, reference, rtol=tolerance, atol=tolerance * float(reference.abs().max()))


@pytest.mark.parametrize("per_pixel", [False, True], ids=["colour per stroke", "colour per pixel"])
def test_gradients_equal_finite_differences(per_pixel: bool) -> None:
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64).requires_grad_()

    layers = _layers()
    base = random(2, 3, 6, 6)
    patches = []
    for layer in layers:
        count, side = _patch_count(layer), layer.patch_size
        patches.append(random(2, count, 3, side, side) if per_pixel else random(2, count, 3, 1, 1))
        patches.append(random(2, count, 1, side, side))
    assert torch.autograd.gradcheck(lambda b, *p: composite(b, layers, p), (base, *patches))


@pytest.mark.parametrize("trainable", ["colour", "coverage", "base"])
def test_gradients_when_only_one_input_requires_them(trainable: str) -> None:
    layers = _layers()[1:]
    torch.manual_seed(0)
    base = torch.rand(1, 3, 6, 6, dtype=torch.float64, requires_grad=trainable == "base")
    patches = []
    for layer in layers:
        count, side = _patch_count(layer), layer.patch_size
        patches.append(torch.rand(1, count, 3, 1, 1, dtype=torch.float64, requires_grad=trainable == "colour"))
        patches.append(torch.rand(1, count, 1, side, side, dtype=torch.float64, requires_grad=trainable == "coverage"))
    assert torch.autograd.gradcheck(lambda b, *p: composite(b, layers, p), (base, *patches))


def test_inputs_are_not_changed() -> None:
    base = torch.rand(1, 3, 6, 6)
    before = base.clone()
    layer = _layers()[0]
    composite(base, [layer], [torch.rand(1, 4, 3, 1, 1), torch.rand(1, 4, 1, 2, 2)])
    assert torch.equal(base, before)
