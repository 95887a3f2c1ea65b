"""The test kit: a correct component of each kind passes, and each check catches the mistakes it is made for."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import pytest
import torch
from pydantic import ConfigDict, PlainSerializer
from torch import Tensor, nn

from artkit import (
    ActionSpace,
    Agent,
    Constraint,
    Data,
    Dimension,
    Executor,
    Exporter,
    Job,
    JobEvent,
    Objective,
    Phase,
    Place,
    Renderer,
    Scene,
    StrokePatches,
    TargetImage,
    Trainer,
    View,
    Window,
    testing,
)
from artkit import Config as BaseConfig
from artkit.imaging.pixels import tensor_to_pixels
from artkit.registry.plugin_registry import KIND_HOOKS
from artkit.testing import harness
from artkit.testing.scene import Quarters, Spots

CHECKS: dict[str, Callable[..., None]] = {kind: getattr(testing, f"check_{kind}") for kind in KIND_HOOKS}


# --------------------------------------------------------------------------------------------------- correct components
class Mean(Objective):
    """The squared distance of a picture's mean from 0.3."""

    name = "mean"

    def forward(self, view: View) -> Tensor:
        return (view.image.mean((1, 2, 3)) - 0.3).square()


class Logits(Agent):
    """A parameter for each value of each action."""

    name = "logits"

    def __init__(self, config: Any, scene: Any) -> None:
        super().__init__(config, scene)
        shape = (2, scene.canvas.stroke_count, len(scene.renderer.space))
        self.logits = nn.Parameter(torch.rand(shape, generator=scene.generator) - 0.5)

    def forward(self, scene: Any, targets: Tensor | None = None) -> Tensor:
        return torch.sigmoid(self.logits)


class Narrow(Constraint):
    """Values between 0.25 and 0.75."""

    name = "narrow"

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        return 0.25 + actions / 2

    def inverse(self, actions: Tensor) -> Tensor:
        return (2 * (actions - 0.25)).clamp(0, 1)


class Raw(Exporter):
    """The bytes of the pixels."""

    name = "raw"
    suffixes = (".raw",)

    def write(self, painting: Any, file: Path) -> None:
        file.write_bytes(tensor_to_pixels(painting.to_tensor()).tobytes())


class Slope(Trainer):
    """Fits the slope of a line."""

    name = "slope"

    def __init__(self, config: Any, scene: Any, steps: int, folder: Path) -> None:
        super().__init__(config, scene, steps, folder)
        self.slope = nn.Parameter(torch.zeros(1))
        self._adam = torch.optim.Adam([self.slope], 0.1)

    def step(self, step: int) -> dict[str, float]:
        x = torch.rand(8, generator=self.scene.generator).to(self.scene.device)
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
    """Gradients from black on one side."""

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


class Here(Executor):
    """Runs jobs in this process."""

    name = "here"

    def execute(self, jobs: Sequence[Job]) -> Iterator[JobEvent]:
        for job in jobs:
            yield from job.run()


CORRECT = {
    "renderer": Spots,
    "canvas": Quarters,
    "objective": Mean,
    "agent": Logits,
    "constraint": Narrow,
    "data": Shades,
    "exporter": Raw,
    "trainer": Slope,
    "executor": Here,
}


@pytest.mark.parametrize("kind", KIND_HOOKS)
def test_correct_components_pass(kind: str) -> None:
    CHECKS[kind](CORRECT[kind])


# ------------------------------------------------------------------------------------------------------------- mistakes
MISTAKES: list[Any] = []


def mistake(kind: str, check: str) -> Callable[[Any], Any]:
    """Register a class whose members replace those of the correct component of a kind, so that a check must fail."""

    def register(members: Any) -> Any:
        namespace = {key: value for key, value in vars(members).items() if key not in ("__dict__", "__weakref__")}
        namespace["__doc__"] = None if check == "documentation" else "With a mistake."
        component = type(members.__name__, (CORRECT[kind],), namespace)
        MISTAKES.append(pytest.param(kind, check, component, id=f"{kind}-{check}-{members.__name__}"))
        return members

    return register


