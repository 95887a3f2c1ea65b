"""Measures trained agents on pictures that they never saw, and writes the page about them.

    python docs/agents.py runs/mnist runs/kmnist …

Each RUN is the folder of a recipe with `[data]`. What is found is kept in ``docs/agents.json``, by the run's name, and
its pictures in ``docs/images/agents``, so that runs can be measured one at a time. ``--page`` writes the page alone.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn
from torch.nn import functional as F

from artkit import weights
from artkit.engine.agent_training import AGENT_FILE, AgentTrainingTask
from artkit.errors import ArtkitError
from artkit.files import write_text
from artkit.formatting import format_duration
from artkit.imaging.png import save_png
from artkit.interfaces.data import Data
from artkit.recipes.building import choose_device
from artkit.recipes.reading import read_recipe
from artkit.recipes.recipe import RECORD, Recipe
from artkit.recipes.shipped import recipe_folder
from artkit.strokes.action_space import ActionSpace
from artkit.strokes.stroke_examples import POINT_NAMES, read_examples
from artkit_mypaint.stroke_geometry import curve

DOCS = Path(__file__).parent
FIGURES = DOCS / "agents.json"
IMAGES = DOCS / "images" / "agents"
EXAMPLES = recipe_folder() / "targets" / "digits.toml"

SIDE = 64
"""Side, px, of the pictures whose errors are compared."""
SHOWN = 12
"""Pictures of a run that the page shows."""
LEVELS = (0.03, 0.02, 0.015, 0.01, 0.008, 0.006)
"""Errors of which is told when a training reached them."""
MEAN_OF = 50
"""Steps whose mean is a point of a training's course."""
DIGITS = tuple("0123456789")

_AT_ONCE = 50  # pictures painted at a time
_POINTS = 32  # along a path
_THIN = 0.3  # of a path's spread: less than that in the other direction is not made more of
_LIFTED = 0.1  # pressure below which a stroke leaves hardly any paint
_COLOURS = ("#a8442a", "#2a5ca8", "#4b8b3b", "#8a5aa8", "#b08a2a", "#3b8b8b", "#777777", "#202020")


# ------------------------------------------------------------------------------------------------------------ the judge
class Judge(nn.Module):
    """Tells what a picture shows: a small convolutional network that learnt it from real pictures."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        widths = (1, 16, 32, 64, 64)
        layers: list[nn.Module] = []
        for place, (narrow, wide) in enumerate(itertools.pairwise(widths)):
            layers += [nn.Conv2d(narrow, wide, 3, 1, 1), nn.BatchNorm2d(wide), nn.ReLU()]
            layers += [nn.MaxPool2d(2)] if place < 3 else []
        self.look = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 16, 128))
        self.tell = nn.Linear(128, classes)

    def features(self, pictures: Tensor) -> Tensor:
        """What is seen in pictures (n, 3, h, w): (n, 128) of length 1, alike for what looks alike."""
        return F.normalize(self.look(_small(pictures)), dim=1)

    def forward(self, pictures: Tensor) -> Tensor:
        """The logits (n, classes) of pictures (n, 3, h, w)."""
        told: Tensor = self.tell(F.relu(self.look(_small(pictures))))
        return told

    @classmethod
    def taught(cls, data: Data, passes: int = 6, batch: int = 64) -> Judge:
        """A judge that learnt the classes of real pictures, turned, shifted and scaled a little."""
        generator = torch.Generator().manual_seed(0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            judge = cls(len(data.classes))
            steps = passes * (len(data) // batch + 1)
            adam = torch.optim.Adam(judge.parameters(), 3e-3)
            fall = torch.optim.lr_scheduler.OneCycleLR(adam, 3e-3, steps)
            left = torch.zeros(0, dtype=torch.int64)
            for _ in range(steps):
                if len(left) < batch:
                    left = torch.cat([left, torch.randperm(len(data), generator=generator)])
                some, left = left[:batch], left[batch:]
                labels = data.labels(some)
                assert labels is not None
                pictures = _moved(data.images(some).cpu(), generator)
                loss = F.cross_entropy(judge(pictures), labels, label_smoothing=0.05)
                adam.zero_grad()
                loss.backward()
                adam.step()
                fall.step()
        return judge.eval()


def _small(pictures: Tensor) -> Tensor:
    return 1 - F.interpolate(pictures.mean(1, keepdim=True), (32, 32), mode="area")


def _moved(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures turned by up to 14 degrees, scaled by up to a seventh, and shifted by up to a twelfth."""
    n = len(pictures)
    random = 2 * torch.rand(n, 4, generator=generator) - 1
    angle, scale = 0.25 * random[:, 0], 1 + 0.15 * random[:, 1]
    cos, sin, shift = scale * angle.cos(), scale * angle.sin(), random[:, 2:] / 6
    matrix = torch.stack([cos, -sin, shift[:, 0], sin, cos, shift[:, 1]], dim=1).view(n, 2, 3)
    grid = F.affine_grid(matrix, list(pictures.shape), align_corners=False)
    return 1 - F.grid_sample(1 - pictures, grid, mode="bilinear", align_corners=False)


