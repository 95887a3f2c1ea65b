"""The recipe model: TOML files that say what to paint, and with which components."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from artkit.config import FIRST_STAGE, Colour, Config, FiniteFloat, InputFile, InputPath, UnitFloat
from artkit.errors import UsageError
from artkit.recipes.optimizer_config import OptimizerConfig
from artkit.recipes.picture_size import MAX_SIDE, PictureSize

Tree = dict[str, Any]
"""A recipe as TOML is parsed: nested dictionaries."""


class Change(Config):
    """Settings that a run has from a step on. What is left out stays as it was."""

    step: Annotated[int, Field(ge=0)]
    """The first step with the changed settings; of a picture of several windows, the first epoch."""
    steps: Annotated[int, Field(ge=1)] | None = None
    """Number of steps of the whole run from then on; learning rate and schedules go by it."""
    lr: Annotated[float, Field(gt=0, le=10)] | None = None
    """`lr` of `[optimizer]`."""
    weights: dict[str, FiniteFloat] | None = None
    """`weight` of objectives, by their names."""
    weight_images: dict[str, Annotated[Literal[""] | InputFile, Field(union_mode="left_to_right")]] | None = None
    """`weight_image` of objectives, by their names; `""` for none."""


def _check_order(changes: tuple[Change, ...] | None) -> tuple[Change, ...] | None:
    if changes and any(later.step < earlier.step for earlier, later in pairwise(changes)):
        raise ValueError("changes must be in the order of their steps")
    return changes


_CM_PER_INCH = 2.54
_PRINT_DPI = 300.0  # the resolution of a picture whose width is set in cm, unless the recipe sets another

OUTPUT_SIZES = ("scale", "long_side", "width_cm")
"""Settings of `[output]` that each determine the size of the finished picture, so that a recipe has one of them."""


_DEVICE_NAMES = r"^(auto|cpu|cuda(:[0-9]{1,3})?|mps)$"


def _check_device_name(name: str) -> str:
    if not re.match(_DEVICE_NAMES, name):
        raise ValueError("choose 'auto', 'cpu', 'cuda', 'cuda:1' and so on, or 'mps'")
    return name


_DeviceName = Annotated[
    str, AfterValidator(_check_device_name), WithJsonSchema({"type": "string", "pattern": _DEVICE_NAMES})
]


class OutputConfig(Config):
    """The finished picture, which is rendered from the strokes once more, at any size."""

    formats: Annotated[tuple[str, ...], Field(max_length=32)] = ("png",)
    """Extensions of the files, as of `artkit export`: `["png", "jpg"]` for painting.png and painting.jpg. A run always
    leaves painting.png."""
    scale: Annotated[float, Field(gt=0, le=1024)] | None = None
    """Size relative to the recipe's `size`; 1 if none of the three sizes is set."""
    long_side: Annotated[int, Field(ge=8, le=MAX_SIDE)] | None = None
    """Longer side of the picture, px; instead of `scale`."""
    width_cm: Annotated[float, Field(gt=0, le=2000)] | None = None
    """Width of the print, cm; instead of `scale`. The resolution is 300 dpi if `dpi` is not set."""
    dpi: Annotated[float, Field(gt=0, le=1e5)] | None = None
    """Resolution of the print, px per inch. It is written into the files."""

    @model_validator(mode="after")
    def _check_one_size(self) -> OutputConfig:
        sizes = [name for name in OUTPUT_SIZES if getattr(self, name) is not None]
        if len(sizes) > 1:
            raise ValueError(f"{' and '.join(sizes)} all set the size of the picture; leave one of them")
        return self

    @property
    def resolution(self) -> float | None:
        """The resolution to write into the files, px per inch; None if the recipe sets none."""
        return self.dpi or (_PRINT_DPI if self.width_cm else None)

    def scale_for(self, size: tuple[int, int]) -> float:
        """Return the scale of the finished picture of a painting of `size`, width and height in px."""
        if self.long_side:
            return self.long_side / max(size)
        if self.width_cm and self.resolution:
            return self.width_cm / _CM_PER_INCH * self.resolution / size[0]
        return self.scale or 1.0


