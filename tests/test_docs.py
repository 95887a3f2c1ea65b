"""The documentation says what is true: its commands parse or run, its plugins paint, its links lead somewhere."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import itertools
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from click.testing import CliRunner

from artkit import __version__, hookspecs, recipe
from artkit.cli import cli
from artkit.plugins import KINDS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
TINY = ("--set", "steps=2", "--set", "size=[64,48]")


# ---------------------------------------------------------------------------------------------------- reading pages
@dataclass(frozen=True)
class Block:
    """A fenced block: the page and line it begins at, its language, what it holds."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def name(self) -> str:
        """The file that the block is, if its first line says so: ``# calm.toml``."""
        found = re.match(r"# ([\w.-]+\.\w+)", self.text)
        return found[1] if found else ""


def blocks(page: Path, *languages: str) -> list[Block]:
    found, opened, inside = [], None, []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if opened is None and (fence := re.match(r"```(\w*)", line)):
            opened, inside = (number + 1, fence[1]), []
        elif opened is not None and line.startswith("```"):
            found.append(Block(page, opened[0], opened[1], "\n".join(inside) + "\n"))
            opened = None
        elif opened is not None:
            inside.append(line)
    assert opened is None, f"{page}: a block is not closed"
    return [block for block in found if not languages or block.language in languages]


def commands(block: Block) -> Iterator[list[str]]:
    """The words of each ``artkit`` command of a block of shell, without the command's name."""
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.language == "console":
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    for line in lines:
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word and set(word) <= set(";&|"):
                if words[:1] == ["artkit"]:
                    yield words[1:]
                words = []
            else:
                words.append(word)


def shell(page: Path) -> list[Block]:
    return blocks(page, "bash", "console", "sh", "shell")


