"""Recipes: TOML files that say what is to be painted, with which parts.

All faults of a recipe are reported at once, each with its place, what is allowed there, and the nearest name.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from artkit.config import Colour, Config, Located
from artkit.errors import UsageError
from artkit.files import sha256
from artkit.plugins import plugins

Tree = dict[str, Any]

MAX_SIDE = 1 << 17

_NUMBERS = ("int", "float")


class Optimizer(Config):
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


class Head(Config):
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
    optimizer: Optimizer = Optimizer()
    """How the agent's parameters are changed."""


BLOCKS = ("data", "canvas", "renderer", "agent", "trainer")
"""Blocks that hold one part."""

NAMED = ("objective", "constraint")
"""Blocks that hold parts by names that the recipe chooses."""

DEFAULTS = {"canvas": "grid", "renderer": "mypaint", "agent": "free"}
"""The type of a block that a painting needs and a recipe leaves out."""

LOGGED = ("step", "loss", "seconds", "verdicts")
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
    head: Head
    blocks: dict[str, Block]
    named: dict[str, dict[str, Block]]

    @property
    def trains(self) -> bool:
        """Whether this recipe trains the weights of a renderer."""
        return "trainer" in self.blocks

    @property
    def learns(self) -> bool:
        """Whether in this recipe an agent learns from data, rather than paints one picture."""
        return "data" in self.blocks

    def files(self) -> dict[str, Path]:
        """The files, not folders, that the recipe names, by their place in it."""
        found: dict[str, Path] = {}
        for place, block in self.places():
            for key in type(block.config).model_fields:
                value = getattr(block.config, key)
                if isinstance(value, Path) and value.is_file():
                    found[f"{place}.{key}"] = value
        return found

    def places(self) -> Iterable[tuple[str, Block]]:
        """The parts of the recipe, each with its place in it, such as ``objective.look``."""
        yield from self.blocks.items()
        for kind, blocks in self.named.items():
            for name, block in blocks.items():
                yield f"{kind}.{name}", block

    def resolved(self) -> Tree:
        """The recipe with every default written out, as a TOML tree without the record."""
        tree: Tree = self.head.model_dump(mode="json", exclude_none=True)
        optimizer = tree.pop("optimizer")
        for kind, block in self.blocks.items():
            tree[kind] = _dump(block)
        for kind, blocks in self.named.items():
            if blocks:
                tree[kind] = {name: _dump(block) for name, block in blocks.items()}
        if not self.trains:
            tree["optimizer"] = optimizer
        return tree

    def portable(self) -> Tree:
        """`resolved`, with files by their names alone: the same on every machine."""
        tree = self.resolved()
        for place, block in self.places():
            kind, _, label = place.partition(".")
            for key in type(block.config).model_fields:
                if isinstance(path := getattr(block.config, key), Path):
                    (tree[kind][label] if label else tree[kind])[key] = path.name
        return tree


def _dump(block: Block) -> Tree:
    return {"type": block.type, **block.config.model_dump(mode="json", exclude_none=True, by_alias=True)}


def record(recipe: Recipe, provenance: Mapping[str, str]) -> Tree:
    """What a run was made with: versions of the packages, those of its parts' plugins too, and the sha256 of inputs and
    weights by their place.
    """
    packages = ["neural-artkit", "torch", "torchvision", "timm", "numpy", "pillow"]
    packages += sorted({plugins().parts(block.kind)[block.type].package for _, block in recipe.places()})
    versions = {}
    for name in dict.fromkeys(packages):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    sums = {place: sha256(path) for place, path in recipe.files().items()}
    return {"versions": versions, "sha256": {**sums, **provenance}}


# ---------------------------------------------------------------------------------------------------------- reading
def read(recipes: Sequence[Path | Tree], settings: Sequence[str | Tree] = ()) -> Recipe:
    """Read recipes and settings, later ones over earlier ones, and check the whole.

    recipes: files, or trees as files would hold them. settings: lines of TOML such as ``steps=300``, or trees. A block
    that names its `type` replaces the earlier one, otherwise it amends it. Relative paths start at the file that names
    them, those of settings and trees at the current folder. Raises UsageError with all faults.
    """
    if not recipes:
        raise UsageError("no recipe was named", remedy="`artkit recipes` lists those that ship with artkit")
    tree: Tree = {}
    for recipe in recipes:
        tree = merge(tree, _read_file(recipe) if isinstance(recipe, Path) else _locate(recipe, Path.cwd()))
    for setting in settings:
        tree = merge(tree, _read_setting(setting) if isinstance(setting, str) else _locate(setting, Path.cwd()))
    return check(tree, next((recipe.stem for recipe in reversed(recipes) if isinstance(recipe, Path)), "painting"))


