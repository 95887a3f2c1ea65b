"""Adam for strokes that are not all seen in every step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from artkit import memmap

_BETAS = (0.9, 0.999)
_EPSILON = 1e-8


class LazyAdam(torch.optim.Optimizer):
    """Adam (Kingma and Ba, 2014) whose rows live apart.

    A parameter with a sparse gradient, such as that of `torch.nn.functional.embedding`, moves in the rows of which the
    gradient is not zero, and in no others. Each row has moments and a count of steps of its own, so it moves as if Adam
    had run on it alone, however often the others were visited. A dense gradient visits all rows: that is Adam as it is
    known.

    folder: where moments lie that are too large for memory.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, folder: Path | None = None) -> None:
        super().__init__(list(parameters), {"lr": lr})
        self._folder = folder

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move the parameters against their gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group["lr"])

    def _move(self, parameter: Tensor, gradient: Tensor, lr: float) -> None:
        state = self._state_of(parameter)
        rows: Any = ...
        if gradient.is_sparse:
            gradient = gradient.coalesce()
            visited = gradient.values().flatten(1).any(1)
            rows, gradient = gradient.indices()[0, visited], gradient.values()[visited]
        count = state["count"][rows] + 1
        mean = state["mean"][rows].lerp(gradient, 1 - _BETAS[0])
        square = state["square"][rows].mul(_BETAS[1]).addcmul(gradient, gradient, value=1 - _BETAS[1])
        state["count"][rows], state["mean"][rows], state["square"][rows] = count, mean, square
        by_row = count.to(mean).view(-1, *(1 for _ in gradient.shape[1:])) if gradient.dim() else count.to(mean)[0]
        # 1 - beta ** count, to the last digit without numbers of 64 bits, which not every device has.
        first, second = (-torch.expm1(by_row * math.log(beta)) for beta in _BETAS)
        parameter[rows] = parameter[rows] - lr / first * mean / ((square / second).sqrt() + _EPSILON)

    def _state_of(self, parameter: Tensor) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.state[parameter]
        if not state:
            state["mean"], state["square"] = (memmap.zeros_like(parameter, self._folder) for _ in range(2))
            state["count"] = torch.zeros(len(parameter) if parameter.dim() else 1, dtype=torch.int32)
            state["count"] = state["count"].to(parameter.device)
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up a state, into the tensors that are there."""
        parameters = [parameter for group in self.param_groups for parameter in group["params"]]
        for index, saved in state_dict["state"].items():
            mine = self._state_of(parameters[int(index)])
            for name, tensor in saved.items():
                mine[name].copy_(tensor)
        for group, told in zip(self.param_groups, state_dict["param_groups"], strict=True):
            group["lr"] = told["lr"]
