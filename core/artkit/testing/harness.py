"""Harness: build a component, run checks on it and collect the failures; and the checks that all kinds share."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tomli_w
from torch import nn

from artkit.errors import UsageError
from artkit.interfaces.scene import Scene
from artkit.recipes.building import seeded
from artkit.recipes.validation import build_config
from artkit.registry.component_validation import validation_error
from artkit.registry.plugin_registry import get_registry
from artkit.testing.assertions import expect
from artkit.testing.scene import SEED
from artkit.testing.scene import scene as default_scene

Settings = Mapping[str, Any]
SceneFactory = Callable[[], Scene]


class CheckFailures(AssertionError):  # noqa: N818
    """A component fails checks; `failures` maps the name of each failed check to its message."""

    def __init__(self, component: type[Any], failures: Mapping[str, str]) -> None:
        lines = (f"  {name}: {message}" for name, message in failures.items())
        super().__init__(f"{component.__name__}:\n" + "\n".join(lines))
        self.failures = dict(failures)


class Harness:
    """Builds a component for each check and runs the checks.

    kind: "renderer", "agent" ... component: its class, or the name of an installed one. settings: as in a recipe.
    make_scene: makes the scene that the component is built for; the default is `artkit.testing.scene`.
    """

    def __init__(
        self, kind: str, component: str | type[Any], settings: Settings | None, make_scene: SceneFactory | None
    ) -> None:
        self.kind = kind
        self.component: type[Any] = (
            get_registry().component(kind, component) if isinstance(component, str) else component
        )
        self.settings = dict(settings or {})
        self.make_scene = make_scene or default_scene

    def build(self, *arguments: Any, seed: int = SEED, settings: Settings | None = None) -> tuple[Any, Scene]:
        """Build the component for a new scene and return both.

        arguments: of the constructor, after Config and scene. seed: of torch's default generator meanwhile. settings:
        override those of the harness.
        """
        scene = self.make_scene()
        config = build_config(self.component, {**self.settings, **(settings or {})}, self.kind)
        with seeded(seed):
            more = () if self.kind in ("exporter", "executor") else (scene, *arguments)
            component = self.component(config, *more)
        return (component.to(scene.device) if isinstance(component, nn.Module) else component), scene

    def run(self, checks: Iterable[Callable[[Harness], None]]) -> None:
        """Run the checks of all kinds, then `checks`. Raises CheckFailures with all that fail."""
        if message := validation_error(self.kind, self.component):
            raise CheckFailures(self.component, {"component": message})
        failures: dict[str, str] = {}
        for check in (configuration, unknown_setting, documentation, *checks):
            try:
                check(self)
            except AssertionError as error:
                failures[check.__name__] = str(error) or "an assertion failed"
            except Exception as error:  # a component may raise anything
                failures[check.__name__] = f"raised {type(error).__name__}: {error}"
            if "configuration" in failures:
                break  # without a Config the component cannot be built, so that all other checks would fail too
        if failures:
            raise CheckFailures(self.component, failures)


def documentation(harness: Harness) -> None:
    """The class and each setting have a docstring."""
    component = harness.component
    expect(component.__dict__.get("__doc__"), f"{component.__name__} has no docstring; lists show its first sentence")
    if component.__module__ == "__main__":
        return  # strings under the fields of a class that is defined in a notebook cannot be read
    undocumented = [name for name, field in component.Config.model_fields.items() if not field.description]
    expect(not undocumented, f"{', '.join(undocumented)} of its Config: add a docstring under the field")


def configuration(harness: Harness) -> None:
    """The Config is the same after being written to a run's recipe and read again."""
    config = build_config(harness.component, harness.settings, harness.kind)
    written = tomli_w.dumps(config.model_dump(mode="json", exclude_none=True, by_alias=True))
    read = build_config(harness.component, tomllib.loads(written), harness.kind)
    expect(read == config, f"its Config is not the same after being written as TOML and read again:\n{written}")


def unknown_setting(harness: Harness) -> None:
    """An unknown setting is refused by name."""
    try:
        build_config(harness.component, {**harness.settings, "no_such_setting": 1}, harness.kind)
    except UsageError as error:
        expect("no_such_setting" in str(error), "the error for an unknown setting does not name it")
        return
    raise AssertionError('an unknown setting is accepted: Config must keep extra="forbid"')
