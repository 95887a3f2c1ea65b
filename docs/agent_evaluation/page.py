"""The page docs/agents.md and its plot of training curves, from the figures of all runs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image, ImageDraw

from agent_evaluation.measurement import CURVE_INTERVAL_STEPS, ERROR_LEVELS
from artkit.formatting import format_duration

PAGE = """\
# Agents

An agent paints a target image stroke by stroke (paper §3, §4). This page measures trained agents on test images, which
are not in their training data. It is generated from the folders of the runs by

```bash
python docs/agents.py {runs}
```

The strokes of an agent are rendered by the neural painter that it was trained with (*painter*) and by MyPaint itself
(*MyPaint*). *MSE* is the mean squared error at 64 x 64 px, colours in [0, 1]; *blank* is that of the empty canvas.
*Sharpness* is the total variation of a picture divided by that of its target. *Recognised* is the accuracy of a
classifier that was trained on real images; *real* is its accuracy on the real test images. *Retrieved* is for data
whose test images have classes of their own: how often the real image nearest to a MyPaint painting, in the features of
such a classifier, is the painting's target (*itself*), and how often it shows the same character if the target is
excluded.

{tables}

## Stroke order of digits

Compared with the strokes drawn by hand in `recipes/targets/digits.toml` (`artkit examples` renders them). *0* is the
fraction of zeros drawn counter-clockwise, *1* of ones drawn downwards, *8* of eights whose path is nearer to the
example of an 8 than to that of a 3. The *distance* is that of a digit's path to the nearest example of its class: both
are normalised to zero mean, no slant and a standard deviation of 1 in x and in y, and resampled at equal distances; the
distance is the mean over corresponding points. It is .02 for the examples fitted to the digits, and 1.7 for their
strokes in random order.

{order}

## Training

![Error over minutes](images/agents/curves.png)

The training error over time, and when it first fell to a level, averaged over {mean} steps. It is the value of the
objective `mse` in runs that have one, otherwise of the first `pixel` objective, which is smaller if it is a mean over
scales:

{levels}

For comparison, the figures of the paper's released code on a GPU of 2019: MNIST after about 11,000 steps and 10 hours,
8 strokes; CelebA an MSE of .019 with 15 strokes after 27,000 steps, of .015 with 30 after 26,000.

