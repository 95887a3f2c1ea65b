"""Campaign: a plugin misbehaves at each hook and method: the culprit is named, and everything else goes on.

It raises anything, hangs, exits, is slow, or returns nothing, NaN, other shapes, types or devices. A recipe that does
not use it gives the undisturbed bytes; one that uses it fails with a text that names the plugin or its component.
"""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from commands import PAINTING, Command, run, warm_up
from harness import Case, Fault, main

PACKAGE, MODULE = "their-toys", "their_toys"
PATIENCE_SECONDS = 0.5


class Kind(NamedTuple):
    """A kind of component: its hook, a class to derive from, methods to break, and a recipe that uses it."""

    hook: str
    base: str
    methods: tuple[str, ...]
    settings: tuple[str, ...] = ()
    command: str = "paint"


OBJECTIVE = 'objective.look={type="bad"}'
KINDS = {
    "renderer": Kind("renderers", "toy.Blob", ("forward", "margin"), ('renderer={type="bad"}',)),
    "canvas": Kind("canvases", "artkit_canvases.single.Single", ("layout",), ('canvas={type="bad", strokes=2}',)),
    "agent": Kind("agents", "artkit_agents.free.Free", ("forward_subset", "on_step_end"), ('agent={type="bad"}',)),
    "constraint": Kind(
        "constraints", "artkit_constraints.opaque.Opaque", ("forward", "inverse"), ('constraint.c={type="bad"}',)
    ),
    "objective": Kind("objectives", "toy.Flat", ("forward", "weight", "view"), (OBJECTIVE,)),
    "data": Kind("data", "artkit_data.folder.Folder", ("images", "labels"), (), "agent"),
    "trainer": Kind("trainers", "toy.Line", ("step", "sample", "save", "optimizers"), (), "train"),
    "exporter": Kind("exporters", "artkit_exporters.json.Json", ("write",), (), "export"),
}
OTHER_HOOKS = ("artkit_step", "artkit_commands", "artkit_doctor")
RAISED = (
    'LookupError("lost")', "SystemExit(3)", "RecursionError()", "MemoryError()", "OSError(28, 'full')",
    "StopIteration()", 'UnicodeDecodeError("utf-8", b"", 0, 1, "x")', "AssertionError()",
    "NotImplementedError", "BaseException('base')",
)  # fmt: skip
RESULTS = (
    "None", '"text"', "[result]", "change(result, lambda t: t * float('nan'))", "change(result, lambda t: t[..., :1])",
    "change(result, lambda t: t[:0])", "change(result, lambda t: t.to('meta'))", "change(result, lambda t: t.double())",
    "change(result, lambda t: t.detach())", "change(result, lambda t: t.long())", "change(result, lambda t: t[None])",
)  # fmt: skip
PROVIDED = ("None", "3", "[None]", "[object]", "[Bad, Bad]", "(Bad for _ in range(1))", "fault()")
ATTRIBUTES = ("Config = 3", "name = None", "name = 'b' * 1000", "name = '../x'", "__init__ = 3")
HELPERS = """
import sys, time
import toy
from artkit import hookimpl
from torch import Tensor

def change(value, function):
    "Apply a function to all tensors in a result; a number becomes a text."
    if isinstance(value, Tensor):
        return function(value)
    if hasattr(value, "coverage"):
        return type(value)(value.colour, function(value.coverage))
    if isinstance(value, tuple):
        return value[:0]
    if isinstance(value, dict):
        return {key: float("nan") for key in value}
    return "text"
"""
AGENT = """
seed = 3
steps = 2
size = [16, 16]
data = { type = "bad", path = "images", batch = 2, unseen = 0 }
canvas = { type = "single", strokes = 1 }
renderer = { type = "gan", grain = false }
agent = { type = "lstm", view = 16, channels = 4, cells = 8 }
objective.match = { type = "pixel" }
"""
TRAINER = 'steps = 2\ntrainer = { type = "bad" }\n'