def spots(renderer: Any, actions: Tensor, place: Place) -> StrokePatches:
    return Spots.forward(renderer, actions, place)


for each_kind in KIND_HOOKS:

    @mistake(each_kind, "documentation")
    class NoDocstring:
        pass

    @mistake(each_kind, "documentation")
    class UndocumentedSetting:
        class Config(Objective.Config, Data.Config):
            wide: int = 3

    @mistake(each_kind, "configuration")
    class RoundedSetting:
        class Config(Objective.Config, Data.Config):
            wide: Annotated[float, PlainSerializer(round)] = 0.75
            """How wide."""

    @mistake(each_kind, "unknown_setting")
    class ExtraSettingsAllowed:
        class Config(Objective.Config, Data.Config):
            model_config = ConfigDict(extra="ignore")

    @mistake(each_kind, "component")
    class NoName:
        name = None


@mistake("renderer", "action_space")
class DuplicateDimension:
    space = ActionSpace("twice-1", (*Spots.space.dimensions[:5], Dimension("x")))


@mistake("renderer", "shapes")
class NoChannel:
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        patches = spots(self, actions, place)
        return StrokePatches(patches.colour, patches.coverage[:, 0])


@mistake("renderer", "shapes")
class Tuple:
    def forward(self, actions: Tensor, place: Place) -> tuple[Tensor, Tensor]:
        return tuple(spots(self, actions, place))  # type: ignore[return-value]


@mistake("renderer", "shapes")
class CoverageAboveOne:
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        patches = spots(self, actions, place)
        return StrokePatches(patches.colour, patches.coverage * 1.5)


@mistake("renderer", "shapes")
class OtherDtype:
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        return spots(self, actions.double(), place)


@mistake("renderer", "boundary")
class SquareRootOfZero:
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        patches = spots(self, actions, place)
        return StrokePatches(patches.colour, patches.coverage * actions[:, 2].sqrt()[:, None, None, None])


@mistake("renderer", "margin")
class MarginTooSmall:
    def margin(self, side: int) -> int:
        return side // 8


@mistake("renderer", "margin")
class FractionalMargin:
    def margin(self, side: int) -> float:
        return side / 2


@mistake("renderer", "max_extent")
class ExtentTooSmall:
    def max_extent(self, actions: Tensor, side: int) -> Tensor:
        return 0.1 * side * actions[:, 2]


@mistake("renderer", "batch")
class NormalisedByTheBatch:
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        patches = spots(self, actions, place)
        return StrokePatches(patches.colour, patches.coverage / patches.coverage.max())


@mistake("renderer", "windows")
class NoiseByPositionInBatch:
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        patches = spots(self, actions, place)
        noise = (torch.arange(len(actions)) % 3 + 1) / 3
        return StrokePatches(patches.colour, patches.coverage * noise[:, None, None, None])


@mistake("renderer", "determinism")
class DefaultGenerator:
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        patches = spots(self, actions, place)
        return StrokePatches(patches.colour, patches.coverage * torch.rand(()))


@mistake("renderer", "determinism")
class SceneGenerator:
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        patches = spots(self, actions, place)
        noise = 1 - 1e-9 * torch.rand((), generator=self.scene.generator)  # type: ignore[attr-defined]
        return StrokePatches(patches.colour, patches.coverage * noise)


@mistake("renderer", "determinism")
class CountsCalls:
    calls = 0

    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        self.calls += 1
        patches = spots(self, actions, place)
        return StrokePatches(patches.colour, patches.coverage / self.calls)


@mistake("renderer", "gradient")
class OneDimensionDetached:
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        return spots(self, torch.cat([actions[:, :2], actions[:, 2:3].detach(), actions[:, 3:]], 1), place)


@mistake("renderer", "gradient")
class NoGradient:
    @torch.no_grad()
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        return spots(self, actions, place)


@mistake("renderer", "regions")
class IgnoresTheRegion:
    def forward_region(self, actions: Tensor, place: Place, region: Window) -> StrokePatches:
        corner = Window(0, 0, region.width, region.height)
        return Renderer.forward_region(self, actions, place, corner)  # type: ignore[arg-type]


