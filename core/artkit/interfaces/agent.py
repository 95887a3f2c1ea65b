"""Agents: propose the actions of a painting (paper §3 to §5)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from torch import Tensor, nn

from artkit.config import Config
from artkit.devices import to_device
from artkit.interfaces.component import Component
from artkit.interfaces.scene import Scene


class Agent(Component, nn.Module, ABC):
    """Proposes the actions of a painting. Its parameters are what a run optimises.

    uses_targets: whether the actions depend on the targets passed to `forward`. Only such an agent can be trained on
    `[data]`, and paint images that it was not trained on.

    Examples:
        >>> import artkit, torch
        >>> class Middle(artkit.Agent):
        ...     '''Strokes in the middle of their tiles.'''
        ...     name = "middle"
        ...     def __init__(self, config, scene):
        ...         super().__init__(config, scene)
        ...         shape = (1, scene.action_count, len(scene.renderer.space))
        ...         self.logits = torch.nn.Parameter(torch.zeros(shape))
        ...     def forward(self, scene, targets=None):
        ...         return self.logits.sigmoid()
        >>> scene = artkit.scene((64, 64))
        >>> scene.renderer = scene.make("renderer", "gan")
        >>> scene.canvas = scene.make("canvas", "single", strokes=5)
        >>> scene.make("agent", Middle)(scene).shape
        torch.Size([1, 5, 12])
    """

    uses_targets: ClassVar[bool] = False

    start_folder: Path | None = None
    """The folder of the run whose painting the agent begins from, if it does. If nothing but the number of steps
    differs from that run, also its optimiser, objectives and random numbers go on from there."""

    def __init__(self, config: Config, scene: Scene) -> None:
        nn.Module.__init__(self)
        self.config, self.provenance = config, {}

    @abstractmethod
    def forward(self, scene: Scene, targets: Tensor | None = None) -> Tensor:
        """Return the actions of n paintings: (n, N, A) in [0, 1], strokes in painting order.

        N is `scene.action_count`, which is 1 if the renderer shares one action; A is ``len(scene.renderer.space)``.
        targets (n, 3, h, w), sRGB in [0, 1]: the images to paint; they have the shape of the painting and may be
        smaller. None if there is no target, or if the agent has not set `uses_targets`.
        """

    def forward_subset(self, scene: Scene, indices: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return the actions (n, m, A) of the strokes with the given indices (m,), int64.

        Called for paintings that are too large for a step with all strokes. The default calls `forward` and selects. An
        agent that has parameters of each stroke should override this and return a sparse gradient, as
        ``torch.nn.functional.embedding(..., sparse=True)`` does.
        """
        actions: Tensor = self(scene, targets)
        return actions[:, to_device(indices, actions.device)]

    def restart(self, indices: Tensor, actions: Tensor) -> None:
        """Let the strokes with the indices (m,) have the actions (m, A), before constraints, in all paintings.

        An agent that has parameters of each stroke may override this; then `optimizer.relocate` can move strokes.
        """
        raise NotImplementedError

    def on_step_end(self, losses: Tensor, progress: float) -> None:
        """Called after each optimisation step of a painting. Does nothing by default.

        losses (n,): the loss of each painting that `forward` returned; an agent that returns several candidates can
        choose the best by it. progress: 0 at the first step, 1 at the last. Whatever is remembered must be part of the
        agent's ``state_dict``.
        """
