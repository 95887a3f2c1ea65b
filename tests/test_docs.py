"""The documentation says what is true: its commands parse or run, its plugins paint, its links lead somewhere."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from artkit import __version__
from artkit.cli.main import cli
from artkit.recipes.reading import read_recipe
from artkit.recipes.shipped import recipe_folder, shipped_recipes
from artkit.registry import hookspecs as hookspecs
from artkit.registry.plugin_registry import KIND_HOOKS
from artkit.strokes.stroke_examples import read_examples

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
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


def commands_of(block: Block) -> Iterator[list[str]]:
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
                    yield words[1 : words.index(">") if ">" in words else None]
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
    return pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


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
        for words in commands_of(block):
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
        for words in commands_of(block):
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
@by_page()
def test_every_block_is_of_a_language_that_is_checked(page: Path) -> None:
    for block in blocks(page):
        assert block.language in ("bash", "python", "toml", "text"), f"{block.place}: {block.language or 'no language'}"


@pytest.mark.parametrize("block", every("python"))
def test_python_compiles(block: Block) -> None:
    compile(textwrap.dedent(block.text), block.place, "exec")


@pytest.mark.parametrize("block", every("toml"))
def test_toml_is_valid(block: Block, tmp_path: Path) -> None:
    told = tomllib.loads(block.text)
    tables = [told.get("renderer", {}), *told.get("objective", {}).values()]
    if "project" in told or {table.get("type") for table in tables} & {"splatter", "brightness"}:
        return  # a project, or a recipe that needs the plugins of its page
    (tmp_path / "targets").symlink_to(recipe_folder() / "targets", target_is_directory=True)
    file = tmp_path / (block.name or "recipe.toml")
    file.write_text(block.text, encoding="utf-8")
    if "example" in told:
        assert read_examples(file)
        return
    amends = not all("type" in table for table in tables)
    read_recipe([shipped_recipes()["photo"], file] if amends else [file])


GUIDE = DOCS / "plugins.md"


def test_the_guide_builds_the_sample() -> None:
    """What it shows of the renderer is what the sample's files say, and but for imports it shows all of it."""
    sample = DOCS / "plugins" / "splatter"

    def lines(text: str) -> str:
        """Lines without indentation and blank ones, which a piece of a class has another number of."""
        return "".join(f"{line.strip()}\n" for line in text.splitlines() if line.strip())

    source = lines((sample / "artkit_splatter/splatter.py").read_text())
    test = lines((sample / "tests/test_splatter.py").read_text())
    shown = [lines(block.text) for block in blocks(GUIDE, "python") if not block.name]
    assert len(shown) >= 6
    for text in shown:
        assert text in source or text in test, text
        source = source.replace(text, "")
    left = [line for line in source.splitlines()[1:] if not line.startswith(("import ", "from "))]
    assert left == []


def test_plugins_of_the_guide_paint(
    tmp_path: Path, with_packages: Callable[..., dict[str, str]], commands: Callable[..., list[str]]
) -> None:
    """The modules of the page and the sample it builds, installed as pip would, in a process of their own."""
    folders = []
    projects = [block for block in blocks(GUIDE, "toml") if block.name == "pyproject.toml"]
    for block in blocks(GUIDE, "python"):
        if not block.name:
            continue
        module = block.name.removesuffix(".py")
        folder = tmp_path / module
        folder.mkdir()
        (folder / block.name).write_text(block.text, encoding="utf-8")
        own = [p.text for p in projects if f'"{module}"' in p.text] or [
            f'[project]\nname = "{module}"\nversion = "1.0"\ndependencies = []\n'
            f'[project.entry-points.artkit]\n{module} = "{module}"\n'
        ]
        (folder / "pyproject.toml").write_text(own[0])
        folders.append(folder)
    assert {folder.name for folder in folders} == {"artkit_brightness", "artkit_watch"}
    splashes = next(block for block in blocks(GUIDE, "toml") if block.name == "splashes.toml")
    (tmp_path / splashes.name).write_text(splashes.text, encoding="utf-8")
    light = next(
        words for block in shell(GUIDE) for words in commands_of(block) if "photo" in words and "--set" in words
    )
    listed, *_, strokes, doctor, _ = commands(
        [
            ["plugins", "--json"],
            ["run", splashes.name, "--set", "steps=3", "--out", "run"],
            ["export", "run", "large.png", "--scale", "2"],
            ["strokes", "run"],
            ["doctor"],
            [*light, *TINY, "--out", "light"],
        ],
        tmp_path,
        with_packages(*folders, DOCS / "plugins" / "splatter"),
    )
    told = json.loads(listed)
    assert told["set_aside"] == []
    assert {"brightness", "splatter"} <= {part["name"] for part in told["parts"]}
    log = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert len(log) == 3
    assert log[-1]["light"] < log[0]["light"]
    assert (tmp_path / "run/watch.txt").exists()
    painted = json.loads((tmp_path / "run/strokes.json").read_text())
    assert painted["space"] == "splatter-1"
    assert int(strokes) == len(painted["strokes"])
    assert "ffmpeg" in doctor
    from PIL import Image

    width, height = painted["size"]
    assert Image.open(tmp_path / "large.png").size == (2 * width, 2 * height)


