"""The base class of component configurations, and field types for recipe values."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)


def _contains_bool(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, (list, tuple)) and any(_contains_bool(v) for v in value))


def _types_in(annotation: Any) -> set[Any]:
    """Return all types in an annotation: ``{tuple, int}`` of ``tuple[int, ...]``."""
    inner = (_types_in(argument) for argument in get_args(annotation))
    return {get_origin(annotation) or annotation}.union(*inner) if not isinstance(annotation, list) else set()


class Config(BaseModel):
    """Base of every component's configuration: frozen, without unknown keys. The string under a field documents it.

    Examples:
        >>> import artkit
        >>> class DotsConfig(artkit.Config):
        ...     count: int = 3
        >>> DotsConfig(count=4)
        DotsConfig(count=4)
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=())

    @field_validator("*", mode="before")
    @classmethod
    def _check_no_bool_as_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse true and false where a number belongs; pydantic would take them as 1 and 0."""
        if _contains_bool(value):
            types = _types_in(cls.model_fields[str(info.field_name)].annotation)
            if bool not in types and types & {int, float}:
                kind = "number" if float in types else "whole number"
                raise ValueError(f"must be a {kind}" if isinstance(value, bool) else f"true or false is not a {kind}")
        return value


class LocatedStr(str):
    """A string from a recipe, with the folder of the recipe file: relative paths start there."""

    folder: Path

    def __new__(cls, text: str, folder: Path) -> LocatedStr:
        """Create the string with the folder of the file that it comes from."""
        self = super().__new__(cls, text)
        self.folder = folder
        return self


def _locate(value: Any) -> Any:
    if isinstance(value, str):
        base = value.folder if isinstance(value, LocatedStr) else Path.cwd()
        try:
            return base / Path(value).expanduser()
        except RuntimeError:  # there is no such user
            raise ValueError(f"there is no file {value}") from None
    return value


def _must_be_file(path: Path) -> Path:
    # The functions of os.path, unlike those of pathlib, take a name that the system refuses as one that is not there.
    if os.path.isdir(path):
        raise ValueError(f"{path} is a folder, not a file")
    if not os.path.isfile(path):
        raise ValueError(f"there is no file {path}")
    return path.resolve()


def _must_exist(path: Path) -> Path:
    if not os.path.exists(path):
        raise ValueError(f"there is no file or folder {path}")
    return path.resolve()


InputFile = Annotated[
    Path,
    BeforeValidator(_locate),
    AfterValidator(_must_be_file),
    PlainSerializer(str),
]
"""A file that must exist. A relative path starts at the folder of the recipe; on the command line, at the current
folder. The record of a run contains the sha256 of every such file.

Examples:
    >>> import artkit, pathlib
    >>> path = pathlib.Path("photo.jpg")
    >>> _ = path.write_bytes(b"")
    >>> class Settings(artkit.Config):
    ...     value: artkit.InputFile
    >>> Settings(value="photo.jpg").value == path.resolve()
    True
"""

InputPath = Annotated[
    Path,
    BeforeValidator(_locate),
    AfterValidator(_must_exist),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "format": "file-or-folder"}),
]
"""A file or folder that must exist; otherwise like `InputFile`.

Examples:
    >>> import artkit, pathlib
    >>> path = pathlib.Path("photos")
    >>> _ = path.mkdir()
    >>> class Settings(artkit.Config):
    ...     value: artkit.InputPath
    >>> Settings(value="photos").value == path.resolve()
    True
"""

FIRST_STAGE = Path("first")
"""As a target: the picture of the first stage of the recipe, its table `[first]`. Files have absolute paths."""


def _locate_target(value: Any) -> Any:
    return value if value == str(FIRST_STAGE) else _locate(value)


def _must_be_target(path: Path) -> Path:
    return path if path == FIRST_STAGE else _must_be_file(path)


TargetFile = Annotated[
    Path,
    BeforeValidator(_locate_target),
    AfterValidator(_must_be_target),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "format": "file-path"}),
]
"""A file that must exist, as `InputFile`, or `"first"`: the picture of the first stage of the recipe.

Examples:
    >>> import artkit
    >>> class Settings(artkit.Config):
    ...     value: artkit.TargetFile
    >>> Settings(value="first").value
    PosixPath('first')
"""

UnitFloat = Annotated[float, Field(ge=0, le=1)]
"""A number in [0, 1].

Examples:
    >>> import artkit
    >>> class Settings(artkit.Config):
    ...     value: artkit.UnitFloat
    >>> Settings(value=1).value
    1.0
"""

Colour = tuple[UnitFloat, UnitFloat, UnitFloat]
"""Red, green and blue in [0, 1].

Examples:
    >>> import artkit
    >>> class Settings(artkit.Config):
    ...     value: artkit.Colour
    >>> Settings(value=(1, 0.5, 0)).value
    (1.0, 0.5, 0.0)
"""

FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]
"""A finite number.

Examples:
    >>> import artkit
    >>> class Settings(artkit.Config):
    ...     value: artkit.FiniteFloat
    >>> Settings(value=-3).value
    -3.0
"""


def _in_order(pairs: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    if any(later[0] < earlier[0] for earlier, later in pairwise(pairs)):
        raise ValueError("the pairs of a schedule must be in the order of the run")
    return pairs


Schedule = Annotated[tuple[tuple[UnitFloat, FiniteFloat], ...], Field(min_length=1), AfterValidator(_in_order)]
"""A number that changes over a run: pairs (progress in [0, 1], value), sorted by progress.

Examples:
    >>> import artkit
    >>> class Settings(artkit.Config):
    ...     value: artkit.Schedule
    >>> Settings(value=[(0.2, 0), (0.5, 1)]).value
    ((0.2, 0.0), (0.5, 1.0))
"""


_PLAIN_MESSAGES = {
    "must be a whole number": ("int_type", "int_parsing", "int_parsing_size", "int_from_float"),
    "must be a number": ("float_type", "float_parsing", "is_instance_of"),
    "must be a finite number": ("finite_number",),
    "must be true or false": ("bool_type", "bool_parsing"),
    "must be a text in quotes": ("string_type", "path_type"),
    "must be a list in brackets": ("tuple_type", "list_type"),
    "must be a table": ("dict_type", "model_type", "model_attributes_type", "mapping_type"),
    "must be more than {gt}": ("greater_than",),
    "must be at least {ge}": ("greater_than_equal",),
    "must be less than {lt}": ("less_than",),
    "must be at most {le}": ("less_than_equal",),
    "must be {expected}": ("literal_error",),
    "needs at least {min_length} values": ("too_short",),
    "has {actual_length} values, at most {max_length} are allowed": ("too_long",),
    "is missing": ("missing",),
}
_TEMPLATES = {error_type: text for text, types in _PLAIN_MESSAGES.items() for error_type in types}


def _readable(value: Any) -> str:
    """Return a limit, or the choices of a literal ('a', 'b' or 'c'), as a recipe would have them."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(value)
    return str(value).replace("'", '"')


def plain_message(error: Mapping[str, Any]) -> str:
    """Return pydantic's error of one value in the words of a recipe, without the place: "must be a whole number"."""
    template = _TEMPLATES.get(error["type"])
    if template is None:
        text: str = error["msg"].removeprefix("Value error, ")
        return text[:1].lower() + text[1:]
    context = {key: _readable(value) for key, value in error.get("ctx", {}).items()}
    return template.format(**context).replace(" 1 values", " 1 value")
