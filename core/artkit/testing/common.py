"""What the checks of all kinds share: how faults are gathered, scenes to build parts in, gradients, and Configs."""

from __future__ import annotations

import copy
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tomli_w
import torch
from torch import Tensor, nn

from artkit.engine import checkpoint
from artkit.errors import ArtkitError, UsageError
from artkit.interfaces.scene import Scene
from artkit.recipes.building import seeded
from artkit.recipes.validation import build_config
from artkit.registry.component_validation import validation_error
from artkit.registry.plugin_registry import get_registry
from artkit.testing.scene import SEED, scene

DIRECTIONS = 24
"""Along how many directions at most a gradient is compared with differences."""

Settings = Mapping[str, Any]
SceneMaker = Callable[[], Scene]


class Faults(AssertionError):  # noqa: N818
    """What a part does wrong: one line a check that failed, each with the name of the check."""

    def __init__(self, part: type[Any], faults: Mapping[str, str]) -> None:
        super().__init__(f"{part.__name__}:\n" + "\n".join(f"  {name}: {fault}" for name, fault in faults.items()))
        self.faults = dict(faults)


class Bench:
    """A part on the bench: its class, its settings, and a way to build it afresh."""

    def __init__(
        self, kind: str, part: str | type[Any], settings: Settings | None, scene_of: SceneMaker | None
    ) -> None:
        self.kind = kind
        self.part: type[Any] = get_registry().component(kind, part) if isinstance(part, str) else part
        self.settings = dict(settings or {})
        self.scene_of = scene_of or scene

    def fresh(self, *more: Any, seed: int = SEED, settings: Settings | None = None) -> tuple[Any, Scene]:
        """The part, built for a new scene, and that scene; `seed` is that of torch's own generator meanwhile.
        settings: over its own.
        """
        made = self.scene_of()
        config = build_config(self.part, {**self.settings, **(settings or {})}, self.kind)
        with seeded(seed):
            part = self.part(config) if self.kind == "exporter" else self.part(config, made, *more)
        return (part.to(made.device) if isinstance(part, nn.Module) else part), made

    def run(self, checks: Iterable[Callable[[Bench], None]]) -> None:
        """Run the checks that every part must pass, then those of its kind. Raises Faults with all that fail."""
        if fault := validation_error(self.kind, self.part):
            raise Faults(self.part, {"part": fault})
        faults: dict[str, str] = {}
        for check in (configuration, unknown_setting, documentation, *checks):
            try:
                check(self)
            except AssertionError as error:
                faults[check.__name__] = str(error) or "an assertion failed"
            except Exception as error:  # a part may raise anything
                faults[check.__name__] = f"raised {type(error).__name__}: {error}"
            if "configuration" in faults:
                break  # without a Config nothing can be built, and all else would fail too
        if faults:
            raise Faults(self.part, faults)


# ------------------------------------------------------------------------------------------------ for every kind
def documentation(bench: Bench) -> None:
    """The class and each setting say what they are."""
    part = bench.part
    expect(part.__dict__.get("__doc__"), f"{part.__name__} has no docstring; its first sentence is what lists show")
    if part.__module__ == "__main__":
        return  # of what was typed into a notebook the strings under settings cannot be read
    silent = [name for name, field in part.Config.model_fields.items() if not field.description]
    expect(not silent, f"{', '.join(silent)} of its Config: write a string under the field, which is its documentation")


def configuration(bench: Bench) -> None:
    """Settings survive being written into a run's recipe and read again."""
    config = build_config(bench.part, bench.settings, bench.kind)
    written = tomli_w.dumps(config.model_dump(mode="json", exclude_none=True, by_alias=True))
    read = build_config(bench.part, tomllib.loads(written), bench.kind)
    expect(read == config, f"its Config is not the same when it is written as TOML and read again:\n{written}")


def unknown_setting(bench: Bench) -> None:
    """A setting that does not exist is refused by its name."""
    try:
        build_config(bench.part, {**bench.settings, "no_such_setting": 1}, bench.kind)
    except UsageError as error:
        expect("no_such_setting" in str(error), "the message about an unknown setting does not name it")
        return
    raise AssertionError('a setting that does not exist is taken: Config must keep extra="forbid"')


# ----------------------------------------------------------------------------------------------------- assertions
def expect(holds: object, fault: str) -> None:
    """Raises AssertionError with `fault` unless something holds; not stripped by ``python -O``."""
    if not holds:
        raise AssertionError(fault)


def expect_tensor(value: object, shape: tuple[int, ...], like: Tensor, what: str) -> Tensor:
    """`value`, if it is a finite tensor of this shape with the dtype and device of `like`."""
    if not isinstance(value, Tensor):
        raise AssertionError(f"{what} is {type(value).__name__}, not a tensor")
    expect(tuple(value.shape) == shape, f"{what} has the shape {tuple(value.shape)}, not {shape}")
    expect(value.dtype == like.dtype, f"{what} is {value.dtype}; what was given is {like.dtype}")
    expect(value.device == like.device, f"{what} lies on {value.device}; what was given lies on {like.device}")
    expect(bool(value.isfinite().all()), f"{what} holds numbers that are not finite")
    return value