def _read_file(file: Path) -> Tree:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        shipped = shipped_recipes()
        known = (
            f"; `artkit recipes --copy {file.stem}` copies the one that ships with artkit"
            if file.stem in shipped
            else ""
        )
        raise UsageError(f"there is no recipe {file}", remedy=f"`artkit recipes` lists recipes{known}") from None
    except IsADirectoryError:
        raise UsageError(f"{file} is a folder, not a recipe") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the recipe {file}: {error}") from None
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is not valid TOML: {error}") from None
    located: Tree = _locate(tree, file.resolve().parent)
    return located


def _read_setting(setting: str) -> Tree:
    try:
        tree: Tree = _locate(tomllib.loads(setting), Path.cwd())
    except tomllib.TOMLDecodeError:
        key, _, value = setting.partition("=")
        raise UsageError(
            f"--set {setting}: not a line of TOML",
            remedy=f"texts need quotes: --set '{key.strip()}=\"{value.strip()}\"'"
            if value
            else "write --set KEY=VALUE",
        ) from None
    return tree


def _locate(value: Any, folder: Path) -> Any:
    """A tree whose texts remember the folder that a relative path starts at. Tuples and paths, which only a tree from
    Python has, become what TOML would have.
    """
    if isinstance(value, Mapping):
        return {key: _locate(inner, folder) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_locate(inner, folder) for inner in value]
    if isinstance(value, Path):
        value = str(value)
    return Located(value, folder) if isinstance(value, str) else value


def merge(earlier: Tree, later: Tree) -> Tree:
    """`later` over `earlier`: tables are amended, unless the later one names its `type`, which replaces them."""
    merged = dict(earlier)
    # A recipe trains a renderer, or it paints or learns to: the later word wins.
    if "trainer" in later:
        merged.pop("renderer", None)
        merged.pop("data", None)
    elif "renderer" in later or "data" in later:
        merged.pop("trainer", None)
    return _amend(merged, later)


def _amend(earlier: Tree, later: Tree) -> Tree:
    merged = dict(earlier)
    for key, value in later.items():
        old = merged.get(key)
        amends = isinstance(value, dict) and isinstance(old, dict) and "type" not in value
        merged[key] = _amend(old, value) if amends else value  # type: ignore[arg-type]
    return merged


# --------------------------------------------------------------------------------------------------------- checking
def check(tree: Tree, name: str) -> Recipe:
    """The recipe that a tree of TOML stands for. Raises UsageError with all its faults."""
    faults: list[str] = []
    known = [*Head.model_fields, *BLOCKS, *NAMED]
    plain = {key: value for key, value in tree.items() if key in Head.model_fields}
    faults += [f"{key}: {_unknown(key, known)}" for key in tree if key not in known and key != RECORD]
    head = _validate(Head, plain, "", faults)
    blocks: dict[str, Block] = {}
    named: dict[str, dict[str, Block]] = {kind: {} for kind in NAMED}
    trains = "trainer" in tree
    if trains and "data" in tree:
        faults.append("data: a trainer has data of its own; leave out either [data] or [trainer]")
    for kind in BLOCKS:
        if kind in tree or (kind in DEFAULTS and not trains):
            default = DEFAULTS.get(kind)
            if block := _check_block(kind, kind, tree.get(kind, {}), faults, default):
                blocks[kind] = block
    for kind in NAMED:
        group = tree.get(kind, {})
        if not isinstance(group, dict) or "type" in group:
            faults.append(f"{kind}: write one table a {kind}, with a name of your choice: [{kind}.NAME]")
            continue
        for label, value in group.items():
            if kind == "objective" and label in LOGGED:
                faults.append(f"objective.{label}: the log has a {label} of its own; choose another name")
            if block := _check_block(kind, f"{kind}.{label}", value, faults):
                named[kind][label] = block
    if not trains and not tree.get("objective"):
        faults.append('objective: a painting needs one, such as [objective.look] with type = "content"')
    if isinstance(head, Head) and head.steps == 0 and (trains or "data" in tree):
        faults.append("steps: to learn takes at least 1 (it is 0)")
    if not faults:
        recipe = Recipe(name, head, blocks, named)  # type: ignore[arg-type]
        faults += _changed(tree.get(RECORD, {}), recipe)
        if not faults:
            return recipe
    raise UsageError(f"the recipe {name} has {len(faults)} fault{'s' * (len(faults) > 1)}:\n  " + "\n  ".join(faults))


