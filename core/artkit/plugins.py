"""Finding plugins and the parts they bring. Built-in plugins are found exactly as anyone's are."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module, metadata
from typing import Any

import pluggy

from artkit import hookspecs
from artkit.errors import UsageError

KINDS = {
    "renderer": "artkit_renderers",
    "canvas": "artkit_canvases",
    "agent": "artkit_agents",
    "constraint": "artkit_constraints",
    "objective": "artkit_objectives",
    "exporter": "artkit_exporters",
    "trainer": "artkit_trainers",
}
"""The kinds of part, and the hook that brings each."""


HERE = "this process"
"""Where a part comes from that no package brings."""


@dataclass(frozen=True)
class SetAside:
    """A plugin, or one of its parts, that artkit does without, and why."""

    plugin: str
    package: str
    reason: str


@dataclass(frozen=True)
class Found:
    """A part and where it comes from."""

    kind: str
    part: type[Any]
    plugin: str
    package: str


@dataclass
class Plugins:
    """The installed plugins."""

    manager: pluggy.PluginManager
    packages: dict[str, str]
    set_aside: list[SetAside] = field(default_factory=list)
    _parts: dict[str, dict[str, Found]] = field(default_factory=dict)

    def parts(self, kind: str) -> dict[str, Found]:
        """The parts of a kind by name."""
        if kind not in self._parts:
            self._parts[kind] = dict(self._collect(kind))
        return self._parts[kind]

    def _collect(self, kind: str) -> Iterator[tuple[str, Found]]:
        taken: dict[str, Found] = {}
        for plugin, found in self.ask(KINDS[kind]):
            package = self.packages.get(plugin, plugin)
            if not isinstance(found, (list, tuple)):
                self._set_aside(plugin, f"{KINDS[kind]} returned {found!r}, not a list of classes")
                continue
            for part in found:
                fault = problem(kind, part)
                if not fault and (other := taken.get(part.name)):
                    fault = f'the {kind} "{part.name}" is already brought by {other.package}'
                if not fault and kind == "exporter":
                    theirs = {suffix: other for other in taken.values() for suffix in other.part.suffixes}
                    if both := sorted(theirs.keys() & set(part.suffixes)):
                        fault = f"{both[0]} is already written by {theirs[both[0]].package}"
                if fault:
                    self._set_aside(plugin, fault)
                    continue
                taken[part.name] = Found(kind, part, plugin, package)
                yield part.name, taken[part.name]

    def add(self, kind: str, part: type[Any]) -> None:
        """Let the recipes of this process name a part that no package brings; written anew, it replaces the old one.

        Raises UsageError for what is no part, or takes the name of a part that a package brings.
        """
        if fault := problem(kind, part):
            raise UsageError(fault)
        there = self.parts(kind).get(part.name)
        if there and there.package != HERE:
            raise UsageError(
                f'the {kind} "{part.name}" is already brought by {there.package}', remedy="give it another name"
            )
        self.parts(kind)[part.name] = Found(kind, part, HERE, HERE)

    def ask(self, hook: str, **arguments: Any) -> Iterator[tuple[str, Any]]:
        """Call a hook of each plugin by itself: (plugin, what it returned). One that raises is set aside."""
        order = [name for name, _ in self.manager.list_name_plugin()]  # not a hook's own, which trylast changes
        found = getattr(self.manager.hook, hook).get_hookimpls()
        for implementation in sorted(found, key=lambda i: order.index(i.plugin_name)):
            try:
                names = implementation.argnames
                yield implementation.plugin_name, implementation.function(*(arguments[name] for name in names))
            except (Exception, SystemExit) as error:  # a stranger's code may raise anything; the others keep running
                self._set_aside(implementation.plugin_name, f"{hook} failed: {_short(error)}")

    def _set_aside(self, plugin: str, reason: str) -> None:
        entry = SetAside(plugin, self.packages.get(plugin, plugin), reason)
        if entry not in self.set_aside:
            self.set_aside.append(entry)

    def part(self, kind: str, name: str) -> type[Any]:
        """The part class of a kind and name. Raises UsageError with the nearest names."""
        parts = self.parts(kind)
        if name in parts:
            return parts[name].part
        near = difflib.get_close_matches(name, parts, n=1)
        guess = f' Did you mean "{near[0]}"?' if near else ""
        aside = "".join(f"\n  set aside: {s.package}: {s.reason}" for s in self.set_aside)
        raise UsageError(f'there is no {kind} "{name}".{guess}', remedy=f"there are: {', '.join(sorted(parts))}{aside}")


def problem(kind: str, part: Any) -> str:
    """Why something cannot serve as a part of a kind, or nothing."""
    from artkit.config import Config
    from artkit.part import Part

    if not (inspect.isclass(part) and issubclass(part, Part)):
        return f"{part!r} is not a part class"
    if not isinstance(getattr(part, "name", None), str):
        return f"the {kind} {part.__name__} has no name"
    if missing := getattr(part, "__abstractmethods__", None):
        return f'the {kind} "{part.name}" lacks {", ".join(sorted(missing))}'
    if not issubclass(part, _base(kind)):
        return f"{part.__name__} is no {kind}"
    if not (inspect.isclass(part.Config) and issubclass(part.Config, Config)):
        return f'the {kind} "{part.name}" needs a Config that derives from artkit.config.Config'
    if kind == "exporter" and not isinstance(getattr(part, "suffixes", None), tuple):
        return f'the exporter "{part.name}" has no suffixes'
    if kind == "objective" and "weight" not in part.Config.model_fields:
        return f'the objective "{part.name}" needs a Config that derives from Objective.Config'
    return ""


def _base(kind: str) -> type[Any]:
    base: type[Any] = getattr(import_module(f"artkit.{kind}"), kind.capitalize())
    return base


def _short(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines)[:300]}".rstrip(": ")


@cache
def plugins() -> Plugins:
    """The plugins installed in this environment. No part is imported yet."""
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    registry = Plugins(manager, {})
    for entry in sorted(metadata.entry_points(group=hookspecs.GROUP), key=_ours_first):
        name = entry.name if entry.name not in registry.packages else f"{entry.name} ({entry.value})"
        registry.packages[name] = entry.dist.metadata["Name"] if entry.dist else entry.value
        try:
            module = entry.load()
            register(registry, module, name)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            registry._set_aside(name, _short(error))
    return registry


def register(registry: Plugins, module: Any, name: str) -> None:
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
            _forget(registry, name)
        raise


def _forget(registry: Plugins, name: str) -> None:
    """Take out what pluggy kept of a plugin that it refused."""
    for hook in registry.manager.get_hookcallers(registry.manager.get_plugin(name)) or ():
        if any(i.plugin_name == name for i in hook.get_hookimpls()):
            hook._remove_plugin(registry.manager.get_plugin(name))
    registry.manager._name2plugin.pop(name, None)


def _ours_first(entry: metadata.EntryPoint) -> tuple[bool, str, str]:
    """Built-in plugins come first, so that a stranger's part cannot take one of their names."""
    return (entry.dist is None or entry.dist.name != "neural-artkit", entry.dist.name if entry.dist else "", entry.name)
