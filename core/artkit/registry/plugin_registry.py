"""Finding plugins and the parts they bring. Built-in plugins are found exactly as anyone's are."""

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
}
"""The kinds of part, and the hook that brings each."""


BUILTIN_PACKAGE = "neural-artkit"
"""The package whose parts come with artkit."""


PLUGIN_TIMEOUT_SECONDS = float(os.environ.get("ARTKIT_PATIENCE", "30"))
"""Seconds that another package's plugin may take to be imported, or to answer a hook that looks for parts. Imports are
slow where the disk is.
"""


THIS_PROCESS = "this process"
"""Where a part comes from that no package brings."""


@dataclass(frozen=True)
class DisabledPlugin:
    """A plugin, or one of its parts, that artkit does without, and why."""

    plugin: str
    package: str
    reason: str


@dataclass(frozen=True)
class RegisteredComponent:
    """A part and where it comes from."""

    kind: str
    component: type[Any]
    plugin: str
    package: str


@dataclass
class PluginRegistry:
    """The installed plugins."""

    manager: pluggy.PluginManager
    packages: dict[str, str]
    disabled: list[DisabledPlugin] = field(default_factory=list)
    _components: dict[str, dict[str, RegisteredComponent]] = field(default_factory=dict)

    def components(self, kind: str) -> dict[str, RegisteredComponent]:
        """The parts of a kind by name."""
        if kind not in self._components:
            self._components[kind] = dict(self._collect(kind))
        return self._components[kind]

    def _collect(self, kind: str) -> Iterator[tuple[str, RegisteredComponent]]:
        taken: dict[str, RegisteredComponent] = {}
        for plugin, found in self.call_each(KIND_HOOKS[kind]):
            package = self.packages.get(plugin, plugin)
            if not isinstance(found, (list, tuple)):
                self._disable(plugin, f"{KIND_HOOKS[kind]} returned {found!r}, not a list of classes")
                continue
            for part in found:
                fault = validation_error(kind, part)
                if not fault and (other := taken.get(part.name)):
                    fault = f'the {kind} "{part.name}" is already brought by {other.package}'
                if not fault and kind == "exporter":
                    theirs = {suffix: other for other in taken.values() for suffix in other.component.suffixes}
                    if both := sorted(theirs.keys() & set(part.suffixes)):
                        fault = f"{both[0]} is already written by {theirs[both[0]].package}"
                if fault:
                    self._disable(plugin, fault)
                    continue
                taken[part.name] = RegisteredComponent(kind, part, plugin, package)
                yield part.name, taken[part.name]

    def register_component(self, kind: str, part: type[Any]) -> None:
        """Let the recipes of this process name a part that no package brings; written anew, it replaces the old one.

        Raises UsageError for what is no part, or takes the name of a part that a package brings.
        """
        if fault := validation_error(kind, part):
            raise UsageError(fault)
        there = self.components(kind).get(part.name)
        if there and there.package != THIS_PROCESS:
            raise UsageError(
                f'the {kind} "{part.name}" is already brought by {there.package}', hint="give it another name"
            )
        self.components(kind)[part.name] = RegisteredComponent(kind, part, THIS_PROCESS, THIS_PROCESS)

    def call_each(self, hook: str, **arguments: Any) -> Iterator[tuple[str, Any]]:
        """Call a hook of each plugin by itself: (plugin, what it returned). One that raises is set aside."""
        order = [name for name, _ in self.manager.list_name_plugin()]  # not a hook's own, which trylast changes
        found = getattr(self.manager.hook, hook).get_hookimpls()
        for implementation in sorted(found, key=lambda i: order.index(i.plugin_name)):
            name = implementation.plugin_name
            call = partial(implementation.function, *(arguments[argument] for argument in implementation.argnames))
            try:
                told = (
                    call()
                    if hook == "artkit_step"
                    else _call_with_timeout(self.packages.get(name, BUILTIN_PACKAGE), call)
                )
            except (Exception, SystemExit) as error:  # a stranger's code may do anything; the others keep running
                self._disable(name, f"{hook} failed: {_summarize_error(error)}")
                if isinstance(error, PluginTimeout):
                    self.manager.unregister(name=name)  # its other hooks would keep everyone waiting too
                continue
            yield name, told

    def responsible_package(self, error: BaseException) -> str:
        """The package of the plugin, other than artkit's own, in whose code something was raised, or nothing."""
        mine = {}
        for name, module in self.manager.list_name_plugin():
            if (package := self.packages.get(name, BUILTIN_PACKAGE)) != BUILTIN_PACKAGE:
                mine[str(getattr(module, "__name__", "")).partition(".")[0]] = package
        modules = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
        return next((mine[top] for name in reversed(modules) if (top := name.partition(".")[0]) in mine), "")

    def _disable(self, plugin: str, reason: str) -> None:
        entry = DisabledPlugin(plugin, self.packages.get(plugin, plugin), reason)
        if entry not in self.disabled:
            self.disabled.append(entry)

    def component(self, kind: str, name: str) -> type[Any]:
        """The part class of a kind and name. Raises UsageError with the nearest names."""
        parts = self.components(kind)
        if name in parts:
            return parts[name].component
        near = difflib.get_close_matches(name, parts, n=1)
        guess = f' Did you mean "{near[0]}"?' if near else ""
        aside = "".join(f"\n  set aside: {s.package}: {s.reason}" for s in self.disabled)
        raise UsageError(f'there is no {kind} "{name}".{guess}', hint=f"there are: {', '.join(sorted(parts))}{aside}")


