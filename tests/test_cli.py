"""The command line: exit codes, error messages, and the commands `run` and `export`. Scripts rely on them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from artkit import __version__
from artkit.cli.main import cli

Write = Callable[..., Path]
Command = Callable[..., subprocess.CompletedProcess[str]]

TOY = "steps = 2\n" + (Path(__file__).parent / "core/toy.toml").read_text()


@dataclass
class Result:
    """Standard output, standard error and exit code of a command."""

    stdout: str
    stderr: str
    code: int


Call = Callable[..., Result]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """Run a command in this process, in an empty folder. Exceptions that artkit does not catch are raised."""
    here = tmp_path / "here"
    here.mkdir(exist_ok=True)
    monkeypatch.chdir(here)

    def run(*arguments: object) -> Result:
        capfd.readouterr()
        with pytest.raises(SystemExit) as raised:
            cli.main([str(argument) for argument in arguments], prog_name="artkit")
        return Result(*capfd.readouterr(), raised.value.code or 0)  # type: ignore[arg-type]

    return run


@pytest.fixture
def painted(toy: Any, call: Call, recipe_file: Write, tmp_path: Path) -> Path:
    """The folder of a finished run with the toy components."""
    out = tmp_path / "painted"
    result = call("run", recipe_file(TOY), "--out", out)
    assert result.code == 0, result.stderr
    return out


def _assert_one_error(result: Result, code: int, *texts: str) -> None:
    """Check that a command failed with one error message that contains these texts, and no traceback."""
    assert result.code == code, result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    messages = [line for line in result.stderr.splitlines() if line.startswith(("artkit: ", "Error: "))]
    assert len(messages) == 1
    for text in texts:
        assert text in result.stderr


def _pixels(file: Path) -> Any:
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


# ------------------------------------------------------------------------------------------------- imports and help
CHECK_IMPORTS = """
import sys
from artkit.cli.main import cli
try:
    cli.main({arguments})
except SystemExit as ended:
    assert not ended.code, ended
