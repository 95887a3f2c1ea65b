"""Measure painters of discrete actions (paper §3.1, Figures 8 and 9): ``python docs/discrete.py WEIGHTS``.

WEIGHTS are those of a painter of discrete strokes, trained by ``artkit run train/discrete``. Writes the page
``docs/discrete-actions.md`` and its images. ``--steps N`` sets the number of steps of the last experiment.
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
"""Samples of the brush's randomness that are averaged for a curve."""

COLOURS = ((190, 60, 40), (40, 90, 160), (150, 150, 150))


PAGE = """\
# Discrete actions

The paper's first action space had ten levels of size and pressure and a flag that lifts the pen (§3.1); it was given
up. This page shows why, and an alternative. It is written by

```bash
artkit run train/discrete --out discrete
python docs/discrete.py discrete/discrete-classic-dry_brush.safetensors
```

## Half-lifted pens (paper, Figure 8)

The training data of a painter of such strokes contain the flag at 0 and 1 only. An optimiser changes it continuously,
and between 0 and 1 the painter paints strokes that MyPaint cannot paint. The same stroke with lift from 0 to 1, MyPaint
above, the painter below:

![The flag from 0 to 1](images/discrete/lift.png)

![Paint over lift](images/discrete/lift-curve.png)

With lift from .3 to .7 the painter leaves {middle:.0%} of the paint on average; MyPaint leaves all or none. The mean
difference over the whole range is {gap:.0%} of the stroke's paint.

## Sizes between levels (paper, Figure 9)

The same for the size, here from the fifth to the seventh level:

![Sizes between levels](images/discrete/size.png)

![Thickness over size](images/discrete/size-curve.png)

The thickness of the painter's stroke differs from MyPaint's by {at:.2f} px at the levels, and by {between:.2f} px
between them.

## Optimising discrete actions

The renderer `discrete` paints the nearest levels with the real MyPaint and passes the gradient through the rounding
unchanged (straight-through). A lifted stroke is painted too, invisibly, so that its flag and its other parameters have
a gradient. The table compares both ways on the recipe `discrete` with {steps} steps. *Optimised*: content loss of the
last step. *MyPaint*: content loss of the nearest levels, painted by MyPaint. *Invisible*: share of the strokes that
leave no paint, at the start and at the end. *Put down*: share of the strokes invisible at the start that paint at the
end.

| | optimised | MyPaint | invisible at the start | at the end | put down |
|---|---|---|---|---|---|
{rows}
"""


@dataclass(frozen=True)
class Curve:
    """A quantity of the strokes of painter and brush over a dimension of the action, `at` in [0, 1]."""

    at: Tensor
    painter: Tensor
    brush: Tensor

    @property
    def gap(self) -> float:
        """The mean absolute difference of the two."""
        return float((self.painter - self.brush).abs().mean())


def renderer(**settings: object) -> Renderer:
    """Build the renderer `discrete`."""
    component = get_registry().component("renderer", "discrete")
    scene = Scene((SIDE, SIDE), torch.device("cpu"), 0, torch.Generator(), torch.ones(3), lambda *_, **__: None)
    discrete: Renderer = component(component.Config(**settings), scene)
    return discrete


def line(**dimensions: float) -> Tensor:
    """Return the discrete action (13,) of a black straight stroke from left to right, with dimensions set by name."""
    defaults = {"start_x": 0.12, "middle_x": 0.5, "end_x": 0.88, "start_y": 0.5, "middle_y": 0.5, "end_y": 0.5}
    defaults |= {"start_pressure": 6 / 9, "end_pressure": 6 / 9, "size": 5 / 9, "lift": 0.0}
    return torch.tensor([(defaults | dimensions).get(name, 0.0) for name in DISCRETE_SPACE.names])


@torch.no_grad()
def coverage(painter: Renderer, actions: Tensor) -> Tensor:
    """Render actions (m, 13) and return the mean coverage of `SAMPLES` samples, (m, SIDE, SIDE)."""
    patches = []
    for sample in range(SAMPLES):
        stroke_index = torch.full((len(actions),), sample)
        place = Place(torch.zeros(len(actions), 2), SIDE, 0, stroke_index, (SIDE, SIDE), 0)
        patches.append(painter(actions, place).coverage[:, 0])
    return torch.stack(patches).mean(0)


