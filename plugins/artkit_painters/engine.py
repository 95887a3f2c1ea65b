"""The real MyPaint: brushes, surfaces, and strokes painted with them. Without torch, so that workers start quickly.

A stroke's randomness is a function of the seed and of the stroke's number, and its points are given in the picture's
own pixels, so the same strokes give the same pixels in any window, order or process.
"""

from __future__ import annotations

import colorsys
import ctypes
import difflib
import json
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ctypes import byref
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from artkit.errors import UsageError
from artkit_painters import libmypaint
from artkit_painters.libmypaint import ONE, TILE, EngineMissing

POINTS = 50
"""Events a stroke is traced with."""

REACH = 16.0
"""Basic radii from its path within which all of a stroke's paint lies, with room for brushes that spray widely."""

DURATION = 10.0
"""Seconds that the pen takes for a stroke: slow, so that a brush's dynamics of speed hardly show."""

SHARPEST = 0.5
"""Pixels over which the edge of a dab fades at least, however thin the stroke is."""

_PRESS_SECONDS = 0.1  # longer, and the library would put an event of its own before the pen comes down
_VARIED = 0.2  # deviation of the logarithm of a dab's radius that one sees in a stroke
_SWELL = 17  # pressures at which is known how broad a brush is
_RESET_SECONDS = 10.0  # long enough that no filter of the brush remembers the stroke before

_SECONDS = [_RESET_SECONDS, _PRESS_SECONDS] + [DURATION / POINTS] * POINTS

Image = npt.NDArray[np.float32]