@pytest.mark.slow
def test_three_commands_lead_to_a_painting(tmp_path: Path) -> None:
    """From nothing to a painting made with one's own renderer, word for word, in an environment of its own."""
    block = next(block for block in shell(GUIDE) if "new-plugin" in block.text)
    lines = block.text.splitlines()
    assert [line.split()[:2] for line in lines] == [["artkit", "new-plugin"], ["pip", "install"], ["artkit", "run"]]
    home = tmp_path / "fresh"
    venv.create(home, with_pip=True)
    # What is installed here is installed there too, without another download of torch.
    (packages,) = home.glob("lib/python*/site-packages")
    sites = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "here.pth").write_text("".join(f"import site; site.addsitedir({site!r})\n" for site in sites))
    (home / "bin" / "artkit").write_text(f"#!{home}/bin/python\nfrom artkit.cli.main import main\nmain()\n")
    (home / "bin" / "artkit").chmod(0o755)
    env = os.environ | {"PATH": f"{home}/bin:{os.environ['PATH']}", "VIRTUAL_ENV": str(home)}
    for line in lines:
        # Tests must do without a network, so the builder is the one that is here.
        words = line + (" --no-build-isolation --no-deps -q" if line.startswith("pip") else "")
        done = subprocess.run(["bash", "-c", words], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    assert json.loads((tmp_path / "runs/dots/strokes.json").read_text())["space"] == "dots-1"
    assert (tmp_path / "runs/dots/painting.png").stat().st_size


# ------------------------------------------------------------------------------------------------- hooks, interfaces
@pytest.mark.parametrize("hook", [name for name in dir(hookspecs) if name.startswith("artkit_")])
def test_every_hook_is_documented_with_its_arguments(hook: str) -> None:
    page = prose(DOCS / "plugins.md")
    arguments = list(inspect.signature(getattr(hookspecs, hook)).parameters)
    assert f"`{hook}({', '.join(arguments)})`" in page
    for argument in arguments:
        assert f"`{argument}`: " in page, argument


@pytest.mark.parametrize("kind", KIND_HOOKS)
def test_every_interface_is_documented(kind: str) -> None:
    page = prose(DOCS / "plugins.md")
    interface = getattr(importlib.import_module(f"artkit.interfaces.{kind}"), kind.capitalize())

    def arguments(name: str) -> str:
        return ", ".join(list(inspect.signature(getattr(interface, name)).parameters)[1:])

    head = f"**`{interface.__module__}.{interface.__name__}({arguments('__init__')})`**"
    assert head in page
    section = page.partition(head)[2].partition("**`")[0]
    for name in sorted(interface.__abstractmethods__):
        assert f"`{name}({arguments(name)})`" in section, name


# ----------------------------------------------------------------------------------------------- the text as a whole
@pytest.fixture(scope="module")
def generator(script: Callable[[str], Any]) -> Any:
    return script("docs/generate.py")


def test_generated_parts_are_current(generator: Any) -> None:
    for page, text in generator.pages().items():
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
