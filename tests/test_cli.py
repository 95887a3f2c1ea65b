"""The command line: a contract that scripts rely on."""

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
from artkit.recipes.shipped import shipped_recipes

Write = Callable[..., Path]
Command = Callable[..., subprocess.CompletedProcess[str]]

TOY = """
steps = 2
size = [40, 24]
[canvas]
tile = 16
overlap = 8
strokes = 1
[renderer]
type = "toy-blob"
[objective.look]
type = "toy-flat"
"""

TINY = ["--set", "steps=1", "--set", "size=[64,48]"]


@dataclass
class Done:
    """What a command left: on its standard output, on its standard error, and its exit code."""

    stdout: str
    stderr: str
    code: int


Call = Callable[..., Done]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """The command in this process, in an empty folder. What is not caught by artkit is not caught here."""
    here = tmp_path / "here"
    here.mkdir(exist_ok=True)
    monkeypatch.chdir(here)

    def run(*arguments: object) -> Done:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main([str(argument) for argument in arguments], prog_name="artkit")
        return Done(*capfd.readouterr(), ended.value.code or 0)  # type: ignore[arg-type]

    return run


@pytest.fixture
def painted(toy: Any, call: Call, recipe_file: Write, tmp_path: Path) -> Path:
    """The folder of a finished run with the toy parts."""
    out = tmp_path / "painted"
    done = call("run", recipe_file(TOY), "--out", out)
    assert done.code == 0, done.stderr
    return out


def _is_one_message(done: Done, code: int, *told: str) -> None:
    """The command failed as users should see it."""
    assert done.code == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    messages = [line for line in done.stderr.splitlines() if line.startswith(("artkit: ", "Error: "))]
    assert len(messages) == 1
    for text in told:
        assert text in done.stderr


def _pixels(file: Path) -> Any:
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