def prose(page: Path) -> str:
    """The text of a page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def every(language: str) -> list[Any]:
    return [pytest.param(block, id=block.place) for page in PAGES for block in blocks(page, language)]


def by_page() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


# ---------------------------------------------------------------------------------------------------------- commands
def parse(words: list[str]) -> None:
    """Raises what click raises for a command line that the command would refuse."""
    with click.Context(cli, info_name="artkit") as context:
        own = {option for parameter in cli.get_params(context) for option in parameter.opts}
        while words and words[0].startswith("-"):
            assert words[0] in own, f"artkit has no option {words[0]}"
            words = words[1:]
        if words:
            command = cli.get_command(context, words[0])
            assert command, f"there is no command {words[0]}"
            command.make_context(words[0], [word for word in words[1:] if word not in ("-h", "--help")], context)


@by_page()
def test_command_lines_are_understood(page: Path) -> None:
    for block in shell(page):
        for words in commands(block):
            try:
                parse(words)
            except (click.ClickException, AssertionError) as error:
                pytest.fail(f"{block.place}: artkit {shlex.join(words)}: {error}")


@by_page()
def test_commands_and_options_named_in_the_text_exist(page: Path) -> None:
    with click.Context(cli, info_name="artkit") as context:
        for span in re.findall(r"`artkit\s([^`]+)`", prose(page)):
            words = [word.strip("[].,") for word in span.split()]
            name = next((word for word in words if not word.startswith("-")), "")
            command = cli.get_command(context, name) if name else cli
            assert command, f"{page.name}: `artkit {span}`: there is no command {name}"
            known = {o for of in (cli, command) for p in of.get_params(context) for o in (*p.opts, *p.secondary_opts)}
            unknown = {word.split("=")[0] for word in words if re.match(r"--?\w", word)} - known
            assert not unknown, f"{page.name}: `artkit {span}`: {', '.join(unknown)}"


def test_every_command_is_written_about() -> None:
    told = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    with click.Context(cli, info_name="artkit") as context:
        for name in cli.list_commands(context):
            assert f"artkit {name}" in told, name


@pytest.mark.slow
@pytest.mark.usefixtures("mypaint")
def test_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    Image.linear_gradient("L").resize((90, 60)).convert("RGB").save("mine.jpg")
    tutorial = DOCS / "tutorial.md"
    for block in blocks(tutorial, "toml"):
        assert block.name, f"{block.place}: the first line does not name a file"
        Path(block.name).write_text(block.text, encoding="utf-8")
    ran = []
    for block in shell(tutorial):
        for words in commands(block):
            if "cuda" in words and not torch.cuda.is_available():
                continue
            told = [*words, *TINY] if words[0] == "run" else words
            result = CliRunner().invoke(cli, told, catch_exceptions=False)
            assert result.exit_code == 0, f"{block.place}: artkit {shlex.join(words)}\n{result.output}"
            ran.append(words[0])
    assert {"run", "export", "recipes", "doctor"} <= set(ran)

    files = re.findall(r"^\| `([^`]+)` \|", tutorial.read_text(encoding="utf-8"), re.MULTILINE)
    assert files
    assert {path.name for path in Path("runs/photo").iterdir()} == set(files)
    assert Image.open("large.png").size == (8 * 64, 8 * 48)
    red, green, blue = Image.open("gray/painting.png").split()
    assert red.tobytes() != b"\xff" * (64 * 48)
    for other in (green, blue):
        assert max(abs(a - b) for a, b in zip(red.tobytes(), other.tobytes(), strict=True)) <= 1
    for block in blocks(tutorial, "python"):
        exec(compile(block.text, block.place, "exec"), {})


# ------------------------------------------------------------------------------------------------- python and recipes
@pytest.mark.parametrize("block", every("python"))
def test_python_compiles(block: Block) -> None:
    compile(block.text, block.place, "exec")


@pytest.mark.parametrize("block", every("toml"))
def test_toml_is_valid(block: Block, tmp_path: Path) -> None:
    told = tomllib.loads(block.text)
    tables = [told.get("renderer", {}), *told.get("objective", {}).values()]
    if "project" in told or {table.get("type") for table in tables} & {"dots", "brightness"}:
        return  # a project, or a recipe that needs the plugins of its page
    (tmp_path / "targets").symlink_to(recipe.recipe_folder() / "targets", target_is_directory=True)
    file = tmp_path / (block.name or "recipe.toml")
    file.write_text(block.text, encoding="utf-8")
    amends = not all("type" in table for table in tables)
    recipe.read([recipe.shipped_recipes()["photo"], file] if amends else [file])


def test_sample_plugins_paint(tmp_path: Path) -> None:
    """The plugins of the page, installed as pip would, in a process of their own."""
    page = DOCS / "plugins.md"
    site = tmp_path / "site"
    site.mkdir()
    projects = [tomllib.loads(b.text)["project"] for b in blocks(page, "toml") if b.name == "pyproject.toml"]
    entries = {value: project for project in projects for value in project["entry-points"]["artkit"].values()}
    modules = blocks(page, "python")
    assert len(modules) >= 3
    for block in modules:
        assert block.name.endswith(".py"), f"{block.place}: the first line does not name a file"
        module = block.name.removesuffix(".py")
        (site / block.name).write_text(block.text, encoding="utf-8")
        project = entries.get(module, {"name": module, "version": "1.0", "entry-points": {"artkit": {module: module}}})
        points = "".join(f"{name} = {value}\n" for name, value in project["entry-points"]["artkit"].items())
        info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        )
        (info / "entry_points.txt").write_text(f"[artkit]\n{points}")
    assert set(entries) <= {block.name.removesuffix(".py") for block in modules}
    dots = next(block for block in blocks(page, "toml") if block.name == "dots.toml")
    (tmp_path / dots.name).write_text(dots.text, encoding="utf-8")
    light = next(words for block in shell(page) for words in commands(block) if "photo" in words)

    calls = [
        ["plugins", "--json"],
        ["run", dots.name, "--set", "steps=3", "--out", "run"],
        ["export", "run", "large.png", "--scale", "2"],
        ["strokes", "run"],
        ["doctor"],
    ]
    driver = (
        "import json, sys\n"
        "from artkit import recipe\n"
        "from artkit.cli import cli\n"
        "from click.testing import CliRunner\n"
        "calls, settings = json.loads(sys.argv[1])\n"
        "results = [CliRunner().invoke(cli, call) for call in calls]\n"
        "assert recipe.read([recipe.shipped_recipes()['photo']], settings)\n"
        "print(json.dumps([[r.exit_code, r.output] for r in results]))\n"
    )
    settings = [words for option, words in itertools.pairwise(light) if option == "--set"]
    done = subprocess.run(
        [sys.executable, "-c", driver, json.dumps([calls, settings])],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    for call, (code, output) in zip(calls, results, strict=True):
        assert code == 0, f"artkit {shlex.join(call)}: {output}"
    found = json.loads(results[0][1])
    assert found["set_aside"] == []
    assert {"brightness", "dots"} <= {part["name"] for part in found["parts"]}
    log = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert len(log) == 3
    assert log[-1]["light"] < log[0]["light"]
    assert (tmp_path / "run/watch.txt").exists()
    strokes = json.loads((tmp_path / "run/strokes.json").read_text())
    assert strokes["space"] == "dots-1"
    assert int(results[3][1]) == len(strokes["strokes"])
    assert "ffmpeg" in results[4][1]
    from PIL import Image

    width, height = strokes["size"]
    assert Image.open(tmp_path / "large.png").size == (2 * width, 2 * height)


# ------------------------------------------------------------------------------------------------- hooks, interfaces
@pytest.mark.parametrize("hook", [name for name in dir(hookspecs) if name.startswith("artkit_")])
def test_every_hook_is_documented_with_its_arguments(hook: str) -> None:
    page = prose(DOCS / "plugins.md")
    arguments = list(inspect.signature(getattr(hookspecs, hook)).parameters)
    assert f"`{hook}({', '.join(arguments)})`" in page
    for argument in arguments:
        assert f"`{argument}`: " in page, argument


@pytest.mark.parametrize("kind", KINDS)
def test_every_interface_is_documented(kind: str) -> None:
    page = prose(DOCS / "plugins.md")
    interface = getattr(importlib.import_module(f"artkit.{kind}"), kind.capitalize())

    def arguments(name: str) -> str:
        return ", ".join(list(inspect.signature(getattr(interface, name)).parameters)[1:])

    head = f"**`{interface.__module__}.{interface.__name__}({arguments('__init__')})`**"
    assert head in page
    section = page.partition(head)[2].partition("**`")[0]
    for name in sorted(interface.__abstractmethods__):
        assert f"`{name}({arguments(name)})`" in section, name


# ----------------------------------------------------------------------------------------------- the text as a whole
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_docs", DOCS / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_parts_are_current() -> None:
    for page, text in generator().pages().items():
        assert page.read_text(encoding="utf-8") == text, f"run `python docs/generate.py`: {page.name} is not current"


def anchors(page: Path) -> set[str]:
    """The names that a page's headings can be linked by."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@by_page()
def test_relative_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(<?([^)\s>]+)", prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        goal = (page.parent / path).resolve() if path else page
        assert goal.exists(), f"{page.name}: {link}"
        assert goal.is_relative_to(ROOT), f"{page.name}: {link} leaves the project"
        if anchor and goal.suffix == ".md":
            assert anchor in anchors(goal), f"{page.name}: {link}"


FORBIDDEN = (
    (r"(?<![\w.~])/(root|work|tmp|home|mnt|Users)\b", "a path of one machine"),
    (r"\b(localhost|127\.0\.0\.1|10\.\d+\.\d+\.\d+)\b", "a machine"),
    (r"\b(index-url|pypi\.org|pythonhosted|trusted-host)\b", "a registry"),
    (r"\b(TODO|FIXME|XXX|coming soon)\b", "a promise"),
)


@by_page()
def test_no_page_tells_of_one_machine(page: Path) -> None:
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        for pattern, what in FORBIDDEN:
            assert not re.search(pattern, line), f"{page.name}:{number} names {what}: {line}"


def test_the_changelog_knows_this_version() -> None:
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
