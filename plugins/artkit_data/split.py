"""Random splits into training and test images, for sources without a split of their own."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from artkit import Data, UsageError

_SPLIT_SEED = 20190413
"""Fixed: the split belongs to the data set and does not depend on the recipe's seed."""


class SplitConfig(Data.Config):
    """Settings of data sets whose source may have no split."""

    unseen: float = Field(0.1, ge=0, le=0.9)
    """Fraction of the images that is held back as `part = "test"`, if the source has no split of its own."""


def split_indices(count: int, config: SplitConfig, items: str = "images") -> Tensor:
    """Return the ascending indices of those of `count` items that belong to `config.part`.

    items: what the items are called in messages. Raises UsageError if the part is empty.
    """
    order = torch.randperm(count, generator=torch.Generator().manual_seed(_SPLIT_SEED))
    held_out = round(config.unseen * count)
    if config.unseen and count > 1:
        held_out = min(max(held_out, 1), count - 1)
    indices = order[:held_out] if config.part == "test" else order[held_out:]
    if not len(indices):
        raise UsageError(
            f'data: none of the {count} {items} belongs to part = "{config.part}" with unseen = {config.unseen:g}',
            hint="add images, or change unseen",
        )
    return indices.sort().values
