"""Line plots with axes as HTML: labels keep their size on a page of any width, while the lines are scaled."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

PLOT_STYLE = """
.plot { display: grid; grid-template: 15rem 1.5rem auto / 4rem 1fr; margin: 0 1rem 1.5rem 0; }
.plot svg { width: 100%; height: 100%; grid-area: 1 / 2; border-bottom: 1px solid; border-left: 1px solid; }
.plot polyline { fill: none; stroke: var(--line); stroke-width: 2; vector-effect: non-scaling-stroke; }
.plot line { stroke: var(--muted); vector-effect: non-scaling-stroke; }
.plot .y { grid-area: 1 / 1; position: relative; } .plot .x { grid-area: 2 / 2; position: relative; }
.plot span { position: absolute; font-size: .8rem; font-variant-numeric: tabular-nums; }
.plot .y span { right: .5rem; transform: translateY(-50%); } .plot .x span { top: .2rem; transform: translateX(-50%); }
.plot figcaption { grid-area: 3 / 2; }
"""

_MAX_POINTS = 300
_WIDTH, _HEIGHT = 1000, 300  # units of the drawing, which is stretched to the page
_X_TICKS, _Y_TICKS = 6, 5  # about so many labels


def line_plot(points: Sequence[tuple[int, float]], name: str) -> str:
    """Return a plot of (step, value) pairs, at least one, with axes; name: of the values.

    Consecutive pairs are averaged to `_MAX_POINTS` points.
    """
    size = math.ceil(len(points) / _MAX_POINTS)
    chunks = [points[index : index + size] for index in range(0, len(points), size)]
    averaged = [(sum(x for x, _ in chunk) / len(chunk), sum(y for _, y in chunk) / len(chunk)) for chunk in chunks]
    right = max(points[-1][0], 1)
    values = [y for _, y in averaged]
    y_ticks = ticks(min(values), max(values), _Y_TICKS)
    low, high = y_ticks[0], y_ticks[-1]

    def x_of(step: float) -> float:
        return step / right

    def y_of(value: float) -> float:
        return (high - value) / (high - low)

    line = " ".join(f"{_WIDTH * x_of(x):.1f},{_HEIGHT * y_of(y):.2f}" for x, y in averaged)
    x_ticks = [tick for tick in ticks(0, right, _X_TICKS) if tick <= right and tick == int(tick)]
    grid = "".join(
        f'<line x1="0" x2="{_WIDTH}" y1="{_HEIGHT * y_of(t):.2f}" y2="{_HEIGHT * y_of(t):.2f}"/>' for t in y_ticks
    )
    return (
        '<figure class="plot"><div class="y">'
        + "".join(f'<span style="top:{100 * y_of(t):.2f}%">{t:.6g}</span>' for t in y_ticks)
        + f'</div><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{html.escape(name)} by step">{grid}<polyline points="{line}"/></svg><div class="x">'
        + "".join(f'<span style="left:{100 * x_of(t):.2f}%">{t:.6g}</span>' for t in x_ticks)
        + f"</div><figcaption>{html.escape(name)} by step; it ends at {points[-1][1]:.4g}</figcaption></figure>"
    )


def ticks(low: float, high: float, count: int) -> list[float]:
    """Return about `count` round numbers that enclose [low, high]: multiples of 1, 2 or 5 times a power of ten.

    If low and high are equal, the numbers enclose them too.
    """
    span = (high - low) or abs(low) or 1.0
    power = 10.0 ** math.floor(math.log10(span / count))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= span / count * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, max(last, first + 1) + 1)]
