"""Agents: which actions? (paper §3 to §5)"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from artkit.config import Config
from artkit.interfaces.component import Component
from artkit.interfaces.scene import Scene


class Agent(Component, nn.Module, ABC):
    """Proposes the actions of a picture. Its parameters are what a run optimises.

    uses_targets: whether what it proposes depends on what it is shown, so that it can learn to paint pictures that it has not
    seen.
    """

    uses_targets: ClassVar[bool] = False

    def __init__(self, config: Config, scene: Scene) -> None:
        nn.Module.__init__(self)
        self.config, self.provenance = config, {}

    @abstractmethod
    def forward(self, scene: Scene, targets: Tensor | None = None) -> Tensor:
        """Actions (n, N, A) in [0, 1] for the N strokes of the scene's canvas, in the order of painting; N is
        `Scene.actions`, which is 1 where the renderer shares one.

        targets (n, 3, h, w) in [0, 1]: what is to be painted, of the shape of the picture and perhaps smaller; None if
        there is no picture of it, or the agent does not look.
        """

    def forward_subset(self, scene: Scene, numbers: Tensor, targets: Tensor | None = None) -> Tensor:
        """The actions (n, m, A) of the strokes with the numbers (m,) alone, for pictures whose strokes are too many to
        be proposed in each step. An agent with parameters of each stroke should see to it that only theirs get a
        gradient, a sparse one, as `torch.nn.functional.embedding` gives.
        """
        actions: Tensor = self(scene, targets)
        return actions[:, numbers]

    def on_step_end(self, losses: Tensor, progress: float) -> None:
        """Hear after a step of a painting what its pictures cost, (n,), lower is better. progress: of the run, 0 to 1.

        An agent that proposes several pictures may choose among them by that. What it knows must be in its state.
        """
