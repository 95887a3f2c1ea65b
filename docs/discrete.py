"""What discrete actions do to a painter (paper §3.1, Figures 8 and 9): run ``python docs/discrete.py WEIGHTS``.

WEIGHTS are those of a painter of discrete strokes, trained by ``artkit run train/discrete``. Writes the page
``docs/discrete-actions.md`` and its pictures; ``--steps N`` paints the last experiment in fewer steps.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from artkit.engine.painting_task import PaintingTask
from artkit.files import write_text
from artkit.geometry.place import Place
from artkit.geometry.window import Window
from artkit.imaging.png import save_png
from artkit.interfaces.renderer import Renderer
from artkit.interfaces.scene import Scene
from artkit.interfaces.view import View
from artkit.recipes.reading import read_recipe
from artkit.recipes.shipped import shipped_recipes
from artkit.registry.plugin_registry import get_registry
from artkit_mypaint.action_spaces import DISCRETE_SPACE, LEVELS, LIFT, STROKE_SPACE

DOCS = Path(__file__).parent
SIDE = 64
SAMPLES = 8
"""Strokes of the brush's randomness that a curve is the mean of."""

COLOURS = ((190, 60, 40), (40, 90, 160), (150, 150, 150))


PAGE = """\
# Discrete actions

The paper first gave its strokes ten levels of size and pressure and a flag that lifts the pen (§3.1), and gave that up.
This page shows why, and what helps. It is written by

```bash
artkit run train/discrete --out discrete
python docs/discrete.py discrete/discrete-classic-dry_brush.safetensors
```

## Half-lifted pens (paper, Figure 8)

A painter that learnt such strokes has seen the pen up or down, never between. An optimiser moves the flag continuously,
and the painter makes something of it that MyPaint has no stroke for. The same stroke with lift from 0 to 1, MyPaint
above, the painter below:

![The flag from 0 to 1](images/discrete/lift.png)

![Paint over lift](images/discrete/lift-curve.png)

With lift from .3 to .7 the painter leaves {middle:.0%} of the paint on the mean; MyPaint leaves all or none. Over the
whole way the two differ by {gap:.0%} of the stroke's paint.

## Sizes between levels (paper, Figure 9)

The same for the size, here from the fifth level to the seventh:

![Sizes between levels](images/discrete/size.png)

![Thickness over size](images/discrete/size-curve.png)

At the levels the painter's stroke is {at:.2f} px thicker or thinner than MyPaint's, between them {between:.2f} px.

## Learning through discrete actions

The renderer `discrete` paints the nearest levels with the real MyPaint and passes the gradient through the rounding as
if it were not there (straight-through). A lifted stroke is painted too, unseen, so that its flag learns whether it
would help, and its other numbers learn as well. The recipe `discrete`, {steps} steps, by both ways. *Seen*: content
loss of the last step as the optimiser saw it. *MyPaint*: of the nearest levels as MyPaint paints them. *Invisible*:
strokes that leave no paint, at the start and at the end. *Put down*: of those at the start, how many paint at the end.

| | seen | MyPaint | invisible at the start | at the end | put down |
|---|---|---|---|---|---|
{rows}
"""


@dataclass(frozen=True)
class Curve:
    """What painter and brush make of a number of the action as it goes from 0 to 1."""

    at: Tensor
    painter: Tensor
    brush: Tensor

    @property
    def gap(self) -> float:
        """The mean difference of the two."""
        return float((self.painter - self.brush).abs().mean())


def renderer(**settings: object) -> Renderer:
    """The renderer `discrete`."""
    part = get_registry().component("renderer", "discrete")
    scene = Scene((SIDE, SIDE), torch.device("cpu"), 0, torch.Generator(), torch.ones(3), lambda *_, **__: None)
    made: Renderer = part(part.Config(**settings), scene)
    return made


def line(**numbers: float) -> Tensor:
    """A straight stroke from left to right of discrete actions, black, with its numbers by name."""
    told = {"start_x": 0.12, "middle_x": 0.5, "end_x": 0.88, "start_y": 0.5, "middle_y": 0.5, "end_y": 0.5}
    told |= {"start_pressure": 6 / 9, "end_pressure": 6 / 9, "size": 5 / 9, "lift": 0.0}
    return torch.tensor([(told | numbers).get(name, 0.0) for name in DISCRETE_SPACE.names])


@torch.no_grad()
def coverage(of: Renderer, actions: Tensor) -> Tensor:
    """Coverage (m, SIDE, SIDE) of actions (m, 13): the mean of some samples."""
    sheets = []
    for sample in range(SAMPLES):
        number = torch.arange(len(actions)) * 0 + sample
        sheets.append(of(actions, Place(torch.zeros(len(actions), 2), SIDE, 0, number, (SIDE, SIDE), 0)).coverage[:, 0])
    return torch.stack(sheets).mean(0)


