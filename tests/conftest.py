"""Fixtures of the tests. Nothing here replaces a part of artkit: the toy components are a real plugin."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; the processes that tests start inherit it
if not os.path.exists("/dev/nvidiactl"):
    os.environ.setdefault("TRITON_INTERPRET", "1")  # without a GPU, Triton's kernels run in its interpreter

import copy
import itertools
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "artkit",
    deadline=None,
    derandomize=True,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("artkit")

TOY = Path(__file__).parent / "core" / "toy.py"
TINY_MODEL = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
"""Configuration of a minimal model for open_clip."""
_plugin_numbers = itertools.count()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option ``--device``."""
    parser.addoption("--device", default="cpu", help="device of numeric tests: cpu, cuda, cuda:1, mps or simulated")


@pytest.fixture(scope="session", autouse=True)
def device(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The device of numeric tests, and of all checks of the test kit: that of ``--device``."""
    from artkit.devices import choose_device
    from artkit.testing import on_device, simulated_gpu

    name = request.config.getoption("--device")
    if name == "simulated":
        with simulated_gpu() as simulated:
            yield simulated
    else:
        import torch

        chosen = choose_device(name)
        torch.backends.cudnn.allow_tf32 = False  # convolutions as exact as on the CPU
        with on_device(chosen):
            yield chosen


@pytest.fixture
def gpu(device: Any) -> Iterator[Any]:
    """The GPU of ``--device``, or a simulated one."""
    from artkit.testing import simulated_gpu

    if device.type == "cpu":
        with simulated_gpu() as simulated:
            yield simulated
    else:
        yield device


@pytest.fixture(scope="session", autouse=True)
def default_sigint() -> Iterator[None]:
    """Ctrl-C interrupts this process and those that it starts.

    The shell makes processes that it starts in the background ignore SIGINT, which their children inherit.
    """
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


@pytest.fixture(scope="session")
def mypaint() -> None:
    """Skip the test if libmypaint, which is the reference of artkit's brush engine, is not installed."""
    from artkit_mypaint import libmypaint

    if libmypaint.find() is None:
        pytest.skip("libmypaint is not installed")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A headless Chromium; skips where none is installed."""
    sync_api = pytest.importorskip("playwright.sync_api")
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if executable is None:
        pytest.skip("Chromium is not installed")
    flags = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with sync_api.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=executable, args=flags)
        yield launched
        launched.close()


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """open_clip with another model, "tiny", and random weights for it, "toy"."""
    import torch

    from artkit.torchvision_compat import declare_missing_operators
    from artkit_vision import text

    declare_missing_operators()
    open_clip = pytest.importorskip("open_clip")
    file = tmp_path / "tiny.json"
    file.write_text(json.dumps(TINY_MODEL))
    open_clip.add_model_config(file)
    torch.manual_seed(0)
    create = open_clip.create_model
    model = create("tiny", None)
    list_tags = open_clip.list_pretrained_tags_by_model
    monkeypatch.setattr(open_clip, "list_pretrained_tags_by_model", lambda n: ["toy"] if n == "tiny" else list_tags(n))
    monkeypatch.setattr(
        open_clip,
        "create_model",
        lambda name, weights, **_: create(name, weights) if Path(weights).exists() else copy.deepcopy(model),
    )
    text.load.cache_clear()
    yield open_clip
    text.load.cache_clear()


@pytest.fixture(scope="session")
def data_files() -> Any:
    """The module `data_sets`, which writes small data sets."""
    return _load_module("data_sets_of_the_session", Path(__file__).parent / "data_sets.py")


@pytest.fixture(scope="session")
def script() -> Callable[[str], Any]:
    """Loads a script of the repository, such as ``docs/models.py``, which may import scripts in its folder."""

    def load(path: str) -> Any:
        file = Path(__file__).parents[1] / path
        name = f"script_{file.stem}"
        if name not in sys.modules:
            sys.path.insert(0, str(file.parent))
            try:
                return _load_module(name, file)
            finally:
                sys.path.remove(str(file.parent))
        return sys.modules[name]

    return load


def _load_module(name: str, file: Path) -> Any:
    import importlib.util

    spec = importlib.util.spec_from_file_location(name, file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def own_plugins() -> Iterator[Callable[[], Any]]:
    """Clears the plugin registry before and after the test; call it to clear it again."""
    from artkit.cli.main import cli
    from artkit.registry.plugin_registry import get_registry

    def clear() -> None:
        get_registry.cache_clear()
        cli._plugins_loaded = False

    commands = dict(cli.commands)
    clear()
    yield clear
    cli.commands.clear()
    cli.commands.update(commands)
    clear()


@pytest.fixture
def install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_plugins: Callable[[], Any]
) -> Iterator[Callable[..., str]]:
    """Installs a plugin as pip does, ``install(source, package="their-toys")``, and returns the name of its module.

    It is installed until the test ends, for this process and those that the test starts.
    """
    site = tmp_path / "site"
    modules = []

    def add(source: str, package: str = "", module: str = "", entry: str = "", requires: str = "") -> str:
        number = next(_plugin_numbers)
        module = module or f"plugin_of_test_{number}"
        package = package or module.replace("_", "-")
        site.mkdir(exist_ok=True)
        (site / f"{module}.py").write_text(source, encoding="utf-8")
        folder = site / f"{package.replace('-', '_')}-1.0.dist-info"
        folder.mkdir()
        dependencies = f"Requires-Dist: {requires}\n" if requires else ""
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n{dependencies}")
        (folder / "entry_points.txt").write_text(f"[artkit]\n{entry or module} = {module}\n")
        modules.append(module)
        own_plugins()
        return module

    monkeypatch.syspath_prepend(str(site))
    paths = [str(site), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    yield add
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture
def with_packages(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Returns the environment of a process with packages installed from their folders, as by ``pip install -e``:
    ``with_packages(folder, ...)``.
    """

    def environment(*folders: Path) -> dict[str, str]:
        site = tmp_path / "packages"
        for folder in folders:
            project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
            info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
            info.mkdir(parents=True)
            dependencies = "".join(f"Requires-Dist: {name}\n" for name in project["dependencies"])
            head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
            (info / "METADATA").write_text(head + dependencies)
            points = "".join(f"{name} = {value}\n" for name, value in project["entry-points"]["artkit"].items())
            (info / "entry_points.txt").write_text(f"[artkit]\n{points}")
        paths = [str(site), *map(str, folders), os.environ.get("PYTHONPATH", "")]
        return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}

    return environment