# ---------------------------------------------------------------------------------------------------------- brushes
@cache
def brush_folders() -> tuple[Path, ...]:
    """The folders that hold brushes, most particular first."""
    data = [Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local/share"))]
    data += [Path(p) for p in os.environ.get("XDG_DATA_DIRS", "/usr/local/share:/usr/share").split(":") if p]
    data += [Path("/opt/homebrew/share")]
    folders = [Path(p) for p in os.environ.get("ARTKIT_BRUSHES", "").split(":") if p]
    folders += [Path.home() / ".mypaint/brushes"]
    for base in data:
        folders += [base / "mypaint/brushes", *sorted(base.glob("mypaint-data/*/brushes"), reverse=True)]
    return tuple(dict.fromkeys(folder for folder in folders if folder.is_dir()))


def brush_names() -> list[str]:
    """The brushes that are installed, such as ``classic/dry_brush``."""
    names = (str(p.relative_to(f).with_suffix("")) for f in brush_folders() for p in f.rglob("*.myb"))
    return sorted(set(names))


def find_brush(name: str) -> Path:
    """The file of a brush: a name such as ``classic/dry_brush``, or a path to a ``.myb`` file.

    Raises EngineMissing if no brushes are installed, UsageError with the nearest names if this one is not.
    """
    if name.endswith(".myb") and Path(name).is_file():
        return Path(name)
    for folder in brush_folders():
        if (path := folder / f"{name}.myb").is_file():
            return path
    if not (names := brush_names()):
        raise EngineMissing(
            "no MyPaint brushes are installed",
            remedy="Debian or Ubuntu: apt install mypaint-brushes; macOS: brew install mypaint-brushes",
        )
    near = difflib.get_close_matches(name, names, n=3) or [n for n in names if name.split("/")[-1] in n][:3]
    raise UsageError(f'there is no brush "{name}"', remedy=f"near it: {', '.join(near)}" if near else "")


class Brush:
    """A brush of MyPaint's, ready to paint. One thread at a time.

    swell: how pressure changes its radius, as `stroke.swollen` takes it. broadest: the most that pressure adds to the
    logarithm of its radius. A stroke's size is its radius at its broadest, so that no brush outgrows its tile.
    thinnest: its least radius over its broadest. softness: px over which the edge of a dab fades at least.
    dab: its dabs, as `scattering.Dab` takes them; hardness and deviation are those at half the pressure. by_chance:
    whether two strokes of one action differ to the eye: chance moves its dabs, or changes their radius by much.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._lib = lib = libmypaint.library()
        path = find_brush(name)
        try:
            text = path.read_text(encoding="utf-8")
            settings = json.loads(text)["settings"]
            _check_settings(settings)
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise UsageError(f"{path} is not a MyPaint brush of version 3: {error}") from None
        self.pointer: int = lib.mypaint_brush_new()
        if not lib.mypaint_brush_from_string(self.pointer, text.encode()):
            raise UsageError(f"{path} is not a brush that this libmypaint reads")
        if "paint_mode" not in settings:
            # Brushes of before 1.6 mix as MyPaint did then: linear in the colour, which is what makes the
            # colour of a stroke analytic. The library's default would be spectral mixing.
            self.set("paint_mode", 0.0)
        self.swell, self.broadest = _swell(settings)
        self.thinnest = math.exp(min(self.swell, default=0.0))
        self.softness = float(lib.mypaint_brush_get_base_value(self.pointer, _setting_id("anti_aliasing")))
        self.dab = _dab(settings)
        moved = _under_pressure(settings, "offset_by_random").max() > 0
        self.by_chance = bool(moved or self.dab[1] > _VARIED)
        self._rng = libmypaint.generator(self.pointer)
        # A new brush holds values that nothing has set yet; after one stroke the next depends on its seed alone.
        line = np.full((1, POINTS + 2, 3), 0.5)
        line[..., 0] = np.linspace(10, 50, POINTS + 2)
        warm_up = Traces(line, np.ones(1), np.zeros((1, 3)), np.zeros(1, np.int64), 1.0)
        paint(self, Surface(0, 0, TILE, TILE), warm_up)

    def __del__(self) -> None:
        if pointer := getattr(self, "pointer", None):
            self._lib.mypaint_brush_unref(pointer)

    def setting(self, name: str) -> int:
        """The library's id of a setting."""
        return _setting_id(name)

    def set(self, name: str, value: float) -> None:
        """Set the base value of a setting, named as in a ``.myb`` file."""
        self._lib.mypaint_brush_set_base_value(self.pointer, _setting_id(name), value)

    def uses(self, name: str) -> bool:
        """Whether a setting has any effect: a base value other than 0, or dynamics."""
        base = self._lib.mypaint_brush_get_base_value(self.pointer, _setting_id(name))
        return bool(base or self._lib.mypaint_brush_get_inputs_used_n(self.pointer, _setting_id(name)))

    @cached_property
    def beyond_coverage(self) -> str | None:
        """The setting for which this brush's strokes are more than a coverage times one colour, or None.

        Such a brush takes paint up from the canvas, erases it or changes its colour on the way.
        """
        return next((name for name in _BEYOND_COVERAGE if self.uses(name)), None)

    def refuse_beyond_coverage(self) -> None:
        """Raises UsageError for a brush whose strokes are more than a coverage times one colour."""
        if setting := self.beyond_coverage:
            raise UsageError(
                f'the brush "{self.name}" uses {setting}: its strokes are more than a colour laid on the canvas',
                remedy="choose a brush without smudging or colour dynamics",
            )

    def reseed(self, seed: int) -> None:
        """Start the brush's random numbers anew."""
        self._lib.rng_double_set_seed(self._rng, seed)


_LIBRARY: dict[str, tuple[float, list[list[float]]]] = {
    "hardness": (0.8, []), "radius_by_random": (0.0, []), "radius_logarithmic": (2.0, []), "opaque": (1.0, []),
    "opaque_multiply": (0.0, [[0.0, 0.0], [1.0, 1.0]]), "opaque_linearize": (0.9, []),
    "dabs_per_actual_radius": (2.0, []), "dabs_per_basic_radius": (0.0, []),
    "offset_by_random": (0.0, []),
}  # fmt: skip
"""What the library takes for settings that a brush does not tell: base value, and what pressure adds."""


def _under_pressure(settings: Any, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A setting at pressures evenly from 0 to 1, (_SWELL,)."""
    base, points = _LIBRARY[name]
    if name in settings:
        base, points = settings[name]["base_value"], settings[name]["inputs"].get("pressure", [])
    if not points:
        return np.full(_SWELL, float(base))
    x, y = zip(*points, strict=True)
    return float(base) + np.asarray(np.interp(np.linspace(0, 1, _SWELL), x, y))


def _swell(settings: Any) -> tuple[tuple[float, ...], float]:
    """Swell and broadest of a `Brush`."""
    radius = _under_pressure(settings, "radius_logarithmic")
    base = settings.get("radius_logarithmic", {"base_value": radius[0]})["base_value"]
    if not np.ptp(radius):
        return (), float(radius[0] - base)
    return tuple((radius - radius.max()).round(4).tolist()), float(radius.max() - base)


def _dab(settings: Any) -> tuple[float, float, tuple[float, ...]]:
    """The dab of a `Brush`. Its opacity is what MyPaint makes of it: for many dabs on one another it is corrected."""
    told = {name: _under_pressure(settings, name) for name in _LIBRARY}
    opacity = (told["opaque"].clip(min=0) * told["opaque_multiply"]).clip(0, 1)
    dabs = (2 * (told["dabs_per_actual_radius"] + told["dabs_per_basic_radius"])).clip(min=1)
    opacity = 1 - (1 - opacity) ** (1 / (1 + told["opaque_linearize"] * (dabs - 1)))
    hardness, vary = (float(told[name][_SWELL // 2]) for name in ("hardness", "radius_by_random"))
    return min(max(hardness, 0.05), 0.95), min(max(vary, 0.0), 0.7), tuple(opacity.round(4).tolist())


def _check_settings(settings: Any) -> None:
    """Raises ValueError, TypeError, KeyError or AttributeError for settings on which the library would end the
    process.
    """
    for name, told in settings.items():
        curves = {"": [(told["base_value"], 0.0)], **told["inputs"]}
        for points in curves.values():
            if not all(math.isfinite(x) and math.isfinite(y) for x, y in points):
                raise ValueError(f"a value of {name} is not a number")
        if any(len(points) == 1 or len(points) > 64 for points in told["inputs"].values()):
            raise ValueError(f"a curve of {name} has not 2 to 64 points")


_BEYOND_COVERAGE = (
    "smudge", "eraser", "lock_alpha", "colorize", "posterize", "paint_mode", "restore_color",
    "change_color_h", "change_color_l", "change_color_v", "change_color_hsl_s", "change_color_hsv_s",
)  # fmt: skip


@cache
def _setting_id(name: str) -> int:
    number = int(libmypaint.library().mypaint_brush_setting_from_cname(name.encode()))
    if number < 0:
        raise EngineMissing(f'this libmypaint has no brush setting "{name}"', remedy="install libmypaint 1.6 or newer")
    return number


# --------------------------------------------------------------------------------------------------------- surfaces
class Surface:
    """Pixels for the library to paint on: the rectangle (x, y, width, height) of an endless canvas, in px.

    background: RGB in [0, 1], or None for transparent. What is painted outside the rectangle is dropped.
    """

    def __init__(
        self, x: int, y: int, width: int, height: int, background: Sequence[float] | None = (1.0, 1.0, 1.0)
    ) -> None:
        self._lib = libmypaint.library()
        self.x, self.y, self.width, self.height = x, y, width, height
        self._first = (x // TILE, y // TILE)
        columns = (x + width - 1) // TILE - self._first[0] + 1
        rows = (y + height - 1) // TILE - self._first[1] + 1
        fill = (0, 0, 0, 0) if background is None else tuple(round(c * ONE) for c in (*background, 1.0))
        self._fill = np.array(fill, np.uint16)
        self._tiles = np.empty((rows, columns, TILE, TILE, 4), np.uint16)
        self._tiles[:] = self._fill
        self._memory = ctypes.create_string_buffer(libmypaint.SURFACE_BYTES)
        self.pointer = ctypes.addressof(self._memory)
        self._touched: set[tuple[int, int]] = set()
        server = _tile_server(self._tiles, self._first, self._touched)
        self._callbacks = (server, libmypaint.TileCallback(lambda *_: None))
        self._lib.mypaint_tiled_surface2_init(self.pointer, *self._callbacks)
        self._changed = libmypaint.Rectangles(1, ctypes.pointer(libmypaint.Rectangle()))

    def __del__(self) -> None:
        if getattr(self, "_changed", None):
            self._lib.mypaint_tiled_surface2_destroy(self.pointer)

    def clear(self) -> None:
        """Take all paint away that the last transaction brought."""
        for tile, _ in self._changes():
            tile[:] = self._fill

    def _changes(self) -> Iterator[tuple[npt.NDArray[np.uint16], tuple[slice, slice]]]:
        """What the last transaction changed: views (h, w, 4) of tiles, and where they lie on the surface."""
        # The rectangles that the library reports are no help: there are none if the last dab left no paint.
        for row, column in self._touched:
            left, top = (self._first[0] + column) * TILE, (self._first[1] + row) * TILE
            x0, y0 = max(left, self.x), max(top, self.y)
            x1, y1 = min(left + TILE, self.x + self.width), min(top + TILE, self.y + self.height)
            view = self._tiles[row, column, y0 - top : y1 - top, x0 - left : x1 - left]
            yield view, (slice(y0 - self.y, y1 - self.y), slice(x0 - self.x, x1 - self.x))

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """Paint within one of the library's transactions: pixels change when it ends."""
        self._lib.mypaint_tiled_surface2_begin_atomic(self.pointer)
        self._touched.clear()
        self._changed.number = 1
        try:
            yield
        finally:
            self._lib.mypaint_tiled_surface2_end_atomic(self.pointer, byref(self._changed))

    def alpha_into(self, out: npt.NDArray[np.uint16]) -> None:
        """Write the coverage, (height, width), `ONE` for 1, that the last transaction painted into `out`."""
        for tile, place in self._changes():
            out[place] = tile[..., 3]

    def pixels(self) -> Image:
        """The surface as (height, width, 4) float32: red, green and blue times alpha, and alpha, in [0, 1]."""
        rows, columns = self._tiles.shape[:2]
        whole = self._tiles.transpose(0, 2, 1, 3, 4).reshape(rows * TILE, columns * TILE, 4)
        left, top = self.x - self._first[0] * TILE, self.y - self._first[1] * TILE
        return whole[top : top + self.height, left : left + self.width].astype(np.float32) / np.float32(ONE)


def _tile_server(tiles: npt.NDArray[np.uint16], first: tuple[int, int], touched: set[tuple[int, int]]) -> Any:
    """The function with which the library asks for its tiles; it refers to no surface, so that none lives on for it."""
    rows, columns, *_ = tiles.shape
    outside = np.zeros((TILE, TILE, 4), np.uint16)
    base, step = tiles.ctypes.data, tiles.strides[1]

    def start(_surface: int, request: int) -> None:
        wanted = libmypaint.TileRequest.from_address(request)
        row, column = wanted.ty - first[1], wanted.tx - first[0]
        inside = 0 <= row < rows and 0 <= column < columns
        if inside:
            touched.add((row, column))
        wanted.buffer = base + (row * columns + column) * step if inside else outside.ctypes.data

    return libmypaint.TileCallback(start)


class Listener(Surface):
    """A surface that is told of dabs and paints none of them."""

    def __init__(self) -> None:
        super().__init__(0, 0, 1, 1)
        self.dabs: list[tuple[float, ...]] = []
        """x, y and radius in px, opacity, hardness, aspect, and angle in degrees of each, since this was emptied."""

        def draw(_surface: int, *told: float) -> int:
            x, y, radius, _red, _green, _blue, opacity, hardness, _eraser, aspect, angle, *_ = told
            self.dabs.append((x, y, radius, opacity, hardness, aspect, angle))
            return 0

        self._draw = libmypaint.DabCallback(draw)
        words = (ctypes.c_void_p * (libmypaint.DAB_POINTER + 1)).from_address(self.pointer)
        words[libmypaint.DAB_POINTER] = ctypes.cast(self._draw, ctypes.c_void_p)


# ---------------------------------------------------------------------------------------------------------- strokes
@dataclass(frozen=True)
class Traces:
    """m strokes as the pen moves: what `Brush` and `Surface` need to paint them.

    points (m, events, 3): x and y in px of the picture, and pressure. log_radius (m,). colours (m, 3) in [0, 1].
    seeds (m,). zoom: px a reference px, so that a brush's dynamics of speed do not depend on the scale.
    """

    points: npt.NDArray[np.float64]
    log_radius: npt.NDArray[np.float64]
    colours: npt.NDArray[np.float64]
    seeds: npt.NDArray[np.int64]
    zoom: float

    def __len__(self) -> int:
        return len(self.points)

    def of(self, chosen: slice | npt.NDArray[np.int64]) -> Traces:
        """Some of the strokes."""
        return Traces(self.points[chosen], self.log_radius[chosen], self.colours[chosen], self.seeds[chosen], self.zoom)


def stroke_seeds(numbers: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """The seed of each stroke, 30 bits, from its number and the seed of the picture (splitmix64)."""
    with np.errstate(over="ignore"):
        z = numbers.astype(np.uint64) + np.uint64(seed % 2**64) * np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
        z ^= z >> np.uint64(31)
    return (z & np.uint64(0x3FFFFFFF)).astype(np.int64)


def paint(brush: Brush, surface: Surface, traces: Traces, coloured: bool = True) -> None:
    """Paint strokes on a surface, one over the other in their order; in black if not `coloured`."""
    for index in range(len(traces)):
        with surface.atomic():
            _paint_one(brush, surface, traces, index, coloured)


def _paint_one(brush: Brush, surface: Surface, traces: Traces, index: int, coloured: bool) -> None:
    for _ in _events(brush, surface, traces, index, coloured):
        pass


def _events(brush: Brush, surface: Surface, traces: Traces, index: int, coloured: bool) -> Iterator[int]:
    """Paint a stroke event by event; yields the number of each when it is done."""
    lib, pen, ground = brush._lib, brush.pointer, surface.pointer
    set_base, stroke_to = lib.mypaint_brush_set_base_value, lib.mypaint_brush_stroke_to_2
    hue_saturation_value = colorsys.rgb_to_hsv(*traces.colours[index].tolist()) if coloured else (0.0, 0.0, 0.0)
    for name, value in zip(("color_h", "color_s", "color_v"), hue_saturation_value, strict=True):
        set_base(pen, _setting_id(name), value)
    set_base(pen, _setting_id("radius_logarithmic"), float(traces.log_radius[index]) - brush.broadest)
    # MyPaint leaves a dab out in which the fading of its edge has no room: small strokes of some brushes would leave
    # nothing, although enlarged they do. So an edge is never softer than the stroke is thin.
    thin = math.exp(float(traces.log_radius[index])) * brush.thinnest
    set_base(pen, _setting_id("anti_aliasing"), min(brush.softness, max(SHARPEST, thin)))
    brush.reseed(int(traces.seeds[index]))
    lib.mypaint_brush_new_stroke(pen)
    zoom = 1 / traces.zoom
    events = traces.points[index].tolist()
    # A reset moves the pen to the start by adding the way there to where it was, which rounds; from the start itself
    # it does not. So the pen is reset twice, and nothing of the stroke before remains.
    x, y, press = events[0]
    lib.mypaint_brush_reset(pen)
    stroke_to(pen, ground, x, y, press, 0.0, 0.0, _RESET_SECONDS, zoom, 0.0, 0.0)
    lib.mypaint_brush_reset(pen)
    for number, ((x, y, press), seconds) in enumerate(zip(events, _SECONDS, strict=True)):
        stroke_to(pen, ground, x, y, press, 0.0, 0.0, seconds, zoom, 0.0, 0.0)
        yield number


def dabs(brush: Brush, traces: Traces) -> npt.NDArray[np.float64]:
    """The dabs that a brush lays for m strokes, in their order: (k, 9). The number of the stroke and of the event after
    which a dab is laid; x, y and radius in px; opacity; hardness, below 0 if its edge has no room to fade, and then
    there is no dab; aspect, and angle in degrees.

    Raises EngineMissing if this build of the library does not tell of its dabs.
    """
    listener, found = Listener(), []
    for index in range(len(traces)):
        for event in _events(brush, listener, traces, index, coloured=False):
            found += [(index, event, *dab) for dab in listener.dabs]
            listener.dabs.clear()
    if len(traces) and not found:
        raise EngineMissing("this build of libmypaint does not tell of its dabs", remedy="install libmypaint 1.6")
    return np.array(found, np.float64).reshape(-1, 9)


def coverages(
    brush: Brush, traces: Traces, corners: npt.NDArray[np.int64], width: int, height: int
) -> npt.NDArray[np.uint16]:
    """Paint each of m strokes on a sheet of its own.

    corners (m, 2): x and y in px of each sheet -> coverages (m, height, width), `ONE` for 1.
    """
    out = np.zeros((len(traces), height, width), np.uint16)
    sheets: dict[tuple[int, int], Surface] = {}
    for index in range(len(traces)):
        x, y = (int(c) for c in corners[index])
        surface = sheets.get((x, y)) or sheets.setdefault((x, y), Surface(x, y, width, height, None))
        with surface.atomic():
            _paint_one(brush, surface, traces, index, coloured=False)
        surface.alpha_into(out[index])
        surface.clear()
    return out
