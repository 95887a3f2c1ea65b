"""Plugins: what is wrong with one is told, and everything else works."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import artkit
from artkit.errors import UsageError
from artkit.interfaces.agent import Agent
from artkit.registry.plugin_registry import KIND_HOOKS, DisabledPlugin, get_registry

Install = Callable[..., str]

HEAD = """
from artkit import hookimpl
from artkit.interfaces.agent import Agent
from artkit.config import Config as BaseConfig
from artkit.interfaces.exporter import Exporter
from artkit.interfaces.objective import Objective

class Still(Agent):
    '''Does nothing.'''
    name = "still"
    def forward(self, scene, targets=None):
        raise NotImplementedError
"""

WORKS = HEAD + "@hookimpl\ndef artkit_agents():\n    return [Still]\n"


def _aside(module: str) -> list[DisabledPlugin]:
    for kind in KIND_HOOKS:
        get_registry().components(kind)
    return [entry for entry in get_registry().disabled if entry.plugin == module]


def _everything_else_works() -> None:
    there = {kind: set(get_registry().components(kind)) for kind in KIND_HOOKS}
    assert {"grid", "single", "pyramid"} <= there["canvas"]
    assert {"mypaint", "gan"} <= there["renderer"]
    assert {"free"} <= there["agent"]
    assert {"content"} <= there["objective"]
    assert {"grayscale"} <= there["constraint"]
    assert {"png"} <= there["exporter"]
    assert {"gan"} <= there["trainer"]
    for kind, hook in KIND_HOOKS.items():
        assert list(get_registry().call_each(hook)), f"{hook} of the built-in plugins answers for {kind}"


def test_nothing_is_set_aside_here(own_plugins: Any) -> None:
    _everything_else_works()
    assert get_registry().disabled == []


def test_built_in_parts_come_from_the_entry_points(own_plugins: Any) -> None:
    entries = {entry.name for entry in metadata.entry_points(group="artkit")}
    assert {found.plugin for kind in KIND_HOOKS for found in get_registry().components(kind).values()} <= entries
    assert get_registry().components("canvas")["grid"].package == "neural-artkit"


def test_a_strangers_part_is_found(install: Install) -> None:
    module = install(WORKS, package="still-life")
    found = get_registry().components("agent")["still"]
    assert (found.kind, found.plugin, found.package) == ("agent", module, "still-life")
    assert issubclass(get_registry().component("agent", "still"), Agent)
    assert _aside(module) == []
    _everything_else_works()


BROKEN = {
    "does not import": ("import nothing_of_that_name\n", "nothing_of_that_name"),
    "has a syntax error": ("def (:\n", "SyntaxError"),
    "ends the program on import": ("raise SystemExit(3)\n", "SystemExit"),
    "misspells a hook": (HEAD + "@hookimpl\ndef artkit_agent():\n    return [Still]\n", "did you mean artkit_agents?"),
    "wants an argument that no one gives": (
        HEAD + "@hookimpl\ndef artkit_agents(runn):\n    return [Still]\n",
        "runn",
    ),
    "raises in a hook": (
        HEAD + "@hookimpl\ndef artkit_agents():\n    raise LookupError('lost')\n",
        "LookupError: lost",
    ),
    "imports what is missing in a hook": (
        HEAD + "@hookimpl\ndef artkit_agents():\n    import nothing_of_that_name\n",
        "nothing_of_that_name",
    ),
    "ends the program in a hook": (HEAD + "@hookimpl\ndef artkit_agents():\n    raise SystemExit(3)\n", "SystemExit"),
    "has a hook that is a generator": (
        HEAD + "@hookimpl\ndef artkit_agents():\n    yield Still\n    raise LookupError('lost')\n",
        "artkit_agents",
    ),
    "forgets to mark a hook": (HEAD + "def artkit_agents():\n    return [Still]\n", "@hookimpl"),
    "has an objective without a weight": (
        HEAD + "class Sad(Objective):\n    name = 'sad'\n    class Config(BaseConfig): pass\n"
        "    def forward(self, view): pass\n@hookimpl\ndef artkit_objectives():\n    return [Sad]\n",
        "Objective.Config",
    ),
    "returns a part instead of a list": (HEAD + "@hookimpl\ndef artkit_agents():\n    return Still\n", "Still"),
    "returns what is no part": (HEAD + "@hookimpl\ndef artkit_agents():\n    return [3]\n", "3 is not a part"),
    "returns a part of another kind": (
        HEAD + "@hookimpl\ndef artkit_canvases():\n    return [Still]\n",
        "Still",
    ),
    "has a part without a name": (
        HEAD + "class Nameless(Agent):\n    def forward(self, scene, targets=None): pass\n"
        "@hookimpl\ndef artkit_agents():\n    return [Nameless]\n",
        "Nameless has no name",
    ),
    "has a part that lacks a method": (
        HEAD + "class Half(Agent):\n    name = 'half'\n@hookimpl\ndef artkit_agents():\n    return [Half]\n",
        '"half" lacks forward',
    ),
    "has a part whose settings are no Config": (
        HEAD + "class Odd(Still):\n    name = 'odd'\n    class Config: pass\n"
        "@hookimpl\ndef artkit_agents():\n    return [Odd]\n",
        "Config",
    ),
    "takes a name that is taken": (
        HEAD + "class Mine(Still):\n    name = 'free'\n@hookimpl\ndef artkit_agents():\n    return [Mine]\n",
        '"free" is already brought by neural-artkit',
    ),
    "takes a name that is taken and pushes to the front": (
        HEAD + "class Mine(Still):\n    name = 'free'\n"
        "@hookimpl(trylast=True)\ndef artkit_agents():\n    return [Mine]\n",
        '"free" is already brought by neural-artkit',
    ),
    "brings an exporter for no extension": (
        HEAD + "class Blank(Exporter):\n    name = 'blank'\n    def write(self, painting, file): pass\n"
        "@hookimpl\ndef artkit_exporters():\n    return [Blank]\n",
        "suffixes",
    ),
    "hangs while it is imported": ("import time\ntime.sleep(1000)\n", "did not come to an end within 0.5 s"),
    "hangs in a hook": (
        HEAD + "@hookimpl\ndef artkit_agents():\n    import time\n    time.sleep(1000)\n",
        "artkit_agents failed: it did not come to an end within 0.5 s",
    ),
    "takes an extension that is taken": (
        HEAD + "class Other(Exporter):\n    name = 'other'\n    suffixes = ('.png',)\n"
        "    def write(self, painting, file): file.write_text('not a picture')\n"
        "@hookimpl\ndef artkit_exporters():\n    return [Other]\n",
        ".png",
    ),
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch  # noqa: F401  so that a plugin that imports it does not have to wait for it

    monkeypatch.setattr(artkit.registry.plugin_registry, "PLUGIN_TIMEOUT_SECONDS", 0.5)


@pytest.mark.parametrize(("source", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_plugin_that_is_wrong_is_set_aside_and_says_why(install: Install, source: str, reason: str) -> None:
    module = install(source, package="broken-toys")
    _everything_else_works()
    (entry,) = _aside(module)
    assert reason in entry.reason
    assert "\n" not in entry.reason
    assert entry.package == "broken-toys"
    assert get_registry().component("agent", "free").__module__ == "artkit_agents.free"
    good = install(WORKS, package="still-life")
    assert get_registry().components("agent")["still"].plugin == good, "plugins beside it work"
    _everything_else_works()


@pytest.mark.parametrize(
    "needs", ["neural-artkit>=99", "neural_artkit (<0.0.1)", "Neural-Artkit==0.0.1 ; python_version>'3'"]
)
def test_a_plugin_that_was_made_for_another_artkit_is_set_aside(install: Install, needs: str) -> None:
    module = install("raise LookupError('it must not even be imported')", requires=needs)
    (entry,) = _aside(module)
    assert entry.reason.startswith("it was made for artkit ")
    assert entry.reason.endswith(f"this is {artkit.__version__}")
    _everything_else_works()


@pytest.mark.parametrize(
    "needs",
    ["neural-artkit", f"neural-artkit>={artkit.__version__}", "neural-artkit<0 ; extra == 'test'", "neural-artkit-x>9"],
)
def test_a_plugin_that_fits_is_taken(install: Install, needs: str) -> None:
    module = install(WORKS, requires=needs)
    assert _aside(module) == []
    assert "still" in get_registry().components("agent")


def test_with_every_kind_of_broken_plugin_at_once_each_is_told_and_every_command_works(
    install: Install, toy: Any, commands: Callable[..., list[str]], tmp_path: Path
) -> None:
    broken = {install(source, package=f"broken-{n}"): reason for n, (source, reason) in enumerate(BROKEN.values())}
    old = install(WORKS, package="broken-old", requires="neural-artkit>=99")
    (tmp_path / "r.toml").write_text(
        "steps = 1\nsize = [24, 16]\n[canvas]\ntile = 16\noverlap = 8\nstrokes = 1\n"
        '[renderer]\ntype = "toy-blob"\n[objective.look]\ntype = "toy-flat"\n'
    )
    calls = [
        ["plugins", "--json"],
        ["plugins"],
        ["--help"],
        ["recipes"],
        ["schema"],
        ["doctor"],
        ["run", "r.toml", "--out", "run"],
        ["export", "run", "large.png", "--scale", "2"],
    ]
    listed, table, helped, *_, doctor, _, _ = commands(calls, tmp_path, os.environ | {"ARTKIT_PATIENCE": "6"})
    aside = {entry["plugin"]: entry["reason"] for entry in json.loads(listed)["set_aside"]}
    assert aside.keys() == {*broken, old}
    for module, reason in broken.items():
        assert reason.replace("0.5 s", "6 s") in aside[module]
        assert aside[module][:60] in table
        assert module in doctor
    assert "fidelity" in helped
    assert (tmp_path / "large.png").exists()


def test_a_plugin_with_one_bad_part_keeps_its_good_ones(install: Install) -> None:
    module = install(
        HEAD + "class Half(Agent):\n    name = 'half'\n@hookimpl\ndef artkit_agents():\n    return [Half, Still]\n"
    )
    assert "still" in get_registry().components("agent")
    assert "half" not in get_registry().components("agent")
    (entry,) = _aside(module)
    assert "half" in entry.reason


def test_a_plugin_that_cannot_be_registered_brings_nothing(install: Install) -> None:
    # Half a plugin would be worse than none: which half depends on the names of its hooks.
    module = install(WORKS + "@hookimpl\ndef artkit_step(runn):\n    pass\n")
    (entry,) = _aside(module)
    assert "runn" in entry.reason
    assert "still" not in get_registry().components("agent")
    _everything_else_works()


def test_two_plugins_may_have_one_name(install: Install) -> None:
    install(WORKS, package="one", entry="painters")
    _everything_else_works()
    assert get_registry().components("agent")["still"].package == "one"
    assert get_registry().disabled == []


def test_of_two_strangers_with_one_part_the_first_keeps_it(install: Install) -> None:
    install(WORKS, package="a-toys")
    second = install(WORKS, package="b-toys")
    assert get_registry().components("agent")["still"].package == "a-toys"
    (entry,) = _aside(second)
    assert '"still" is already brought by a-toys' in entry.reason


def test_an_unknown_part_tells_what_there_is_and_what_was_set_aside(install: Install) -> None:
    install("import nothing_of_that_name\n", package="broken-toys")
    with pytest.raises(UsageError) as caught:
        get_registry().component("canvas", "gird")
    assert 'there is no canvas "gird". Did you mean "grid"?' in caught.value.message
    for known in ("grid", "pyramid", "single", "broken-toys", "nothing_of_that_name"):
        assert known in caught.value.hint


def test_a_hook_that_raises_during_a_run_is_set_aside_once(install: Install) -> None:
    module = install("from artkit import hookimpl\n@hookimpl\ndef artkit_step(step):\n    raise LookupError('lost')\n")
    for step in range(3):
        assert list(get_registry().call_each("artkit_step", run=None, step=step, losses={})) == []
    (entry,) = _aside(module)
    assert "artkit_step failed: LookupError: lost" in entry.reason


def test_hooks_take_the_arguments_they_name(install: Install) -> None:
    install("from artkit import hookimpl\n@hookimpl\ndef artkit_step(losses, step):\n    return step, losses\n")
    ((_, told),) = get_registry().call_each("artkit_step", run=None, step=4, losses={"loss": 1.0})
    assert told == (4, {"loss": 1.0})


def test_every_hook_and_its_arguments_are_documented() -> None:
    from artkit.registry import hookspecs as hookspecs

    hooks = {name: value for name, value in vars(hookspecs).items() if name.startswith("artkit_")}
    assert set(KIND_HOOKS.values()) <= hooks.keys()
    for name, hook in hooks.items():
        assert hook.__doc__, name
        arguments = hook.__code__.co_varnames[: hook.__code__.co_argcount]
        for argument in arguments:
            assert argument in hook.__doc__ or argument == "cli", f"{name} tells nothing of {argument}"
