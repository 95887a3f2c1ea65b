"""The simulated GPU of the test kit, and the record of synchronisations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from artkit.devices import to_device
from artkit.testing import record_synchronisations, scene, simulated_gpu


@pytest.mark.parametrize(
    "mix",
    [
        lambda on_gpu: on_gpu + torch.ones(3, 4),
        lambda on_gpu: torch.cat([on_gpu, torch.ones(1, 4)]),
        lambda on_gpu: on_gpu.index_add_(0, torch.tensor([0]), on_gpu[:1]),
        lambda on_gpu: F.linear(on_gpu, torch.ones(2, 4)),
        lambda on_gpu: nn.Linear(4, 2)(on_gpu),
        lambda on_gpu: torch.rand(3, device=on_gpu.device, generator=torch.Generator()),
        lambda on_gpu: on_gpu.numpy(),
    ],
)
def test_a_device_is_not_mixed_with_the_cpu(mix: Callable[[Tensor], Any]) -> None:
    with simulated_gpu() as gpu:
        on_gpu = torch.ones(3, 4, device=gpu)
        with pytest.raises((RuntimeError, TypeError), match=r"same device|device type"):
            mix(on_gpu)
        assert (on_gpu * torch.tensor(2.0)).sum().item() == 24  # scalars of the CPU are allowed, as on a GPU


def test_a_simulated_device_has_the_values_of_the_cpu() -> None:
    def train(device: torch.device) -> list[float]:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 1))
            images = torch.rand(2, 3, 8, 8)
        optimizer = torch.optim.Adam(network.parameters(), 0.01)  # before the move, which keeps the parameters
        network.to(device)
        losses = []
        for _ in range(3):
            loss = network(images.to(device)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert all(parameter.device == device for parameter in network.parameters())
        return losses

    with simulated_gpu() as gpu:
        losses = train(gpu)
    assert losses == train(torch.device("cpu"))
    assert losses[2] != losses[0]


SYNCHRONISATIONS: dict[str, Callable[[Tensor], object]] = {
    "_local_scalar_dense": lambda x: x.sum().item(),
    "copy to the CPU": lambda x: x.cpu(),
    "blocking copy to the device": lambda x: torch.ones(3).to(x.device),
    "nonzero": lambda x: x.nonzero(),
    "_unique2": lambda x: x.unique(),
    "indexing by a mask": lambda x: x[x > 0],
    "indexing by a tensor on the CPU": lambda x: x[torch.tensor([0])],
    "repeat_interleave without output_size": lambda x: x.long().repeat_interleave(x.long()),
}


@pytest.mark.parametrize("what", SYNCHRONISATIONS)
def test_synchronisations_with_a_device_are_recorded(what: str) -> None:
    with simulated_gpu() as gpu:
        x = torch.ones(3, device=gpu)
        with record_synchronisations() as found:
            SYNCHRONISATIONS[what](x)
        assert [place.split(" at ")[0] for place in found] == [what]
        assert "test_simulated_gpu.py" in found[0]
    with record_synchronisations() as found:
        SYNCHRONISATIONS[what](torch.ones(3))
    assert not found


@pytest.mark.parametrize(
    "copy",
    [
        lambda x: x[[0, 1]],
        lambda x: x.new_tensor([1.0]),
        lambda x: torch.tensor([1.0], device=x.device),
        lambda x: x.tolist(),
        lambda x: bool((x > 0).all()),
        lambda x: x.__setitem__([0], 2.0),
    ],
)
def test_lists_are_copied_to_a_device_and_back(copy: Callable[[Tensor], object]) -> None:
    with simulated_gpu() as gpu:
        x = torch.ones(3, device=gpu)
        with record_synchronisations() as found:
            copy(x)
    assert len(found) == 1


def test_nothing_waits_for_the_device_without_need() -> None:
    with simulated_gpu() as gpu:
        x, index = torch.ones(3, device=gpu), to_device(torch.tensor([0, 2]), gpu)
        with record_synchronisations() as found:
            y = x[index] * 2 + to_device(torch.ones(2), gpu)
            x[x > 0] = 3.0
            (y.sum() + x.clone().fill_(1).sum()).add_(1)
            x.new_zeros(3), torch.arange(3, device=gpu), x.to(torch.float64), x[0], x[None, 1:]
    assert not found


def test_scenes_of_the_kit_are_made_for_the_simulated_device() -> None:
    with simulated_gpu() as gpu:
        assert scene().device == gpu
        assert scene().background.device == gpu
        assert scene(device="cpu").device.type == "cpu"
    assert scene().device.type == "cpu"
