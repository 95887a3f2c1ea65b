"""The shape of the code: who may import whom, what must be documented, and what is never called."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

import artkit

ROOT = Path(__file__).parents[1]
CORE = ROOT / "core" / "artkit"
PLUGINS = sorted(path.parent for path in (ROOT / "plugins").glob("*/__init__.py"))
SOURCES = sorted([*CORE.rglob("*.py"), *(file for plugin in PLUGINS for file in plugin.rglob("*.py"))])

pytestmark = pytest.mark.skipif(not CORE.is_dir(), reason="needs a checkout")


def _imported(tree: ast.AST) -> Iterator[str]:
    """The modules that a file imports anywhere, in functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            yield from (str(argument.value) for argument in node.args[:1] if isinstance(argument, ast.Constant))


ROOMS = (
    ("version", "errors", "config", "extras", "files", "folder_lock", "formatting", "memmap", "memory", "sample_jobs"),
    ("devices", "torchvision_compat", "weights"),
    ("geometry",),
    ("imaging",),
    ("strokes",),
    ("rendering",),
    ("interfaces",),
    ("registry",),
    ("recipes",),
    ("output",),
    ("engine",),
    ("api", "stroke_painter"),
    ("sweep",),
    ("testing",),
    ("reproduction",),
    ("studio",),
    ("cli",),
    ("__main__",),
)
"""The packages of core, lowest first. A package imports from itself and from those above it in this list. Modules of
one line import from one another, without a circle. `artkit/__init__.py` re-exports names and belongs to none."""

MAY_IMPORT = {"artkit_painters": {"artkit_mypaint"}}
"""The only imports from one plugin to another: the neural painters learn the strokes of MyPaint."""


def _forbidden_imports(text: str, own: str) -> list[str]:
    """The plugins that code of the package `own` imports but must not."""
    tops = [name.split(".")[0] for name in _imported(ast.parse(text))]
    return [top for top in tops if top.startswith("artkit_") and top not in {own, *MAY_IMPORT.get(own, ())}]


def test_there_is_something_to_look_at() -> None:
    assert len(SOURCES) > 30
    assert {"artkit_painters", "artkit_canvases", "artkit_vision"} <= {plugin.name for plugin in PLUGINS}


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_core_imports_no_plugin_and_no_plugin_another(file: Path) -> None:
    own = file.relative_to(ROOT / ("core" if CORE in file.parents else "plugins")).parts[0]
    assert _forbidden_imports(file.read_text(encoding="utf-8"), own) == []


@pytest.mark.parametrize(
    "text",
    [
        "import artkit_vision",
        "from artkit_vision.networks import load",
        "def f():\n    import artkit_vision.content as c",
        "import importlib\nimportlib.import_module('artkit_vision')",
    ],
)
def test_an_import_of_another_plugin_would_be_found(text: str) -> None:
    assert _forbidden_imports(text, "artkit") == ["artkit_vision"]
    assert _forbidden_imports(text, "artkit_painters") == ["artkit_vision"]
    assert _forbidden_imports(text, "artkit_vision") == []


