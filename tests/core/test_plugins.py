"""Plugin discovery: a broken plugin is disabled with a reason, and everything else works."""

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
from artkit import Agent, Config as BaseConfig, Exporter, Objective, hookimpl

class Still(Agent):
    '''Does nothing.'''
    name = "still"
    def forward(self, scene, targets=None):
        raise NotImplementedError
"""

VALID = HEAD + "@hookimpl\ndef artkit_agents():\n    return [Still]\n"


def _disabled(module: str) -> list[DisabledPlugin]:
    for kind in KIND_HOOKS:
        get_registry().components(kind)
    return [entry for entry in get_registry().disabled if entry.plugin == module]


def _assert_builtin_plugins_work() -> None:
    names = {kind: set(get_registry().components(kind)) for kind in KIND_HOOKS}
    assert {"grid", "single", "pyramid"} <= names["canvas"]
    assert {"mypaint", "gan"} <= names["renderer"]
    assert {"free"} <= names["agent"]
    assert {"content"} <= names["objective"]
    assert {"grayscale"} <= names["constraint"]
    assert {"png"} <= names["exporter"]
    assert {"gan"} <= names["trainer"]
    for kind, hook in KIND_HOOKS.items():
        assert list(get_registry().call_each(hook)), f"{hook} of the built-in plugins returns components for {kind}"


def test_built_in_plugins_are_not_disabled(own_plugins: Any) -> None:
    _assert_builtin_plugins_work()
    assert get_registry().disabled == []


def test_built_in_components_come_from_entry_points(own_plugins: Any) -> None:
    entries = {entry.name for entry in metadata.entry_points(group="artkit")}
    plugins = {registered.plugin for kind in KIND_HOOKS for registered in get_registry().components(kind).values()}
    assert plugins <= entries
    assert get_registry().components("canvas")["grid"].package == "neural-artkit"


def test_third_party_component_is_found(install: Install) -> None:
    module = install(VALID, package="still-life")
    registered = get_registry().components("agent")["still"]
    assert (registered.kind, registered.plugin, registered.package) == ("agent", module, "still-life")
    assert issubclass(get_registry().component("agent", "still"), Agent)
    assert _disabled(module) == []
    _assert_builtin_plugins_work()


BROKEN = {
    "does not import": ("import nothing_of_that_name\n", "nothing_of_that_name"),
    "imports an old module of artkit": ("from artkit.renderer import Renderer\n", "from artkit import Renderer"),
    "has a syntax error": ("def (:\n", "SyntaxError"),
    "exits on import": ("raise SystemExit(3)\n", "SystemExit"),
    "misspells a hook": (HEAD + "@hookimpl\ndef artkit_agent():\n    return [Still]\n", "did you mean artkit_agents?"),
    "has a hook with an unknown argument": (
        HEAD + "@hookimpl\ndef artkit_agents(runn):\n    return [Still]\n",
        "runn",
    ),
    "raises in a hook": (
        HEAD + "@hookimpl\ndef artkit_agents():\n    raise LookupError('lost')\n",
        "LookupError: lost",
    ),
    "imports a missing module in a hook": (
        HEAD + "@hookimpl\ndef artkit_agents():\n    import nothing_of_that_name\n",
        "nothing_of_that_name",
    ),
    "exits in a hook": (HEAD + "@hookimpl\ndef artkit_agents():\n    raise SystemExit(3)\n", "SystemExit"),
    "has a hook that is a generator": (
        HEAD + "@hookimpl\ndef artkit_agents():\n    yield Still\n    raise LookupError('lost')\n",
        "artkit_agents",
    ),
    "does not mark a hook": (HEAD + "def artkit_agents():\n    return [Still]\n", "@hookimpl"),
    "has an objective without a weight": (
        HEAD + "class Sad(Objective):\n    name = 'sad'\n    class Config(BaseConfig): pass\n"
        "    def forward(self, view): pass\n@hookimpl\ndef artkit_objectives():\n    return [Sad]\n",
        "Objective.Config",
    ),
    "returns a class instead of a list": (HEAD + "@hookimpl\ndef artkit_agents():\n    return Still\n", "Still"),
    "returns a number": (HEAD + "@hookimpl\ndef artkit_agents():\n    return [3]\n", "3 is not a component"),
    "returns a component of another kind": (
        HEAD + "@hookimpl\ndef artkit_canvases():\n    return [Still]\n",
        "Still is not a subclass of Canvas",
    ),
    "has a component without a name": (
        HEAD + "class Nameless(Agent):\n    def forward(self, scene, targets=None): pass\n"
        "@hookimpl\ndef artkit_agents():\n    return [Nameless]\n",
        "Nameless has no name",
    ),
    "has a component that lacks a method": (
        HEAD + "class Half(Agent):\n    name = 'half'\n@hookimpl\ndef artkit_agents():\n    return [Half]\n",
        '"half" lacks forward',
    ),
    "has a component with an invalid Config": (
        HEAD + "class Odd(Still):\n    name = 'odd'\n    class Config: pass\n"
        "@hookimpl\ndef artkit_agents():\n    return [Odd]\n",
        "Config",
    ),
    "uses a taken name": (
        HEAD + "class Free(Still):\n    name = 'free'\n@hookimpl\ndef artkit_agents():\n    return [Free]\n",
        '"free" is already provided by neural-artkit',
    ),
    "uses a taken name and changes the call order": (
        HEAD + "class Free(Still):\n    name = 'free'\n"
        "@hookimpl(trylast=True)\ndef artkit_agents():\n    return [Free]\n",
        '"free" is already provided by neural-artkit',
    ),
    "has an exporter without extensions": (
        HEAD + "class Blank(Exporter):\n    name = 'blank'\n    def write(self, painting, file): pass\n"
        "@hookimpl\ndef artkit_exporters():\n    return [Blank]\n",
        "suffixes",
    ),
    "hangs on import": ("import time\ntime.sleep(1000)\n", "did not finish within 0.5 s"),
    "hangs in a hook": (
        HEAD + "@hookimpl\ndef artkit_agents():\n    import time\n    time.sleep(1000)\n",
        "artkit_agents failed: it did not finish within 0.5 s",
    ),
    "uses a taken extension": (
        HEAD + "class Other(Exporter):\n    name = 'other'\n    suffixes = ('.png',)\n"
        "    def write(self, painting, file): file.write_text('not a picture')\n"
        "@hookimpl\ndef artkit_exporters():\n    return [Other]\n",
        ".png",
    ),
}


@pytest.fixture(autouse=True)
def short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch  # noqa: F401  so that plugins that import it do not run into the timeout

    monkeypatch.setattr(artkit.registry.plugin_registry, "PLUGIN_TIMEOUT_SECONDS", 0.5)


@pytest.mark.parametrize(("source", "reason"), BROKEN.values(), ids=BROKEN)
def test_broken_plugin_is_disabled_with_the_reason(install: Install, source: str, reason: str) -> None:
    module = install(source, package="broken-toys")
    _assert_builtin_plugins_work()
    (entry,) = _disabled(module)
    assert reason in entry.reason
    assert "\n" not in entry.reason
    assert entry.package == "broken-toys"
    assert get_registry().component("agent", "free").__module__ == "artkit_agents.free"
    valid = install(VALID, package="still-life")
    assert get_registry().components("agent")["still"].plugin == valid, "other third-party plugins work"
    _assert_builtin_plugins_work()


@pytest.mark.parametrize(
    "needs", ["neural-artkit>=99", "neural_artkit (<0.0.1)", "Neural-Artkit==0.0.1 ; python_version>'3'"]
)
def test_plugin_for_another_version_of_artkit_is_disabled(install: Install, needs: str) -> None:
    module = install("raise LookupError('it must not even be imported')", requires=needs)
    (entry,) = _disabled(module)
    assert entry.reason.startswith("it requires artkit ")
    assert entry.reason.endswith(f"this is {artkit.__version__}")
    _assert_builtin_plugins_work()


@pytest.mark.parametrize(
    "needs",
    ["neural-artkit", f"neural-artkit>={artkit.__version__}", "neural-artkit<0 ; extra == 'test'", "neural-artkit-x>9"],
)
def test_plugin_for_this_version_of_artkit_is_used(install: Install, needs: str) -> None:
    module = install(VALID, requires=needs)
    assert _disabled(module) == []
    assert "still" in get_registry().components("agent")


@pytest.mark.slow
def test_every_command_works_with_all_broken_plugins_installed(
    install: Install, toy: Any, commands: Callable[..., list[str]], tmp_path: Path
) -> None:
    broken = {install(source, package=f"broken-{n}"): reason for n, (source, reason) in enumerate(BROKEN.values())}
    old = install(VALID, package="broken-old", requires="neural-artkit>=99")
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
    as_json, as_text, help_text, *_, doctor, _, _ = commands(calls, tmp_path, os.environ | {"ARTKIT_PATIENCE": "6"})
    disabled = {entry["plugin"]: entry["reason"] for entry in json.loads(as_json)["set_aside"]}
    assert disabled.keys() == {*broken, old}
    for module, reason in broken.items():
        assert reason.replace("0.5 s", "6 s") in disabled[module]
        assert disabled[module][:60] in as_text
        assert module in doctor
    assert "fidelity" in help_text
    assert (tmp_path / "large.png").exists()


def test_valid_components_of_a_plugin_are_used_beside_an_invalid_one(install: Install) -> None:
    module = install(
        HEAD + "class Half(Agent):\n    name = 'half'\n@hookimpl\ndef artkit_agents():\n    return [Half, Still]\n"
    )
    assert "still" in get_registry().components("agent")
    assert "half" not in get_registry().components("agent")
    (entry,) = _disabled(module)
    assert "half" in entry.reason


def test_plugin_with_an_invalid_hook_provides_nothing(install: Install) -> None:
    # pluggy registers the hooks in alphabetical order until one fails; those before it must not remain.
    module = install(VALID + "@hookimpl\ndef artkit_step(runn):\n    pass\n")
    (entry,) = _disabled(module)
    assert "runn" in entry.reason
    assert "still" not in get_registry().components("agent")
    _assert_builtin_plugins_work()


def test_two_plugins_may_have_the_same_entry_point_name(install: Install) -> None:
    install(VALID, package="one", entry="painters")
    _assert_builtin_plugins_work()
    assert get_registry().components("agent")["still"].package == "one"
    assert get_registry().disabled == []


def test_first_of_two_packages_keeps_the_name(install: Install) -> None:
    install(VALID, package="a-toys")
    second = install(VALID, package="b-toys")
    assert get_registry().components("agent")["still"].package == "a-toys"
    (entry,) = _disabled(second)
    assert '"still" is already provided by a-toys' in entry.reason


def test_error_for_an_unknown_component_lists_known_and_disabled_ones(install: Install) -> None:
    install("import nothing_of_that_name\n", package="broken-toys")
    with pytest.raises(UsageError) as raised:
        get_registry().component("canvas", "gird")
    assert 'there is no canvas "gird". Did you mean "grid"?' in raised.value.message
    for text in ("grid", "pyramid", "single", "disabled: broken-toys", "nothing_of_that_name"):
        assert text in raised.value.hint


def test_plugin_that_raises_repeatedly_is_disabled_once(install: Install) -> None:
    module = install("from artkit import hookimpl\n@hookimpl\ndef artkit_step(step):\n    raise LookupError('lost')\n")
    for step in range(3):
        assert list(get_registry().call_each("artkit_step", run=None, step=step, losses={})) == []
    (entry,) = _disabled(module)
    assert "artkit_step failed: LookupError: lost" in entry.reason


def test_hooks_receive_the_arguments_they_name(install: Install) -> None:
    install("from artkit import hookimpl\n@hookimpl\ndef artkit_step(losses, step):\n    return step, losses\n")
    ((_, result),) = get_registry().call_each("artkit_step", run=None, step=4, losses={"loss": 1.0})
    assert result == (4, {"loss": 1.0})


def test_every_hook_and_its_arguments_are_documented() -> None:
    from artkit.registry import hookspecs

    hooks = {name: value for name, value in vars(hookspecs).items() if name.startswith("artkit_")}
    assert set(KIND_HOOKS.values()) <= hooks.keys()
    for name, hook in hooks.items():
        assert hook.__doc__, name
        arguments = hook.__code__.co_varnames[: hook.__code__.co_argcount]
        for argument in arguments:
            assert argument in hook.__doc__ or argument == "cli", f"{name} does not document {argument}"
