"""The plan of a sweep: which runs there are, their settings and their names."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from artkit.config import LocatedStr
from artkit.errors import UsageError
from artkit.recipes.reading import TOML_BEGINNINGS, parse_setting, read_recipe, read_tree
from artkit.recipes.recipe import SWEEP, Recipe, Tree
from artkit.sweep.input_files import expand, names_file
from artkit.sweep.names import run_names

SEED = "seed"
PICTURE = "picture"
"""Key of the picture that a run paints instead of the recipe's own, among the varied settings."""


@dataclass(frozen=True)
class Axis:
    """A setting that is varied.

    keys: its place in the recipe, such as ``("canvas", "tile")``. values: as in TOML. is_file: whether they are names
    of files.
    """

    keys: tuple[str, ...]
    values: tuple[Any, ...]
    is_file: bool = False

    @property
    def key(self) -> str:
        """The place in the recipe as text, such as ``canvas.tile``."""
        return ".".join(self.keys)

    def tree(self, value: Any) -> Tree:
        """Return a recipe with this setting alone."""
        for name in reversed(self.keys):
            value = {name: value}
        return dict(value)


@dataclass(frozen=True)
class PlannedRun:
    """A run of a sweep. name: of its folder. settings: the values of the varied settings, by their keys."""

    name: str
    settings: dict[str, Any]
    recipe: Recipe


@dataclass(frozen=True)
class Plan:
    """The runs of a sweep. name: of the recipe. skipped: files of folders that are no pictures."""

    name: str
    runs: tuple[PlannedRun, ...]
    skipped: tuple[Path, ...] = field(default=())


def plan_sweep(
    recipes: Sequence[Path],
    settings: Sequence[str] = (),
    over: Sequence[str] = (),
    seeds: int | None = None,
    pictures: Sequence[Path] = (),
) -> Plan:
    """Plan a run for each combination of values, and validate all recipes.

    recipes and settings: as for `read_recipe`; a table ``[sweep]`` has lists of values. over: ``KEY=V1,V2,...`` with
    values as in TOML, or text without quotes, instead of those of the table. For a setting that is a file, a value may
    be a folder, which stands for the pictures in it, or a glob pattern. seeds: their number; they follow the seed of
    the recipe. pictures: image files, or folders of them, to paint instead of the recipe's own. Raises UsageError for
    what is wrong in any of the runs.
    """
    base = read_tree(recipes, settings)
    skipped: list[Path] = []
    axes = [_parse_axis(text, base, skipped) for text in over]
    if seeds is not None:
        axes.append(_seed_axis(base, seeds))
    for first, second in itertools.combinations(axes, 2):
        if first.keys == second.keys:
            raise UsageError(f"{first.key} is varied twice", hint="list all its values in one --over")
    replaced = [axis.keys for axis in axes]
    axes = [axis for axis in _table_axes(base.get(SWEEP, {}), (), base, skipped) if axis.keys not in replaced] + axes
    if pictures:
        axes.insert(0, _picture_axis(pictures, skipped))
    combinations = list(itertools.product(*(axis.values for axis in axes)))
    sweep_name = recipes[-1].stem
    names = run_names([(axis.keys, axis.is_file, axis.values) for axis in axes], combinations) if axes else [sweep_name]
    runs = []
    for name, values in zip(names, combinations, strict=True):
        varied = dict(zip((axis.key for axis in axes), values, strict=True))
        picture = Path(varied[PICTURE]) if pictures else None
        trees = [axis.tree(value) for axis, value in zip(axes, values, strict=True) if axis.keys != (PICTURE,)]
        try:
            recipe = read_recipe(recipes, [*settings, *trees], picture)
        except UsageError as error:
            raise UsageError(f"{name}: {error.message}" if axes else error.message, hint=error.hint) from None
        runs.append(PlannedRun(name, varied, recipe))
    return Plan(sweep_name, tuple(runs), tuple(skipped))


def _picture_axis(pictures: Sequence[Path], skipped: list[Path]) -> Axis:
    files = tuple(expand([str(picture) for picture in pictures], "", False, skipped))
    for file in files:
        if not Path(file).is_file():
            raise UsageError(f"there is no picture {file}")
    return Axis((PICTURE,), files, is_file=True)


def _table_axes(value: Any, keys: tuple[str, ...], base: Tree, skipped: list[Path]) -> Iterator[Axis]:
    """Yield the axes of a table ``[sweep]``, or of a value in it at `keys`; a list has the values of a setting."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _table_axes(inner, (*keys, key), base, skipped)
        return
    place = ".".join((SWEEP, *keys))
    if not keys or not isinstance(value, list) or not value:
        raise UsageError(f"{place}: write a table of lists, such as canvas.strokes = [2, 4]")
    yield _axis(keys, value, f"{place}: ", base, skipped)


def _parse_axis(text: str, base: Tree, skipped: list[Path]) -> Axis:
    """Parse ``KEY=V1,V2,...``; append files that are no pictures to `skipped`."""
    key, _, listed = (part.strip() for part in text.partition("="))
    try:
        keys = tuple(_keys(tomllib.loads(f"{key}=0")))
        values = _parse_values(listed)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"--over {text}: {error}", hint="write KEY=VALUE,VALUE,... with values as in TOML") from None
    if not keys or not values:
        raise UsageError(f"--over {text}: write KEY=VALUE,VALUE,...", hint="for example --over steps=100,200")
    return _axis(keys, values, f"--over {text}: ", base, skipped)


def _axis(keys: tuple[str, ...], values: list[Any], place: str, base: Tree, skipped: list[Path]) -> Axis:
    """Return an axis, with the files that values name as folders or patterns; `place` begins an error message."""
    is_file, folders_allowed = names_file(base, keys)
    if is_file:
        located = [str(v.folder / Path(v).expanduser()) if isinstance(v, LocatedStr) else v for v in values]
        values = list(expand(located, place, folders_allowed, skipped))
    return Axis(keys, tuple(values), is_file)


def _parse_values(text: str) -> list[Any]:
    """Parse values as in TOML, or words without quotes. Raises TOMLDecodeError."""
    try:
        return list(tomllib.loads(f"values=[{text}\n]")["values"])
    except tomllib.TOMLDecodeError:
        if any(mark in text for mark in TOML_BEGINNINGS):
            raise
        return [parse_setting(f"value={word}")["value"] for word in text.split(",")]


def _keys(tree: Tree) -> Iterator[str]:
    """Yield the keys on the way to the only value of a tree."""
    value: Any = tree
    while isinstance(value, dict) and len(value) == 1:
        ((key, value),) = value.items()
        yield key


def _seed_axis(base: Tree, seeds: int) -> Axis:
    first = base.get(SEED, 0)
    if not isinstance(first, int) or isinstance(first, bool):
        raise UsageError(f"seed: {first!r} is not an integer", hint=f"list the seeds: --over {SEED}=1,2,3")
    return Axis((SEED,), tuple(range(first, first + seeds)))
