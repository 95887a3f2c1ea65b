"""The plugin registry: finds installed plugins and the components that they provide.

Built-in plugins are found through entry points like those of any other package. A plugin that fails in any way is
disabled with a reason, and everything else keeps working.
"""

from __future__ import annotations

import difflib
import inspect
import os
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import metadata
from typing import Any

import pluggy

from artkit.errors import ArtkitError, UsageError
from artkit.registry import hookspecs
from artkit.registry.component_validation import validation_error
from artkit.version import __version__

KIND_HOOKS = {
    "renderer": "artkit_renderers",
    "canvas": "artkit_canvases",
    "agent": "artkit_agents",
    "constraint": "artkit_constraints",
    "objective": "artkit_objectives",
    "data": "artkit_data",
    "exporter": "artkit_exporters",
    "trainer": "artkit_trainers",
    "executor": "artkit_executors",
}
"""The kinds of components, and the hook that provides each."""

BUILTIN_PACKAGE = "neural-artkit"
"""The package of the built-in components."""

PLUGIN_TIMEOUT_SECONDS = float(os.environ.get("ARTKIT_PATIENCE", "30"))
"""Time limit for the import of a third-party plugin, and for each of its hooks that provides components. Generous,
because imports from slow disks take long.
"""

THIS_PROCESS = "this process"
"""The package name of components that `PluginRegistry.register_component` added."""


@dataclass(frozen=True)
class DisabledPlugin:
    """A plugin, or one component of it, that is not used, and the reason."""

    plugin: str
    package: str
    reason: str


@dataclass(frozen=True)
class RegisteredComponent:
    """A component class, and the plugin and package that provide it."""

    kind: str
    component: type[Any]
    plugin: str
    package: str


class PluginTimeout(ArtkitError):  # noqa: N818
    """A plugin exceeded `PLUGIN_TIMEOUT_SECONDS`."""


@dataclass
class PluginRegistry:
    """The installed plugins and their components.

    packages: the package of each plugin, by the plugin's name. disabled: plugins and components that are not used.
    """

    manager: pluggy.PluginManager
    packages: dict[str, str]
    disabled: list[DisabledPlugin] = field(default_factory=list)
    _components: dict[str, dict[str, RegisteredComponent]] = field(default_factory=dict)
    _used: dict[str, None] = field(default_factory=dict)

    def components(self, kind: str) -> dict[str, RegisteredComponent]:
        """Return the components of a kind by name. The first call imports them."""
        if kind not in self._components:
            self._components[kind] = self._collect(kind)
        return self._components[kind]

    def component(self, kind: str, name: str) -> type[Any]:
        """Return a component class. Raises UsageError, with the closest name, if there is none of that name."""
        components = self.components(kind)
        if name in components:
            if (package := components[name].package) not in (BUILTIN_PACKAGE, THIS_PROCESS):
                self._used[f'{kind} "{name}" of {package}'] = None
            return components[name].component
        matches = difflib.get_close_matches(name, components, n=1)
        guess = f' Did you mean "{matches[0]}"?' if matches else ""
        disabled = "".join(f"\n  disabled: {entry.package}: {entry.reason}" for entry in self.disabled)
        raise UsageError(
            f'there is no {kind} "{name}".{guess}', hint=f"there are: {', '.join(sorted(components))}{disabled}"
        )

    def register_component(self, kind: str, component: type[Any]) -> None:
        """Register a class for this process, so that recipes can name it. Replaces an earlier class of the same name.

        Raises UsageError if the class is not a valid component, or if a package provides one of the same name.
        """
        if error := validation_error(kind, component):
            raise UsageError(error)
        existing = self.components(kind).get(component.name)
        if existing and existing.package != THIS_PROCESS:
            raise UsageError(
                f'the {kind} "{component.name}" is already provided by {existing.package}', hint="choose another name"
            )
        self.components(kind)[component.name] = RegisteredComponent(kind, component, THIS_PROCESS, THIS_PROCESS)

    def call_each(self, hook: str, **arguments: Any) -> Iterator[tuple[str, Any]]:
        """Call a hook of each plugin separately. Yield the plugin's name and the result.

        A plugin that raises is disabled, as is one that exceeds the time limit; `artkit_step` has no limit.
        """
        order = [name for name, _ in self.manager.list_name_plugin()]  # registration order; trylast has no effect
        implementations = getattr(self.manager.hook, hook).get_hookimpls()
        for implementation in sorted(implementations, key=lambda i: order.index(i.plugin_name)):
            name = implementation.plugin_name
            package = self.packages.get(name, BUILTIN_PACKAGE)
            call = partial(implementation.function, *(arguments[argument] for argument in implementation.argnames))
            try:
                result = call() if hook == "artkit_step" else _call_with_timeout(package, call)
            except (Exception, SystemExit) as error:  # third-party code may raise anything
                self.disable(name, f"{hook} failed: {_summarize_error(error)}")
                if isinstance(error, PluginTimeout):
                    self.manager.unregister(name=name)  # its other hooks would run into the timeout too
                continue
            yield name, result

    def responsible_package(self, error: BaseException) -> str:
        """Return the third-party package in whose code an error was raised; "" if there is none."""
        packages = {}
        for name, module in self.manager.list_name_plugin():
            if (package := self.packages.get(name, BUILTIN_PACKAGE)) != BUILTIN_PACKAGE:
                packages[str(getattr(module, "__name__", "")).partition(".")[0]] = package
        modules = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
        return next((packages[top] for name in reversed(modules) if (top := name.partition(".")[0]) in packages), "")

    def used_components(self) -> list[str]:
        """Return the third-party components that `component` has returned, such as ``canvas "spiral" of their-toys``.

        If something fails, they may be the cause: what they return is not checked.
        """
        return list(self._used)

    def disable(self, plugin: str, reason: str) -> None:
        """Record that a plugin, or a component of it, is not used."""
        entry = DisabledPlugin(plugin, self.packages.get(plugin, plugin), reason)
        if entry not in self.disabled:
            self.disabled.append(entry)

    def _collect(self, kind: str) -> dict[str, RegisteredComponent]:
        collected: dict[str, RegisteredComponent] = {}
        for plugin, components in self.call_each(KIND_HOOKS[kind]):
            if not isinstance(components, (list, tuple)):
                self.disable(plugin, f"{KIND_HOOKS[kind]} returned {components!r}, not a list of classes")
                continue
            for component in components:
                if error := validation_error(kind, component) or _conflict(kind, component, collected):
                    self.disable(plugin, error)
                else:
                    package = self.packages.get(plugin, plugin)
                    collected[component.name] = RegisteredComponent(kind, component, plugin, package)
        return collected


