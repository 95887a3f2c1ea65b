"""Windows of one picture, optimised at the same time by an executor.

The process of the run holds the strokes. It sends the strokes that a window shows to a worker, which renders and scores
the window and returns the gradient; then the process updates the strokes of all windows in their order. Windows of a
group do not touch (`WindowEpoch`), so the result is that of one window after the other.
"""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from artkit.engine.painting_task import PaintingTask
from artkit.engine.window_epoch import WindowResult, WindowStep
from artkit.errors import ArtkitError, UsageError
from artkit.geometry.window_grid import WindowGrid
from artkit.interfaces.executor import Executor, Job
from artkit.interfaces.objective import Objective
from artkit.recipes.reading import read_recipe

_WINDOWS_PER_WORKER = 4
"""Windows that are sent at a time, for each worker."""


class ParallelWindows:
    """Computes steps over windows of a painting by an executor.

    Raises UsageError if the painting has one window, or components whose state the workers would have to share.
    """

    def __init__(self, task: PaintingTask, executor: Executor) -> None:
        _check(task)
        self._task, self._executor = task, executor
        self._recipe = json.dumps(task.recipe.resolved(), sort_keys=True)
        self.batch = _WINDOWS_PER_WORKER * executor.workers

    def __call__(self, steps: Sequence[WindowStep]) -> list[tuple[WindowResult, Mapping[str, Tensor]]]:
        """Compute steps over windows that do not touch: of each its result, and the gradients of parameters by name.

        Raises ArtkitError if a worker cannot compute one.
        """
        jobs = {str(step.number): self._job(step) for step in steps}
        results: dict[str, tuple[WindowResult, Mapping[str, Tensor]]] = {}
        with closing(self._executor.execute(list(jobs.values()))) as events:  # type: ignore[type-var]
            for event in events:
                if event.kind == "failed":
                    raise ArtkitError(f"step {event.job}: {event.value['error']}", hint=event.value["hint"])
                if event.kind == "finished":
                    results[event.job] = self._result(_decode(event.value))
        return [results[name] for name in jobs]

    def _job(self, step: WindowStep) -> Job:
        task = self._task
        window, _ = task.windows.at(step.index, step.shift)
        indices = task.canvas.strokes_in(task.renderer, window)
        tensors = {"indices": indices}
        tensors |= {f"rows.{name}": parameter.detach()[indices] for name, parameter in task.agent.named_parameters()}
        tensors |= {f"buffer.{name}": buffer for name, buffer in task.agent.named_buffers()}
        if step.thumbnail is not None:
            tensors["thumbnail"] = step.thumbnail
        arguments = {
            "recipe": self._recipe,
            "device": str(task.scene.device),
            "windows": asdict(task.windows),
            "step": asdict(replace(step, thumbnail=None)),
            "tensors": _encode(tensors),
        }
        return Job(str(step.number), f"{__name__}:compute_window", arguments)

    def _result(self, tensors: Mapping[str, Tensor]) -> tuple[WindowResult, dict[str, Tensor]]:
        device = self._task.scene.device
        losses = {name: value.to(device) for name, value in _section(tensors, "loss").items()}
        gradients = {}
        for name, parameter in self._task.agent.named_parameters():
            if f"values.{name}" in tensors:
                rows, values = tensors[f"rows.{name}"][None], tensors[f"values.{name}"]
                sparse = torch.sparse_coo_tensor(
                    rows, values, parameter.shape, is_coalesced=True, check_invariants=False
                )
                gradients[name] = sparse.to(device)
        per_image_loss = tensors["per_image_loss"].to(device)
        return WindowResult(losses, per_image_loss, tensors["pasted"].to(device), None, {}), gradients


def _check(task: PaintingTask) -> None:
    hint = "leave out --executor"
    if task.windows.count == 1:
        raise UsageError(
            "this picture is painted in one window, so there is nothing to divide among workers",
            hint=f"set a smaller window, such as --set window=512, or {hint}",
        )
    if task.recipe.settings.optimizer.relocate:
        raise UsageError("optimizer.relocate moves strokes, which workers do not know of", hint=hint)
    if any(len(parameter) != task.scene.action_count for parameter in task.agent.parameters()):
        agent = task.recipe.blocks["agent"].type
        raise UsageError(f'agent.type = "{agent}" cannot be divided among workers; "free" can', hint=hint)
    trained = (name for name, o in task.objectives.items() if type(o).training_step is not Objective.training_step)
    if name := next(trained, None):
        raise UsageError(f"objective.{name} trains a network at each step, which workers cannot share", hint=hint)
    whole = (name for name, constraint in task.constraints.items() if not constraint.elementwise)
    if name := next(whole, None):
        raise UsageError(f"constraint.{name} needs all strokes at once, which workers do not have", hint=hint)


def compute_window(
    recipe: str, device: str, windows: dict[str, Any], step: dict[str, Any], tensors: str
) -> Generator[None, None, str]:
    """Job that computes the losses and gradients of a window."""
    yield
    task = _task(recipe, device)
    grid = WindowGrid(**{**windows, "size": tuple(windows["size"])})
    if task.windows != grid:
        task.set_windows(grid)
    received = _decode(tensors)
    indices = received["indices"]
    with torch.no_grad():
        for name, parameter in task.agent.named_parameters():
            parameter[indices] = received[f"rows.{name}"].to(parameter.device)
    task.agent.load_state_dict(_section(received, "buffer"), strict=False)
    task.begin_step(step["step"])
    shift_x, shift_y = step.pop("shift")
    result = task.compute(WindowStep(**{**step, "shift": (shift_x, shift_y), "thumbnail": received.get("thumbnail")}))
    assert result.pasted is not None
    sent = {f"loss.{name}": value for name, value in result.losses.items()}
    sent |= {"per_image_loss": result.per_image_loss, "pasted": result.pasted}
    for name, parameter in task.agent.named_parameters():
        if parameter.grad is not None:
            gradient = parameter.grad.coalesce()
            sent |= {f"rows.{name}": gradient.indices()[0], f"values.{name}": gradient.values()}
    return _encode(sent)


@lru_cache(maxsize=1)
def _task(recipe: str, device: str) -> PaintingTask:
    """Return the task of a recipe, which a worker keeps for its next window."""
    return PaintingTask(read_recipe([json.loads(recipe)]), torch.device(device), Path(tempfile.gettempdir()))


def _section(tensors: Mapping[str, Tensor], section: str) -> dict[str, Tensor]:
    prefix = f"{section}."
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _encode(tensors: Mapping[str, Tensor]) -> str:
    stored = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    return base64.b64encode(safetensors.torch.save(stored)).decode()


def _decode(text: str) -> dict[str, Tensor]:
    return safetensors.torch.load(base64.b64decode(text))