def _summarize_error(error: BaseException) -> str:
    if isinstance(error, ArtkitError):
        return error.message
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines)[:300]}".rstrip(": ")


@cache
def get_registry() -> PluginRegistry:
    """The plugins installed in this environment. No part is imported yet."""
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    registry = PluginRegistry(manager, {})
    for entry in sorted(metadata.entry_points(group=hookspecs.GROUP), key=_builtin_first):
        name = entry.name if entry.name not in registry.packages else f"{entry.name} ({entry.value})"
        registry.packages[name] = entry.dist.metadata["Name"] if entry.dist else entry.value
        try:
            _check_version(entry)
            module = _call_with_timeout(registry.packages[name], entry.load)
            register_plugin(registry, module, name)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            registry._disable(name, _summarize_error(error))
    return registry


class PluginTimeout(ArtkitError):  # noqa: N818
    """A plugin does not come to an end."""


def _call_with_timeout(package: str, call: Callable[[], Any]) -> Any:
    """What a call of a package's code returns. Raises what it raises, and Hangs if it takes more than `PLUGIN_TIMEOUT_SECONDS`
    seconds.

    It is then left alone, in a thread of its own, rather than broken off: half an import of torch would spoil torch for
    everyone.
    """
    if package == BUILTIN_PACKAGE:
        return call()
    told: list[Any] = []
    raised: list[BaseException] = []

    def work() -> None:
        try:
            told.append(call())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work, name=f"artkit: {package}", daemon=True)
    thread.start()
    thread.join(PLUGIN_TIMEOUT_SECONDS)
    if raised:
        raise raised[0]
    if not told:
        raise PluginTimeout(f"it did not come to an end within {PLUGIN_TIMEOUT_SECONDS:g} s")
    return told[0]


def _check_version(entry: metadata.EntryPoint) -> None:
    """Raises UsageError for a plugin that asks for another artkit than this one; pip checks it only on installing."""
    for need in (entry.dist and entry.dist.requires) or ():
        if need.lower().replace("_", "-").startswith(BUILTIN_PACKAGE) and any(mark in need for mark in "<>=~!"):
            from packaging.requirements import InvalidRequirement, Requirement

            try:
                told = Requirement(need)
            except InvalidRequirement:
                continue
            if told.name.lower().replace("_", "-") != BUILTIN_PACKAGE or (
                told.marker and not told.marker.evaluate({"extra": ""})
            ):
                continue
            if not told.specifier.contains(__version__, prereleases=True):
                raise UsageError(f"it was made for artkit {told.specifier}; this is {__version__}")


def register_plugin(registry: PluginRegistry, module: Any, name: str) -> None:
    """Add a plugin. Raises ValueError for a hook that artkit does not know."""
    hooks = [n for n in dir(hookspecs) if n.startswith("artkit_")]
    for attribute in dir(module):
        if hasattr(getattr(module, attribute, None), f"{hookspecs.GROUP}_impl") and attribute not in hooks:
            near = difflib.get_close_matches(attribute, hooks, n=1)
            guess = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"there is no hook {attribute}{guess}")
    for hook in hooks:
        function = getattr(module, hook, None)
        if inspect.isfunction(function) and not hasattr(function, f"{hookspecs.GROUP}_impl"):
            raise ValueError(f"{hook} lacks its mark: write @hookimpl above it")
    try:
        registry.manager.register(module, name)
    except Exception:
        if registry.manager.get_plugin(name) is module:
            _unregister(registry, name)
        raise


def _unregister(registry: PluginRegistry, name: str) -> None:
    """Take out what pluggy kept of a plugin that it refused."""
    for hook in registry.manager.get_hookcallers(registry.manager.get_plugin(name)) or ():
        if any(i.plugin_name == name for i in hook.get_hookimpls()):
            hook._remove_plugin(registry.manager.get_plugin(name))
    registry.manager._name2plugin.pop(name, None)


def _builtin_first(entry: metadata.EntryPoint) -> tuple[bool, str, str]:
    """Built-in plugins come first, so that a stranger's part cannot take one of their names."""
    return (entry.dist is None or entry.dist.name != BUILTIN_PACKAGE, entry.dist.name if entry.dist else "", entry.name)
