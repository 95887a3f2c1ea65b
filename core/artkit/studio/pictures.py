"""Pictures of runs as tiles of all sizes, with versions: a page fetches only tiles that have changed."""

from __future__ import annotations

import io
import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from artkit import memmap
from artkit.engine.live_view import TILE_SIDE, LiveState, read_state, read_versions, tile_counts
from artkit.errors import UsageError
from artkit.imaging.pixels import Pixels
from artkit.imaging.vips_file import vips_library

_JPEG_QUALITY = 92
_MAX_DIRECT_PIXELS = 1 << 25  # larger finished pictures are decoded in the background


class TiledPicture:
    """A picture in tiles. Level 0 is the picture itself, each further level has half the size; the last is one tile.

    base: pixels (h, w, 3), possibly memory-mapped. versions: of the tiles of level 0, (rows, columns); a tile of
    another level has the sum of the versions of those that it shows.
    """

    def __init__(self, base: Pixels, versions: Pixels, folder: Path) -> None:
        self.height, self.width = base.shape[:2]
        self.levels = [base]
        self._lock = threading.Lock()
        while max(self.levels[-1].shape[:2]) > TILE_SIDE:
            height, width = (math.ceil(side / 2) for side in self.levels[-1].shape[:2])
            self.levels.append(memmap.zeros((height, width, 3), np.uint8, folder))
        self._built = [np.full(self._tiles(level), -1, np.int64) for level in range(len(self.levels))]
        self.update(versions)

    def shape(self, key: str) -> dict[str, Any]:
        """Return what the page needs to know before it fetches tiles."""
        return {"key": key, "width": self.width, "height": self.height, "levels": len(self.levels)}

    def _tiles(self, level: int) -> tuple[int, int]:
        height, width = self.levels[level].shape[:2]
        return tile_counts((width, height))

    def update(self, versions: Pixels) -> None:
        """Set the versions of the tiles of level 0, and with them those of all levels."""
        summed = [versions.astype(np.int64)]
        for level in range(1, len(self.levels)):
            rows, columns = self._tiles(level)
            padded = np.zeros((2 * rows, 2 * columns), np.int64)
            below = summed[-1]
            padded[: below.shape[0], : below.shape[1]] = below
            summed.append(padded.reshape(rows, 2, columns, 2).sum((1, 3)))
        self.versions = summed

    def pixels(self, level: int, column: int, row: int) -> Pixels:
        """Return the pixels of a tile. Raises UsageError if there is no such tile."""
        if not 0 <= level < len(self.levels) or min(column, row) < 0:
            raise UsageError("there is no such tile")
        rows, columns = self._tiles(level)
        if row >= rows or column >= columns:
            raise UsageError("there is no such tile")
        with self._lock:
            self._build(level, column, row)
            pixels: Pixels = self._view(level, column, row).copy()
        return pixels

    def _view(self, level: int, column: int, row: int) -> Pixels:
        y, x = row * TILE_SIDE, column * TILE_SIDE
        view: Pixels = self.levels[level][y : y + TILE_SIDE, x : x + TILE_SIDE]
        return view

    def _build(self, level: int, column: int, row: int) -> None:
        """Compute a tile of a level above 0 from the four below it, if one of them has changed."""
        version = self.versions[level][row, column]
        if level == 0 or self._built[level][row, column] == version:
            return
        target = self._view(level, column, row)
        half = TILE_SIDE // 2
        rows, columns = self._tiles(level - 1)
        for dy in (0, 1):
            for dx in (0, 1):
                y, x = 2 * row + dy, 2 * column + dx
                if y < rows and x < columns:
                    self._build(level - 1, x, y)
                    part = _halved(self._view(level - 1, x, y))
                    target[dy * half : dy * half + len(part), dx * half : dx * half + part.shape[1]] = part
        self._built[level][row, column] = version

    def build(self) -> None:
        """Compute all tiles, a few at a time, so that tiles can be fetched meanwhile."""
        for level in range(1, len(self.levels)):
            rows, columns = self._tiles(level)
            for row in range(rows):
                for column in range(columns):
                    with self._lock:
                        self._build(level, column, row)

    def changed(self, since: list[Pixels] | None) -> list[tuple[int, int, int, int]]:
        """Return the tiles whose versions differ from earlier ones: level, column, row and version."""
        found = []
        for level, now in enumerate(self.versions):
            before = since[level] if since and since[level].shape == now.shape else np.zeros_like(now)
            for row, column in np.argwhere(now != before).tolist():
                found.append((level, column, row, int(now[row, column])))
        return found

    def thumbnail(self, side: int) -> Pixels:
        """Return the picture at the size of the smallest level whose longer side is at least `side` px."""
        level = len(self.levels) - 1
        while level > 0 and max(self.levels[level].shape[:2]) < side:
            level -= 1
        rows, columns = self._tiles(level)
        tiles = [[self.pixels(level, column, row) for column in range(columns)] for row in range(rows)]
        return np.concatenate([np.concatenate(line, 1) for line in tiles], 0)