def expect_unit(value: Tensor, what: str) -> None:
    """Raises AssertionError unless all numbers lie in [0, 1], but for rounding."""
    low, high = value.min().item(), value.max().item()
    expect(low >= -1e-5 and high <= 1 + 1e-5, f"{what} must lie in [0, 1] and runs from {low:.4g} to {high:.4g}")


def expect_same(one: Tensor, other: Tensor, fault: str, atol: float = 1e-4) -> None:
    """Raises AssertionError unless two tensors are equal to within `atol`."""
    expect(one.shape == other.shape, f"{fault} (their shapes are {tuple(one.shape)} and {tuple(other.shape)})")
    difference = (one - other).abs().max().item() if one.numel() else 0.0
    expect(difference <= atol, f"{fault} (they differ by up to {difference:.3g})")


@contextmanager
def untouched_generators(made: Scene | None = None) -> Iterator[None]:
    """Raises AssertionError if the block draws from torch's own generator, or from that of a scene if one is given."""
    torchs, scenes = torch.get_rng_state(), made.generator.get_state() if made else None
    yield
    drawn = not torch.equal(torchs, torch.get_rng_state())
    expect(not drawn, "it draws from torch's own generator; what is random comes from scene.generator")
    if made is not None and scenes is not None:
        expect(
            torch.equal(scenes, made.generator.get_state()),
            "it draws from scene.generator in every step; its randomness must follow from the seed and the strokes",
        )


# ------------------------------------------------------------------------------------------------------ gradients
def expect_slope(value: Callable[[Tensor], Tensor], at: Tensor, ways: Mapping[str, Tensor], step: float) -> None:
    """Compare a gradient with central differences along directions.

    value: of k independent things `at` (k, ...), a number each: (k,). ways: directions, shaped as `at`. step: half the
    width of the differences. The two may differ by a tenth, for kinks; along directions in which next to nothing
    changes, by a fiftieth of the steepest. A third of the things may lie on a jump.
    """
    at = at.detach().clone().requires_grad_()
    told = value(at)
    expect(told.requires_grad, "no gradient comes through")
    (slope,) = torch.autograd.grad(told.sum(), at, allow_unused=True)
    expect(slope is not None, "no gradient comes through")
    expect(bool(slope.isfinite().all()), "the gradient holds numbers that are not finite")
    with torch.no_grad():
        found = {
            name: (
                (value(at + step * way).double() - value(at - step * way).double()) / (2 * step),
                (slope * way).double().flatten(1).sum(1),
            )
            for name, way in ways.items()
        }
    steepest = max(float(numbers.abs().max()) for pair in found.values() for numbers in pair)
    expect(steepest > 0, "the gradient vanishes, and so does the difference: nothing can be learnt here")
    for name, (rise, says) in found.items():
        wrong = (rise - says).abs() > 0.1 * torch.maximum(rise.abs(), says.abs()) + 0.02 * steepest
        if 3 * int(wrong.sum()) > len(wrong):
            first = int(wrong.nonzero()[0])
            told_of = f"along {name} the gradient says {says[first]:.4g}, and finite differences {rise[first]:.4g}"
            raise AssertionError(told_of)


def one_at_a_time(actions: Tensor, names: list[str]) -> dict[str, Tensor]:
    """Directions in which the numbers of actions (..., A) change one at a time, by their names; of long actions, in
    `DIRECTIONS` groups.
    """
    ways: dict[str, Tensor] = {}
    step = -(-len(names) // DIRECTIONS)
    for first in range(0, len(names), step):
        some = names[first : first + step]
        way = torch.zeros_like(actions)
        way[..., first : first + step] = 1
        ways[some[0] if step == 1 else f"{some[0]} to {some[-1]}"] = way
    return ways


# ---------------------------------------------------------------------------------------------------------- state
def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    """A state as it comes back from a checkpoint. Raises AssertionError where a checkpoint cannot hold it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "checkpoint.safetensors"
        try:
            checkpoint.save(copy.deepcopy(state), file)
            return checkpoint.load(file)
        except (TypeError, ValueError, RuntimeError, ArtkitError) as error:
            raise AssertionError(f"a checkpoint cannot hold its state: {type(error).__name__}: {error}") from None


def expect_errors_are_clear(build: Callable[[], object], what: str) -> None:
    """Building either works or raises an error that tells the user what to do, rather than any other."""
    try:
        build()
    except ArtkitError as error:
        expect(error.message, f"{what}: the error says nothing")
    except Exception as error:  # a part may raise anything
        raise AssertionError(
            f"{what}: raised {type(error).__name__}: {error}; raise artkit.errors.UsageError(message, remedy)"
        ) from None
