"""From pen events to dabs in Triton: see `artkit_mypaint.engine.dynamics`.

Each lane computes a stroke. In each iteration of the kernel's loop a lane fetches its next pen event if it has reached
the last one, and takes one step: to its next dab, or to the event. So lanes with many and with few dabs between two
events do not wait for each other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl

from artkit_mypaint.triton_engine.arithmetic import (
    angle_difference,
    clamp,
    cos_sin_of_degrees,
    decay,
    div,
    exp,
    hypot,
    select,
)
from artkit_mypaint.triton_engine.brush_step import advance
from artkit_mypaint.triton_engine.colours import rgb_to_hsv
from artkit_mypaint.triton_engine.dabs import write_dab
from artkit_mypaint.triton_engine.random_numbers import gaussian, seed_generator, uniform
from artkit_mypaint.triton_engine.state import (
    FLIP,
    MAX_RADIUS,
    MIN_RADIUS,
    PARTIAL_DABS,
    RANDOM,
    SKIP,
    TILT,
    Densities,
    Grid,
    Skip,
    Step,
    Stroke,
    Tilt,
    replace_in_state,
    reset_state,
    select_state,
)

_RESET_SECONDS = tl.constexpr(5.0)
_SUDDEN_SECONDS = tl.constexpr(0.1)
_MIN_SKIP = tl.constexpr(0.001)


class Target(NamedTuple):
    """Where a lane moves: position in px, pressure, remaining seconds (double), index of the event, and how much of the
    way to it lies behind (double). valid: whether it has one.
    """

    x: Any
    y: Any
    pressure: Any
    seconds: Any
    index: Any
    done: Any
    valid: Any


class Queue(NamedTuple):
    """The next event of a lane, and whether its first half lies behind: sudden pressure is split into two events."""

    event: Any
    second_half: Any


@triton.jit
def _dabs_to(program: tl.constexpr, s, base_radius, dx, dy, seconds):
    """Return how many dabs lie on the way to a point (dx, dy) px away that the pen reaches after some seconds."""
    distance = hypot(dx, dy)
    if program.elliptical_dab_ratio.base > 1.0 or len(program.elliptical_dab_ratio.curves) > 0:
        cos, sin = cos_sin_of_degrees(s.dab.angle)
        across, along = (dy * cos - dx * sin) * s.dab.ratio, dy * sin + dx * cos
        distance = tl.where(s.dab.ratio > 1.0, tl.sqrt_rn(across * across + along * along), distance)
    per_actual = tl.where(s.densities.actual != 0.0, s.densities.actual, program.dabs_per_actual_radius.base)
    per_basic = tl.where(s.densities.basic != 0.0, s.densities.basic, program.dabs_per_basic_radius.base)
    clamped = clamp(base_radius, MIN_RADIUS, MAX_RADIUS)
    count = div(distance, s.dab.radius) * per_actual + div(distance, clamped) * per_basic
    count += seconds.to(tl.float32) * s.densities.time
    return tl.where(count >= 0.0, count, 0.0)  # also where it is not a number


@triton.jit
def _tilted(tilt, part):
    """Move the pen's tilt part of the way to upright; a reset leaves it lying flat."""
    return Tilt(
        tilt.declination + part * (90.0 - tilt.declination),
        tilt.ascension + part * angle_difference(tilt.ascension, tl.zeros(part.shape, tl.float32)),
        tilt.declination_x + part * (90.0 - tilt.declination_x),
        tilt.declination_y + part * (90.0 - tilt.declination_y),
    )


@triton.jit
def _skipped(skip, x, y, seconds, event, mask):
    """Skip events until the pen has moved far enough; return `Skip`, the seconds, and which lanes skip this one."""
    skipping = mask & (skip.length > _MIN_SKIP)
    total = (skip.seconds.to(tl.float64) + seconds).to(tl.float32)
    left = skip.length - hypot(skip.x - x, skip.y - y)
    long = total.to(tl.float64)
    skipped = skipping & (left > _MIN_SKIP) & (event > 0) & (long <= _RESET_SECONDS)
    following = Skip(
        tl.where(skipped, left, 0.0),
        tl.where(skipped, x, 0.0),
        tl.where(skipped, y, 0.0),
        tl.where(skipped, total, 0.0),
    )
    return Skip(*select(skipping, following, skip)), tl.where(skipping, long, seconds), skipped