def _conflict(kind: str, component: type[Any], collected: dict[str, RegisteredComponent]) -> str:
    """Return which earlier component has the same name, or writes the same extension; "" if none does."""
    if other := collected.get(component.name):
        return f'the {kind} "{component.name}" is already provided by {other.package}'
    if kind == "exporter":
        for other in collected.values():
            if shared := sorted(set(other.component.suffixes) & set(component.suffixes)):
                return f"{shared[0]} is already written by {other.package}"
    return ""


def _summarize_error(error: BaseException) -> str:
    """Return an error in one line."""
    if isinstance(error, ArtkitError):
        return error.message
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    summary = f"{type(error).__name__}: {' '.join(lines)[:300]}".rstrip(": ")
    if isinstance(error, ImportError) and (error.name or "").startswith("artkit."):
        summary += "; import public names from artkit, not from its modules: from artkit import Renderer"
    return summary


@cache
def get_registry() -> PluginRegistry:
    """Return the registry of this environment. Plugins are imported by the first call, their components later."""
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    registry = PluginRegistry(manager, {})
    for entry in sorted(metadata.entry_points(group=hookspecs.GROUP), key=_builtin_first):
        name = entry.name if entry.name not in registry.packages else f"{entry.name} ({entry.value})"
        registry.packages[name] = entry.dist.metadata["Name"] if entry.dist else entry.value
        try:
            _check_version(entry)
            module = _call_with_timeout(registry.packages[name], entry.load)
            _register_plugin(manager, module, name)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            registry.disable(name, _summarize_error(error))
    return registry


def _builtin_first(entry: metadata.EntryPoint) -> tuple[bool, str, str]:
    """Sort key: built-in plugins come first, so that third-party components cannot take their names."""
    return (entry.dist is None or entry.dist.name != BUILTIN_PACKAGE, entry.dist.name if entry.dist else "", entry.name)


def _call_with_timeout(package: str, call: Callable[[], Any]) -> Any:
    """Return the result of a call into a package's code. Raises what it raises, and PluginTimeout if it takes too long.

    A call that times out keeps running in its daemon thread: interrupting an import of torch would break torch for the
    whole process.
    """
    if package == BUILTIN_PACKAGE:
        return call()
    results: list[Any] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, name=f"artkit: {package}", daemon=True)
    thread.start()
    thread.join(PLUGIN_TIMEOUT_SECONDS)
    if errors:
        raise errors[0]
    if not results:
        raise PluginTimeout(f"it did not finish within {PLUGIN_TIMEOUT_SECONDS:g} s")
    return results[0]


def _check_version(entry: metadata.EntryPoint) -> None:
    """Raise UsageError if a plugin requires another version of artkit. pip checks this only when it installs."""
    for text in (entry.dist and entry.dist.requires) or ():
        if not text.lower().replace("_", "-").startswith(BUILTIN_PACKAGE) or not any(mark in text for mark in "<>=~!"):
            continue  # without importing packaging, which takes a while
        from packaging.requirements import InvalidRequirement, Requirement

        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.name.lower().replace("_", "-") != BUILTIN_PACKAGE or (
            requirement.marker and not requirement.marker.evaluate({"extra": ""})
        ):
            continue
        if not requirement.specifier.contains(__version__, prereleases=True):
            raise UsageError(f"it requires artkit {requirement.specifier}; this is {__version__}")


def _register_plugin(manager: pluggy.PluginManager, module: Any, name: str) -> None:
    """Register a plugin. Raises ValueError for unknown and unmarked hooks."""
    hooks = [hook for hook in dir(hookspecs) if hook.startswith("artkit_")]
    for attribute in dir(module):
        if hasattr(getattr(module, attribute, None), f"{hookspecs.GROUP}_impl") and attribute not in hooks:
            matches = difflib.get_close_matches(attribute, hooks, n=1)
            guess = f"; did you mean {matches[0]}?" if matches else ""
            raise ValueError(f"there is no hook {attribute}{guess}")
    for hook in hooks:
        function = getattr(module, hook, None)
        if inspect.isfunction(function) and not hasattr(function, f"{hookspecs.GROUP}_impl"):
            raise ValueError(f"{hook} is not marked as a hook: write @hookimpl above it")
    try:
        manager.register(module, name)
    except Exception:
        if manager.get_plugin(name) is module:
            _unregister(manager, name)
        raise


def _unregister(manager: pluggy.PluginManager, name: str) -> None:
    """Remove the hooks that pluggy has registered before it refused a plugin."""
    plugin = manager.get_plugin(name)
    for hook in manager.get_hookcallers(plugin) or ():
        if any(i.plugin_name == name for i in hook.get_hookimpls()):
            hook._remove_plugin(plugin)
    manager._name2plugin.pop(name, None)