def sweep(name: str, count: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Strokes (count, 13) that differ in one number."""
    return torch.stack([line(**{name: float(value)}) for value in torch.linspace(low, high, count)])


def thickness(sheets: Tensor) -> Tensor:
    """How thick strokes are at their middle, px: coverage summed across, (m,)."""
    return sheets[:, :, 24:40].sum(1).mean(1)


def ink(sheets: Tensor) -> Tensor:
    """How much paint there is, over that of the first stroke, (m,)."""
    paint = sheets.sum((1, 2))
    return paint / paint[0].clamp(min=1e-6)


def measure(name: str, figure: Callable[[Tensor], Tensor], painter: Renderer, brush: Renderer, count: int) -> Curve:
    """A curve over `count` values of a number."""
    actions = sweep(name, count)
    return Curve(torch.linspace(0, 1, count), figure(coverage(painter, actions)), figure(coverage(brush, actions)))


def between_levels(curve: Curve) -> tuple[float, float]:
    """The mean gap of a curve at the levels, and halfway between them."""
    difference = (curve.painter - curve.brush).abs()
    position = curve.at * (LEVELS - 1)
    away = (position - position.round()).abs()
    return float(difference[away < 0.05].mean()), float(difference[away > 0.35].mean())


def strips(painter: Renderer, brush: Renderer, actions: Tensor) -> Tensor:
    """A picture (3, 2 SIDE, m SIDE): the brush above, the painter below."""
    rows = [torch.cat(list(coverage(of, actions)), dim=1) for of in (brush, painter)]
    return 1 - torch.cat(rows)[None].expand(3, -1, -1)


def plot(curve: Curve, across: str, up: str) -> Image.Image:
    """The painter's curve (red) and the brush's (blue)."""
    width, height, edge = 640, 360, 48
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    top = float(torch.cat([curve.painter, curve.brush]).max()) * 1.1 or 1.0

    def point(x: float, y: float) -> tuple[float, float]:
        return edge + x * (width - 2 * edge), height - edge - y / top * (height - 2 * edge)

    draw.line([point(0, top), point(0, 0), point(1, 0)], fill=COLOURS[2])
    for level in range(LEVELS):
        draw.line([point(level / (LEVELS - 1), 0), point(level / (LEVELS - 1), -top / 60)], fill=COLOURS[2])
    for values, colour in ((curve.painter, COLOURS[0]), (curve.brush, COLOURS[1])):
        points = [point(x, y) for x, y in zip(curve.at.tolist(), values.tolist(), strict=True)]
        for one, other in itertools.pairwise(points):
            draw.line([one, other], fill=colour, width=2)
    draw.text((edge, height - edge + 16), f"{across}, 0 to 1", fill="black")
    draw.text((8, 8), f"{up}, up to {top:.3g}", fill="black")
    draw.text((width - 200, 8), "painter", fill=COLOURS[0])
    draw.text((width - 120, 8), "MyPaint", fill=COLOURS[1])
    return image


@dataclass(frozen=True)
class Painted:
    """A photo of discrete strokes: content loss as the optimiser saw it and as MyPaint paints the nearest levels, and
    the share of strokes that leave no paint, at the start and at the end; of those, the share that was put down.
    """

    seen: float
    real: float
    lifted: tuple[float, float]
    down: float


def paint(steps: int, settings: Sequence[str], size: str = "size=[176,120]") -> Painted:
    """Paint the recipe `discrete` with settings over it."""
    recipe = read_recipe([shipped_recipes()["discrete"]], [f"steps={steps}", size, *settings])
    job = PaintingTask(recipe, torch.device("cpu"))
    first = _lifted(job)
    losses = {"loss": 0.0}
    for step in range(steps):
        losses = job.step(step)
    last = _lifted(job)
    brush = renderer(surrogate="")
    with torch.no_grad():
        window = Window(0, 0, *job.scene.size)
        view = View(brush.replay(job.log(), window)[None], None, window, 1.0)
        (objective,) = job.objectives.values()
        assert objective.target is not None
        real = float(objective(view.with_target(objective.target.window(view.window))).mean())
    down = float((first & ~last).sum()) / max(int(first.sum()), 1)
    return Painted(losses["loss"], real, (float(first.float().mean()), float(last.float().mean())), down)


@torch.no_grad()
def _lifted(job: PaintingTask) -> Tensor:
    """Which strokes leave no paint in MyPaint: lifted, or of the lowest level of pressure."""
    actions = job.actions(1.0)[0]
    pressures = STROKE_SPACE.index("start_pressure", "end_pressure")
    return (actions[:, LIFT] > 0.5) | (actions[:, pressures].amax(1) < 0.5 / (LEVELS - 1))


def page(weights: Path, folder: Path, steps: int, size: str = "size=[176,120]") -> str:
    """The page; its pictures are written into `folder`."""
    painter, brush = renderer(weights=weights), renderer(surrogate="")
    lift, size_curve = measure("lift", ink, painter, brush, 41), measure("size", thickness, painter, brush, 91)
    at, between = between_levels(size_curve)
    middle = float(lift.painter[(lift.at > 0.3) & (lift.at < 0.7)].mean())
    images = folder / "images" / "discrete"
    images.mkdir(parents=True, exist_ok=True)
    save_png(strips(painter, brush, sweep("lift", 11)), images / "lift.png")
    save_png(strips(painter, brush, sweep("size", 11, 4 / 9, 6 / 9)), images / "size.png")
    plot(lift, "lift", "paint over that of the stroke").save(images / "lift-curve.png")
    plot(size_curve, "size", "thickness in px").save(images / "size-curve.png")
    ways = {
        "through the painter (paper)": paint(steps, [f'renderer.weights="{weights.resolve()}"'], size),
        "straight through MyPaint": paint(steps, [], size),
    }
    rows = "\n".join(
        f"| {name} | {p.seen:.3f} | {p.real:.3f} | {p.lifted[0]:.0%} | {p.lifted[1]:.0%} | {p.down:.0%} |"
        for name, p in ways.items()
    )
    gap = float(lift.gap)
    return PAGE.format(middle=middle, gap=gap, at=at, between=between, steps=steps, rows=rows)


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--steps", type=int, default=60)
    told = parser.parse_args()
    write_text(DOCS / "discrete-actions.md", page(told.weights, DOCS, told.steps))


if __name__ == "__main__":
    main()