def sweep(name: str, count: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Return strokes (count, 13) with evenly spaced values of one dimension."""
    return torch.stack([line(**{name: float(value)}) for value in torch.linspace(low, high, count)])


def thickness(patches: Tensor) -> Tensor:
    """Compute the thickness of strokes in the middle, px: the sum of coverage across them, (m,)."""
    return patches[:, :, 24:40].sum(1).mean(1)


def ink(patches: Tensor) -> Tensor:
    """Compute the amount of paint relative to the first stroke, (m,)."""
    paint = patches.sum((1, 2))
    return paint / paint[0].clamp(min=1e-6)


def measure(name: str, quantity: Callable[[Tensor], Tensor], painter: Renderer, brush: Renderer, count: int) -> Curve:
    """Measure a quantity at `count` values of a dimension."""
    actions = sweep(name, count)
    return Curve(torch.linspace(0, 1, count), quantity(coverage(painter, actions)), quantity(coverage(brush, actions)))


def between_levels(curve: Curve) -> tuple[float, float]:
    """Return the mean gap of a curve at the levels, and halfway between them."""
    difference = (curve.painter - curve.brush).abs()
    level = curve.at * (LEVELS - 1)
    distance = (level - level.round()).abs()
    return float(difference[distance < 0.05].mean()), float(difference[distance > 0.35].mean())


def strips(painter: Renderer, brush: Renderer, actions: Tensor) -> Tensor:
    """Return an image (3, 2 SIDE, m SIDE) of strokes of the brush above those of the painter."""
    rows = [torch.cat(list(coverage(renderer, actions)), dim=1) for renderer in (brush, painter)]
    return 1 - torch.cat(rows)[None].expand(3, -1, -1)


def plot(curve: Curve, x_label: str, y_label: str) -> Image.Image:
    """Plot the curves of painter (red) and brush (blue)."""
    width, height, margin = 640, 360, 48
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    top = float(torch.cat([curve.painter, curve.brush]).max()) * 1.1 or 1.0

    def point(x: float, y: float) -> tuple[float, float]:
        return margin + x * (width - 2 * margin), height - margin - y / top * (height - 2 * margin)

    draw.line([point(0, top), point(0, 0), point(1, 0)], fill=COLOURS[2])
    for level in range(LEVELS):
        draw.line([point(level / (LEVELS - 1), 0), point(level / (LEVELS - 1), -top / 60)], fill=COLOURS[2])
    for values, colour in ((curve.painter, COLOURS[0]), (curve.brush, COLOURS[1])):
        points = [point(x, y) for x, y in zip(curve.at.tolist(), values.tolist(), strict=True)]
        for start, end in itertools.pairwise(points):
            draw.line([start, end], fill=colour, width=2)
    draw.text((margin, height - margin + 16), f"{x_label}, 0 to 1", fill="black")
    draw.text((8, 8), f"{y_label}, up to {top:.3g}", fill="black")
    draw.text((width - 200, 8), "painter", fill=COLOURS[0])
    draw.text((width - 120, 8), "MyPaint", fill=COLOURS[1])
    return image


@dataclass(frozen=True)
class PaintingResult:
    """A photo painted with discrete strokes.

    optimised_loss: content loss of the last step. mypaint_loss: that of the nearest levels, painted by MyPaint.
    invisible_at_start, invisible_at_end: share of the strokes that leave no paint. put_down: share of the strokes
    invisible at the start that paint at the end.
    """

    optimised_loss: float
    mypaint_loss: float
    invisible_at_start: float
    invisible_at_end: float
    put_down: float


def paint(steps: int, settings: Sequence[str], size: str = "size=[176,120]") -> PaintingResult:
    """Paint the recipe `discrete` with changed settings."""
    recipe = read_recipe([shipped_recipes()["discrete"]], [f"steps={steps}", size, *settings])
    task = PaintingTask(recipe, torch.device("cpu"))
    start = _invisible(task)
    losses = {"loss": 0.0}
    for step in range(steps):
        losses = task.step(step)
    end = _invisible(task)
    brush = renderer(surrogate="")
    with torch.no_grad():
        window = Window(0, 0, *task.scene.size)
        view = View(brush.replay(task.log(), window)[None], None, window, 1.0)
        (objective,) = task.objectives.values()
        assert objective.target is not None
        mypaint_loss = float(objective(view.with_target(objective.target.window(view.window))).mean())
    put_down = float((start & ~end).sum()) / max(int(start.sum()), 1)
    return PaintingResult(
        losses["loss"], mypaint_loss, float(start.float().mean()), float(end.float().mean()), put_down
    )


@torch.no_grad()
def _invisible(task: PaintingTask) -> Tensor:
    """Return which strokes leave no paint in MyPaint: lifted, or with the lowest level of pressure."""
    actions = task.actions(1.0)[0]
    pressures = STROKE_SPACE.index("start_pressure", "end_pressure")
    return (actions[:, LIFT] > 0.5) | (actions[:, pressures].amax(1) < 0.5 / (LEVELS - 1))


def page(weights: Path, folder: Path, steps: int, size: str = "size=[176,120]") -> str:
    """Return the page, and write its images into `folder`."""
    painter, brush = renderer(weights=weights), renderer(surrogate="")
    lift, size_curve = measure("lift", ink, painter, brush, 41), measure("size", thickness, painter, brush, 91)
    at_levels, between = between_levels(size_curve)
    middle = float(lift.painter[(lift.at > 0.3) & (lift.at < 0.7)].mean())
    images = folder / "images" / "discrete"
    images.mkdir(parents=True, exist_ok=True)
    save_png(strips(painter, brush, sweep("lift", 11)), images / "lift.png")
    save_png(strips(painter, brush, sweep("size", 11, 4 / 9, 6 / 9)), images / "size.png")
    plot(lift, "lift", "paint over that of the stroke").save(images / "lift-curve.png")
    plot(size_curve, "size", "thickness in px").save(images / "size-curve.png")
    results = {
        "through the painter (paper)": paint(steps, [f'renderer.weights="{weights.resolve()}"'], size),
        "straight through MyPaint": paint(steps, [], size),
    }
    rows = "\n".join(
        f"| {name} | {result.optimised_loss:.3f} | {result.mypaint_loss:.3f} | {result.invisible_at_start:.0%}"
        f" | {result.invisible_at_end:.0%} | {result.put_down:.0%} |"
        for name, result in results.items()
    )
    return PAGE.format(middle=middle, gap=lift.gap, at=at_levels, between=between, steps=steps, rows=rows)


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--steps", type=int, default=60)
    arguments = parser.parse_args()
    write_text(DOCS / "discrete-actions.md", page(arguments.weights, DOCS, arguments.steps))


if __name__ == "__main__":
    main()
