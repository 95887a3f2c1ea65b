"""Checks on a simulated GPU that all kinds of components share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import nullcontext

import torch
from torch import Tensor

from artkit.interfaces.scene import Scene
from artkit.testing.assertions import expect, expect_close
from artkit.testing.device import current_device, on_device, record_synchronisations
from artkit.testing.simulated_gpu import simulated_gpu

_REAL_GPU_TOLERANCE = 1e-2
_MAX_LINES = 12  # of a message

Step = Callable[[], Mapping[str, Tensor | None]]
"""Computes what a step of a run needs of a component: results and gradients by name."""


def expect_same_on_gpu(build: Callable[[], tuple[Scene, Step]], synchronises: bool, atol: float = 1e-4) -> None:
    """Raise AssertionError unless a component computes the same on a GPU as on the CPU.

    The GPU is that on which the kit runs its checks (`on_device`), or a simulated one.

    build: builds the component for a new scene, and returns the scene and a step. synchronises: whether a step may wait
    for the GPU; otherwise its second call, after caches are filled, must not.
    """
    device = current_device()
    with on_device(torch.device("cpu")):
        expected = build()[1]()
    with simulated_gpu() if device.type == "cpu" else nullcontext(device) as gpu:
        atol = atol if device.type == "cpu" else _REAL_GPU_TOLERANCE  # it rounds otherwise
        scene, step = build()
        expect(scene.device == gpu, "the check needs a scene of artkit.testing.scene, which is made for the GPU")
        for name, value in step().items():
            if isinstance(value, Tensor):
                expect(value.device == gpu, f"on a GPU {name} is on the device {value.device}")
                reference = expected[name]
                assert reference is not None
                tolerance = atol * max(1.0, float(reference.detach().abs().max()))
                expect_close(value.detach().cpu(), reference.detach(), f"on a GPU {name} is another one", tolerance)
        if not synchronises:
            with record_synchronisations() as found:
                step()
            lines = [f"{what}, {count} times" if count > 1 else what for what, count in Counter(found).items()]
            expect(not found, "in a step on a GPU the CPU waits for it:\n    " + "\n    ".join(lines[:_MAX_LINES]))
