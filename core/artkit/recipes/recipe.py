"""Recipes: TOML files that say what is to be painted, with which parts.

All faults of a recipe are reported at once, each with its place, what is allowed there, and the nearest name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from artkit.config import Colour, Config

Tree = dict[str, Any]


MAX_SIDE = 1 << 17


class OptimizerConfig(Config):
    """How the agent's parameters are changed."""

    type: Literal["adam"] = "adam"
    """Adam, with its usual constants."""
    lr: Annotated[float, Field(gt=0, le=10)] = 0.1
    """Learning rate at the start."""
    decay: Literal["none", "cosine"] = "cosine"
    """How the rate falls over the run: not at all, or along a half cosine to `floor`."""
    floor: Annotated[float, Field(ge=0, le=1)] = 0.05
    """The rate at the end, as a share of the rate at the start."""
    warmup: Annotated[int, Field(ge=0)] = 0
    """Steps over which the rate rises from nothing."""


class RunSettings(Config):
    """What a recipe says of the run itself."""

    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0
    """Chooses everything random: the same recipe and seed give the same picture on the same machine."""
    steps: Annotated[int, Field(ge=0)] = 150
    """Steps of optimisation, or of training. Each lets every stroke learn once, however large the picture. With 0 a
    trained agent paints what it sees, without being improved on it."""
    size: tuple[Annotated[int, Field(ge=8, le=MAX_SIDE)], Annotated[int, Field(ge=8, le=MAX_SIDE)]] = (288, 288)
    """Width and height of the picture, px."""
    window: Annotated[int, Field(ge=64, le=MAX_SIDE)] | Literal["auto"] = "auto"
    """Largest side, px, of the part of the picture that a step paints and scores. A picture that fits into it is seen
    whole in each step; a larger one is gone over part by part, `steps` times. `auto` sees it whole if that takes no
    more than a quarter of the memory."""
    background: Colour | Literal["target"] = (1.0, 1.0, 1.0)
    """Red, green and blue of the bare canvas, or `target`: the mean colour of what is to be painted."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute: `auto` takes a GPU if there is one."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """How the agent's parameters are changed."""


BLOCKS = ("data", "canvas", "renderer", "agent", "trainer")
"""Blocks that hold one part."""


NAMED_BLOCKS = ("objective", "constraint")
"""Blocks that hold parts by names that the recipe chooses."""


DEFAULT_TYPES = {"canvas": "grid", "renderer": "mypaint", "agent": "free"}
"""The type of a block that a painting needs and a recipe leaves out."""


LOG_KEYS = ("step", "loss", "seconds", "verdicts")
"""What each line of a run's log may tell besides the losses of the objectives, which therefore have other names."""


RECORD = "record"
"""The table in a run's recipe that tells versions and sums; not a setting."""


@dataclass(frozen=True)
class Block:
    """A part of a recipe: which one, and its settings."""

    kind: str
    type: str
    config: Any


@dataclass(frozen=True)
class Recipe:
    """A checked recipe. name: for the run's folder. blocks: single parts by kind. named: parts by kind and name."""

    name: str
    settings: RunSettings
    blocks: dict[str, Block]
    named: dict[str, dict[str, Block]]

    @property
    def trains_renderer(self) -> bool:
        """Whether this recipe trains the weights of a renderer."""
        return "trainer" in self.blocks

    @property
    def trains_agent(self) -> bool:
        """Whether in this recipe an agent learns from data, rather than paints one picture."""
        return "data" in self.blocks

    def files(self) -> dict[str, Path]:
        """The files, not folders, that the recipe names, by their place in it."""
        found: dict[str, Path] = {}
        for place, block in self.components():
            for key in type(block.config).model_fields:
                value = getattr(block.config, key)
                if isinstance(value, Path) and value.is_file():
                    found[f"{place}.{key}"] = value
        return found

    def components(self) -> Iterable[tuple[str, Block]]:
        """The parts of the recipe, each with its place in it, such as ``objective.look``."""
        yield from self.blocks.items()
        for kind, blocks in self.named.items():
            for name, block in blocks.items():
                yield f"{kind}.{name}", block

    def resolved(self) -> Tree:
        """The recipe with every default written out, as a TOML tree without the record."""
        tree: Tree = self.settings.model_dump(mode="json", exclude_none=True)
        optimizer = tree.pop("optimizer")
        for kind, block in self.blocks.items():
            tree[kind] = _dump_block(block)
        for kind, blocks in self.named.items():
            if blocks:
                tree[kind] = {name: _dump_block(block) for name, block in blocks.items()}
        if not self.trains_renderer:
            tree["optimizer"] = optimizer
        return tree

    def portable(self) -> Tree:
        """`resolved`, with files by their names alone: the same on every machine."""
        tree = self.resolved()
        for place, block in self.components():
            kind, _, label = place.partition(".")
            for key in type(block.config).model_fields:
                if isinstance(path := getattr(block.config, key), Path):
                    (tree[kind][label] if label else tree[kind])[key] = path.name
        return tree


def _dump_block(block: Block) -> Tree:
    return {"type": block.type, **block.config.model_dump(mode="json", exclude_none=True, by_alias=True)}