def judge_of(job: AgentTrainingTask, recipe: Recipe, keep: Path) -> Judge:
    """The judge of a run's data set, from the folder in which judges are kept, or taught now from its part `train`."""
    block = recipe.blocks["data"]
    settings = {**block.config.model_dump(mode="json", exclude_none=True), "part": "train"}
    learnt: Data = job.scene.make("data", block.type, **settings)
    seen = {key: value for key, value in settings.items() if key not in ("path", "download", "batch")}
    told = json.dumps([seen, recipe.settings.size, learnt.provenance], sort_keys=True)
    file = keep / f"{block.type}-{hashlib.sha256(told.encode()).hexdigest()[:12]}.safetensors"
    if file.is_file():
        judge = Judge(len(learnt.classes))
        weights.fill(judge, weights.load(file)[0], file)
        return judge.eval()
    click.echo(f"teaching a judge of {block.type}", err=True)
    judge = Judge.taught(learnt)
    weights.save(judge, {"judge": block.type, "classes": list(learnt.classes)}, file)
    return judge


# ------------------------------------------------------------------------------------------------------ what it painted
@dataclass(frozen=True)
class Painted:
    """Pictures that an agent never saw, and what it made of them.

    target, painter, mypaint (n, 3, h, w): what was to be painted, the painter's picture and MyPaint's. actions
    (n, N, A). labels (n,) or None.
    """

    target: Tensor
    painter: Tensor
    mypaint: Tensor
    actions: Tensor
    labels: Tensor | None


