"""What the page needs for a new painting: recipes, uploads and the sheet of brushes."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from artkit.errors import UsageError
from artkit.files import atomic
from artkit.imaging.clip_files import open_clip
from artkit.imaging.image_file import open_with_pillow
from artkit.imaging.loading import MAX_PIXELS, load_rgb
from artkit.recipes.picture import is_clip, with_picture
from artkit.recipes.recipe import Tree
from artkit.recipes.schema import recipe_schema
from artkit.studio.folder import OWN, UPLOADS, StudioFolder
from artkit.studio.pictures import encode_jpeg
from artkit.studio.processes import Process
from artkit.studio.recipes import StudioRecipes, paints, to_toml

MAX_UPLOAD_BYTES = 256 << 20
_MAX_PREVIEW_SIDE = 2048  # px


class PaintingForm:
    """Recipes, uploads and brushes of a studio. All methods raise ArtkitError for what is not possible."""

    def __init__(self, folder: StudioFolder, recipes: StudioRecipes) -> None:
        self.folder, self.recipes = folder, recipes
        self._brushes = Process(folder.path / OWN, "brushes")
        self._samples = folder.path / OWN / "samples"
        self._sampled = False

    @cached_property
    def _schema(self) -> dict[str, Any]:
        return recipe_schema()

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of recipes."""
        return self._schema

    def list_recipes(self) -> dict[str, Any]:
        """Return the recipes to choose from."""
        return {"recipes": self.recipes.choices()}

    def load_recipe(self, name: str, saved: bool = False, picture: str | None = None) -> dict[str, Any]:
        """Return a recipe as tree and TOML, painting an uploaded picture or clip if it can."""
        tree = self.recipes.load(name, saved)
        if picture is not None and _can_paint(tree, file := self._picture_file(picture)):
            tree = self.recipes.load(name, saved, file)
        return self.described(tree)

    def replace_picture(self, tree: Tree, picture: str) -> dict[str, Any]:
        """Return the tree of a form, painting an uploaded picture or clip if it can paint it."""
        located, file = self.recipes.parse(to_toml(_without_none(tree))), self._picture_file(picture)
        if _can_paint(located, file):
            located = with_picture(located, file)
        return self.described(self.recipes.tidy(located))

    def format_recipe(self, tree: Tree) -> dict[str, Any]:
        """Return the tree of a form as TOML, with its errors."""
        toml = to_toml(_without_none(tree))
        return {"toml": toml, "errors": self.recipes.check(self.recipes.parse(toml))}

    def parse_recipe(self, toml: str) -> dict[str, Any]:
        """Return the tree of a recipe in TOML, with its errors."""
        tree = self.recipes.parse(toml)
        return {"tree": tree, "errors": self.recipes.check(tree)}

    def save_recipe(self, name: str, toml: str, replace: bool = False) -> dict[str, Any]:
        """Save a recipe as it was written."""
        return {"name": self.recipes.save(name, toml, replace)}

    def described(self, tree: Tree) -> dict[str, Any]:
        """Return a recipe as the page shows it: as tree and TOML, with its errors."""
        toml = to_toml(tree)
        return {"tree": tree, "toml": toml, "errors": self.recipes.check(self.recipes.parse(toml))}

    def upload(self, name: str, content: bytes) -> dict[str, Any]:
        """Save an uploaded image or clip, and return its path in recipes, its size and notes of the loader.

        seconds: of a clip, also of an animated image; None for a picture. It is read by the loader of recipes first.
        Raises UsageError if it is none of them, is damaged or too large.
        """
        path = self.folder.new_upload(name)
        with atomic(path) as temporary:
            temporary.write_bytes(content)
            found = _measured(temporary, name)
        return {"path": f"../{UPLOADS}/{path.name}", **found}

    def describe_upload(self, name: str) -> dict[str, Any]:
        """Return what `upload` has returned for an upload."""
        path = f"../{UPLOADS}/{name}"
        return {"path": path, **_measured(self._picture_file(path), name)}

    def picture(self, path: str, side: str = "800") -> bytes:
        """Return an image that a recipe names, or the first frame of a clip, as a JPEG of at most `side` px."""
        if not side.isascii() or not side.isdigit() or int(side) < 1:
            raise UsageError("the side of a picture must be a number of px")
        length = min(int(side), _MAX_PREVIEW_SIDE)
        file = self._picture_file(path)
        image = _first_frame(file) if is_clip(file) else load_rgb(file, (length, length), [])[0]
        image.thumbnail((length, length), Image.Resampling.LANCZOS)
        return encode_jpeg(np.asarray(image), 88)

    def _picture_file(self, path: str) -> Path:
        """Return the file that a path in a recipe names. Raises UsageError if the page may not name it."""
        if self.recipes.forbidden({"picture": path}):
            raise UsageError(f"{path} is not in the folder of the studio")
        file = self.recipes.base / path
        if not file.is_file():
            raise UsageError(f"there is no picture {path}")
        return file.resolve()

    def list_brushes(self) -> dict[str, Any]:
        """Return the brushes; `sample` is 0 until a stroke of the brush has been painted.

        A process paints the strokes, once in the life of the server. Without a plugin with brushes there are none.
        """
        if not self._sampled:
            self._sampled = True
            if not self._brushes.alive():
                self._brushes.start(["artkit", "brushes", "--samples", str(self._samples)], self.folder.path)
        running = self._brushes.alive()
        try:
            listed = json.loads((self._samples / "brushes.json").read_text(encoding="utf-8"))
            brushes = [{**brush, "sample": self._sample_time(str(brush["name"]))} for brush in listed]
        except (OSError, ValueError, LookupError, TypeError):
            brushes = []
        for brush in brushes:
            brush.pop("file", None)
        return {"brushes": brushes, "running": running}

    def _sample_time(self, name: str) -> int:
        try:
            return (self._samples / f"{name}.jpg").stat().st_mtime_ns // 1_000_000
        except (OSError, ValueError):
            return 0

    def brush(self, name: str) -> bytes:
        """Return a stroke of a brush as a JPEG."""
        if name not in {brush["name"] for brush in self.list_brushes()["brushes"]}:
            raise UsageError(f"there is no brush {name}")
        try:
            return (self._samples / f"{name}.jpg").read_bytes()
        except OSError:
            raise UsageError(f"there is no sample of {name} yet") from None


