"""The state of a brush in Triton: `artkit_mypaint.engine.state` in named tuples. Each lane is a stroke."""

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl

from artkit_mypaint.engine import state
from artkit_mypaint.triton_engine.arithmetic import select

MIN_RADIUS = tl.constexpr(float(state.MIN_RADIUS))
MAX_RADIUS = tl.constexpr(float(state.MAX_RADIUS))


class Pen(NamedTuple):
    """Where the pen is, px, and its pressure."""

    x: Any
    y: Any
    pressure: Any


class Dab(NamedTuple):
    """Where the brush is, px, which follows the pen, and the shape of its dabs."""

    x: Any
    y: Any
    radius: Any
    ratio: Any
    angle: Any


class Densities(NamedTuple):
    """Dabs per basic radius, per actual radius and per second."""

    basic: Any
    actual: Any
    time: Any


class Grid(NamedTuple):
    """Scales of the inputs gridmap_x and gridmap_y."""

    scale: Any
    scale_x: Any
    scale_y: Any


class Speeds(NamedTuple):
    """Filtered speeds."""

    slow1: Any
    slow2: Any
    x: Any
    y: Any


class Directions(NamedTuple):
    """Filtered directions: without and with a sense."""

    x: Any
    y: Any
    x360: Any
    y360: Any


class Tilt(NamedTuple):
    """Tilt of the pen, degrees."""

    declination: Any
    ascension: Any
    declination_x: Any
    declination_y: Any


class Skip(NamedTuple):
    """What is left of the way that is skipped, px; the last skipped position; and the time."""

    length: Any
    x: Any
    y: Any
    seconds: Any


class State(NamedTuple):
    """partial_dabs: part of a dab that is behind. stroke, started, custom, flip, random: as in libmypaint. densities:
    with which the next dab is counted. next_densities, grid: settings of the last step, which the next one reads.
    """

    pen: Any
    dab: Any
    densities: Any
    next_densities: Any
    grid: Any
    speeds: Any
    directions: Any
    tilt: Any
    skip: Any
    partial_dabs: Any
    stroke: Any
    started: Any
    custom: Any
    flip: Any
    random: Any


TILT = tl.constexpr(State._fields.index("tilt"))
SKIP = tl.constexpr(State._fields.index("skip"))
PARTIAL_DABS = tl.constexpr(State._fields.index("partial_dabs"))
FLIP = tl.constexpr(State._fields.index("flip"))
RANDOM = tl.constexpr(State._fields.index("random"))


class Stroke(NamedTuple):
    """What is constant in a stroke: base values, radius, gain of the pressure, zoom, origin in px, and HSV colour."""

    log_radius: Any
    softness: Any
    radius: Any
    gain: Any
    zoom: Any
    origin_x: Any
    origin_y: Any
    hue: Any
    saturation: Any
    value: Any


class Step(NamedTuple):
    """A step of the brush: dabs, movement in px, change of pressure, and duration."""

    dabs: Any
    dx: Any
    dy: Any
    pressure: Any
    seconds: Any


@triton.jit
def replace_in_state(state, index: tl.constexpr, value):
    """Return a state with another element at an index."""
    return State(*state[:index], value, *state[index + 1 :])  # type: ignore[call-arg]


@triton.jit
def select_state(mask, a, b):
    """Return the state a where a mask is set, otherwise b."""
    return State(
        Pen(*select(mask, a.pen, b.pen)),
        Dab(*select(mask, a.dab, b.dab)),
        Densities(*select(mask, a.densities, b.densities)),
        Densities(*select(mask, a.next_densities, b.next_densities)),
        Grid(*select(mask, a.grid, b.grid)),
        Speeds(*select(mask, a.speeds, b.speeds)),
        Directions(*select(mask, a.directions, b.directions)),
        Tilt(*select(mask, a.tilt, b.tilt)),
        Skip(*select(mask, a.skip, b.skip)),
        tl.where(mask, a.partial_dabs, b.partial_dabs),
        tl.where(mask, a.stroke, b.stroke),
        tl.where(mask, a.started, b.started),
        tl.where(mask, a.custom, b.custom),
        tl.where(mask, a.flip, b.flip),
        tl.where(mask, a.random, b.random),
    )


@triton.jit
def reset_state(x, y, pressure, radius, random, next_densities, grid):
    """Return the state of a brush that begins at a point (x, y), with the settings of the last step."""
    zero = tl.zeros(x.shape, tl.float32)
    return State(
        pen=Pen(x, y, pressure),
        dab=Dab(x, y, radius, zero, zero),
        densities=Densities(zero, zero, zero),
        next_densities=next_densities,
        grid=grid,
        speeds=Speeds(zero, zero, zero, zero),
        directions=Directions(zero, zero, zero, zero),
        tilt=Tilt(zero, zero, zero, zero),
        skip=Skip(zero, zero, zero, zero),
        partial_dabs=zero,
        stroke=zero + 1.0,
        started=zero,
        custom=zero,
        flip=zero - 1.0,
        random=random,
    )
