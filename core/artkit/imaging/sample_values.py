"""Scaling of integer and float samples of more than 8 bits: which value of a file is white."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from artkit.imaging.pixels import Pixels

_BIT_DEPTHS = (8, 10, 12, 14, 16, 24)
"""Bits of data that are stored in wider samples: 12-bit values of a camera in 16 bits, for example."""

_DARK = 16
"""Values below 1/16 of white are taken as data of fewer bits: the image would be nearly black."""

_MIN_BLACK = -0.02
"""Values down to this share of white are clipped to black: filters overshoot. Lower ones are part of the range."""

_CHUNK_VALUES = 1 << 22

_BITS, _PHOTOMETRIC, _DESCRIPTION, _MAX_SAMPLE, _SAMPLE_FORMAT, _S_MIN, _S_MAX = 258, 262, 270, 281, 339, 340, 341
"""Tags of TIFF."""


@dataclass(frozen=True)
class SampleRange:
    """The values of a file that are black and white. note: what was assumed; empty if the file says it."""

    black: float
    white: float
    note: str = ""


def sample_range(values: Pixels, tags: Mapping[int, Any]) -> SampleRange:
    """Return which of the values are black and white.

    values: colours without alpha, of the data type in the file. tags: of a TIFF, else empty. A declared range (the tags
    SMinSampleValue and SMaxSampleValue, MaxSampleValue if it is 2^n - 1, or the display range of ImageJ) is used as it
    is. Otherwise white is the data type's largest value, or 1 for floats, unless the values themselves tell another
    one.
    """
    if declared := _declared_range(tags):
        return declared
    low, high = _finite_range(values)
    white, note = _float_white(values, high) if values.dtype.kind == "f" else _integer_white(values.dtype, high)
    if low >= _MIN_BLACK * white:
        return SampleRange(0.0, white, note)
    if low >= -1 and high <= 1 and values.dtype.kind == "f":
        low = -1.0
    elif values.dtype.kind == "i" or white != 1:
        white = high
    return SampleRange(low, white, f"it has negative values: black is taken as {low:g}, white as {white:g}")


def scale_samples(values: Pixels, scale: SampleRange, invert: bool, bits: int = 8) -> Pixels:
    """Scale values to unsigned integers of 8 or 16 bits, by rows. invert: black is the largest value."""
    top = (1 << bits) - 1
    scaled = np.empty(values.shape, f"u{bits // 8}")
    rows = max(1, _CHUNK_VALUES // max(1, values[:1].size))
    for start in range(0, len(values), rows):
        chunk = (values[start : start + rows].astype(np.float64) - scale.black) / (scale.white - scale.black)
        chunk = np.nan_to_num(chunk, nan=0.0, posinf=1.0, neginf=0.0).clip(0, 1)
        scaled[start : start + rows] = np.rint((1 - chunk if invert else chunk) * top)
    return scaled


def is_white_zero(tags: Mapping[int, Any]) -> bool:
    """Return whether a TIFF stores white as 0."""
    return tags.get(_PHOTOMETRIC) == 0


def typed_samples(values: Pixels, tags: Mapping[int, Any]) -> Pixels:
    """Return grey values as Pillow decodes them with the data type of a TIFF; Pillow has one type for all integers."""
    if values.dtype.kind == "f" or (not tags and values.dtype.itemsize < 4):
        return values
    if not tags:
        return values.astype(np.uint16)
    bits, kind = _first(tags.get(_BITS, 8)), {1: "u", 2: "i"}.get(_first(tags.get(_SAMPLE_FORMAT, 1)), "u")
    size = 1 if bits <= 8 else 2 if bits <= 16 else 4
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    return values.view(f"{kind}{size}") if values.dtype.itemsize == size else values.astype(f"{kind}{size}")


def _declared_range(tags: Mapping[int, Any]) -> SampleRange | None:
    low, high = _number(tags.get(_S_MIN, 0)), _number(tags.get(_S_MAX))
    if high is None and (bits := _first(tags.get(_BITS, 8))) in _BIT_DEPTHS and bits % 8:
        high = float((1 << bits) - 1)
    if high is None and (largest := _number(tags.get(_MAX_SAMPLE))) in [float((1 << n) - 1) for n in _BIT_DEPTHS]:
        high = largest
    text = str(tags.get(_DESCRIPTION, ""))
    if high is None and text.startswith("ImageJ="):
        low, high = (
            _number(match[1]) if (match := re.search(rf"^{key}=(\S+)$", text, re.MULTILINE)) else None
            for key in ("min", "max")
        )
    return SampleRange(low, high) if low is not None and high is not None and low < high else None


def _integer_white(dtype: np.dtype[Any], high: float) -> tuple[float, str]:
    """Return white of integers with a largest value, and a note."""
    largest = float(np.iinfo(dtype).max)
    wide = largest > 1 << 16
    if 0 < high < largest and (wide or (dtype.itemsize == 2 and high < (1 << 16) / _DARK)):
        depths = [float((1 << bits) - 1) for bits in _BIT_DEPTHS if (1 << bits) - 1 < largest]
        white = next((depth for depth in depths if high <= depth), largest)
        white = white if high > white / _DARK else high
        return (
            white,
            f"its values are {8 * dtype.itemsize}-bit integers up to {high:.0f}: white is taken as {white:.0f}",
        )
    note = f"its values are 32-bit integers: white is taken as {largest:.0f}" if wide and high > 0 else ""
    return largest, note


def _float_white(values: Pixels, high: float) -> tuple[float, str]:
    """Return white of floats with a largest value, and a note."""
    if high <= 1.001:
        return 1.0, ""
    if high <= _DARK and np.count_nonzero(values > 1) < values.size / 100:
        return 1.0, f"its values are floats up to {high:g}: those above 1 are white"
    white = next((float(d) for d in ((1 << bits) - 1 for bits in (*_BIT_DEPTHS, 32)) if high <= d), high)
    white = white if high > white / _DARK else high
    return white, f"its values are floats up to {high:g}: white is taken as {white:.10g}"


def _finite_range(values: Pixels) -> tuple[float, float]:
    """Return the smallest and the largest finite value; 0 and 0 if there is none."""
    low, high = float(values.min()), float(values.max())
    if np.isfinite(low) and np.isfinite(high):
        return low, high
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def _number(value: Any) -> float | None:
    """Return a tag's number, or None: for example of text or of infinity."""
    try:
        number = float(_first(value))
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) and value else value