# ------------------------------------------------------------------------------------------------ quick, and helpful
IMPORTED = """
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
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED.format(arguments=arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_nor_does_a_plugin_that_imports_its_parts_in_its_hooks(install: Callable[..., str]) -> None:
    source = (
        "from artkit import hookimpl\n@hookimpl\ndef artkit_objectives():\n    import torch\n    return ()\n"
        "@hookimpl\ndef artkit_commands(cli):\n    cli.command('of-a-stranger')(lambda: None)\n"
    )
    for number in range(5):
        install(source, package=f"theirs-{number}", requires="neural-artkit>=0.1,<99")
    code = IMPORTED.format(arguments=["--help"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "of-a-stranger" in done.stdout


def test_the_commands_are_those_of_the_contract(call: Call) -> None:
    done = call("--help")
    assert done.code == 0
    for name in ("run", "export", "plugins", "new-plugin", "recipes", "schema", "fidelity", "doctor"):
        assert name in cli.commands, name
        assert f"  {name} " in done.stdout
        helped = call(name, "--help")
        assert helped.code == 0
        assert cli.commands[name].help or cli.commands[name].short_help
    options = {option for parameter in cli.commands["run"].params for option in parameter.opts}
    assert {"--out", "--set", "--resume", "--device"} <= options
    options = {option for parameter in cli.commands["export"].params for option in parameter.opts}
    assert {"--scale", "--renderer", "--brush"} <= options


def test_the_version(call: Call) -> None:
    assert __version__ in call("--version").stdout


def test_the_console_script_is_the_module() -> None:
    from importlib import metadata

    (entry,) = [e for e in metadata.entry_points(group="console_scripts") if e.name == "artkit"]
    assert entry.value == "artkit.cli.main:main"


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
    _is_one_message(call(*arguments), 2)


# --------------------------------------------------------------------------------------------- errors, in a process
def test_debug_shows_the_traceback_and_keeps_the_code(toy: Any, call: Call, recipe_file: Write) -> None:
    done = call("--debug", "run", recipe_file(TOY), "--set", "steps=-1")
    assert "Traceback" in done.stderr
    assert "steps: " in done.stderr
    assert done.stdout == ""
    assert done.code == 2


@pytest.mark.parametrize(("presses", "told"), [(1, "--resume"), (2, "stopped")])
def test_ctrl_c_is_one_message(
    toy: Any, call: Call, recipe_file: Write, monkeypatch: pytest.MonkeyPatch, presses: int, told: str
) -> None:
    look = toy.Flat.forward

    def press(self: Any, view: Any) -> Any:
        for _ in range(presses):
            os.kill(os.getpid(), signal.SIGINT)
        return look(self, view)

    monkeypatch.setattr(toy.Flat, "forward", press)
    _is_one_message(call("run", recipe_file(TOY), "--out", "out"), 1, told)


def test_a_failure_is_exit_code_1_and_its_remedy(toy: Any, call: Call, recipe_file: Write) -> None:
    done = call("run", recipe_file(TOY.replace("toy-flat", "toy-greedy")), "--out", "out")
    _is_one_message(done, 1, "artkit: the toy is greedy\n  feed it\n")


def test_a_bug_is_not_hidden(toy: Any, call: Call, recipe_file: Write) -> None:
    with pytest.raises(LookupError, match="a bug of the toy") as caught:
        call("run", recipe_file(TOY.replace("toy-flat", "toy-buggy")), "--out", "out")
    assert "the plugin of the package toys" in caught.value.__notes__[0]


def test_a_loss_that_is_no_number_is_exit_code_1(toy: Any, call: Call, recipe_file: Write) -> None:
    done = call("run", recipe_file(TOY + "nan_from = 0.5\n"), "--out", "out")
    _is_one_message(done, 1, "look", "last good state", "out", "optimizer.lr")
    assert Path("out/painting.png").exists()


def test_a_device_that_is_not_there_is_exit_code_2(toy: Any, call: Call, recipe_file: Write) -> None:
    missing = "cuda:99" if torch.cuda.is_available() else "cuda"
    done = call("run", recipe_file(TOY), "--out", "out", "--device", missing)
    _is_one_message(done, 2, f'the device "{missing}" is not there', "--device cpu")
    assert not Path("out").exists()


def test_all_faults_of_a_recipe_are_told(call: Call, recipe_file: Write) -> None:
    done = call("run", recipe_file('stepz = 1\n[objective.look]\ntype = "contant"\n[canvas]\nstrokes = -1\n'))
    assert done.code == 2
    assert done.stdout == ""
    for told in ('stepz: unknown key; did you mean "steps"?', "canvas.strokes: ", 'Did you mean "content"?'):
        assert told in done.stderr


# -------------------------------------------------------------------------------------------------------------- run
def test_runs_lie_in_folders_of_their_own(toy: Any, call: Call, recipe_file: Write) -> None:
    file = recipe_file(TOY, "sea.toml")
    for name in ("sea", "sea-2", "sea-3"):
        done = call("run", file)
        assert done.code == 0, done.stderr
        assert Path("runs", name, "painting.png").exists()
        assert str(Path("runs", name, "painting.png")) in done.stdout
    done = call("run", file, "--resume")
    assert str(Path("runs", "sea-3", "painting.png")) in done.stdout, "to resume goes on with the last one"


def test_recipes_and_settings_are_laid_over_each_other(toy: Any, call: Call, recipe_file: Write) -> None:
    later = recipe_file("size = [24, 40]\nsteps = 5\n", "later.toml")
    done = call("run", recipe_file(TOY), later, "--set", "steps=1", "--set", "canvas.strokes=2", "--out", "out")
    assert done.code == 0, done.stderr
    told = tomllib.loads(Path("out/recipe.toml").read_text())
    assert (told["size"], told["steps"], told["canvas"]["strokes"]) == ([24, 40], 1, 2)


def test_the_folder_of_another_recipe_is_exit_code_2(painted: Path, call: Call) -> None:
    done = call("run", painted / "recipe.toml", "--out", painted, "--set", "seed=9")
    _is_one_message(done, 2, "another recipe", "seed", "--out")


def test_training_leaves_weights(toy: Any, call: Call, recipe_file: Write) -> None:
    done = call("run", recipe_file('steps = 3\n[trainer]\ntype = "toy-line"\n'), "--out", "out")
    assert done.code == 0, done.stderr
    assert str(Path("out/line.png")) in done.stdout
    assert [json.loads(line)["step"] for line in Path("out/log.jsonl").read_text().splitlines()] == [0, 1, 2]


# ----------------------------------------------------------------------------------------------------------- export
def test_export_at_scale_1_is_the_painting(painted: Path, call: Call) -> None:
    done = call("export", painted, "new/a.png")
    assert done.code == 0, done.stderr
    assert done.stdout.strip() == str(Path("new/a.png"))
    assert np.array_equal(_pixels(Path("new/a.png")), _pixels(painted / "painting.png"))


def test_export_at_scale_1_is_the_painting_of_mypaint(mypaint: None, toy: Any, call: Call, recipe_file: Write) -> None:
    file = recipe_file(TOY.replace("toy-blob", "mypaint"))
    assert call("run", file, "--out", "out", "--set", "canvas.tile=32").code == 0
    assert call("export", "out", "a.png").code == 0
    assert np.array_equal(_pixels(Path("a.png")), _pixels(Path("out/painting.png")))
    done = call("export", "out", "b.png", "--scale", 1.5)
    assert done.code == 0, done.stderr
    assert _pixels(Path("b.png")).shape == (36, 60, 3)
    assert len(np.unique(_pixels(Path("b.png")).reshape(-1, 3), axis=0)) > 10
    done = call("export", "out", "c.png", "--renderer", "gan")
    assert done.code == 0, done.stderr
    far = np.abs(_pixels(Path("c.png")).astype(float) - _pixels(Path("a.png"))).mean()
    assert 0 < far < 25, "the painter stands in for MyPaint"


def test_export_enlarges(painted: Path, call: Call) -> None:
    assert call("export", painted, "a.png", "--scale", 3).code == 0
    large = Image.open("a.png")
    assert large.size == (120, 72)
    small = np.asarray(large.convert("RGB").resize((40, 24), Image.Resampling.BOX), float)
    assert np.abs(small - _pixels(painted / "painting.png")).mean() < 6


def test_what_is_exported_tells_of_itself(painted: Path, call: Call) -> None:
    assert call("export", painted, "a.png").code == 0
    with Image.open("a.png") as image:
        assert image.text["artkit:seed"] == "0"  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["a.xyz", "a", ".png"])
def test_an_extension_that_no_exporter_writes(painted: Path, call: Call, name: str) -> None:
    _is_one_message(call("export", painted, name), 2, name.removeprefix("a"), ".png")
    assert not Path(name).exists()


def test_export_of_a_folder_without_painting(call: Call, tmp_path: Path) -> None:
    _is_one_message(call("export", tmp_path, "a.png"), 1, str(tmp_path), "holds no painting")
    _is_one_message(call("export", tmp_path / "nowhere", "a.png"), 1, str(tmp_path / "nowhere"))
    assert not Path("a.png").exists()


def test_export_of_a_damaged_painting(painted: Path, call: Call) -> None:
    (painted / "strokes.json").write_text("{}")
    _is_one_message(call("export", painted, "a.png"), 1, "strokes.json")


@pytest.mark.parametrize(
    ("options", "told"),
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
def test_export_with_what_does_not_fit(painted: Path, call: Call, options: list[str], told: str) -> None:
    Path("a.png").write_text("earlier")
    _is_one_message(call("export", painted, "a.png", *options), 2, told)
    assert Path("a.png").read_text() == "earlier"


def test_export_to_where_nothing_can_be_written(painted: Path, call: Call) -> None:
    Path("file").touch()
    _is_one_message(call("export", painted, "file/a.png"), 1, "is not a folder")


def test_export_of_more_than_fits_into_memory_is_one_message(
    toy: Any, painted: Path, command: Command, tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource")

    def little_memory() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))

    done = command("export", painted, tmp_path / "a.png", "--scale", 1000, preexec_fn=little_memory)
    assert done.returncode in (1, 2)
    assert done.stderr.startswith("artkit: ")
    assert "Traceback" not in done.stderr
    assert "memory" in done.stderr
    assert not (tmp_path / "a.png").exists()


# ------------------------------------------------------------------------------------------------------------ lists
def test_plugins_for_programs(own_plugins: Any, call: Call) -> None:
    told = json.loads(call("plugins", "--json").stdout)
    assert told["set_aside"] == []
    parts = {(part["kind"], part["name"]): part for part in told["parts"]}
    for key in [("canvas", "grid"), ("renderer", "mypaint"), ("objective", "content"), ("exporter", "png")]:
        assert parts[key]["package"] == "neural-artkit"
    assert all(part["summary"] for part in told["parts"]), "every part says what it is"


def test_plugins_for_people(install: Callable[..., str], call: Call) -> None:
    install("import nothing_of_that_name\n", package="broken-toys")
    done = call("plugins")
    assert done.code == 0
    lines = done.stdout.splitlines()
    assert any(line.split()[:2] == ["grid", "neural-artkit"] for line in lines)
    (aside,) = [line for line in lines if line.startswith("set aside")]
    assert "broken-toys" in aside
    assert "nothing_of_that_name" in aside
    (entry,) = json.loads(call("plugins", "--json").stdout)["set_aside"]
    assert entry["package"] == "broken-toys"


def test_a_run_tells_of_a_plugin_that_is_set_aside_on_its_way(
    toy: Any, install: Callable[..., str], call: Call, recipe_file: Write
) -> None:
    install(
        "from artkit import hookimpl\n@hookimpl\ndef artkit_step(step):\n    raise LookupError('lost')\n",
    )
    done = call("run", recipe_file(TOY), "--out", "out")
    assert done.code == 0, done.stderr
    assert done.stderr.count("lost") == 1


COMMANDS = """
import click
from artkit import hookimpl

