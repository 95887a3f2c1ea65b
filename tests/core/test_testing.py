"""The test kit: every part that comes with artkit passes it, and each check finds the mistake it is there for."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
import torch
from pydantic import ConfigDict, PlainSerializer
from torch import Tensor, nn

from artkit import testing
from artkit.config import Config as BaseConfig
from artkit.geometry.phase import Phase
from artkit.geometry.place import Place
from artkit.geometry.window import Window
from artkit.imaging.pixels import tensor_to_pixels
from artkit.imaging.png import save_png
from artkit.imaging.target_image import TargetImage
from artkit.interfaces.agent import Agent
from artkit.interfaces.constraint import Constraint
from artkit.interfaces.data import Data
from artkit.interfaces.exporter import Exporter
from artkit.interfaces.objective import Objective
from artkit.interfaces.renderer import Renderer
from artkit.interfaces.scene import Scene
from artkit.interfaces.trainer import Trainer
from artkit.interfaces.view import View
from artkit.registry.plugin_registry import KIND_HOOKS, get_registry
from artkit.rendering.stroke_renderer import StrokePatches
from artkit.strokes.action_space import ActionSpace, Dimension
from artkit.testing.scene import Quarters, Spots, Waves

# ----------------------------------------------------------------------------------------------- parts that are right
class Mean(Objective):
    """How far the mean of a picture is from a half."""

    name = "mean"

    def forward(self, view: View) -> Tensor:
        return (view.image.mean((1, 2, 3)) - 0.3).square()


class Loose(Agent):
    """A parameter for each number."""

    name = "loose"

    def __init__(self, config: Any, scene: Any) -> None:
        super().__init__(config, scene)
        shape = (2, scene.canvas.stroke_count, len(scene.renderer.space))
        self.numbers = nn.Parameter(torch.rand(shape, generator=scene.generator) - 0.5)

    def forward(self, scene: Any, targets: Tensor | None = None) -> Tensor:
        return torch.sigmoid(self.numbers)


class Narrow(Constraint):
    """Numbers between a quarter and three quarters."""

    name = "narrow"

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        return 0.25 + actions / 2


class Raw(Exporter):
    """The bytes of the pixels."""

    name = "raw"
    suffixes = (".raw",)

    def write(self, painting: Any, file: Path) -> None:
        file.write_bytes(tensor_to_pixels(painting.whole()).tobytes())


class Slope(Trainer):
    """Learns a slope."""

    name = "slope"

    def __init__(self, config: Any, scene: Any, steps: int, folder: Path) -> None:
        super().__init__(config, scene, steps, folder)
        self.slope = nn.Parameter(torch.zeros(1))
        self._adam = torch.optim.Adam([self.slope], 0.1)

    def step(self, step: int) -> dict[str, float]:
        x = torch.rand(8, generator=self.scene.generator)
        loss = (self.slope * x - 3 * x).square().mean()
        self._adam.zero_grad()
        loss.backward()
        self._adam.step()
        return {"mse": loss.item()}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"adam": self._adam}

    def sample(self) -> Tensor:
        return torch.full((3, 4, 4), 0.5)

    def save(self, folder: Path) -> Path:
        file = folder / "slope.txt"
        file.write_text(repr(self.slope.item()))
        return file


class Shades(Data):
    """Pictures that are darker on one side."""

    name = "shades"
    classes = ("left", "right")

    def __init__(self, config: Data.Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._scene, self._shift = scene, 0.5 if config.part == "test" else 0.0

    def __len__(self) -> int:
        return 6

    def images(self, indices: Tensor) -> Tensor:
        width, height = self._scene.size
        ramp = torch.linspace(0, 1, width).expand(3, height, width)
        depth = ((indices + self._shift + 1) / 8)[:, None, None, None]
        right = (indices % 2 == 1)[:, None, None, None]
        return (depth * torch.where(right, ramp, 1 - ramp)).to(self._scene.device)

    def labels(self, indices: Tensor) -> Tensor | None:
        return indices % 2


RIGHT = {
    "renderer": Spots,
    "canvas": Quarters,
    "objective": Mean,
    "agent": Loose,
    "constraint": Narrow,
    "data": Shades,
    "exporter": Raw,
    "trainer": Slope,
}


@pytest.mark.parametrize("kind", KIND_HOOKS)
def test_a_plain_part_that_is_right_passes(kind: str) -> None:
    CHECKS[kind](RIGHT[kind])


# --------------------------------------------------------------------------------------------------- planted mistakes
Mistake = tuple[str, str, Callable[[], type[Any]]]
MISTAKES: list[Any] = []


def mistake(kind: str, check: str) -> Callable[[Any], Any]:
    """Notes a part of a kind, or the methods that spoil the one that is right, which a check must refuse."""

    def note(spoilt: Any) -> Any:
        base = RIGHT[kind]
        own = {key: value for key, value in vars(spoilt).items() if key not in ("__dict__", "__weakref__")}
        own["__doc__"] = None if check == "documentation" else "Spoilt."
        part = type(spoilt.__name__, (base,), own)
        MISTAKES.append(pytest.param(kind, check, part, id=f"{kind}-{check}-{spoilt.__name__}"))
        return spoilt

    return note


def paint_of(part: Any, actions: Tensor, place: Place) -> StrokePatches:
    return Spots.forward(part, actions, place)


for every_kind in KIND_HOOKS:

    @mistake(every_kind, "documentation")
    class Silent:
        pass

    @mistake(every_kind, "documentation")
    class SilentSetting:
        class Config(Objective.Config, Data.Config):
            wide: int = 3

    @mistake(every_kind, "configuration")
    class Rounded:
        class Config(Objective.Config, Data.Config):
            wide: Annotated[float, PlainSerializer(round)] = 0.75
            """How wide."""

    @mistake(every_kind, "unknown_setting")
    class TakesAnything:
        class Config(Objective.Config, Data.Config):
            model_config = ConfigDict(extra="ignore")

    @mistake(every_kind, "part")
    class Nameless:
        name = None


@mistake("renderer", "action_space")
class Twice:
    space = ActionSpace("twice-1", (*Spots.space.dimensions[:5], Dimension("x")))


@mistake("renderer", "shapes")
class NoChannel:
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        paint = paint_of(self, actions, place)
        return StrokePatches(paint.colour, paint.coverage[:, 0])


@mistake("renderer", "shapes")
class APair:
    def forward(self, actions: Tensor, place: Place) -> tuple[Tensor, Tensor]:
        return tuple(paint_of(self, actions, place))  # type: ignore[return-value]


@mistake("renderer", "shapes")
class TooMuch:
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        paint = paint_of(self, actions, place)
        return StrokePatches(paint.colour, paint.coverage * 1.5)


@mistake("renderer", "shapes")
class Doubled:
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        return paint_of(self, actions.double(), place)


@mistake("renderer", "extremes")
class SteepAtNothing:
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        paint = paint_of(self, actions, place)
        return StrokePatches(paint.colour, paint.coverage * actions[:, 2].sqrt()[:, None, None, None])


@mistake("renderer", "margin")
class Cut:
    def margin(self, side: int) -> int:
        return side // 8


@mistake("renderer", "margin")
class HalfPixels:
    def margin(self, side: int) -> float:
        return side / 2


@mistake("renderer", "reach")
class ReachesFurther:
    def max_extent(self, actions: Tensor, side: int) -> Tensor:
        return 0.1 * side * actions[:, 2]


@mistake("renderer", "alone")
class OverTheDarkest:
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        paint = paint_of(self, actions, place)
        return StrokePatches(paint.colour, paint.coverage / paint.coverage.max())


@mistake("renderer", "windows")
class CountsWhatItDraws:
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        paint = paint_of(self, actions, place)
        grain = (torch.arange(len(actions)) % 3 + 1) / 3
        return StrokePatches(paint.colour, paint.coverage * grain[:, None, None, None])


@mistake("renderer", "determinism")
class Dice:
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        paint = paint_of(self, actions, place)
        return StrokePatches(paint.colour, paint.coverage * torch.rand(()))


@mistake("renderer", "determinism")
class DiceOfTheScene:
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        paint = paint_of(self, actions, place)
        grain = 1 - 1e-9 * torch.rand((), generator=self.scene.generator)  # type: ignore[attr-defined]
        return StrokePatches(paint.colour, paint.coverage * grain)


@mistake("renderer", "determinism")
class Remembers:
    drawn = 0

    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        self.drawn += 1
        paint = paint_of(self, actions, place)
        return StrokePatches(paint.colour, paint.coverage / self.drawn)


@mistake("renderer", "gradient")
class Detached:
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        return paint_of(self, torch.cat([actions[:, :2], actions[:, 2:3].detach(), actions[:, 3:]], 1), place)


@mistake("renderer", "gradient")
class NoGradient:
    @torch.no_grad()
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        return paint_of(self, actions, place)


@mistake("renderer", "parts")
class AlwaysTheCorner:
    def forward_region(self, actions: Tensor, place: Place, part: Window) -> StrokePatches:
        corner = Window(0, 0, part.width, part.height)
        return Renderer.forward_region(self, actions, place, corner)  # type: ignore[arg-type]


@mistake("renderer", "replay")
class ReplaysElse:
    def replay(self, log: Any, window: Window) -> Tensor:
        return 0.9 * Spots.replay(self, log, window)  # type: ignore[arg-type]


@mistake("renderer", "enlargement")
class InPixels:
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        shrunk = torch.cat([actions[:, :2] * 28 / place.side, actions[:, 2:]], 1)
        return paint_of(self, shrunk, place)


@mistake("canvas", "layout")
class AGap:
    def layout(self, scene: Any) -> tuple[Phase, ...]:
        return Quarters.layout(self, scene)[1:]  # type: ignore[arg-type]


@mistake("canvas", "layout")
class FarAway:
    def layout(self, scene: Any) -> tuple[Phase, ...]:
        return (Phase(0, 1000, 0, 8, 1, 1, 8),)


@mistake("canvas", "sheets")
class Touching:
    def layout(self, scene: Any) -> tuple[Phase, ...]:
        return (Phase(0, 0, 0, 20, 2, 2, 20),)


@mistake("canvas", "determinism")
class Shuffled:
    def layout(self, scene: Any) -> tuple[Phase, ...]:
        return (Phase(0, int(torch.randint(0, 30, ())), 0, 20, 1, 1, 20),)


class _Rendering:
    """Spoils the picture after it was rendered."""

    def spoil(self, picture: Tensor, window: Window | None) -> Tensor:
        raise NotImplementedError

    def render(self, renderer: Any, actions: Any, background: Any, seed: int = 0, window: Any = None) -> Tensor:
        picture = Quarters.render(self, renderer, actions, background, seed, window)  # type: ignore[arg-type]
        return self.spoil(picture, window)


@mistake("canvas", "windows")
class Normalised:
    render = _Rendering.render

    def spoil(self, picture: Tensor, window: Window | None) -> Tensor:
        return picture / picture.mean()


@mistake("canvas", "pictures")
class Mixed:
    render = _Rendering.render

    def spoil(self, picture: Tensor, window: Window | None) -> Tensor:
        return picture + 0.1 * picture.mean(0, keepdim=True) * (len(picture) > 1)


@mistake("canvas", "enlargement")
class PaleWhenLarge:
    render = _Rendering.render

    def spoil(self, picture: Tensor, window: Window | None) -> Tensor:
        return picture / (window.scale if window else 1)


@mistake("canvas", "gradient")
class Blocked:
    render = _Rendering.render

    def spoil(self, picture: Tensor, window: Window | None) -> Tensor:
        return picture.detach()


@mistake("agent", "actions")
class OneStroke:
    def forward(self, scene: Any, targets: Tensor | None = None) -> Tensor:
        return torch.sigmoid(self.numbers[:, :1])  # type: ignore[attr-defined]


@mistake("agent", "actions")
class NoSigmoid:
    def forward(self, scene: Any, targets: Tensor | None = None) -> Tensor:
        return self.numbers * 3  # type: ignore[attr-defined,no-any-return]


@mistake("agent", "determinism")
class Restless:
    def forward(self, scene: Any, targets: Tensor | None = None) -> Tensor:
        return torch.sigmoid(self.numbers + 0.1 * torch.rand(()))  # type: ignore[attr-defined]


@mistake("agent", "gradient")
class HalfDetached:
    def forward(self, scene: Any, targets: Tensor | None = None) -> Tensor:
        numbers = self.numbers  # type: ignore[attr-defined]
        return torch.sigmoid(torch.cat([numbers[:, :-4], numbers[:, -4:].detach()], 1))


@mistake("agent", "learning")
class Stubborn:
    def forward(self, scene: Any, targets: Tensor | None = None) -> Tensor:
        return torch.sigmoid(self.numbers * 1e-3)  # type: ignore[attr-defined]


@mistake("agent", "state")
class Forgets:
    def __init__(self, config: Any, scene: Any) -> None:
        Loose.__init__(self, config, scene)  # type: ignore[arg-type]
        self.dimensions.requires_grad_()
        self.asked = 0

    def forward(self, scene: Any, targets: Tensor | None = None) -> Tensor:
        self.asked += 1
        return torch.sigmoid(self.dimensions + self.asked * 0.01)


@mistake("agent", "some")
class OutOfOrder:
    def forward_subset(self, scene: Any, indices: Tensor, targets: Tensor | None = None) -> Tensor:
        return self(scene)[:, indices.sort().values]  # type: ignore[operator,no-any-return]


@mistake("agent", "looking")
class Heedless:
    uses_targets = True

    def forward(self, scene: Any, targets: Tensor | None = None) -> Tensor:
        count = 1 if targets is None else len(targets)
        return torch.sigmoid(self.numbers[:1].repeat(count, 1, 1))  # type: ignore[attr-defined,no-any-return]


@mistake("constraint", "shapes")
class OutOfRange:
    def forward(self, actions: Tensor, progress: float) -> Tensor:
        return actions * 1.2


@mistake("constraint", "shapes")
class AtTheEnd:
    def forward(self, actions: Tensor, progress: float) -> Tensor:
        return actions / (1 - progress)


@mistake("constraint", "untouched")
class InPlace:
    def forward(self, actions: Tensor, progress: float) -> Tensor:
        with torch.no_grad():
            actions[..., 0] = 0.5
        return actions


@mistake("constraint", "pictures")
class Alike:
    def forward(self, actions: Tensor, progress: float) -> Tensor:
        return actions.mean(0, keepdim=True).expand_as(actions)


@mistake("constraint", "determinism")
class Counts:
    asked = 0

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        self.asked += 1
        return actions / self.asked


@mistake("constraint", "gradient")
class Rounds:
    def forward(self, actions: Tensor, progress: float) -> Tensor:
        return torch.cat([actions[..., :1].detach(), actions[..., 1:]], -1)


@mistake("constraint", "unfit_renderer")
class NeedsColour:
    def __init__(self, config: Any, scene: Any) -> None:
        Narrow.__init__(self, config, scene)  # type: ignore[arg-type]
        self.red = scene.renderer.space.index("red")


@mistake("objective", "values")
class OneNumber:
    def forward(self, view: View) -> Tensor:
        return (view.image - 0.5).square().mean()


@mistake("objective", "values")
class NotANumber:
    def forward(self, view: View) -> Tensor:
        return Mean.forward(self, view) / (1 - view.progress)  # type: ignore[arg-type]


@mistake("objective", "target")
class SmallTarget:
    def __init__(self, config: Any, scene: Any) -> None:
        Mean.__init__(self, config, scene)  # type: ignore[arg-type]
        self.target = TargetImage(torch.zeros(1, 3, 8, 8))


@mistake("objective", "pictures")
class Compares:
    def forward(self, view: View) -> Tensor:
        means = view.image.mean((1, 2, 3))
        return means - means.mean().detach() + 0.1 * means


@mistake("objective", "untouched")
class Clamps:
    def forward(self, view: View) -> Tensor:
        view.image.data.mul_(0.99)
        return Mean.forward(self, view)  # type: ignore[arg-type]


@mistake("objective", "untouched")
class LearnsIntoThePicture:
    def training_step(self, view: View) -> None:
        if view.image.requires_grad:
            view.image.mean().backward()  # type: ignore[no-untyped-call]


@mistake("objective", "determinism")
class Noisy:
    def forward(self, view: View) -> Tensor:
        return Mean.forward(self, view) + torch.rand(())  # type: ignore[arg-type]


@mistake("objective", "windows")
class OfOneSize:
    def forward(self, view: View) -> Tensor:
        return (view.image - torch.zeros(1, 3, 40, 56)).mean((1, 2, 3))


@mistake("objective", "gradient")
class HalfBlind:
    def forward(self, view: View) -> Tensor:
        half = view.image.shape[-1] // 2
        left, right = view.image[..., :half], view.image[..., half:]
        return (left.mean((1, 2, 3)) + right.detach().mean((1, 2, 3)) * left.mean((1, 2, 3))).exp()


@mistake("objective", "gradient")
class Blind:
    def forward(self, view: View) -> Tensor:
        return Mean.forward(self, view).detach()  # type: ignore[arg-type]


@mistake("objective", "gradient")
class TwiceTheSlope:
    def forward(self, view: View) -> Tensor:
        value = Mean.forward(self, view)  # type: ignore[arg-type]
        return 2 * value - value.detach()


@mistake("objective", "state")
class Tires:
    seen = 0

    def forward(self, view: View) -> Tensor:
        return Mean.forward(self, view) + self.seen  # type: ignore[arg-type]

    def training_step(self, view: View) -> None:
        self.seen += 1


@mistake("exporter", "suffixes")
class Shouts:
    suffixes = (".RAW",)


@mistake("exporter", "suffixes")
class Dotless:
    suffixes = ("raw",)


@mistake("constraint", "alone")
class OneForAll:
    elementwise = True

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        return actions * actions.mean((1, 2), keepdim=True)


@mistake("constraint", "edges")
class SteepAtTheEdge:
    def forward(self, actions: Tensor, progress: float) -> Tensor:
        return actions.sqrt()


@mistake("data", "part")
class WithoutPart:
    Config = BaseConfig


@mistake("data", "pictures")
class OfItsOwnSize:
    def images(self, indices: Tensor) -> Tensor:
        return torch.rand(len(indices), 3, 28, 28, generator=torch.Generator().manual_seed(int(indices.sum())))


@mistake("data", "pictures")
class InBytes:
    def images(self, indices: Tensor) -> Tensor:
        return 255 * Shades.images(self, indices)  # type: ignore[arg-type]


@mistake("data", "pictures")
class White:
    def images(self, indices: Tensor) -> Tensor:
        return torch.ones_like(Shades.images(self, indices))  # type: ignore[arg-type]


@mistake("data", "labels")
class CountsFromOne:
    def labels(self, indices: Tensor) -> Tensor:
        return indices % 2 + 1


@mistake("data", "labels")
class Withholds:
    def labels(self, indices: Tensor) -> None:
        return None


@mistake("data", "together")
class Normalises:
    def images(self, indices: Tensor) -> Tensor:
        seen = Shades.images(self, indices)  # type: ignore[arg-type]
        return seen / seen.max()


@mistake("data", "together")
class MixesUp:
    def labels(self, indices: Tensor) -> Tensor:
        return torch.arange(len(indices)) % 2


@mistake("data", "determinism")
class Augments:
    def images(self, indices: Tensor) -> Tensor:
        return Shades.images(self, indices) * (1 - 0.1 * torch.rand(()))  # type: ignore[arg-type]


@mistake("data", "parts")
class TheSameAgain:
    def __init__(self, config: Data.Config, scene: Scene) -> None:
        Shades.__init__(self, config, scene)  # type: ignore[arg-type]
        self._shift = 0.0


@mistake("exporter", "file")
class Elsewhere:
    def write(self, painting: Any, file: Path) -> None:
        Raw.write(self, painting, file.with_suffix(".bin"))  # type: ignore[arg-type]


@mistake("exporter", "file")
class Litters:
    def write(self, painting: Any, file: Path) -> None:
        Raw.write(self, painting, file)  # type: ignore[arg-type]
        file.with_suffix(".tmp").write_text("")


@mistake("exporter", "determinism")
class Dated:
    def write(self, painting: Any, file: Path) -> None:
        file.write_text(repr((time.perf_counter_ns(), painting.log.seed)))


@mistake("exporter", "determinism")
class Blank:
    def write(self, painting: Any, file: Path) -> None:
        file.write_text("a painting")


@mistake("exporter", "enlargement")
class OfOneScale:
    def write(self, painting: Any, file: Path) -> None:
        if painting.scale != 1:
            raise ValueError("too large")
        Raw.write(self, painting, file)  # type: ignore[arg-type]


@mistake("trainer", "steps")
class Infinite:
    def step(self, step: int) -> dict[str, float]:
        return {"mse": math.inf}


@mistake("trainer", "sample")
class Glaring:
    def sample(self) -> Tensor:
        return torch.full((3, 4, 4), 2.0)


@mistake("trainer", "weights")
class Pickles:
    def save(self, folder: Path) -> Path:
        torch.save(self.slope, folder / "slope.pt")  # type: ignore[attr-defined]
        return folder / "slope.pt"


@mistake("trainer", "determinism")
class Gambles:
    def step(self, step: int) -> dict[str, float]:
        return {"mse": torch.rand(()).item()}


@mistake("trainer", "state")
class LosesItsWay:
    done = 0

    def step(self, step: int) -> dict[str, float]:
        self.done += 1
        return {"mse": 1 / self.done}


@pytest.mark.parametrize(("kind", "check", "part"), MISTAKES)
def test_a_mistake_is_caught_by_its_check(kind: str, check: str, part: type[Any]) -> None:
    with pytest.raises(testing.Faults) as caught:
        CHECKS[kind](part)
    assert check in caught.value.faults, caught.value
    assert part.__name__ in str(caught.value)


def test_every_check_has_a_mistake_that_it_catches(monkeypatch: pytest.MonkeyPatch) -> None:
    from artkit.testing import common

    there: set[tuple[str, str]] = set()

    def note(self: Any, checks: Any) -> None:
        own = (common.documentation, common.configuration, common.unknown_setting)
        there.update((self.kind, check.__name__) for check in (*own, *checks))

    monkeypatch.setattr(common.Bench, "run", note)
    for kind, check in CHECKS.items():
        check(RIGHT[kind])
    assert there <= {(kind, check) for kind, check, _ in (mistake.values for mistake in MISTAKES)}


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(testing.Faults) as caught:
        testing.check_constraint(type("Wrong", (Narrow,), {"__doc__": "W.", "forward": lambda s, a, p: a.round() * 2}))
    assert {"shapes", "gradient"} <= set(caught.value.faults)
    for name, fault in caught.value.faults.items():
        assert f"  {name}: {fault}" in str(caught.value)


class Wants(Narrow):
    """Needs a setting."""

    class Config(BaseConfig):
        """Settings."""

        wide: int
        """How wide."""


def test_settings_that_are_wrong_are_told() -> None:
    with pytest.raises(testing.Faults, match="wide: is missing"):
        testing.check_constraint(Wants)
    testing.check_constraint(Wants, {"wide": 3})
