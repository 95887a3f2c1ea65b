"""LazyAdam: Adam for parameters of which each step updates some rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from artkit import memmap

_EPSILON = 1e-8


class LazyAdam(torch.optim.Optimizer):
    """Adam (Kingma and Ba, 2014) with separate moments and step counts for each row of a parameter.

    A sparse gradient, such as that of `torch.nn.functional.embedding`, updates the rows in which it is not zero. Each
    row moves as if Adam had run on it alone, however often the other rows were updated (`torch.optim.SparseAdam` counts
    steps for the whole parameter). A dense gradient updates all rows, as `torch.optim.Adam` does.

    lr: the learning rate. That of a group may be replaced by a tensor with a rate for each row, (rows, 1), if gradients
    are dense. betas: how much of the mean of gradients, and of that of their squares, a step keeps; in (0, 1).
    folder: where moments that do not fit into memory are stored (`artkit.memmap`).
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        folder: Path | None = None,
    ) -> None:
        super().__init__(list(parameters), {"lr": lr})
        self._betas, self._folder = betas, folder

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update all parameters that have a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group["lr"])

    def _update(self, parameter: Tensor, gradient: Tensor, lr: float) -> None:
        state = self._parameter_state(parameter)
        rows: Any = ...
        changed: Tensor | None = None
        if gradient.is_sparse and gradient.device.type == "cpu":
            gradient = gradient.coalesce()
            nonzero = gradient.values().flatten(1).any(1)
            rows, gradient = gradient.indices()[0, nonzero], gradient.values()[nonzero]
        elif gradient.is_sparse:
            # On a GPU all rows are computed: the CPU would have to wait for the number of those that change.
            gradient = torch.zeros_like(parameter).index_add_(0, gradient._indices()[0], gradient._values())
            changed = gradient.flatten(1).any(1)
        count = state["count"][rows] + 1
        mean = state["mean"][rows].lerp(gradient, 1 - self._betas[0])
        square = state["square"][rows].mul(self._betas[1]).addcmul(gradient, gradient, value=1 - self._betas[1])
        by_row = count.to(mean).view(-1, *(1 for _ in gradient.shape[1:])) if gradient.dim() else count.to(mean)[0]
        # 1 - beta ** count without loss of precision in float32; not every device has float64.
        first, second = (-torch.expm1(by_row * math.log(beta)) for beta in self._betas)
        value = parameter[rows] - lr / first * mean / ((square / second).sqrt() + _EPSILON)
        # Written together at the end: running out of memory before changes nothing.
        updates = ((state["count"], count), (state["mean"], mean), (state["square"], square), (parameter, value))
        for target, new in updates:
            target[rows] = new if changed is None else new.where(changed.view(-1, *(1 for _ in new.shape[1:])), target)

    def forget_momentum(self) -> None:
        """Set the first moments to zero: parameters without a gradient stay as they are from then on."""
        for state in self.state.values():
            state["mean"].zero_()

    def forget_rows(self, rows: Tensor) -> None:
        """Set the moments and step counts of some rows (m,) to zero, of all parameters."""
        for state in self.state.values():
            for tensor in state.values():
                tensor[rows] = 0

    def _parameter_state(self, parameter: Tensor) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.state[parameter]
        if not state:
            state["mean"], state["square"] = (memmap.zeros_like(parameter, self._folder) for _ in range(2))
            state["count"] = torch.zeros(len(parameter) if parameter.dim() else 1, dtype=torch.int32)
            state["count"] = state["count"].to(parameter.device)
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a state by copying it into the existing tensors, which may be memory-mapped.

        Raises ValueError if it cannot be one of Adam.
        """
        parameters = [parameter for group in self.param_groups for parameter in group["params"]]
        for index, saved in state_dict["state"].items():
            state = self._parameter_state(parameters[int(index)])
            for name, tensor in saved.items():
                if tensor.shape != state[name].shape or (name != "mean" and (tensor < 0).any()):
                    raise ValueError(f"the optimiser's {name} is damaged")
                state[name].copy_(tensor)
        for group, saved_group in zip(self.param_groups, state_dict["param_groups"], strict=True):
            group["lr"] = saved_group["lr"]