@mistake("renderer", "replay")
class DarkerReplay:
    def replay(self, log: Any, window: Window) -> Tensor:
        return 0.9 * Spots.replay(self, log, window)  # type: ignore[arg-type]


@mistake("renderer", "scale")
class LengthsInPixels:
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        scaled = torch.cat([actions[:, :2] * 28 / place.side, actions[:, 2:]], 1)
        return spots(self, scaled, place)


@mistake("renderer", "device")
class TableOnTheCpu:
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        patches = spots(self, actions, place)
        return StrokePatches(patches.colour * torch.tensor([1.0, 0.9, 0.8]).view(1, 3, 1, 1), patches.coverage)


@mistake("renderer", "device")
class ReadsAValue:
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        patches = spots(self, actions, place)
        return patches if actions.isfinite().all() else StrokePatches(patches.colour, 0 * patches.coverage)


@mistake("renderer", "device")
class IndexedByAList:
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        return spots(self, actions[:, [0, 1, 2, 3, 4, 5]], place)


@mistake("renderer", "device")
class SelectedByAMask:
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        mask = actions[:, 0] >= 0
        return spots(self, actions[mask], place)


@mistake("renderer", "device")
class GeneratorOfTheCpu:
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        patches, generator = spots(self, actions, place), torch.Generator().manual_seed(place.seed)
        noise = torch.rand(place.patch_size, device=actions.device, generator=generator)
        return StrokePatches(patches.colour, patches.coverage * (0.99 + 0.01 * noise))


@mistake("renderer", "device")
class AnotherPictureOnAGpu:
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        patches = spots(self, actions, place)
        return StrokePatches(patches.colour, patches.coverage * (0.5 if actions.device.type == "cuda" else 1.0))


@mistake("canvas", "layout")
class FirstStrokeMissing:
    def layout(self, scene: Any) -> tuple[Phase, ...]:
        return Quarters.layout(self, scene)[1:]  # type: ignore[arg-type]


@mistake("canvas", "layout")
class OutsideThePicture:
    def layout(self, scene: Any) -> tuple[Phase, ...]:
        return (Phase(0, 1000, 0, 8, 1, 1, 8),)


@mistake("canvas", "patches")
class MarginsOverlap:
    def layout(self, scene: Any) -> tuple[Phase, ...]:
        return (Phase(0, 0, 0, 20, 2, 2, 20),)


@mistake("canvas", "determinism")
class RandomLayout:
    def layout(self, scene: Any) -> tuple[Phase, ...]:
        return (Phase(0, int(torch.randint(0, 30, ())), 0, 20, 1, 1, 20),)


class _ChangedRendering:
    """Changes the picture after it was rendered."""

    def change(self, picture: Tensor, window: Window | None) -> Tensor:
        raise NotImplementedError

    def render(self, renderer: Any, actions: Any, background: Any, seed: int = 0, window: Any = None) -> Tensor:
        picture = Quarters.render(self, renderer, actions, background, seed, window)  # type: ignore[arg-type]
        return self.change(picture, window)


@mistake("canvas", "windows")
class NormalisedByTheWindow:
    render = _ChangedRendering.render

    def change(self, picture: Tensor, window: Window | None) -> Tensor:
        return picture / picture.mean()


@mistake("canvas", "batch")
class MixedPictures:
    render = _ChangedRendering.render

    def change(self, picture: Tensor, window: Window | None) -> Tensor:
        return picture + 0.1 * picture.mean(0, keepdim=True) * (len(picture) > 1)


@mistake("canvas", "scale")
class DarkerAtLargeScale:
    render = _ChangedRendering.render

    def change(self, picture: Tensor, window: Window | None) -> Tensor:
        return picture / (window.scale if window else 1)


@mistake("canvas", "gradient")
class DetachedPicture:
    render = _ChangedRendering.render

    def change(self, picture: Tensor, window: Window | None) -> Tensor:
        return picture.detach()