def _halved(pixels: Pixels) -> Pixels:
    """Average blocks of 2 x 2 pixels; the last row and column are repeated where the number is odd."""
    height, width = pixels.shape[:2]
    if height % 2 or width % 2:
        pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
    total = pixels[::2, ::2].astype(np.uint16)
    for dy, dx in ((0, 1), (1, 0), (1, 1)):
        total += pixels[dy::2, dx::2]
    return ((total + 2) >> 2).astype(np.uint8)


class LiveTiles:
    """The picture that a run writes while it is watched; see `artkit.engine.live_view`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._inode = 0
        self._picture: TiledPicture | None = None

    def read(self) -> tuple[LiveState | None, TiledPicture | None]:
        """Return the state that the run has written last, and its picture with the versions of that moment."""
        state = read_state(self.folder)
        if state is None or state.size is None:
            return state, None
        versions = read_versions(self.folder, state.size)
        file = self.folder / "picture.rgb"
        try:
            found = file.stat()
            if versions is None or found.st_size != state.size[0] * state.size[1] * 3:
                return state, None
            if self._picture is None or found.st_ino != self._inode:
                base = np.memmap(file, np.uint8, "r", shape=(state.size[1], state.size[0], 3))
                self._picture, self._inode = TiledPicture(base, versions, self.folder), found.st_ino
        except (OSError, ValueError):
            return state, None
        self._picture.update(versions)
        return state, self._picture


def open_finished(file: Path, preview: Path | None, folder: Path, when_ready: threading.Event) -> TiledPicture:
    """Open the finished picture of a run as tiles.

    A large one is decoded in the background: until `when_ready` is set, its tiles show the preview, enlarged, with
    version 1; then they have version 2. folder: for temporary files. Raises UsageError if it is no picture.
    """
    try:
        with Image.open(file) as opened:
            width, height = opened.size
            if width * height <= _MAX_DIRECT_PIXELS or preview is None:
                pixels: Pixels = np.asarray(opened.convert("RGB"))
                when_ready.set()
                return TiledPicture(pixels, np.full(tile_counts((width, height)), 2, np.int64), folder)
        with Image.open(preview) as opened:
            small = np.asarray(opened.convert("RGB"))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise UsageError(f"{file.name} cannot be read: {error}") from None
    picture = _EnlargedPicture(small, (width, height), folder)
    threading.Thread(target=_decode, args=(file, picture, when_ready), daemon=True).start()
    return picture


class _EnlargedPicture(TiledPicture):
    """A picture that shows its enlarged preview until its pixels are there."""

    def __init__(self, preview: Pixels, size: tuple[int, int], folder: Path) -> None:
        self.preview: Pixels | None = preview
        base = memmap.zeros((size[1], size[0], 3), np.uint8, folder)
        super().__init__(base, np.ones(tile_counts(size), np.int64), folder)

    def pixels(self, level: int, column: int, row: int) -> Pixels:
        if self.preview is None:
            return super().pixels(level, column, row)
        rows, columns = self._tiles(level) if 0 <= level < len(self.levels) else (0, 0)
        if not (0 <= row < rows and 0 <= column < columns):
            raise UsageError("there is no such tile")
        height, width = self.levels[level].shape[:2]
        y, x = row * TILE_SIDE, column * TILE_SIDE
        y2, x2 = min(y + TILE_SIDE, height), min(x + TILE_SIDE, width)
        fy, fx = self.preview.shape[0] / height, self.preview.shape[1] / width
        box = (x * fx, y * fy, x2 * fx, y2 * fy)
        return np.asarray(Image.fromarray(self.preview).resize((x2 - x, y2 - y), Image.Resampling.BILINEAR, box))

    def show(self, versions: Pixels) -> None:
        """Show the pixels, all levels of which are computed, under new versions."""
        self.update(versions)
        self._built = [version.copy() for version in self.versions]
        self.preview = None


def _decode(file: Path, picture: _EnlargedPicture, when_ready: threading.Event) -> None:
    """Decode a file into level 0 and compute the other levels."""
    base = picture.levels[0]
    height, width = base.shape[:2]
    try:
        if vips := vips_library():
            image = vips.Image.new_from_file(str(file), access="sequential")
            for top in range(0, height, TILE_SIDE):
                rows = min(TILE_SIDE, height - top)
                band = image.crop(0, top, width, rows).numpy()[..., :3]
                base[top : top + rows] = band if band.dtype == np.uint8 else (band >> 8).astype(np.uint8)
        else:
            Image.MAX_IMAGE_PIXELS = None
            with Image.open(file) as opened:
                base[:] = np.asarray(opened.convert("RGB"))
    except Exception:  # a file that is damaged or replaced meanwhile keeps its preview
        return
    picture.build()
    picture.show(np.full(tile_counts((width, height)), 2, np.int64))
    when_ready.set()


def encode_jpeg(pixels: Pixels, quality: int = _JPEG_QUALITY) -> bytes:
    """Return pixels (h, w, 3) as a JPEG without reduced colour resolution."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality, subsampling=0)
    return stream.getvalue()