def recipe_of(run: Path) -> dict[str, Any]:
    """The recipe of a run. Raises ArtkitError if there is none."""
    try:
        tree = tomllib.loads((run / "recipe.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtkitError(f"{run} holds no run: {error}") from None
    tree.pop(RECORD, None)
    return tree


def open_run(run: Path) -> tuple[AgentTrainingTask, Recipe]:
    """The job of a run with what its agent has learnt, over the pictures held back. Raises ArtkitError if there is
    none.
    """
    tree = recipe_of(run)
    learnt = {"data": {"part": "test"}, "agent": {"weights": str((run / AGENT_FILE).resolve())}, "device": "cpu"}
    recipe = read_recipe([tree], [learnt])
    if not recipe.trains_agent:
        raise ArtkitError(f"{run} is no run of an agent that learns: its recipe has no [data]")
    return AgentTrainingTask(recipe, choose_device("cpu")), recipe


@torch.no_grad()
def paint(job: AgentTrainingTask, recipe: Recipe, count: int) -> Painted:
    """What the agent of a run makes of `count` of the pictures held back, evenly chosen."""
    scene, own = job.scene, recipe.blocks["renderer"]
    brush = {"brush": told} if (told := getattr(own.config, "brush", None)) else {}
    real = scene.make("renderer", "mypaint", surrogate="", **brush)
    painter = job.renderer if own.type != "mypaint" else scene.make("renderer", own.config.surrogate, **brush)
    numbers = torch.linspace(0, len(job.dataset) - 1, min(count, len(job.dataset))).round().long().unique()
    found: list[tuple[Tensor, ...]] = []
    for some in torch.split(numbers, _AT_ONCE):
        targets = job.dataset.images(some)
        actions = scene.constrain(job.agent(scene, targets), 1.0)
        pictures = (job.canvas.render(r, actions, scene.background, scene.seed) for r in (painter, real))
        found.append((targets, *(picture.clamp(0, 1) for picture in pictures), actions))
    target, painted, by_mypaint, actions = (torch.cat(parts) for parts in zip(*found, strict=True))
    return Painted(target, painted, by_mypaint, actions, job.dataset.labels(numbers))


def error(pictures: Tensor, targets: Tensor) -> float:
    """The mean squared error at 64 px."""
    small = (F.interpolate(p, (SIDE, SIDE), mode="area") for p in (pictures, targets))
    one, other = small
    return float((one - other).square().mean())


def sharpness(pictures: Tensor, targets: Tensor) -> float:
    """How steep pictures are from px to px, over how steep the targets are."""
    steep = [p.diff(dim=-1).abs().mean() + p.diff(dim=-2).abs().mean() for p in (pictures, targets)]
    return float(steep[0] / steep[1].clamp(min=1e-9))


# ----------------------------------------------------------------------------------------------------- order of strokes
def path(actions: Tensor, space: ActionSpace) -> Tensor:
    """The way of the pen in a picture's actions (N, A), where it paints: points (k, 2) at even distances along it,
    upright and of one size. Without points if the pen never paints.
    """
    pressed = actions[:, space.index("start_pressure", "end_pressure")].nan_to_num(0.5).amax(1) > _LIFTED
    strokes = actions[pressed][:, space.index(*POINT_NAMES)]
    if not len(strokes):
        return torch.zeros(0, 2)
    points = curve(strokes, torch.linspace(0, 1, 9)).flatten(0, 1)
    for _ in range(3):  # what is even depends on what is upright, and the other way about
        points = _upright(_evenly(points))
    return points


def _evenly(points: Tensor) -> Tensor:
    """Points at even distances along a path (m, 2)."""
    gone = F.pad((points[1:] - points[:-1]).norm(dim=1).cumsum(0), (1, 0))
    at = torch.linspace(0, 1, _POINTS) * gone[-1]
    after = torch.searchsorted(gone, at).clamp(1, len(gone) - 1)
    share = ((at - gone[after - 1]) / (gone[after] - gone[after - 1]).clamp(min=1e-9)).clamp(0, 1)[:, None]
    return points[after - 1] + share * (points[after] - points[after - 1])


def _upright(points: Tensor) -> Tensor:
    """Points (m, 2) moved, slanted and stretched until their standard deviation is 1 in x and in y, or less in a
    direction in which there is hardly any.
    """
    x, y = (points - points.mean(0)).T
    x = x - y * (x * y).mean() / y.square().mean().clamp(min=1e-6)
    spread = torch.stack([x.std(), y.std()])
    return torch.stack([x, y], dim=1) / spread.clamp(min=max(float(spread.max()) * _THIN, 1e-6))


def apart(one: Tensor, others: Sequence[Tensor]) -> float:
    """The mean distance of a path's points from those of the nearest of others: 0 if drawn alike, some 1.7 for strokes
    in any order.
    """
    if not len(one):
        return 2.0
    return min(float((one - other).norm(dim=1).mean()) for other in others)


def turns(points: Tensor) -> float:
    """Twice the area that a path goes around: positive if clockwise as one sees it, since y runs down."""
    after = points.roll(-1, 0)
    return float((points[:, 0] * after[:, 1] - after[:, 0] * points[:, 1]).sum())


def falls(points: Tensor) -> float:
    """How far a path goes down rather than up, its long ways counting most."""
    way = points.diff(dim=0)[:, 1]
    return float((way * way.abs()).sum())


def order(painted: Painted, space: ActionSpace) -> dict[str, float]:
    """How digits are drawn, beside the examples."""
    assert painted.labels is not None
    drawn: dict[str, list[Tensor]] = {digit: [] for digit in DIGITS}
    for actions, label in zip(painted.actions, painted.labels.tolist(), strict=True):
        drawn[DIGITS[label]].append(path(actions, space))
    shown: dict[str, list[Tensor]] = {digit: [] for digit in DIGITS}
    for example in read_examples(EXAMPLES):
        shown[example.label].append(path(example.actions(space), space))

    def share(digit: str, holds: Callable[[Tensor], bool]) -> float:
        return sum(len(p) > 0 and holds(p) for p in drawn[digit]) / max(len(drawn[digit]), 1)

    distances = [apart(p, shown[digit]) for digit, paths in drawn.items() for p in paths]
    return {
        "noughts counter-clockwise": share("0", lambda p: turns(p) < 0),
        "ones downwards": share("1", lambda p: falls(p) > 0),
        "eights no closed threes": share("8", lambda p: apart(p, shown["8"]) < apart(p, shown["3"])),
        "distance to the example": sum(distances) / max(len(distances), 1),
    }


# --------------------------------------------------------------------------------------------------------- the verdicts
@torch.no_grad()
def recognised(judge: Judge, painted: Painted) -> dict[str, float]:
    """The share that a judge recognises of real pictures, the painter's and MyPaint's."""
    told = {"real": painted.target, "painter": painted.painter, "mypaint": painted.mypaint}
    assert painted.labels is not None
    return {name: float((judge(p).argmax(1) == painted.labels).float().mean()) for name, p in told.items()}


@torch.no_grad()
def retrieved(judge: Judge, painted: Painted) -> dict[str, float]:
    """Among real pictures of characters that nobody learnt, which is most like MyPaint's? The share of them that find
    the very picture they were painted after, and that find their character among the drawings of others; and how often
    a real picture finds that.
    """
    assert painted.labels is not None
    real, ours = judge.features(painted.target), judge.features(painted.mypaint)
    likeness, own = ours @ real.T, torch.arange(len(real))
    of_others, real_of_others = (
        m.masked_fill(torch.eye(len(real), dtype=torch.bool), -2) for m in (likeness, real @ real.T)
    )
    return {
        "itself": float((likeness.argmax(1) == own).float().mean()),
        "character": float((painted.labels[of_others.argmax(1)] == painted.labels).float().mean()),
        "character, real": float((painted.labels[real_of_others.argmax(1)] == painted.labels).float().mean()),
    }


# --------------------------------------------------------------------------------------------------------- the training
def course(run: Path, recipe: Recipe) -> list[tuple[float, float]]:
    """A training's seconds and errors, each the mean of some steps. The error is that of the objective `mse` if the
    recipe has one, otherwise of its first `pixel`, or of whatever is first.
    """
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    told = dict.fromkeys(name for line in lines for name in line if name not in ("step", "loss", "seconds"))
    pixel = [name for name, block in recipe.named["objective"].items() if block.type == "pixel"]
    name = next((name for name in ("mse", *pixel, *told) if name in told), "loss")
    seconds = list(itertools.accumulate(line["seconds"] for line in lines))
    points = []
    for first in range(0, len(lines), MEAN_OF):
        some = [line[name] for line in lines[first : first + MEAN_OF] if name in line]
        if some:
            points.append((seconds[min(first + MEAN_OF, len(lines)) - 1], sum(some) / len(some)))
    return points


def reached(points: Sequence[tuple[float, float]], level: float) -> float | None:
    """When a training's error first was at most so much, s."""
    return next((seconds for seconds, value in points if value <= level), None)


def measure(run: Path, count: int, keep: Path) -> dict[str, Any]:
    """All that is told of a run; its sheet is written among the images."""
    job, recipe = open_run(run)
    painted = paint(job, recipe, count)
    blank = job.scene.background.view(1, 3, 1, 1).expand_as(painted.target)
    points = course(run, recipe)
    began = recipe_of(run).get("agent", {}).get("weights", "")
    own = recipe.blocks["renderer"]
    found: dict[str, Any] = {
        "data": recipe.blocks["data"].type,
        "pictures": len(painted.target),
        "strokes": job.canvas.stroke_count,
        "steps": recipe.settings.steps,
        "seconds": points[-1][0] if points else 0.0,
        "after": Path(began).parent.name or began,
        "objectives": {name: block.type for name, block in recipe.named["objective"].items()},
        "renderer": own.type if getattr(own.config, "grain", True) else f"{own.type}, mean",
        "mse": {name: error(p, painted.target) for name, p in _three(painted, blank).items()},
        "sharpness": {name: sharpness(p, painted.target) for name, p in _three(painted).items()},
        "course": points[:: max(1, len(points) // 200)],
        "levels": {f"{level:g}": reached(points, level) for level in LEVELS},
    }
    space = job.renderer.space
    if job.dataset.classes:
        judge = judge_of(job, recipe, keep)
        known = found["data"] != "omniglot"  # whose characters that are held back are classes of their own
        found |= {"recognised": recognised(judge, painted)} if known else {"retrieved": retrieved(judge, painted)}
    if job.dataset.classes == DIGITS and space.has(*POINT_NAMES, "start_pressure", "end_pressure"):
        found["order"] = order(painted, space)
    some = torch.linspace(0, len(painted.target) - 1, min(SHOWN, len(painted.target))).round().long()
    rows = [
        torch.cat([F.pad(p, (1,) * 4, value=0.5) for p in each[some]], 2)
        for each in _three(painted, painted.target).values()
    ]
    IMAGES.mkdir(parents=True, exist_ok=True)
    save_png(torch.cat(rows[-1:] + rows[:-1], dim=1), IMAGES / f"{run.resolve().name}.png")
    return found


def _three(painted: Painted, beside: Tensor | None = None) -> dict[str, Tensor]:
    """The painter's and MyPaint's pictures, and what is compared with them, if anything is."""
    both = {"painter": painted.painter, "mypaint": painted.mypaint}
    return both if beside is None else {**both, "blank": beside}


# ------------------------------------------------------------------------------------------------------------- the page
PAGE = """\
# Agents

An agent looks at a picture and paints it stroke by stroke (paper §3, §4). This page measures trained agents on pictures
that they never saw. It is written by

```bash
python docs/agents.py {runs}
```

from the folders of their runs. *Painter* is the picture of the neural painter through which they learnt, *MyPaint* that
of the real program, which paints the same strokes. *MSE* is the mean squared error at 64 x 64 px, colours in [0, 1];
*blank* is that of the bare canvas. *Sharpness* is how steep a picture is from pixel to pixel, over how steep its target
is. *Recognised* is the share that a classifier names rightly, which learnt from real pictures; *real* is the share of
unseen real ones that it does. *Retrieved* is for characters of which nobody learnt any: in what such a classifier sees,
how often the real picture that is most like MyPaint's is the very one that was painted, and how often the most like
among the drawings of others is one of the same character.

{tables}

## How digits are drawn

Against the strokes made by hand in `recipes/targets/digits.toml` (`artkit examples` draws them). *0* is the share of
noughts drawn counter-clockwise, *1* that of ones drawn downwards, *8* that of eights drawn more like the example of an
8 than like that of a 3. The *distance* is that of a digit's path from the nearest example of its class: both are
brought upright and to one size, a standard deviation of 1 in x and in y, points lie at even distances along each, and
those of the same place along the way are compared. The examples themselves, laid over the digits, are .02 away; their
strokes in any order 1.7.

{order}

## Training

![Error over minutes](images/agents/curves.png)

The error of the training's pictures over its time, and when it first was at most so much, as a mean of {mean} steps. It
is that of the objective `mse` in runs that have one, otherwise of the first `pixel`, which is smaller if it is a mean
over scales:

{levels}

For comparison, the figures of the paper's released code on a GPU of 2019: MNIST after about 11,000 steps and 10 hours,
8 strokes; CelebA an MSE of .019 with 15 strokes after 27,000 steps, of .015 with 30 after 26,000.

{sheets}
"""


def page(told: dict[str, Any]) -> str:
    """The page about all runs that were measured."""
    kinds = dict.fromkeys(figures["data"] for figures in told.values())
    tables = [_table_of(kind, {name: f for name, f in told.items() if f["data"] == kind}) for kind in kinds]
    ordered = {name: f["order"] for name, f in told.items() if "order" in f}
    return PAGE.format(
        runs=" ".join(f"runs/{name}" for name in told),
        tables="\n\n".join(tables),
        order=_rows(["agent", "0", "1", "8", "distance"], [[n, *_shares(o)] for n, o in ordered.items()]),
        mean=MEAN_OF,
        levels=_rows(
            ["agent", *(f"{level:g}" for level in LEVELS)],
            [[name, *(_reached(f["levels"].get(f"{level:g}")) for level in LEVELS)] for name, f in told.items()],
        ),
        sheets="\n\n".join(_sheet(name, f) for name, f in told.items()),
    )


def _table_of(kind: str, told: dict[str, Any]) -> str:
    head = ["agent", "strokes", "trained", "MSE, painter", "MSE, MyPaint", "blank", "sharpness, painter", "MyPaint"]
    first = next(iter(told.values()))
    if "recognised" in first:
        head += ["recognised, painter", "MyPaint", "real"]
    if "retrieved" in first:
        head += ["retrieved: itself", "its character", "its character, real"]
    rows = []
    for name, f in told.items():
        after = f" after {f['after']}" if f["after"] else ""
        row = [name, str(f["strokes"]), f"{f['steps']:,} steps, {format_duration(f['seconds'])}{after}"]
        row += [f"{f['mse'][key]:.4f}" for key in ("painter", "mypaint", "blank")]
        row += [f"{f['sharpness'][key]:.2f}" for key in ("painter", "mypaint")]
        row += [f"{f['recognised'][key]:.1%}" for key in ("painter", "mypaint", "real") if "recognised" in f]
        row += [f"{value:.1%}" for value in f.get("retrieved", {}).values()]
        rows.append(row)
    return f"## {kind}, {first['pictures']:,} unseen pictures\n\n" + _rows(head, rows)


def _shares(told: dict[str, float]) -> list[str]:
    *shares, distance = told.values()
    return [*(f"{share:.1%}" for share in shares), f"{distance:.3f}"]


def _sheet(name: str, told: dict[str, Any]) -> str:
    objectives = ", ".join(f"{label} ({kind})" if label != kind else kind for label, kind in told["objectives"].items())
    return (
        f"### {name}\n\nLearnt through {told['renderer']}; objectives: {objectives}. What was to be painted, the "
        f"painter's picture, MyPaint's:\n\n![{name}: targets and paintings](images/agents/{name}.png)"
    )


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _reached(seconds: float | None) -> str:
    return "–" if seconds is None else format_duration(seconds)


def curves(told: dict[str, Any]) -> Image.Image:
    """The errors of all trainings over their minutes, both on scales of logarithms."""
    width, height, edge = 800, 400, 40
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    lines = {name: [(s / 60, v) for s, v in f["course"] if s > 0 and v > 0] for name, f in told.items()}
    points = torch.tensor([point for line in lines.values() for point in line] or [(1.0, 1.0)]).log10()
    low, high = points.amin(0), points.amax(0)
    span = (high - low).clamp(min=1e-3)

    def place(minutes: float, value: float) -> tuple[float, float]:
        x, y = ((torch.tensor([minutes, value]).log10() - low) / span).tolist()
        return edge + x * (width - 2 * edge), height - edge - y * (height - 2 * edge)

    (left, bottom), (right, top) = place(*(10**low).tolist()), place(*(10**high).tolist())
    draw.rectangle([left, top, right, bottom], outline="#bbbbbb")
    for ticks, axis in (
        (tuple(itertools.product((1, 2, 5), range(-4, 4))), 0),
        (tuple(itertools.product((1, 2, 5), range(-5, 1))), 1),
    ):
        for digit, power in ticks:
            value = digit * 10.0**power
            if not low[axis] <= torch.tensor(value).log10() <= high[axis]:
                continue
            at = place(value, float(10 ** low[1])) if axis == 0 else place(float(10 ** low[0]), value)
            ends = [at, (at[0], at[1] + 5)] if axis == 0 else [(at[0] - 5, at[1]), at]
            draw.line(ends, fill="#bbbbbb")
            where = (at[0] - 8, at[1] + 8) if axis == 0 else (2, at[1] - 6)
            draw.text(where, f"{value:g}", fill="black")
    for number, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        draw.line([place(*point) for point in line], fill=colour, width=2)
        draw.text((width - edge - 160, edge + 8 + 14 * number), name, fill=colour)
    draw.text((width / 2 - 20, height - 16), "minutes", fill="black")
    return image


@click.command()
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--count", type=click.IntRange(1), default=1000, show_default=True, help="Unseen pictures of each run.")
@click.option("--judges", type=click.Path(path_type=Path), default=Path("runs/judges"), show_default=True)
@click.option("--page", "page_alone", is_flag=True, help="Write the page alone.")
def main(runs: tuple[Path, ...], count: int, judges: Path, page_alone: bool) -> None:
    """Measure RUNS and write the page."""
    told = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.is_file() else {}
    for run in () if page_alone else runs:
        told[run.resolve().name] = measure(run, count, judges)
        write_text(FIGURES, json.dumps(told, indent=1) + "\n")
    IMAGES.mkdir(parents=True, exist_ok=True)
    curves(told).save(IMAGES / "curves.png", optimize=True)
    write_text(DOCS / "agents.md", page(told))


if __name__ == "__main__":
    try:
        main()
    except ArtkitError as fault:
        sys.exit(f"agents: {fault}")
