"""Binding to libmypaint, the brush engine of MyPaint, with ctypes: needs no compiler and no GTK.

libmypaint 1.6 or newer is required for ``mypaint_brush_stroke_to_2``, which takes the zoom of the view as an argument:
with it a brush behaves the same when a picture is painted larger. Nothing is loaded before `library` is called.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_double, c_float, c_int, c_long, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

from artkit import ArtkitError

TILE = 64
"""Side in px of libmypaint's own tiles. They are unrelated to the tiles of a canvas."""

ONE = 1 << 15
"""1.0 in libmypaint's 16-bit fixed-point pixels."""

SURFACE_BYTES = 4096
"""Bytes reserved for a ``MyPaintTiledSurface2``, which takes 200 to 300 depending on the version."""

DRAW_DAB_WORD = 7
"""Index of the word of a surface struct that holds its ``draw_dab`` function pointer."""

_CANDIDATES = ("libmypaint-1.5.so.1", "libmypaint.so.0", "libmypaint-2.0.so.0", "libmypaint.dylib")
_HOMEBREW_FOLDERS = ("/opt/homebrew/lib", "/usr/local/lib")  # not searched by the loader


class MyPaintMissing(ArtkitError):  # noqa: N818
    """libmypaint or its brushes are not installed, or libmypaint lacks a feature."""


class TileRequest(Structure):
    """``MyPaintTileRequest``: a request of libmypaint for the pixels of a tile."""

    _fields_ = (
        ("tx", c_int),
        ("ty", c_int),
        ("readonly", c_int),
        ("buffer", c_void_p),
        ("context", c_void_p),
        ("thread_id", c_int),
        ("mipmap_level", c_int),
    )


class Rectangle(Structure):
    """``MyPaintRectangle``."""

    _fields_ = (("x", c_int), ("y", c_int), ("width", c_int), ("height", c_int))


class Rectangles(Structure):
    """``MyPaintRectangles``: the areas of a surface that libmypaint reports as changed."""

    _fields_ = (("number", c_int), ("rectangles", POINTER(Rectangle)))


TileCallback = CFUNCTYPE(None, c_void_p, c_void_p)
"""Takes the surface and the address of a `TileRequest`."""

DabCallback = CFUNCTYPE(c_int, c_void_p, *[c_float] * 16)
"""Draws a dab. Takes the surface, x, y, radius, red, green, blue, opacity, hardness, eraser, aspect, angle, and five
more numbers."""

_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "mypaint_brush_new": (c_void_p, ()),
    "mypaint_brush_unref": (None, (c_void_p,)),
    "mypaint_brush_from_string": (c_int, (c_void_p, c_char_p)),
    "mypaint_brush_reset": (None, (c_void_p,)),
    "mypaint_brush_new_stroke": (None, (c_void_p,)),
    "mypaint_brush_set_base_value": (None, (c_void_p, c_int, c_float)),
    "mypaint_brush_get_base_value": (c_float, (c_void_p, c_int)),
    "mypaint_brush_get_inputs_used_n": (c_int, (c_void_p, c_int)),
    "mypaint_brush_setting_from_cname": (c_int, (c_char_p,)),
    "mypaint_brush_stroke_to_2": (c_int, (c_void_p, c_void_p, *[c_float] * 5, c_double, *[c_float] * 3)),
    "mypaint_tiled_surface2_init": (None, (c_void_p, TileCallback, TileCallback)),
    "mypaint_tiled_surface2_destroy": (None, (c_void_p,)),
    "mypaint_tiled_surface2_begin_atomic": (None, (c_void_p,)),
    "mypaint_tiled_surface2_end_atomic": (None, (c_void_p, POINTER(Rectangles))),
    "rng_double_new": (c_void_p, (c_long,)),
    "rng_double_free": (None, (c_void_p,)),
    "rng_double_set_seed": (None, (c_void_p, c_long)),
}
"""Result type and argument types of each function that artkit calls."""


def find() -> str | None:
    """Return the name or path with which libmypaint can be loaded, or None.

    ``$ARTKIT_LIBMYPAINT`` is tried first; if it is "none", libmypaint counts as missing.
    """
    override = os.environ.get("ARTKIT_LIBMYPAINT")
    if override == "none":
        return None
    names = [override] if override else []
    names += [name for base in ("mypaint-1.5", "mypaint") if (name := ctypes.util.find_library(base))]
    names += list(_CANDIDATES)
    names += [str(path) for folder in _HOMEBREW_FOLDERS for path in sorted(Path(folder).glob("libmypaint*.dylib"))]
    for name in names:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return name
    return None


@cache
def library() -> ctypes.CDLL:
    """Load libmypaint and declare its functions.

    Raises MyPaintMissing if it is not installed or too old; the hint names the package to install.
    """
    name = find()
    if name is None:
        raise MyPaintMissing(
            "libmypaint is not installed",
            hint="Debian or Ubuntu: apt install libmypaint-1.5-1 mypaint-brushes; "
            "macOS: brew install libmypaint mypaint-brushes",
        )
    lib = ctypes.CDLL(name)
    if not hasattr(lib, "mypaint_brush_stroke_to_2"):
        raise MyPaintMissing(f"{name} is older than libmypaint 1.6", hint="install libmypaint 1.6 or newer")
    for function, (result, arguments) in _FUNCTIONS.items():
        try:
            entry = getattr(lib, function)
        except AttributeError:
            raise MyPaintMissing(f"{name} has no function {function}", hint="install libmypaint 1.6") from None
        entry.restype, entry.argtypes = result, arguments
    return lib


_GENERATOR_STATE_BYTES = 10 * 8  # the struct of a generator starts with its state, an array of ten doubles
_INITIAL_SEED = 1000  # of the generator of a new brush


@cache
def _generator_offset() -> int:
    """Find the offset in bytes of the pointer to the random generator in a brush's struct.

    libmypaint has no function to seed a brush, but exports the functions of the generator. A new brush seeds its
    generator with a fixed seed, so the pointer is the one word of the struct that points to the state of that seed.
    Memory is read through a pipe, because `write` fails on an invalid address where a direct read would crash.
    """
    lib = library()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.write.argtypes, libc.write.restype = (c_int, c_void_p, ctypes.c_size_t), ctypes.c_ssize_t
    brush, twin = lib.mypaint_brush_new(), lib.rng_double_new(_INITIAL_SEED)
    read_end, write_end = os.pipe()
    try:

        def peek(address: int | None, size: int) -> bytes:
            return os.read(read_end, size) if address and libc.write(write_end, address, size) == size else b""

        state = peek(twin, _GENERATOR_STATE_BYTES)
        words = memoryview(peek(brush, 512)).cast("Q")
        for index, word in enumerate(words):
            if peek(word, _GENERATOR_STATE_BYTES) == state:
                return index * 8
    finally:
        os.close(read_end)
        os.close(write_end)
        lib.rng_double_free(twin)
        lib.mypaint_brush_unref(brush)
    raise MyPaintMissing("this build of libmypaint hides its random generator", hint="install libmypaint 1.6")


def generator(brush: int) -> int:
    """Return the address of a brush's random generator, for ``rng_double_set_seed``."""
    address = c_void_p.from_address(brush + _generator_offset()).value
    assert address is not None
    return address