def plugin(rng: random.Random) -> tuple[str, str, str]:
    """Return the source of a plugin, the kind of its component or hook, and how it misbehaves."""
    where = rng.choice(("import", "hook", "class", "init", *4 * ["method"]))
    fault = f"raise {rng.choice(RAISED)}"
    if where == "import":
        fault = rng.choice((fault, "time.sleep(1000)", "time.sleep(0.2)", "from artkit import NoSuchName"))
        return f"{HELPERS}\n{fault}\n", "", f"import: {fault}"
    if where == "hook" and rng.random() < 0.3:
        hook = rng.choice(OTHER_HOOKS)
        fault = rng.choice((fault, "return 3", "return [None]", "return ['x']"))
        arguments = {"artkit_step": "run, step, losses", "artkit_commands": "cli"}.get(hook, "")
        return f"{HELPERS}\n@hookimpl\ndef {hook}({arguments}):\n    {fault}\n", hook, f"{hook}: {fault}"
    name = rng.choice(sorted(KINDS))
    kind = KINDS[name]
    base_module, _, base = kind.base.rpartition(".")
    body, returned = "    pass", "[Bad]"
    if where == "hook":
        fault = returned = rng.choice(
            ("None", "3", "[None]", "[object]", "[Bad, Bad]", "(Bad for _ in range(1))", "fault()")
        )
    elif where == "class":
        fault = body = "    " + rng.choice(
            ("Config = 3", "name = None", "name = 'b' * 1000", "name = '../x'", "__init__ = 3")
        )
    elif where == "init":
        body = f"    def __init__(self, *arguments, **more):\n        {fault}"
    else:
        method = rng.choice(kind.methods)
        if rng.random() < 0.7:
            fault = f"result = super().{method}(*arguments, **more); return {rng.choice(RESULTS)}"
        fault, body = f"{method}: {fault}", f"    def {method}(self, *arguments, **more):\n        {fault}"
    suffixes = "    suffixes = ('.bad',)\n" if name == "exporter" else ""
    source = (
        f"{HELPERS}\nfrom {base_module} import {base} as Base\n\ndef fault():\n    raise LookupError('lost')\n\n"
        f"class Bad(Base):\n    name = 'bad'\n{suffixes}{body}\n\n"
        f"@hookimpl\ndef artkit_{kind.hook}():\n    return {returned}\n"
    )
    return source, name, f"{where} of {name}: {fault.strip()}"


def _install(site: Path, source: str) -> None:
    """Write a package as pip installs it."""
    info = site / "their_toys-1.0.dist-info"
    info.mkdir(parents=True)
    (site / f"{MODULE}.py").write_text(source)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[artkit]\n{MODULE} = {MODULE}\n")


def _use(site: Path) -> None:
    """Make this process see the package."""
    from artkit.cli.main import cli
    from artkit.registry import plugin_registry

    sys.path.insert(0, str(site))
    plugin_registry.PLUGIN_TIMEOUT_SECONDS = PATIENCE_SECONDS
    plugin_registry.get_registry.cache_clear()
    cli._plugins_loaded = False  # type: ignore[attr-defined]


def prepare(folder: Path) -> Case:
    """Paint undisturbed."""
    from PIL import Image

    folder = folder.absolute()
    warm_up(folder)
    toy = Path(__file__).parents[1] / "core" / "toy.py"
    (folder / "images").mkdir()
    Image.new("RGB", (16, 16)).save(folder / "images" / "a.png")
    Image.new("RGB", (16, 16), "red").save(folder / "images" / "b.png")
    for name, text in (("paint", PAINTING), ("agent", AGENT), ("train", TRAINER)):
        (folder / f"{name}.toml").write_text(text)
    undisturbed = (folder / "warm" / "painting.png").read_bytes()

    def case(rng: random.Random | None, work: Path) -> Mapping[str, int]:
        if rng is None:
            return {}
        source, kind, description = plugin(rng)
        site = work / "site"
        _install(site, source)
        shutil.copy(toy, site / "toy.py")
        used = _command(kind, folder)
        if used:
            command = run(used, work, lambda: _use(site), 8)
            _check_culprit(command, description)
        other = run(["run", str(folder / "paint.toml"), "--out", "other"], work, lambda: _use(site), 8)
        picture = work / "other" / "painting.png"
        if other.status or not picture.exists() or picture.read_bytes() != undisturbed:
            raise Fault(f"another recipe fails: {description}: {other.text()[-300:]}")
        return {kind or "import": 1}

    return case


def _command(kind: str, folder: Path) -> list[str]:
    """Return a command that uses the component."""
    if kind == "artkit_doctor":
        return ["doctor"]
    if kind in ("artkit_step", "artkit_commands", ""):
        return []
    used = KINDS[kind]
    if used.command == "export":
        return ["export", str(folder / "warm"), "a.bad"]
    settings = [argument for setting in used.settings for argument in ("--set", setting)]
    return ["run", str(folder / f"{used.command}.toml"), *settings, "--out", "out"]


def _check_culprit(command: Command, description: str) -> None:
    """Raise Fault unless the command has worked, or says who is to blame."""
    text = command.text()
    if command.status and "artkit" not in text.rpartition("Traceback")[2]:
        raise Fault(f"no message: {description}: {command.status} {text[-200:]}")
    if command.status is None or (command.status < 0):
        raise Fault(f"hangs or crashes: {description}")
    if command.status and PACKAGE not in text and '"bad"' not in text and " bad" not in text and ".bad" not in text:
        raise Fault(f"the culprit is not named: {description}: {text[-300:]}")


if __name__ == "__main__":
    main("plugins", __doc__, prepare, case_seconds=60)