def _can_paint(tree: Tree, file: Path) -> bool:
    """Return whether a recipe can paint a file: one of films paints a picture too, as a frame."""
    return paints(tree) == "clip" or (paints(tree) == "picture" and not is_clip(file))


def _measured(file: Path, name: str) -> dict[str, Any]:
    """Return the size of an image or clip, the duration of a clip, and the notes of its loader, which call it `name`.

    Raises UsageError if it is none of them, is damaged or too large.
    """
    notes: list[str] = []
    try:
        if is_clip(file) or is_animated(file):
            clip = open_clip(file)
            size, seconds, notes = clip.size, round(clip.seconds, 2), clip.notes
        else:
            size, seconds = load_rgb(file, (64, 64), notes)[1], None
    except UsageError as error:
        raise UsageError(error.message.replace(str(file), name), error.hint) from None
    named = [note.replace(str(file), name) for note in notes]
    return {"width": size[0], "height": size[1], "seconds": seconds, "notes": named}


def is_animated(file: Path) -> bool:
    """Return whether an image has several frames."""
    try:
        with open_with_pillow(file, MAX_PIXELS) as opened:
            return bool(getattr(opened, "is_animated", False))
    except Exception:  # what Pillow cannot open, libvips may have read
        return False


def _first_frame(file: Path) -> Image.Image:
    frame = next(open_clip(file).frames(), None)
    if frame is None:
        raise UsageError(f"{file.name} has no frame that can be decoded")
    return frame.image.convert("RGB")


def _without_none(value: Any) -> Any:
    """Return a tree without the values that TOML does not have."""
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_none(inner) for inner in value if inner is not None]
    return value