@pytest.fixture
def commands() -> Callable[..., list[str]]:
    """Runs several commands in one new process, ``commands(calls, cwd, env)``, and returns what each printed."""

    def run(calls: list[list[str]], cwd: Path, env: dict[str, str]) -> list[str]:
        driver = (
            "import json, sys\n"
            "from artkit.cli.main import cli\n"
            "from click.testing import CliRunner\n"
            "results = [CliRunner().invoke(cli, call) for call in json.loads(sys.argv[1])]\n"
            "print(json.dumps([[r.exit_code, r.stdout, r.stderr, repr(r.exception)] for r in results]))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", driver, json.dumps(calls)],
            cwd=cwd,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        results = json.loads(done.stdout.splitlines()[-1])
        for call, (code, stdout, stderr, error) in zip(calls, results, strict=True):
            assert code == 0, f"artkit {' '.join(call)}: {stdout}{stderr}{error}"
        return [stdout for _, stdout, _, _ in results]

    return run


@pytest.fixture
def toy(install: Callable[..., str]) -> Any:
    """The module of the toy plugin, which is installed."""
    import importlib

    return importlib.import_module(install(TOY.read_text(encoding="utf-8"), "toys", "artkit_toy", "toy"))


@pytest.fixture(scope="session")
def toy_module() -> Any:
    """The module of the toy plugin, which is not installed."""
    return _load_module("toy_of_the_session", TOY)


@pytest.fixture
def recipe_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a recipe, ``recipe_file(text, name="r.toml")``, and returns its path."""

    def write(text: str, name: str = "r.toml") -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    return write


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command in a new process, in an empty folder: ``command("run", file)``."""

    def call(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
        here = tmp_path / "here"
        here.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "artkit", *map(str, arguments)]
        options = {"cwd": here, "capture_output": True, "text": True, "timeout": 120, **options}
        return subprocess.run(command, check=False, **options)

    return call


@pytest.fixture
def unwritable() -> Iterator[Path]:
    """A folder that is not writable, even if the tests run as root."""
    with tempfile.TemporaryDirectory() as base:
        folder = Path(base) / "locked"
        folder.mkdir()
        Path(base).chmod(0o755)
        folder.chmod(0o555)
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o755)
