"""The settings of a recipe's table `[optimizer]`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from artkit.config import Config

Beta = Annotated[float, Field(gt=0, lt=1)]


class OptimizerConfig(Config):
    """The optimiser of the agent's parameters."""

    type: Literal["adam"] = "adam"
    """Adam."""
    lr: Annotated[float, Field(gt=0, le=10)] = 0.1
    """Learning rate at the start."""
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    """Adam's betas. With a smaller first one, such as .5, strokes follow the gradient of a step more closely, which is
    better where it varies little from step to step."""
    decay: Literal["none", "cosine"] = "cosine"
    """Learning rate schedule: constant, or a half cosine from `lr` to `lr` times `floor`."""
    floor: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Learning rate at the end, as a share of `lr`."""
    warmup: Annotated[int, Field(ge=0)] = 0
    """Steps over which the learning rate rises linearly to `lr`."""
    relocate: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Share of the strokes that are moved at each of the steps `relocate_at`: those that change the picture least
    become small strokes on top, where it differs most from the target."""
    relocate_at: tuple[Annotated[int, Field(ge=1)], ...] = (40, 72, 104)
    """Steps before which strokes are moved; of a picture of several windows, epochs."""