{grids}
"""


def make_page(figures: dict[str, Any]) -> str:
    """Return the text of the page, in Markdown, from the figures of runs by their names."""
    data_types = dict.fromkeys(run["data"] for run in figures.values())
    orders = {name: run["order"] for name, run in figures.items() if "order" in run}
    return PAGE.format(
        runs=" ".join(f"runs/{name}" for name in figures),
        tables="\n\n".join(
            _section(data, {name: run for name, run in figures.items() if run["data"] == data}) for data in data_types
        ),
        order=_table(
            ["agent", "0", "1", "8", "distance"], [[name, *_order_row(order)] for name, order in orders.items()]
        ),
        mean=CURVE_INTERVAL_STEPS,
        levels=_table(
            ["agent", *(f"{level:g}" for level in ERROR_LEVELS)],
            [
                [name, *(_duration(run["levels"].get(f"{level:g}")) for level in ERROR_LEVELS)]
                for name, run in figures.items()
            ],
        ),
        grids="\n\n".join(_grid(name, run) for name, run in figures.items()),
    )


def _section(data: str, figures: dict[str, Any]) -> str:
    """Return the heading and the table of the runs with one type of data."""
    head = ["agent", "strokes", "trained", "MSE, painter", "MSE, MyPaint", "blank", "sharpness, painter", "MyPaint"]
    first = next(iter(figures.values()))
    if "recognised" in first:
        head += ["recognised, painter", "MyPaint", "real"]
    if "retrieved" in first:
        head += ["retrieved: itself", "its character", "its character, real"]
    rows = []
    for name, run in figures.items():
        after = f" after {run['after']}" if run["after"] else ""
        row = [name, str(run["strokes"]), f"{run['steps']:,} steps, {format_duration(run['seconds'])}{after}"]
        row += [f"{run['mse'][key]:.4f}" for key in ("painter", "mypaint", "blank")]
        row += [f"{run['sharpness'][key]:.2f}" for key in ("painter", "mypaint")]
        row += [f"{run['recognised'][key]:.1%}" for key in ("painter", "mypaint", "real") if "recognised" in run]
        row += [f"{value:.1%}" for value in run.get("retrieved", {}).values()]
        rows.append(row)
    return f"## {data}: {first['pictures']:,} test images\n\n" + _table(head, rows)


def _order_row(order: dict[str, float]) -> list[str]:
    *fractions, distance = order.values()
    return [*(f"{fraction:.1%}" for fraction in fractions), f"{distance:.3f}"]


def _grid(name: str, run: dict[str, Any]) -> str:
    objectives = ", ".join(f"{label} ({kind})" if label != kind else kind for label, kind in run["objectives"].items())
    return (
        f"### {name}\n\nTrained with the renderer {run['renderer']}; objectives: {objectives}. From top to bottom: "
        f"targets, painter, MyPaint.\n\n![{name}: targets and paintings](images/agents/{name}.png)"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _duration(seconds: float | None) -> str:
    return "–" if seconds is None else format_duration(seconds)


# --------------------------------------------------------------------------------------------------------------- plot
_PLOT_SIZE = (800, 400)
_PLOT_MARGIN = 40
_PLOT_COLOURS = ("#a8442a", "#2a5ca8", "#4b8b3b", "#8a5aa8", "#b08a2a", "#3b8b8b", "#777777", "#202020")
_X_TICKS = [digit * 10.0**power for digit, power in itertools.product((1, 2, 5), range(-4, 4))]
_Y_TICKS = [digit * 10.0**power for digit, power in itertools.product((1, 2, 5), range(-5, 1))]


def plot_curves(figures: dict[str, Any]) -> Image.Image:
    """Return a plot of the training errors over minutes, both axes logarithmic."""
    width, height = _PLOT_SIZE
    image = Image.new("RGB", _PLOT_SIZE, "white")
    draw = ImageDraw.Draw(image)
    curves = {name: [(s / 60, v) for s, v in run["course"] if s > 0 and v > 0] for name, run in figures.items()}
    points = torch.tensor([point for curve in curves.values() for point in curve] or [(1.0, 1.0)]).log10()
    low, high = points.amin(0), points.amax(0)
    span = (high - low).clamp(min=1e-3)

    def to_pixels(minutes: float, value: float) -> tuple[float, float]:
        x, y = ((torch.tensor([minutes, value]).log10() - low) / span).tolist()
        return _PLOT_MARGIN + x * (width - 2 * _PLOT_MARGIN), height - _PLOT_MARGIN - y * (height - 2 * _PLOT_MARGIN)

    (left, bottom), (right, top) = to_pixels(*(10**low).tolist()), to_pixels(*(10**high).tolist())
    draw.rectangle([left, top, right, bottom], outline="#bbbbbb")
    for value in _X_TICKS:
        if low[0] <= torch.tensor(value).log10() <= high[0]:
            x, y = to_pixels(value, float(10 ** low[1]))
            draw.line([(x, y), (x, y + 5)], fill="#bbbbbb")
            draw.text((x - 8, y + 8), f"{value:g}", fill="black")
    for value in _Y_TICKS:
        if low[1] <= torch.tensor(value).log10() <= high[1]:
            x, y = to_pixels(float(10 ** low[0]), value)
            draw.line([(x - 5, y), (x, y)], fill="#bbbbbb")
            draw.text((2, y - 6), f"{value:g}", fill="black")
    for index, (name, curve) in enumerate(curves.items()):
        colour = _PLOT_COLOURS[index % len(_PLOT_COLOURS)]
        draw.line([to_pixels(*point) for point in curve], fill=colour, width=2)
        draw.text((width - _PLOT_MARGIN - 160, _PLOT_MARGIN + 8 + 14 * index), name, fill=colour)
    draw.text((width / 2 - 20, height - 16), "minutes", fill="black")
    return image