# ------------------------------------------------------------------------------------------------- one way
def _modules_of(package: Path, prefix: str) -> dict[str, Path]:
    """The modules of a package by their dotted names."""
    found = {}
    for file in package.rglob("*.py"):
        parts = list(file.relative_to(package).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        found[".".join([prefix, *parts])] = file
    return found


def _dependencies(modules: dict[str, Path], prefix: str) -> dict[str, set[str]]:
    """Which modules each module imports, also inside functions and under TYPE_CHECKING."""
    graph: dict[str, set[str]] = {}
    for name, file in modules.items():
        graph[name] = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                targets = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for target in targets:
                while target and target not in modules:
                    target = target.rpartition(".")[0]
                if target.split(".")[0] == prefix and target not in (name, prefix):
                    graph[name].add(target)
    return graph


def _circle(graph: dict[str, set[str]]) -> list[str]:
    """A circle of imports, or nothing."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for target in sorted(graph[name]):
            if found := visit(target, [*path, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := visit(name, []))), [])


CORE_MODULES = _modules_of(CORE, "artkit")


def _room(module: str) -> int:
    top = module.split(".")[1]
    return next(index for index, names in enumerate(ROOMS) if top in names)


def test_every_module_of_core_has_its_place_in_the_order() -> None:
    tops = {name.split(".")[1] for name in CORE_MODULES if name != "artkit"}
    assert tops == {name for names in ROOMS for name in names}


def test_packages_of_core_import_one_way() -> None:
    graph = _dependencies({n: f for n, f in CORE_MODULES.items() if "templates" not in f.parts}, "artkit")
    wrong = [
        f"{name} imports {target}"
        for name, targets in graph.items()
        for target in targets
        if name != "artkit" and _room(target) > _room(name)
    ]
    assert wrong == []


@pytest.mark.parametrize("package", [CORE, *PLUGINS], ids=lambda path: path.name)
def test_modules_do_not_import_each_other_in_a_circle(package: Path) -> None:
    modules = _modules_of(package, package.name)
    modules.pop(package.name)  # what it re-exports, or imports inside a hook, is imported by name
    modules = {name: file for name, file in modules.items() if "templates" not in file.parts}
    assert _circle(_dependencies(modules, package.name)) == []


def test_a_circle_would_be_found(tmp_path: Path) -> None:
    for name, text in {"a": "from p import b", "b": "def f():\n    import p.c", "c": "from p.a import x"}.items():
        (tmp_path / f"{name}.py").write_text(text)
    assert _circle(_dependencies(_modules_of(tmp_path, "p"), "p")) == ["p.a", "p.b", "p.c", "p.a"]


# --------------------------------------------------------------------------------------------------- readable sizes
MAX_FILE_LINES = 350
MAX_FUNCTION_LINES = 50
LONG_FUNCTIONS: dict[str, str] = {}
"""Functions that are longer for a reason, and the reason."""


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_files_and_functions_are_short(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_FILE_LINES
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION_LINES
        and node.name not in LONG_FUNCTIONS
    ]
    assert long == []


def test_plugins_are_those_of_the_entry_points() -> None:
    import tomllib

    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(told["project"]["entry-points"]["artkit"].values()) == {plugin.name for plugin in PLUGINS}


def test_folders_of_sources_are_no_packages() -> None:
    for folder in ("core", "plugins", "tests", "tests/core", "tests/plugins"):
        assert not (ROOT / folder / "__init__.py").exists()


# ---------------------------------------------------------------------------------------------------- documentation
def _modules() -> list[ModuleType]:
    names = [info.name for info in pkgutil.walk_packages(artkit.__path__, "artkit.") if "__main__" not in info.name]
    return [artkit, *map(importlib.import_module, names)]


def _undocumented(module: ModuleType) -> Iterator[str]:
    """Public classes, functions and methods that say nothing. A method may take its words from its base class."""
    if not module.__doc__:
        yield module.__name__
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value):
            yield from _undocumented_methods(value, f"{module.__name__}.{name}")
        elif inspect.isfunction(inspect.unwrap(value)) and not value.__doc__:
            yield f"{module.__name__}.{name}"


def _undocumented_methods(part: type, place: str) -> Iterator[str]:
    if not part.__dict__.get("__doc__"):
        yield place
    for name, value in vars(part).items():
        if name.startswith("_"):
            continue
        if inspect.isclass(value) and value.__qualname__.startswith(f"{part.__qualname__}."):
            yield from _undocumented_methods(value, f"{place}.{name}")
        told = any(getattr(vars(base).get(name), "__doc__", None) for base in part.__mro__)
        if isinstance(value, (FunctionType, property, classmethod, staticmethod)) and not told:
            yield f"{place}.{name}"


@pytest.mark.parametrize("module", _modules(), ids=lambda module: module.__name__)
def test_everything_public_in_core_is_documented(module: ModuleType) -> None:
    assert list(_undocumented(module)) == []


SAMPLE = """
class A:
    def f(self): pass
    @property
    def g(self): pass
class B(A):
    "Told."
    def h(self):
        "Told."
class C(B):
    "Told."
    def h(self): pass
    class D:
        pass
def k(): pass
"""


def test_what_is_not_documented_would_be_found() -> None:
    module = ModuleType("sample")
    exec(SAMPLE, module.__dict__)
    for value in list(vars(module).values()):
        if inspect.isclass(value) or inspect.isfunction(value):
            value.__module__ = "sample"
    assert set(_undocumented(module)) == {"sample", "sample.A", "sample.A.f", "sample.A.g", "sample.C.D", "sample.k"}


# ----------------------------------------------------------------------------------------------------- what is never
UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def _unsafe(text: str) -> list[str]:
    """Code that could run what a file says."""
    tree = ast.parse(text)
    found = [name for name in _imported(tree) if name.split(".")[0] in UNPICKLERS]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        keywords = {k.arg: k.value for k in node.keywords}
        if called in ("eval", "exec", "compile", "builtins.eval", "builtins.exec", "os.system"):
            found.append(called)
        elif called in ("torch.load", "torch.hub.load", "load_state_dict_from_url"):
            safe = keywords.get("weights_only")
            if not (isinstance(safe, ast.Constant) and safe.value is True):
                found.append(called)
        for risky in ("allow_pickle", "shell", "trust_remote_code"):
            told = keywords.get(risky)
            if told is not None and not (isinstance(told, ast.Constant) and told.value is False):
                found.append(risky)
    return found


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_nothing_is_unpickled_or_evaluated(file: Path) -> None:
    assert _unsafe(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "eval('1')",
        "exec('1')",
        "import torch\ntorch.load('x')",
        "import torch\ntorch.load('x', weights_only=False)",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "import subprocess\nsubprocess.run('x', shell=True)",
    ],
)
def test_what_is_unsafe_would_be_found(text: str) -> None:
    assert _unsafe(text)


@pytest.mark.parametrize(
    "text", ["model.eval()", "import torch\ntorch.load('x', weights_only=True)", "np.load('x', allow_pickle=False)"]
)
def test_what_is_safe_is_let_be(text: str) -> None:
    assert _unsafe(text) == []