@triton.jit
def _fetch(
    program: tl.constexpr, s, stroke, generator, target, queue,
    points, event_seconds, mask,
):  # fmt: skip
    """Take the next event of the lanes of a mask; return the state, generator, target and queue."""
    event, second_half = queue.event, queue.second_half
    row = tl.maximum(event, 0)
    x = tl.load(points + 3 * row, mask=mask, other=0.0).to(tl.float32)
    y = tl.load(points + 3 * row + 1, mask=mask, other=0.0).to(tl.float32)
    pressure = tl.maximum(tl.load(points + 3 * row + 2, mask=mask, other=0.0).to(tl.float32), 0.0)
    seconds = tl.load(event_seconds + row, mask=mask, other=0.0)
    # Pressure after a pause: first the brush moves there without pressure, then it is pressed.
    sudden = (event > 0) & (seconds > _SUDDEN_SECONDS) & (pressure > 0.0) & (s.pen.pressure == 0.0)
    first_half = sudden & ~second_half
    seconds = tl.where(first_half, seconds - 0.0001, tl.where(second_half, 0.0001, seconds))
    pressure = tl.where(first_half, 0.0, pressure)
    skipped = mask & False
    skip, to_x, to_y = s.skip, x, y
    if program.tracking_noise.base > 0.0:
        skip, seconds, skipped = _skipped(s.skip, x, y, seconds, event, mask)
        noise = stroke.radius * program.tracking_noise.base
        displaced = mask & ~skipped & (noise > _MIN_SKIP)
        skip = Skip(*select(displaced, Skip(0.5 * noise, x, y, skip.seconds), skip))
        noise_x, generator = gaussian(generator, displaced)
        noise_y, generator = gaussian(generator, displaced)
        to_x = tl.where(displaced, x + noise * noise_x, x)
        to_y = tl.where(displaced, y + noise * noise_y, y)
    if program.slow_tracking.base > 0.001:
        slowness = tl.full(x.shape, program.slow_tracking.base, tl.float32)
        rate = 1.0 - decay(slowness, (100.0 * seconds).to(tl.float32))
        to_x, to_y = s.pen.x + (to_x - s.pen.x) * rate, s.pen.y + (to_y - s.pen.y) * rate
    else:
        to_x, to_y = s.pen.x + (to_x - s.pen.x), s.pen.y + (to_y - s.pen.y)
    tracked = replace_in_state(s, SKIP, skip)
    resets = mask & ~skipped & ((event <= 0) | (seconds > _RESET_SECONDS))
    random, generator = uniform(generator, resets)
    radius = clamp(stroke.radius, MIN_RADIUS, MAX_RADIUS)
    anew = reset_state(to_x, to_y, pressure, radius, random.to(tl.float32), s.next_densities, s.grid)
    s = select_state(resets, anew, tracked)
    valid = mask & ~skipped & ~resets
    target = Target(*select(mask, Target(to_x, to_y, pressure, seconds, event, seconds * 0.0, valid), target))
    event = tl.where(mask & ~first_half, event + 1, event)
    return s, generator, target, Queue(event, tl.where(mask, first_half, second_half))


@triton.jit
def _initial_state(program: tl.constexpr, zero):
    """Return a state without a stroke; the first event resets it, with the base values of settings."""
    densities = Densities(
        zero + program.dabs_per_basic_radius.base,
        zero + program.dabs_per_actual_radius.base,
        zero + program.dabs_per_second.base,
    )
    grid = Grid(
        zero + program.gridmap_scale.base,
        zero + program.gridmap_scale_x.base,
        zero + program.gridmap_scale_y.base,
    )
    return reset_state(zero, zero, zero, zero, zero, densities, grid)