@mistake("canvas", "device")
class RampOnTheCpu:
    render = _ChangedRendering.render

    def change(self, picture: Tensor, window: Window | None) -> Tensor:
        return picture + 0 * torch.linspace(0, 1, picture.shape[-1])


@mistake("agent", "actions")
class OneStroke:
    def forward(self, scene: Any, targets: Tensor | None = None) -> Tensor:
        return torch.sigmoid(self.logits[:, :1])  # type: ignore[attr-defined]


@mistake("agent", "actions")
class NotInUnitRange:
    def forward(self, scene: Any, targets: Tensor | None = None) -> Tensor:
        return self.logits * 3  # type: ignore[attr-defined,no-any-return]


@mistake("agent", "determinism")
class RandomActions:
    def forward(self, scene: Any, targets: Tensor | None = None) -> Tensor:
        return torch.sigmoid(self.logits + 0.1 * torch.rand(()))  # type: ignore[attr-defined]


@mistake("agent", "gradient")
class LastStrokesDetached:
    def forward(self, scene: Any, targets: Tensor | None = None) -> Tensor:
        logits = self.logits  # type: ignore[attr-defined]
        return torch.sigmoid(torch.cat([logits[:, :-4], logits[:, -4:].detach()], 1))


@mistake("agent", "optimisation")
class TinyGradient:
    def forward(self, scene: Any, targets: Tensor | None = None) -> Tensor:
        return torch.sigmoid(self.logits * 1e-3)  # type: ignore[attr-defined]


@mistake("agent", "state")
class CountsCallsWithoutState:
    def __init__(self, config: Any, scene: Any) -> None:
        Logits.__init__(self, config, scene)  # type: ignore[arg-type]
        self.calls = 0

    def forward(self, scene: Any, targets: Tensor | None = None) -> Tensor:
        self.calls += 1
        return torch.sigmoid(self.logits + self.calls * 0.01)  # type: ignore[attr-defined]


@mistake("agent", "subset")
class SortedSubset:
    def forward_subset(self, scene: Any, indices: Tensor, targets: Tensor | None = None) -> Tensor:
        return self(scene)[:, indices.sort().values]  # type: ignore[operator,no-any-return]


@mistake("agent", "targets")
class IgnoresTargets:
    uses_targets = True

    def forward(self, scene: Any, targets: Tensor | None = None) -> Tensor:
        count = 1 if targets is None else len(targets)
        return torch.sigmoid(self.logits[:1].repeat(count, 1, 1))  # type: ignore[attr-defined,no-any-return]


@mistake("agent", "device")
class ActionsOnTheCpu:
    def forward(self, scene: Any, targets: Tensor | None = None) -> Tensor:
        return torch.sigmoid(self.logits.cpu())  # type: ignore[attr-defined]


@mistake("constraint", "shapes")
class OutOfRange:
    def forward(self, actions: Tensor, progress: float) -> Tensor:
        return actions * 1.2


@mistake("constraint", "shapes")
class InfiniteAtTheEnd:
    def forward(self, actions: Tensor, progress: float) -> Tensor:
        return actions / (1 - progress)


@mistake("constraint", "inputs_unchanged")
class InPlace:
    def forward(self, actions: Tensor, progress: float) -> Tensor:
        with torch.no_grad():
            actions[..., 0] = 0.5
        return actions


@mistake("constraint", "batch")
class MeanOfTheBatch:
    def forward(self, actions: Tensor, progress: float) -> Tensor:
        return actions.mean(0, keepdim=True).expand_as(actions)


@mistake("constraint", "determinism")
class CountsConstraintCalls:
    calls = 0

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        self.calls += 1
        return actions / self.calls


@mistake("constraint", "gradient")
class DetachedFirstDimension:
    def forward(self, actions: Tensor, progress: float) -> Tensor:
        return torch.cat([actions[..., :1].detach(), actions[..., 1:]], -1)


@mistake("constraint", "incompatible_renderer")
class NeedsRed:
    def __init__(self, config: Any, scene: Any) -> None:
        Narrow.__init__(self, config, scene)  # type: ignore[arg-type]
        self.red = scene.renderer.space.index("red")