@click.command()
def greet():
    "Says hello."
    click.echo("hello")

@click.command("doctor")
def mine():
    "Not the doctor."
    click.echo("not the doctor")

@hookimpl
def artkit_commands(cli):
    cli.add_command(greet)
    cli.add_command(mine)
"""


def test_plugins_add_commands_but_replace_none(install: Callable[..., str], call: Call) -> None:
    install(COMMANDS)
    assert "greet" in call("--help").stdout
    assert call("greet").stdout == "hello\n"
    assert "not the doctor" not in call("doctor").stdout


def test_a_plugin_whose_command_fails_to_load_is_set_aside(install: Callable[..., str], call: Call) -> None:
    install("from artkit import hookimpl\n@hookimpl\ndef artkit_commands(cli):\n    raise LookupError('lost')\n")
    assert call("--help").code == 0
    assert "LookupError: lost" in call("plugins").stdout


def test_recipes_are_listed_with_what_they_are(call: Call) -> None:
    done = call("recipes")
    assert done.code == 0
    told = {line.split()[0]: line.split(maxsplit=1)[1:] for line in done.stdout.splitlines()}
    assert told.keys() == shipped_recipes().keys()
    assert "photo" in told
    assert all(about and about[0].strip() for about in told.values())


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_a_recipe_can_be_copied_with_what_it_names(call: Call, name: str) -> None:
    from artkit.recipes.reading import read_recipe

    done = call("recipes", "--copy", name)
    assert done.code == 0, done.stderr
    for line in done.stdout.splitlines():
        assert Path(line).is_file()
    file = Path(done.stdout.splitlines()[0])
    assert file.read_bytes() == shipped_recipes()[name].read_bytes()
    here = Path.cwd()
    assert all(here in path.parents for path in read_recipe([file]).files().values()), (
        "it does not refer to artkit's folder"
    )


def test_a_copy_can_be_run(mypaint: None, call: Call) -> None:
    assert call("recipes", "--copy", "photo").code == 0
    done = call("run", "photo.toml", "--out", "out", *TINY)
    assert done.code == 0, done.stderr
    assert _pixels(Path("out/painting.png")).shape == (48, 64, 3)
    told = tomllib.loads(Path("out/recipe.toml").read_text())
    assert Path(told["objective"]["look"]["target"]).parent == Path("targets").resolve()
    assert len(told["record"]["sha256"]["objective.look.target"]) == 64


def test_a_copy_replaces_nothing(call: Call) -> None:
    Path("photo.toml").write_text("mine")
    _is_one_message(call("recipes", "--copy", "photo"), 2, "photo.toml is already here")
    assert Path("photo.toml").read_text() == "mine"
    assert [path.name for path in Path().iterdir()] == ["photo.toml"]


def test_a_copy_that_is_refused_leaves_nothing(call: Call) -> None:
    call("recipes", "--copy", "photo")
    (image,) = [path for path in Path("targets").iterdir() if path.suffix == ".jpg"]
    Path("photo.toml").unlink()
    done = call("recipes", "--copy", "photo")
    assert done.code == 0, "an image that is here already is as good as a copy"
    Path("photo.toml").unlink()
    image.write_bytes(b"mine")
    _is_one_message(call("recipes", "--copy", "photo"), 2, image.name)
    assert image.read_bytes() == b"mine"
    assert not Path("photo.toml").exists()


def test_a_copy_to_where_nothing_can_be_written(call: Call) -> None:
    Path("targets").write_text("a file")
    done = call("recipes", "--copy", "photo")
    assert done.code in (1, 2)
    _is_one_message(done, done.code, "targets")


def test_the_doctor_tells_what_is_there(call: Call) -> None:
    done = call("doctor")
    assert done.code == 0
    for told in (__version__, torch.__version__, "GPU", "libmypaint", "brushes", "efficientnet_lite0"):
        assert told in done.stdout
    assert "set aside" not in done.stdout


def test_the_doctor_tells_what_is_missing_and_what_mends_it(
    install: Callable[..., str], call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(
        "from artkit import hookimpl\n@hookimpl\ndef artkit_doctor():\n"
        "    return [('the moon', '', 'wait for the night'), ('the sun', 'risen', '')]\n"
    )
    install("import nothing_of_that_name\n", package="broken-toys")
    lines = call("doctor").stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("the moon"))
    assert "missing" in lines[at]
    assert lines[at + 1].strip() == "wait for the night"
    assert any(line.startswith("the sun") and "risen" in line for line in lines)
    assert any("set aside" in line and "nothing_of_that_name" in line for line in lines)


def test_the_schema_knows_every_part(own_plugins: Any, call: Call) -> None:
    from artkit.registry.plugin_registry import get_registry

    done = call("schema")
    assert done.code == 0, done.stderr
    schema = json.loads(done.stdout)
    told = json.dumps(schema)
    for kind in ("canvas", "renderer", "agent", "objective", "constraint", "trainer"):
        assert kind in schema["properties"]
        for name in get_registry().components(kind):
            assert f'"{name}"' in told
    assert {"seed", "steps", "size", "optimizer"} <= schema["properties"].keys()
    assert schema["properties"]["seed"]["description"]


def test_the_module_can_be_run_from_anywhere(command: Command) -> None:
    done = command("--version", env={**os.environ, "HOME": "/nowhere"})
    assert done.returncode == 0, done.stderr
    assert __version__ in done.stdout
