"""Which pictures are learnt from, and which are held back, where a source does not say so itself."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from artkit import Data, UsageError

_SEED = 20190413  # a split is that of the data set: the same whatever a recipe's seed


class Config(Data.Config):
    """Of data sets that may come as one piece."""

    unseen: float = Field(0.1, ge=0, le=0.9)
    """The share that is held back as `part = "test"`, where the source has no such part of its own."""


def split(count: int, config: Config, of: str = "pictures") -> Tensor:
    """Which of `count` things belong to the part that a Config asks for: their numbers, ascending.

    Raises UsageError if there are none.
    """
    order = torch.randperm(count, generator=torch.Generator().manual_seed(_SEED))
    held_back = round(config.unseen * count)
    if config.unseen and count > 1:
        held_back = min(max(held_back, 1), count - 1)
    mine = order[:held_back] if config.part == "test" else order[held_back:]
    if not len(mine):
        raise UsageError(
            f'data: of {count} {of} none is left for part = "{config.part}" with unseen = {config.unseen:g}',
            hint="add some, or choose another share",
        )
    return mine.sort().values