@mistake("constraint", "device")
class WeightsOnTheCpu:
    def forward(self, actions: Tensor, progress: float) -> Tensor:
        return actions * torch.ones(actions.shape[-1])


@mistake("objective", "values")
class MeanOverTheBatch:
    def forward(self, view: View) -> Tensor:
        return (view.image - 0.5).square().mean()


@mistake("objective", "values")
class DividesByZeroAtTheEnd:
    def forward(self, view: View) -> Tensor:
        return Mean.forward(self, view) / (1 - view.progress)  # type: ignore[arg-type]


@mistake("objective", "target")
class SmallTarget:
    def __init__(self, config: Any, scene: Any) -> None:
        Mean.__init__(self, config, scene)  # type: ignore[arg-type]
        self.target = TargetImage(torch.zeros(1, 3, 8, 8))


@mistake("objective", "batch")
class RelativeToTheBatch:
    def forward(self, view: View) -> Tensor:
        means = view.image.mean((1, 2, 3))
        return means - means.mean().detach() + 0.1 * means


@mistake("objective", "inputs_unchanged")
class ChangesThePicture:
    def forward(self, view: View) -> Tensor:
        view.image.data.mul_(0.99)
        return Mean.forward(self, view)  # type: ignore[arg-type]


@mistake("objective", "inputs_unchanged")
class TrainsThePicture:
    def training_step(self, view: View) -> None:
        if view.image.requires_grad:
            view.image.mean().backward()  # type: ignore[no-untyped-call]


@mistake("objective", "determinism")
class RandomValue:
    def forward(self, view: View) -> Tensor:
        return Mean.forward(self, view) + torch.rand(())  # type: ignore[arg-type]


@mistake("objective", "windows")
class FixedSize:
    def forward(self, view: View) -> Tensor:
        return (view.image - torch.zeros(1, 3, 40, 56)).mean((1, 2, 3))


@mistake("objective", "gradient")
class DetachedHalf:
    def forward(self, view: View) -> Tensor:
        half = view.image.shape[-1] // 2
        left, right = view.image[..., :half], view.image[..., half:]
        return (left.mean((1, 2, 3)) + right.detach().mean((1, 2, 3)) * left.mean((1, 2, 3))).exp()


@mistake("objective", "gradient")
class DetachedValue:
    def forward(self, view: View) -> Tensor:
        return Mean.forward(self, view).detach()  # type: ignore[arg-type]


@mistake("objective", "gradient")
class DoubledGradient:
    def forward(self, view: View) -> Tensor:
        value = Mean.forward(self, view)  # type: ignore[arg-type]
        return 2 * value - value.detach()


@mistake("objective", "state")
class TrainingStepCounterWithoutState:
    steps = 0

    def forward(self, view: View) -> Tensor:
        return Mean.forward(self, view) + self.steps  # type: ignore[arg-type]

    def training_step(self, view: View) -> None:
        self.steps += 1


@mistake("objective", "device")
class WaitsForItsValue:
    def forward(self, view: View) -> Tensor:
        value = Mean.forward(self, view)  # type: ignore[arg-type]
        return value * (1 + 0 * value.sum().item())


@mistake("exporter", "suffixes")
class UpperCaseSuffix:
    suffixes = (".RAW",)


@mistake("exporter", "suffixes")
class SuffixWithoutDot:
    suffixes = ("raw",)


@mistake("constraint", "elementwise")
class ScaledByTheMeanOfAllStrokes:
    elementwise = True

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        return actions * actions.mean((1, 2), keepdim=True)


@mistake("constraint", "schedule")
class UndeclaredSchedule:
    def forward(self, actions: Tensor, progress: float) -> Tensor:
        return actions * (1 - progress / 2)


@mistake("constraint", "inverse")
class WithoutInverse:
    def inverse(self, actions: Tensor) -> Tensor:
        return actions


@mistake("constraint", "boundary_gradient")
class SquareRoot:
    def forward(self, actions: Tensor, progress: float) -> Tensor:
        return actions.sqrt()


