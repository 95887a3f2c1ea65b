"""The shared library of MyPaint's brush engine, called with ctypes: no compiler and no GTK.

libmypaint 1.6 or newer is needed (``mypaint_brush_stroke_to_2``: the zoom of the view is an argument of a stroke, so
that a brush keeps its dynamics when a picture is painted larger). Nothing is loaded before `library` is called.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import re
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_double, c_float, c_int, c_long, c_void_p
from functools import cache
from pathlib import Path

from artkit import ArtkitError

TILE = 64
"""Side of the library's own tiles in pixels. They have nothing to do with the tiles of a canvas."""

ONE = 1 << 15
"""1.0 in the library's 16-bit fixed-point pixels."""

_CANDIDATES = ("libmypaint-1.5.so.1", "libmypaint.so.0", "libmypaint-2.0.so.0", "libmypaint.dylib")
_PREFIXES = ("/opt/homebrew/lib", "/usr/local/lib")  # where Homebrew keeps what the loader does not search


class MyPaintMissing(ArtkitError):  # noqa: N818
    """libmypaint, or a brush, is not on this machine."""


class TileRequest(Structure):
    """``MyPaintTileRequest``: the library asks for the pixels of one of its tiles."""

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
    """``MyPaintRectangles``: the library reports there which parts of a surface it changed."""

    _fields_ = (("number", c_int), ("rectangles", POINTER(Rectangle)))


TileCallback = CFUNCTYPE(None, c_void_p, c_void_p)
"""Called with the surface and the address of a `TileRequest`."""

SURFACE_BYTES = 4096
"""Room for a ``MyPaintTiledSurface2``, whose 200 to 300 bytes differ by version."""


def find() -> str | None:
    """The name or path with which the loader finds libmypaint, or None."""
    override = os.environ.get("ARTKIT_LIBMYPAINT")
    names = [override] if override else []
    names += [name for base in ("mypaint-1.5", "mypaint") if (name := ctypes.util.find_library(base))]
    names += list(_CANDIDATES)
    names += [str(path) for prefix in _PREFIXES for path in sorted(Path(prefix).glob("libmypaint*.dylib"))]
    for name in names:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return name
    return None


DabCallback = CFUNCTYPE(c_int, c_void_p, *[c_float] * 16)
"""Draws a dab: surface, x, y, radius, red, green, blue, opacity, hardness, eraser, aspect, angle, and five more."""

DAB_POINTER = 7
"""The word of a surface that points to the function with which brushes draw dabs on it."""


@cache
def library() -> ctypes.CDLL:
    """The loaded library, its functions declared.

    Raises EngineMissing if it is not installed or too old, with the package to install.
    """
    name = find()
    if name is None:
        raise MyPaintMissing(
            "the MyPaint engine (libmypaint) is not installed",
            hint="Debian or Ubuntu: apt install libmypaint-1.5-1 mypaint-brushes; "
            "macOS: brew install libmypaint mypaint-brushes",
        )
    lib = ctypes.CDLL(name)
    if not hasattr(lib, "mypaint_brush_stroke_to_2"):
        raise MyPaintMissing(f"{name} is older than libmypaint 1.6", hint="install libmypaint 1.6 or newer")
    declare = {
        "mypaint_brush_new": (c_void_p, ()),
        "mypaint_brush_unref": (None, (c_void_p,)),
        "mypaint_brush_from_string": (c_int, (c_void_p, c_char_p)),
        "mypaint_brush_reset": (None, (c_void_p,)),
        "mypaint_brush_new_stroke": (None, (c_void_p,)),
        "mypaint_brush_set_base_value": (None, (c_void_p, c_int, c_float)),
        "mypaint_brush_get_base_value": (c_float, (c_void_p, c_int)),
        "mypaint_brush_get_inputs_used_n": (c_int, (c_void_p, c_int)),
        "mypaint_brush_setting_from_cname": (c_int, (c_char_p,)),
        "mypaint_brush_stroke_to_2": (
            c_int,
            (c_void_p, c_void_p, *[c_float] * 5, c_double, *[c_float] * 3),
        ),
        "mypaint_tiled_surface2_init": (None, (c_void_p, TileCallback, TileCallback)),
        "mypaint_tiled_surface2_destroy": (None, (c_void_p,)),
        "mypaint_tiled_surface2_begin_atomic": (None, (c_void_p,)),
        "mypaint_tiled_surface2_end_atomic": (None, (c_void_p, POINTER(Rectangles))),
        "rng_double_new": (c_void_p, (c_long,)),
        "rng_double_free": (None, (c_void_p,)),
        "rng_double_set_seed": (None, (c_void_p, c_long)),
    }
    for function, (result, arguments) in declare.items():
        try:
            entry = getattr(lib, function)
        except AttributeError:
            raise MyPaintMissing(f"{name} has no function {function}", hint="install libmypaint 1.6") from None
        entry.restype, entry.argtypes = result, arguments
    return lib


def version() -> str:
    """The version in the library's file name or the name itself, for reports."""
    name = find() or ""
    for line in _mapped():
        if found := re.search(r"libmypaint[^/]*\.so\.([\d.]+)$", line):
            return found[1]
    return Path(name).name


def _mapped() -> list[str]:
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return []
    return [os.path.realpath(line.split()[-1]) for line in lines if "libmypaint" in line]


_STATE = 10 * 8  # the generator's state is an array of ten doubles at the start of its struct
_SEED = 1000  # with which a new brush starts its generator


@cache
def _generator_offset() -> int:
    """Where a brush keeps the pointer to its random generator, in bytes from its start.

    libmypaint offers no way to seed a brush, but it exports the generator's own functions. A new brush starts its
    generator with a known seed, so the pointer is the one word of the brush behind which that very state lies. Memory
    is read through a pipe, because `write` refuses a bad address where a plain read would crash.
    """
    lib = library()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.write.argtypes, libc.write.restype = (c_int, c_void_p, ctypes.c_size_t), ctypes.c_ssize_t
    brush, twin = lib.mypaint_brush_new(), lib.rng_double_new(_SEED)
    read, write = os.pipe()
    try:

        def peek(address: int | None, size: int) -> bytes:
            return os.read(read, size) if address and libc.write(write, address, size) == size else b""

        state = peek(twin, _STATE)
        words = memoryview(peek(brush, 512)).cast("Q")
        for index, word in enumerate(words):
            if peek(word, _STATE) == state:
                return index * 8
    finally:
        os.close(read)
        os.close(write)
        lib.rng_double_free(twin)
        lib.mypaint_brush_unref(brush)
    raise MyPaintMissing("this build of libmypaint hides its random generator", hint="install libmypaint 1.6")


def generator(brush: int) -> int:
    """The address of a brush's random generator, for ``rng_double_set_seed``."""
    address = c_void_p.from_address(brush + _generator_offset()).value
    assert address is not None
    return address