class FilmConfig(Config):
    """A film: the frames of a clip are painted one after the other, with strokes that persist from frame to frame."""

    clip: InputPath
    """The clip to paint: a video, an animated GIF, WebP or PNG, or a folder of images."""
    fps: Annotated[float, Field(gt=0, le=120)] = 12.0
    """Painted frames a second, at most: a clip with fewer keeps its own. 12 is every second frame of 24, "on twos"."""
    steps: Annotated[int, Field(ge=0)] = 20
    """Steps of optimisation of each frame; the first frame of a shot gets `steps` of the recipe."""
    hold: UnitFloat = 0.85
    """How strongly strokes hold on. With 1 they only move with the picture; with 0 each frame is corrected at the full
    learning rate, as new strokes always are until they have faded in."""
    fade: Annotated[float, Field(ge=0, le=10)] = 0.35
    """Seconds over which strokes fade in and out."""
    cut: UnitFloat = 0.12
    """Mean difference between a frame and the previous one moved along the flow, each channel in [0, 1], above which a
    new shot begins. 1: the clip is one shot."""
    start: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Seconds of the clip that are left out at its beginning."""
    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Seconds of the clip that are painted; by default all up to its end."""


class RunSettings(Config):
    """The top-level settings of a recipe."""

    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0
    """Seed of all random numbers: the same recipe and seed give the same picture on the same machine."""
    steps: Annotated[int, Field(ge=0)] = 150
    """Steps of optimisation or training. Each step updates every stroke once, however large the picture. With 0, a
    trained agent paints the target without being optimised on it."""
    size: PictureSize = 288
    """The longer side of the picture, px: its shape is that of the target, or a square if no objective has one. Or
    `{area = 84480}`, the number of pixels in that shape; or `[352, 240]`, exactly this width and height, px."""
    window: Annotated[int, Field(ge=64, le=MAX_SIDE)] | Literal["auto"] = "auto"
    """Longest side of the window that a step renders and scores, px. A picture that fits into it is rendered as a whole
    in each step; a larger one is optimised window by window, `steps` times each. `auto` renders the whole picture if
    that takes no more than a quarter of the memory."""
    background: Annotated[Colour | Literal["target"] | InputPath, Field(union_mode="left_to_right")] = (1.0, 1.0, 1.0)
    """Red, green and blue of the bare canvas; `target`: the mean colour of the target; or a picture on which the
    strokes are painted: an image file, or the folder of an earlier run."""
    device: _DeviceName = "auto"
    """Device to compute on: `"cpu"`, `"cuda"`, the second CUDA GPU `"cuda:1"`, `"mps"`, or `"auto"`: a CUDA GPU, if
    torch can use one, or the CPU."""
    csv: bool = False
    """Also write the losses of each step to `losses.csv` in the run's folder."""
    tensorboard: bool = False
    """Also write losses and pictures for TensorBoard, to `tensorboard/` in the run's folder; needs the extra
    `tensorboard`."""
    trackio: bool = False
    """Also log losses and pictures to trackio's local project `artkit`; needs the extra `trackio`."""
    log_images: Annotated[int, Field(ge=0)] = 100
    """Steps from one picture for TensorBoard or trackio to the next. 0: no pictures."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """The optimiser of the agent's parameters."""
    changes: Annotated[tuple[Change, ...] | None, AfterValidator(_check_order)] = None
    """Settings that change during the run, a table `[[changes]]` each time, in the order of their `step`. A run with
    changes is the same whether it had them from its start, or was stopped, changed and resumed."""
    output: OutputConfig = OutputConfig()
    """The finished picture: its size and its files."""
    film: FilmConfig | None = None
    """The clip, if a film is painted instead of a picture."""


BLOCKS = ("data", "canvas", "renderer", "agent", "trainer")
"""Tables that hold one component."""

NAMED_BLOCKS = ("objective", "constraint")
"""Tables that hold several components, by names that the recipe chooses."""

DEFAULT_TYPES = {"canvas": "grid", "renderer": "mypaint", "agent": "free"}
"""The type of a component that a painting needs and a recipe leaves out."""

LOG_KEYS = ("step", "loss", "seconds", "verdicts", "changes")
"""Keys of a line of the log that are not objectives. An objective cannot have such a name."""

FIRST = "first"
"""The table with the settings of a first stage, whose picture is the target of the recipe."""

FIRST_PICTURE_FILE = f"{FIRST}.png"
"""The picture of the first stage, in the folder of a run."""

RECIPE_FILE = "recipe.toml"
"""Name of the recipe in a run's folder."""

WITHOUT_EFFECT = ("device", "output", "csv", "tensorboard", "trackio", "log_images")
"""Top-level settings and tables that change no stroke: a run may resume with other values."""

RECORD = "record"
"""The table in a run's recipe with versions and checksums; not a setting."""

SWEEP = "sweep"
"""The table with the values that `artkit sweep` gives to settings. A single run does not use it."""


def film_stand_in(clip: Path) -> Path:
    """Return the file that stands for a clip where an objective names its target: of a folder, one of its files.

    Raises UsageError if a folder has no files.
    """
    if not clip.is_dir():
        return clip
    file = min((file for file in clip.iterdir() if file.is_file()), default=None)
    if file is None:
        raise UsageError(f"the folder {clip} has no images in it", hint="name a video, or a folder of frames")
    return file.resolve()