@mistake("data", "component")
class ConfigOfAnotherKind:
    Config = BaseConfig


@mistake("data", "images")
class SizeOfItsOwn:
    def images(self, indices: Tensor) -> Tensor:
        return torch.rand(len(indices), 3, 28, 28, generator=torch.Generator().manual_seed(int(indices.sum())))


@mistake("data", "images")
class ValuesUpTo255:
    def images(self, indices: Tensor) -> Tensor:
        return 255 * Shades.images(self, indices)  # type: ignore[arg-type]


@mistake("data", "images")
class BlankImages:
    def images(self, indices: Tensor) -> Tensor:
        return torch.ones_like(Shades.images(self, indices))  # type: ignore[arg-type]


@mistake("data", "labels")
class LabelsFromOne:
    def labels(self, indices: Tensor) -> Tensor:
        return indices % 2 + 1


@mistake("data", "labels")
class NoLabels:
    def labels(self, indices: Tensor) -> None:
        return None


@mistake("data", "batch")
class NormalisedImages:
    def images(self, indices: Tensor) -> Tensor:
        images = Shades.images(self, indices)  # type: ignore[arg-type]
        return images / images.max()


@mistake("data", "batch")
class LabelsByPositionInBatch:
    def labels(self, indices: Tensor) -> Tensor:
        return torch.arange(len(indices)) % 2


@mistake("data", "determinism")
class RandomImages:
    def images(self, indices: Tensor) -> Tensor:
        return Shades.images(self, indices) * (1 - 0.1 * torch.rand(()))  # type: ignore[arg-type]


@mistake("data", "device")
class ImagesOnTheCpu:
    def images(self, indices: Tensor) -> Tensor:
        return Shades.images(self, indices).cpu()  # type: ignore[arg-type]


@mistake("data", "split")
class SameImagesInBothParts:
    def __init__(self, config: Data.Config, scene: Scene) -> None:
        Shades.__init__(self, config, scene)  # type: ignore[arg-type]
        self._shift = 0.0


@mistake("exporter", "files")
class OtherFile:
    def write(self, painting: Any, file: Path) -> None:
        Raw.write(self, painting, file.with_suffix(".bin"))  # type: ignore[arg-type]


@mistake("exporter", "files")
class LeftoverFile:
    def write(self, painting: Any, file: Path) -> None:
        Raw.write(self, painting, file)  # type: ignore[arg-type]
        file.with_suffix(".tmp").write_text("")


@mistake("exporter", "determinism")
class TimeInTheFile:
    def write(self, painting: Any, file: Path) -> None:
        file.write_text(repr((time.perf_counter_ns(), painting.log.seed)))


@mistake("exporter", "determinism")
class ConstantFile:
    def write(self, painting: Any, file: Path) -> None:
        file.write_text("a painting")


@mistake("exporter", "scale")
class OneScaleOnly:
    def write(self, painting: Any, file: Path) -> None:
        if painting.scale != 1:
            raise ValueError("too large")
        Raw.write(self, painting, file)  # type: ignore[arg-type]


@mistake("executor", "events")
class NoStart:
    def execute(self, jobs: Sequence[Job]) -> Iterator[JobEvent]:
        return (event for job in jobs for event in job.run() if event.kind != "started")


@mistake("executor", "events")
class LastJobFirst:
    def execute(self, jobs: Sequence[Job]) -> Iterator[JobEvent]:
        for job in reversed(jobs):
            yield from job.run()


@mistake("executor", "failures")
class StopsAtAFailure:
    def execute(self, jobs: Sequence[Job]) -> Iterator[JobEvent]:
        for job in jobs:
            for event in job.run():
                yield event
                if event.kind == "failed":
                    return


@mistake("executor", "failures")
class HidesTheReason:
    def execute(self, jobs: Sequence[Job]) -> Iterator[JobEvent]:
        for job in jobs:
            for event in job.run():
                lost = {"error": "it failed", "hint": "", "traceback": ""}
                yield JobEvent(event.job, event.kind, lost) if event.kind == "failed" else event