heavy = {{"torch", "torchvision", "timm", "numpy", "PIL", "safetensors", "rich"}} & sys.modules.keys()
assert not heavy, heavy
"""


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["recipes"], ["run", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-c", CHECK_IMPORTS.format(arguments=arguments)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout


def test_plugins_that_import_inside_hooks_import_nothing_heavy(install: Callable[..., str]) -> None:
    source = (
        "from artkit import hookimpl\n@hookimpl\ndef artkit_objectives():\n    import torch\n    return ()\n"
        "@hookimpl\ndef artkit_commands(cli):\n    cli.command('third-party')(lambda: None)\n"
    )
    for index in range(5):
        install(source, package=f"third-party-{index}", requires="neural-artkit>=0.1,<99")
    code = CHECK_IMPORTS.format(arguments=["--help"])
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "third-party" in result.stdout


def test_commands_and_options(call: Call) -> None:
    result = call("--help")
    assert result.code == 0
    for name in ("run", "export", "plugins", "new-plugin", "recipes", "schema", "fidelity", "doctor"):
        assert name in cli.commands, name
        assert f"  {name} " in result.stdout
        assert call(name, "--help").code == 0
        assert cli.commands[name].help or cli.commands[name].short_help
    options = {option for parameter in cli.commands["run"].params for option in parameter.opts}
    assert {"--out", "--set", "--resume", "--device"} <= options
    options = {option for parameter in cli.commands["export"].params for option in parameter.opts}
    assert {"--scale", "--renderer", "--brush"} <= options


def test_version(call: Call) -> None:
    assert __version__ in call("--version").stdout


def test_console_script_is_main() -> None:
    from importlib import metadata

    (entry,) = [e for e in metadata.entry_points(group="console_scripts") if e.name == "artkit"]
    assert entry.value == "artkit.cli.main:main"


def test_module_runs_from_anywhere(command: Command) -> None:
    result = command("--version", env={**os.environ, "HOME": "/nowhere"})
    assert result.returncode == 0, result.stderr
    assert __version__ in result.stdout


# ----------------------------------------------------------------------------------------------------------- errors
@pytest.mark.parametrize(
    "arguments",
    [
        ["unknown"],
        ["run"],
        ["run", "--colour", "x.toml"],
        ["run", "missing.toml"],
        ["run", "missing"],
        ["run", "."],
        ["export"],
        ["export", "runs/x"],
        ["export", "runs/x", "a.png", "--scale", "0"],
        ["export", "runs/x", "a.png", "--scale", "-1"],
        ["export", "runs/x", "a.png", "--scale", "large"],
        ["recipes", "--copy", "nothing"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2_and_one_message(call: Call, arguments: list[str]) -> None:
    _assert_one_error(call(*arguments), 2)


def test_debug_shows_the_traceback_and_keeps_the_exit_code(toy: Any, call: Call, recipe_file: Write) -> None:
    result = call("--debug", "run", recipe_file(TOY), "--set", "steps=-1")
    assert "Traceback" in result.stderr
    assert "steps: " in result.stderr
    assert result.stdout == ""
    assert result.code == 2


@pytest.mark.parametrize(("presses", "message"), [(1, "--resume"), (2, "stopped")])
def test_ctrl_c_is_one_message(
    toy: Any, call: Call, recipe_file: Write, monkeypatch: pytest.MonkeyPatch, presses: int, message: str
) -> None:
    forward = toy.Flat.forward

    def press_and_forward(self: Any, view: Any) -> Any:
        for _ in range(presses):
            os.kill(os.getpid(), signal.SIGINT)
        return forward(self, view)

    monkeypatch.setattr(toy.Flat, "forward", press_and_forward)
    _assert_one_error(call("run", recipe_file(TOY), "--out", "out"), 1, message)


def test_failure_is_exit_code_1_and_shows_the_hint(toy: Any, call: Call, recipe_file: Write) -> None:
    result = call("run", recipe_file(TOY.replace("toy-flat", "toy-greedy")), "--out", "out")
    _assert_one_error(result, 1, "artkit: the toy is greedy\n  feed it\n")


def test_bug_is_raised_with_the_responsible_package(toy: Any, call: Call, recipe_file: Write) -> None:
    with pytest.raises(LookupError, match="a bug of the toy") as raised:
        call("run", recipe_file(TOY.replace("toy-flat", "toy-buggy")), "--out", "out")
    assert "the plugin of the package toys" in raised.value.__notes__[0]


def test_component_that_returns_nothing_is_named(toy: Any, call: Call, recipe_file: Write) -> None:
    with pytest.raises(TypeError) as raised:
        call("run", recipe_file(TOY.replace("toy-flat", "toy-silent")), "--out", "out")
    assert raised.value.__notes__ == [
        'artkit: the cause may be a component of a plugin: renderer "toy-blob" of toys, objective "toy-silent" of toys'
    ]


def test_nan_loss_is_exit_code_1(toy: Any, call: Call, recipe_file: Write) -> None:
    result = call("run", recipe_file(TOY + "nan_from = 0.5\n"), "--out", "out")
    _assert_one_error(
        result, 1, "look", 'objective "toy-flat" of toys', "the state before step 1 is saved in out", "optimizer.lr"
    )
    assert Path("out/painting.png").exists()


def test_missing_device_is_exit_code_2(toy: Any, call: Call, recipe_file: Write) -> None:
    missing = "cuda:99" if torch.cuda.is_available() else "cuda"
    result = call("run", recipe_file(TOY), "--out", "out", "--device", missing)
    _assert_one_error(result, 2, f'the device "{missing}" is not available', "--device cpu")
    assert not Path("out").exists()


def test_all_errors_of_a_recipe_are_shown(call: Call, recipe_file: Write) -> None:
    result = call("run", recipe_file('stepz = 1\n[objective.look]\ntype = "contant"\n[canvas]\nstrokes = -1\n'))
    assert result.code == 2
    assert result.stdout == ""
    for text in ('stepz: unknown key; did you mean "steps"?', "canvas.strokes: ", 'Did you mean "content"?'):
        assert text in result.stderr


# -------------------------------------------------------------------------------------------------------------- run
def test_each_run_has_its_own_folder(toy: Any, call: Call, recipe_file: Write) -> None:
    file = recipe_file(TOY, "sea.toml")
    for name in ("sea", "sea-2", "sea-3"):
        result = call("run", file)
        assert result.code == 0, result.stderr
        assert Path("runs", name, "painting.png").exists()
        assert str(Path("runs", name, "painting.png")) in result.stdout
    result = call("run", file, "--resume")
    assert str(Path("runs", "sea-3", "painting.png")) in result.stdout, "--resume continues the last one"


def test_later_recipes_and_settings_override(toy: Any, call: Call, recipe_file: Write) -> None:
    later = recipe_file("size = [24, 40]\nsteps = 5\n", "later.toml")
    result = call("run", recipe_file(TOY), later, "--set", "steps=1", "--set", "canvas.strokes=2", "--out", "out")
    assert result.code == 0, result.stderr
    recipe = tomllib.loads(Path("out/recipe.toml").read_text())
    assert (recipe["size"], recipe["steps"], recipe["canvas"]["strokes"]) == ([24, 40], 1, 2)


def test_folder_of_another_recipe_is_exit_code_2(painted: Path, call: Call) -> None:
    result = call("run", painted / "recipe.toml", "--out", painted, "--set", "seed=9")
    _assert_one_error(result, 2, "other settings", "seed", "--out")


def test_training_writes_weights(toy: Any, call: Call, recipe_file: Write) -> None:
    result = call("run", recipe_file('steps = 3\n[trainer]\ntype = "toy-line"\n'), "--out", "out")
    assert result.code == 0, result.stderr
    assert str(Path("out/line.png")) in result.stdout
    assert [json.loads(line)["step"] for line in Path("out/log.jsonl").read_text().splitlines()] == [0, 1, 2]


def test_run_reports_a_plugin_that_is_disabled_during_it(
    toy: Any, install: Callable[..., str], call: Call, recipe_file: Write
) -> None:
    install(
        "from artkit import hookimpl\n@hookimpl\ndef artkit_step(step):\n    raise LookupError('lost')\n",
    )
    result = call("run", recipe_file(TOY), "--out", "out")
    assert result.code == 0, result.stderr
    assert result.stderr.count("lost") == 1


# ----------------------------------------------------------------------------------------------------------- export
def test_export_at_scale_1_equals_the_painting(painted: Path, call: Call) -> None:
    result = call("export", painted, "new/a.png")
    assert result.code == 0, result.stderr
    assert result.stdout.strip() == str(Path("new/a.png"))
    assert np.array_equal(_pixels(Path("new/a.png")), _pixels(painted / "painting.png"))


def test_export_of_mypaint(toy: Any, call: Call, recipe_file: Write) -> None:
    file = recipe_file(TOY.replace("toy-blob", "mypaint"))
    assert call("run", file, "--out", "out", "--set", "canvas.tile=32").code == 0
    assert call("export", "out", "a.png").code == 0
    assert np.array_equal(_pixels(Path("a.png")), _pixels(Path("out/painting.png")))
    result = call("export", "out", "b.png", "--scale", 1.5)
    assert result.code == 0, result.stderr
    assert _pixels(Path("b.png")).shape == (36, 60, 3)
    assert len(np.unique(_pixels(Path("b.png")).reshape(-1, 3), axis=0)) > 10
    result = call("export", "out", "c.png", "--renderer", "gan")
    assert result.code == 0, result.stderr
    difference = np.abs(_pixels(Path("c.png")).astype(float) - _pixels(Path("a.png"))).mean()
    assert 0 < difference < 25, "the neural painter resembles MyPaint"


def test_export_enlarges(painted: Path, call: Call) -> None:
    assert call("export", painted, "a.png", "--scale", 3).code == 0
    large = Image.open("a.png")
    assert large.size == (120, 72)
    small = np.asarray(large.convert("RGB").resize((40, 24), Image.Resampling.BOX), float)
    assert np.abs(small - _pixels(painted / "painting.png")).mean() < 6


def test_export_writes_metadata(painted: Path, call: Call) -> None:
    assert call("export", painted, "a.png").code == 0
    with Image.open("a.png") as image:
        assert image.text["artkit:seed"] == "0"  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["a.xyz", "a", ".png"])
def test_export_refuses_an_unknown_extension(painted: Path, call: Call, name: str) -> None:
    _assert_one_error(call("export", painted, name), 2, name.removeprefix("a"), ".png")
    assert not Path(name).exists()


def test_export_of_a_folder_without_painting(call: Call, tmp_path: Path) -> None:
    _assert_one_error(call("export", tmp_path, "a.png"), 1, str(tmp_path), "holds no painting")
    _assert_one_error(call("export", tmp_path / "nowhere", "a.png"), 1, str(tmp_path / "nowhere"))
    assert not Path("a.png").exists()


def test_export_of_a_damaged_painting(painted: Path, call: Call) -> None:
    (painted / "strokes.json").write_text("{}")
    _assert_one_error(call("export", painted, "a.png"), 1, "strokes.json")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scale", "1.3"], "1.3"),
        (["--scale", "0.0001"], "0.0001"),
        (["--scale", "nan"], "nan"),
        (["--renderer", "toy-blop"], 'Did you mean "toy-blob"?'),
        (["--renderer", "gan"], "toy-blob-1"),
        (["--brush", "classic/pen"], "has no brushes"),
        (["--device", "gpu"], '"gpu"'),
    ],
    ids=str,
)
def test_export_refuses_options_that_do_not_fit(painted: Path, call: Call, options: list[str], message: str) -> None:
    Path("a.png").write_text("earlier")
    _assert_one_error(call("export", painted, "a.png", *options), 2, message)
    assert Path("a.png").read_text() == "earlier"


def test_export_to_a_path_below_a_file(painted: Path, call: Call) -> None:
    Path("file").touch()
    _assert_one_error(call("export", painted, "file/a.png"), 1, "is not a folder")


@pytest.mark.slow
def test_export_that_does_not_fit_into_memory_is_one_message(
    toy: Any, painted: Path, command: Command, tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource")

    def limit_memory() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))

    result = command("export", painted, tmp_path / "a.png", "--scale", 1000, preexec_fn=limit_memory)
    assert result.returncode in (1, 2)
    assert result.stderr.startswith("artkit: ")
    assert "Traceback" not in result.stderr
    assert "memory" in result.stderr
    assert not (tmp_path / "a.png").exists()


def test_closed_standard_streams_are_no_error(toy: Any, recipe_file: Write, tmp_path: Path) -> None:
    """A program may start a process without them; the files of the run would get their numbers."""
    start = "os.execv(sys.executable, [sys.executable, '-m', 'artkit', *sys.argv[1:]])"
    arguments = ["run", recipe_file(TOY), "--out", tmp_path / "out"]
    script = f"import os, sys; os.closerange(0, 3); {start}"
    process = subprocess.run([sys.executable, "-c", script, *arguments], check=False, timeout=120)
    assert process.returncode == 0
    assert (tmp_path / "out" / "report.html").exists()