@triton.jit
def _step(program: tl.constexpr, s, stroke, generator, target, dab, free, running):
    """Move lanes to their next dab, and write it to a pointer, or to their target.

    free: dabs that can still be written. Returns the state, generator and target; which lanes drew a dab, and which
    could not because none was free.
    """
    moving = running & target.valid
    dx, dy = target.x - s.pen.x, target.y - s.pen.y
    todo = _dabs_to(program, s, stroke.radius, dx, dy, target.seconds)
    drawing = moving & (s.partial_dabs + todo >= 1.0)
    step_dabs = tl.where(drawing, tl.where(s.partial_dabs > 0.0, 1.0 - s.partial_dabs, 1.0), todo)
    part = tl.where(drawing, div(step_dabs, todo), 1.0)
    seconds = (part.to(tl.float64) * target.seconds).to(tl.float32)
    step = Step(step_dabs, part * dx, part * dy, part * (target.pressure - s.pen.pressure), seconds)
    after, inputs = advance(program, replace_in_state(s, TILT, _tilted(s.tilt, part)), stroke, step)
    after = replace_in_state(after, PARTIAL_DABS, tl.where(drawing, 0.0, s.partial_dabs + todo))
    after = replace_in_state(after, FLIP, tl.where(drawing, -s.flip, s.flip))
    full = drawing & (free <= 0)
    drawing = drawing & ~full
    done = target.done + (1.0 - target.done) * part.to(tl.float64)
    time = ((target.index - 1).to(tl.float64) + done).to(tl.float32)
    generator = write_dab(program, after, inputs, stroke, generator, time, dab, drawing)
    random, generator = uniform(generator, drawing)
    after = replace_in_state(after, RANDOM, tl.where(drawing, random.to(tl.float32), s.random))
    remaining = tl.where(drawing, target.seconds - seconds.to(tl.float64), target.seconds)
    valid = tl.where(moving, drawing, target.valid)
    target = Target(target.x, target.y, target.pressure, remaining, target.index, done, valid)
    return select_state(moving, after, s), generator, target, drawing, full


@triton.jit
def _load_stroke(program: tl.constexpr, log_radius, softness, origins, colours, zoom, lane, inside):
    """Load what is constant in the strokes of the lanes."""
    base = tl.load(log_radius + lane, mask=inside, other=0.0)
    zero = base * 0.0
    hue, saturation, value = zero, zero, zero
    if program.uses.colour:
        red = tl.load(colours + 3 * lane, mask=inside, other=0.0)
        green = tl.load(colours + 3 * lane + 1, mask=inside, other=0.0)
        hue, saturation, value = rgb_to_hsv(red, green, tl.load(colours + 3 * lane + 2, mask=inside, other=0.0))
    return Stroke(
        log_radius=base,
        softness=tl.load(softness + lane, mask=inside, other=1.0),
        radius=exp(base),
        gain=exp(zero + program.pressure_gain_log.base),
        zoom=zero + zoom,
        origin_x=tl.load(origins + 2 * lane, mask=inside, other=0.0).to(tl.float32),
        origin_y=tl.load(origins + 2 * lane + 1, mask=inside, other=0.0).to(tl.float32),
        hue=hue,
        saturation=saturation,
        value=value,
    )


@triton.jit
def stroke_dabs(
    points, event_seconds, log_radius, softness, seeds, origins, colours, zoom, dabs, counts, strokes, events, capacity,
    program: tl.constexpr, dab_size: tl.constexpr, lanes: tl.constexpr,
):  # fmt: skip
    """Compute the dabs of strokes.

    points (strokes, events, 3), event_seconds (events,), origins (strokes, 2): double. log_radius, softness (strokes,),
    colours (strokes, 3), zoom: single. seeds (strokes,): int64. Writes dabs (strokes, capacity, dab_size), and counts
    (strokes,) int32: -1 for strokes with more dabs than fit.
    """
    lane = tl.program_id(0).to(tl.int64) * lanes + tl.arange(0, lanes)
    inside = lane < strokes
    stroke = _load_stroke(program, log_radius, softness, origins, colours, zoom, lane, inside)
    zero = stroke.log_radius * 0.0
    generator = seed_generator(tl.load(seeds + lane, mask=inside, other=0))
    count = (lane * 0).to(tl.int32)
    long, no = zero.to(tl.float64), lane < 0
    s = _initial_state(program, zero)
    target = Target(zero, zero, zero, long, count, long, no)
    queue = Queue(count - 1, no)  # libmypaint is reset twice before a stroke
    running = inside
    while tl.max(running.to(tl.int32)) > 0:
        fetching = running & ~target.valid
        if tl.max(fetching.to(tl.int32)) > 0:
            s, generator, target, queue = _fetch(
                program, s, stroke, generator, target, queue, points + lane * events * 3, event_seconds, fetching
            )
        dab = dabs + (lane * capacity + count) * dab_size
        s, generator, target, drawn, full = _step(program, s, stroke, generator, target, dab, capacity - count, running)
        count = tl.where(full, -1, tl.where(drawn, count + 1, count))
        running = running & ~full & (target.valid | (queue.event < events))
    tl.store(counts + lane, count, mask=inside)