@mistake("executor", "stopping")
class ClosesJobsTooLate:
    job: Any = None

    def execute(self, jobs: Sequence[Job]) -> Iterator[JobEvent]:
        for job in jobs:
            self.job = job.run()
            yield from iter(self.job.__next__, None)

    def close(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.job.close()


@mistake("executor", "deaths")
class DeathIsAFailure:
    isolated = True

    def execute(self, jobs: Sequence[Job]) -> Iterator[JobEvent]:
        for job in jobs:
            if job.function.endswith(":die_once"):
                yield JobEvent(job.name, "failed", {"error": "it died", "hint": "", "traceback": ""})
            else:
                yield from job.run()


@mistake("exporter", "device")
class PixelsOfTheRenderer:
    def write(self, painting: Any, file: Path) -> None:
        width, height = painting.size
        picture = painting.renderer.replay(painting.log, Window(0, 0, width, height, painting.scale))
        file.write_bytes(picture.numpy().tobytes())


@mistake("trainer", "steps")
class InfiniteLoss:
    def step(self, step: int) -> dict[str, float]:
        return {"mse": math.inf}


@mistake("trainer", "sample")
class SampleAboveOne:
    def sample(self) -> Tensor:
        return torch.full((3, 4, 4), 2.0)


@mistake("trainer", "weights")
class Pickles:
    def save(self, folder: Path) -> Path:
        torch.save(self.slope, folder / "slope.pt")  # type: ignore[attr-defined]
        return folder / "slope.pt"


@mistake("trainer", "device")
class BatchOnTheCpu:
    def step(self, step: int) -> dict[str, float]:
        loss = (self.slope * torch.ones(8)).mean()  # type: ignore[attr-defined]
        return {"mse": loss.item()}


@mistake("trainer", "determinism")
class RandomLoss:
    def step(self, step: int) -> dict[str, float]:
        return {"mse": torch.rand(()).item()}


@mistake("trainer", "state")
class StepCounterWithoutState:
    steps_done = 0

    def step(self, step: int) -> dict[str, float]:
        self.steps_done += 1
        return {"mse": 1 / self.steps_done}


@pytest.mark.parametrize(("kind", "check", "component"), MISTAKES)
def test_a_mistake_is_caught_by_its_check(kind: str, check: str, component: type[Any]) -> None:
    with pytest.raises(testing.CheckFailures) as caught:
        CHECKS[kind](component)
    assert check in caught.value.failures, caught.value
    assert "raised AttributeError" not in caught.value.failures[check], "the component has another mistake"
    assert component.__name__ in str(caught.value)


def test_every_check_catches_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    checks: set[tuple[str, str]] = set()

    def record_checks(self: harness.Harness, kind_checks: Any) -> None:
        shared = (harness.documentation, harness.configuration, harness.unknown_setting)
        checks.update((self.kind, check.__name__) for check in (*shared, *kind_checks))

    monkeypatch.setattr(harness.Harness, "run", record_checks)
    for kind, check in CHECKS.items():
        check(CORRECT[kind])
    assert checks <= {(kind, check) for kind, check, _ in (mistake.values for mistake in MISTAKES)}


class TwoMistakes(Narrow):
    """Outside of [0, 1], and without gradient."""

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        return actions.round() * 2


def test_all_failures_are_reported_together() -> None:
    with pytest.raises(testing.CheckFailures) as caught:
        testing.check_constraint(TwoMistakes)
    assert {"shapes", "gradient"} <= set(caught.value.failures)
    for name, message in caught.value.failures.items():
        assert f"  {name}: {message}" in str(caught.value)


class RequiredSetting(Narrow):
    """Has a setting without default."""

    class Config(BaseConfig):
        """Settings."""

        wide: int
        """A width."""


def test_invalid_settings_are_reported() -> None:
    with pytest.raises(testing.CheckFailures, match="wide: is missing"):
        testing.check_constraint(RequiredSetting)
    testing.check_constraint(RequiredSetting, {"wide": 3})