@dataclass(frozen=True)
class Block:
    """One component of a recipe: its kind, type and validated Config."""

    kind: str
    type: str
    config: Any


@dataclass(frozen=True)
class Recipe:
    """A validated recipe.

    name: the default name of the run's folder. blocks: the components of `BLOCKS`, by kind. named: those of
    `NAMED_BLOCKS`, by kind and name. The size in the settings is always width and height. first: the recipe of the
    first stage, whose picture is a target of this one; None if there is none.
    """

    name: str
    settings: RunSettings
    blocks: dict[str, Block]
    named: dict[str, dict[str, Block]]
    first: Recipe | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture, px."""
        assert isinstance(self.settings.size, tuple)
        return self.settings.size

    @property
    def trains_renderer(self) -> bool:
        """Whether the recipe trains the weights of a renderer."""
        return "trainer" in self.blocks

    @property
    def trains_agent(self) -> bool:
        """Whether the recipe trains an agent on data, rather than paints one picture."""
        return "data" in self.blocks

    def files(self) -> dict[str, Path]:
        """Return the files (not folders) that the recipe names, by their place in it: ``objective.look.target``."""
        files: dict[str, Path] = {}
        if isinstance(background := self.settings.background, Path):
            file = background / "strokes.json" if background.is_dir() else background
            files |= {"background": file} if file.is_file() else {}
        for index, change in enumerate(self.settings.changes or ()):
            images = {name: file for name, file in (change.weight_images or {}).items() if isinstance(file, Path)}
            files |= {f"changes.{index}.weight_images.{name}": file for name, file in images.items()}
        if self.settings.film and self.settings.film.clip.is_file():
            files["film.clip"] = self.settings.film.clip
        for place, block in self.components():
            for key in type(block.config).model_fields:
                value = getattr(block.config, key)
                if isinstance(value, Path) and value != FIRST_STAGE and value.is_file():
                    files[f"{place}.{key}"] = value
        if self.first:
            files |= {f"{FIRST}.{place}": file for place, file in self.first.files().items()}
        return files

    def film_targets(self) -> tuple[Path, ...]:
        """Return the targets of objectives for which the frames of the film's clip stand: all that are the clip."""
        film = self.settings.film
        if film is None:
            return ()
        stand_in = film_stand_in(film.clip)
        targets = (getattr(block.config, "target", None) for block in self.named["objective"].values())
        return (stand_in,) if stand_in in targets else ()

    def components(self) -> Iterable[tuple[str, Block]]:
        """Yield each component with its place in the recipe, such as ``objective.look``."""
        yield from self.blocks.items()
        for kind, blocks in self.named.items():
            for name, block in blocks.items():
                yield f"{kind}.{name}", block

    def resolved(self) -> Tree:
        """Return the recipe with all defaults, as a TOML tree without the record."""
        tree: Tree = self.settings.model_dump(mode="json", exclude_none=True)
        optimizer, output = tree.pop("optimizer"), tree.pop("output")
        for kind, block in self.blocks.items():
            tree[kind] = _dump_block(block)
        for kind, blocks in self.named.items():
            if blocks:
                tree[kind] = {name: _dump_block(block) for name, block in blocks.items()}
        if not self.trains_renderer:
            tree["optimizer"] = optimizer
        if not self.trains_renderer and not self.trains_agent:
            tree["output"] = output
        if self.first:
            tree[FIRST] = _without_output(self.first.resolved())
        return tree

    def portable(self) -> Tree:
        """Return `resolved` with paths reduced to file names, so that it is the same on every machine."""
        tree = self.resolved()
        if isinstance(self.settings.background, Path):
            tree["background"] = self.settings.background.name
        for change in tree.get("changes", ()):
            images = change.get("weight_images", {})
            images.update({name: Path(file).name for name, file in images.items()})
        if self.settings.film:
            tree["film"]["clip"] = self.settings.film.clip.name
        for place, block in self.components():
            kind, _, label = place.partition(".")
            for key in type(block.config).model_fields:
                if isinstance(path := getattr(block.config, key), Path):
                    (tree[kind][label] if label else tree[kind])[key] = path.name
        if self.first:
            tree[FIRST] = _without_output(self.first.portable())
        return tree


def _without_output(tree: Tree) -> Tree:
    """Return the recipe of a first stage without the settings that have no effect on its picture."""
    return {key: value for key, value in tree.items() if key not in WITHOUT_EFFECT}


def _dump_block(block: Block) -> Tree:
    return {"type": block.type, **block.config.model_dump(mode="json", exclude_none=True, by_alias=True)}