def _changed(told: Any, recipe: Recipe) -> list[str]:
    sums = told.get("sha256", {}) if isinstance(told, dict) else {}
    if not isinstance(sums, dict):
        return [f"{RECORD}.sha256: write a table"]
    return [
        f"{place}: {path} is not the file this run was made with (its sha256 differs); restore it, or remove the "
        f"line from [record.sha256]"
        for place, path in recipe.files().items()
        if place in sums and sums[place] != sha256(path)
    ]


def _check_block(kind: str, place: str, value: Any, faults: list[str], default: str | None = None) -> Block | None:
    if not isinstance(value, dict):
        faults.append(f"{place}: write a table, [{place}]")
        return None
    settings = dict(value)
    name = settings.pop("type", default)
    known = ", ".join(sorted(plugins().parts(kind)))
    if not isinstance(name, str):
        faults.append(f"{place}.type: is missing; there are: {known}")
        return None
    try:
        part = plugins().part(kind, name)
    except UsageError as error:
        faults.append(f"{place}.type: {error.message} {error.remedy}")
        return None
    config = _validate(part.Config, settings, f"{place}.", faults)
    return Block(kind, str(name), config) if config is not None else None


def _validate(model: type[BaseModel], values: Mapping[str, Any], place: str, faults: list[str]) -> BaseModel | None:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        seen = set()
        told_of = error.errors()
        for fault in told_of:
            # A value that may be one of several things has a fault for each; the place is the value's own.
            of_union = len(fault["loc"]) > 1 and (
                fault["loc"][1] in _NUMBERS or any(mark in str(fault["loc"][1]) for mark in "[(")
            )
            where = str(fault["loc"][0]) if of_union else ".".join(str(step) for step in fault["loc"])
            if of_union:
                if where in seen:
                    continue
                seen.add(where)
                same = [f["msg"] for f in told_of if f["loc"][0] == fault["loc"][0]]
                fault["msg"] = ", or ".join(same)
            if fault["type"] == "extra_forbidden":
                faults.append(f"{place}{where}: {_unknown(str(fault['loc'][-1]), _keys(model, fault['loc'][:-1]))}")
            elif fault["type"] == "missing":
                faults.append(f"{place}{where}: is missing")
            else:
                message = fault["msg"].removeprefix("Value error, ")
                given = fault["input"]
                told = (
                    f" (it is {given!r})"
                    if isinstance(given, (str, int, float, bool)) and "there is no" not in message
                    else ""
                )
                at = (place + where).rstrip(".")
                faults.append(f"{at}{': ' if at else ''}{message[0].lower()}{message[1:]}{told}")
        return None


def _keys(model: type[BaseModel], path: Sequence[Any]) -> list[str]:
    for step in path:
        inner = model.model_fields.get(str(step))
        if inner is None or not (isinstance(inner.annotation, type) and issubclass(inner.annotation, BaseModel)):
            return []
        model = inner.annotation
    return [field.alias or name for name, field in model.model_fields.items()]


def _unknown(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    guess = f'did you mean "{near[0]}"? ' if near else ""
    return f"unknown key; {guess}allowed: {', '.join(known) or 'none'}"


# ---------------------------------------------------------------------------------------------------------- shipped
def recipe_folder() -> Path:
    """Where the recipes that ship with artkit lie: inside the installed package, or at the root of a checkout."""
    inside = Path(__file__).parent / "recipes"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "recipes"


def shipped_recipes() -> dict[str, Path]:
    """The recipes that ship with artkit by name, such as ``photo`` or ``train/gan``. What they name lies in
    the folder ``targets``.
    """
    base = recipe_folder()
    names = {file.relative_to(base).with_suffix("").as_posix(): file for file in sorted(base.rglob("*.toml"))}
    return {name: file for name, file in names.items() if not name.startswith("targets/")}


def shipped_or_file(recipe: Path) -> Path:
    """A recipe's file; a bare name that is no file here is one that ships with artkit."""
    if recipe.is_file() or recipe.suffix:
        return recipe
    return shipped_recipes().get(recipe.as_posix(), recipe)


def check_settings(part: type[Any], settings: Mapping[str, Any], place: str) -> Any:
    """A part's Config from settings. Raises UsageError with all faults."""
    faults: list[str] = []
    config = _validate(part.Config, settings, "", faults)
    if config is None:
        raise UsageError(f"{place}: " + "; ".join(faults))
    return config
