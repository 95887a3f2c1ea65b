"""The options of commands that use an executor, and building it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from artkit.errors import UsageError

if TYPE_CHECKING:
    from artkit.interfaces.executor import Executor

F = TypeVar("F", bound=Callable[..., Any])


def executor_options(default: str | None, what: str) -> Callable[[F], F]:
    """Return a decorator that adds the options of an executor to a command. what: the plural of what it runs."""
    chosen = f"{what.capitalize()} at a time. By default the executor chooses."
    options = (
        click.option(
            "--executor", default=default, show_default=bool(default), help=f"Executor of the {what}: local, ray, …"
        ),
        click.option(
            "--executor-set",
            "executor_settings",
            multiple=True,
            metavar="KEY=VALUE",
            help="A setting of the executor: threads=1",
        ),
        click.option("--workers", type=click.IntRange(min=1), help=chosen),
    )

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def build_executor(
    name: str, settings: tuple[str, ...], workers: int | None, defaults: Mapping[str, Any] | None = None
) -> Executor:
    """Return an executor. Raises UsageError for an unknown name or setting.

    defaults: values of settings that may be missing in an executor.
    """
    from artkit.recipes.validation import build_config
    from artkit.registry.plugin_registry import get_registry

    values: dict[str, Any] = {}
    for setting in settings:
        try:
            values |= tomllib.loads(setting)
        except tomllib.TOMLDecodeError as error:
            raise UsageError(
                f"--executor-set {setting}: {error}", hint="write it as in TOML: --executor-set threads=1"
            ) from None
    component = get_registry().component("executor", name)
    known = component.Config.model_fields
    values = {**{key: value for key, value in (defaults or {}).items() if key in known}, **values}
    built: Executor = component(build_config(component, values, f"the executor {name}"), workers)
    return built


def check_no_executor(settings: tuple[str, ...], workers: int | None) -> None:
    """Raise UsageError for options of an executor where none is named."""
    if workers or settings:
        raise UsageError("--workers and --executor-set need an executor", hint="add --executor local")
