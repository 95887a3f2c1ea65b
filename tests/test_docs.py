"""The documentation matches the code: commands parse or run, code blocks work, links and paths exist."""

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

import artkit
from artkit import __version__
from artkit.cli.main import cli
from artkit.recipes.reading import read_recipe
from artkit.recipes.shipped import recipe_folder, shipped_recipes
from artkit.registry import hookspecs
from artkit.registry.plugin_registry import KIND_HOOKS
from artkit.strokes.stroke_examples import read_examples

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted((ROOT / ".github").rglob("*.md")),
    *sorted(DOCS.rglob("*.md")),
]
GUIDE = DOCS / "plugins.md"
TOUR = DOCS / "tour.md"
TINY = ("--set", "steps=2", "--set", "size=[64,48]", "--set", "output.scale=1")


# ----------------------------------------------------------------------------------------------------- parsing pages
@dataclass(frozen=True)
class Block:
    """A fenced block of a page: the line at which it begins, its language and its text."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def file_name(self) -> str:
        """The name of the file that the block is, if its first line is a comment with one: ``# calm.toml``."""
        match = re.match(r"# ([\w.-]+\.\w+)", self.text)
        return match[1] if match else ""


def read_blocks(page: Path, *languages: str) -> list[Block]:
    blocks, start, lines = [], None, []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if start is None and (fence := re.match(r"```(\w*)", line)):
            start, lines = (number + 1, fence[1]), []
        elif start is not None and line.startswith("```"):
            blocks.append(Block(page, *start, "\n".join(lines) + "\n"))
            start = None
        elif start is not None:
            lines.append(line)
    assert start is None, f"{page}: a block is not closed"
    return [block for block in blocks if not languages or block.language in languages]


def read_commands(block: Block) -> Iterator[list[str]]:
    """Yield the arguments of each ``artkit`` command of a shell block."""
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


def shell_blocks(page: Path) -> list[Block]:
    return read_blocks(page, "bash", "console", "sh", "shell")


def prose(page: Path) -> str:
    """Return the text of a page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def code_spans(page: Path) -> list[str]:
    return re.findall(r"`([^`\n]+)`", prose(page))


def all_blocks(language: str) -> list[Any]:
    return [pytest.param(block, id=block.place) for page in PAGES for block in read_blocks(page, language)]


def for_each_page() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


# ---------------------------------------------------------------------------------------------------------- commands
def parse_command(words: list[str]) -> None:
    """Parse a command line without running it. Raises the error of click if it is invalid."""
    with click.Context(cli, info_name="artkit") as context:
        own_options = {option for parameter in cli.get_params(context) for option in parameter.opts}
        while words and words[0].startswith("-"):
            assert words[0] in own_options, f"artkit has no option {words[0]}"
            words = words[1:]
        if words:
            command = cli.get_command(context, words[0])
            assert command, f"there is no command {words[0]}"
            command.make_context(words[0], [word for word in words[1:] if word not in ("-h", "--help")], context)


@for_each_page()
def test_commands_parse(page: Path) -> None:
    for block in shell_blocks(page):
        for words in read_commands(block):
            try:
                parse_command(words)
            except (click.ClickException, AssertionError) as error:
                pytest.fail(f"{block.place}: artkit {shlex.join(words)}: {error}")


@for_each_page()
def test_commands_and_options_in_prose_exist(page: Path) -> None:
    with click.Context(cli, info_name="artkit") as context:
        for span in re.findall(r"`artkit\s([^`]+)`", prose(page)):
            words = [word.strip("[].,") for word in span.split()]
            name = next((word for word in words if not word.startswith("-")), "")
            if name == "COMMAND":
                continue
            command = cli.get_command(context, name) if name else cli
            assert command, f"{page.name}: `artkit {span}`: there is no command {name}"
            known = {o for of in (cli, command) for p in of.get_params(context) for o in (*p.opts, *p.secondary_opts)}
            unknown = {word.split("=")[0] for word in words if re.match(r"--?\w", word)} - known
            assert not unknown, f"{page.name}: `artkit {span}`: {', '.join(unknown)}"


def test_every_command_is_documented() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    with click.Context(cli, info_name="artkit") as context:
        for name in cli.list_commands(context):
            assert f"artkit {name}" in text, name


@pytest.mark.slow
def test_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    Image.linear_gradient("L").resize((90, 60)).convert("RGB").save("mine.jpg")
    tutorial = DOCS / "tutorial.md"
    for block in read_blocks(tutorial, "toml"):
        assert block.file_name, f"{block.place}: the first line does not name a file"
        Path(block.file_name).write_text(block.text, encoding="utf-8")
    commands_run = []
    for block in shell_blocks(tutorial):
        for words in read_commands(block):
            if "cuda" in words and not torch.cuda.is_available():
                continue
            arguments = [*words, *TINY] if words[0] == "run" else words
            result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
            assert result.exit_code == 0, f"{block.place}: artkit {shlex.join(words)}\n{result.output}"
            commands_run.append(words[0])
    assert {"run", "export", "recipes", "doctor"} <= set(commands_run)

    files = re.findall(r"^\| `([^`]+)` \|", tutorial.read_text(encoding="utf-8"), re.MULTILINE)
    assert files
    assert {path.name for path in Path("runs/photo").iterdir()} == set(files)
    assert Image.open("large.png").size == (8 * 64, 8 * 48)
    red, green, blue = Image.open("gray/painting.png").split()
    assert red.tobytes() != b"\xff" * (64 * 48)
    for other in (green, blue):
        assert max(abs(a - b) for a, b in zip(red.tobytes(), other.tobytes(), strict=True)) <= 1
    for block in read_blocks(tutorial, "python"):
        exec(compile(block.text, block.place, "exec"), {})


# -------------------------------------------------------------------------------------------------- python and recipes
@for_each_page()
def test_every_block_has_a_checked_language(page: Path) -> None:
    for block in read_blocks(page):
        assert block.language in ("bash", "python", "toml", "text"), f"{block.place}: {block.language or 'no language'}"


@pytest.mark.parametrize("block", [p for p in all_blocks("python") if p.values[0].page != TOUR])
def test_python_compiles(block: Block) -> None:
    compile(textwrap.dedent(block.text), block.place, "exec")


def test_the_rendering_example_runs() -> None:
    (block,) = read_blocks(DOCS / "rendering.md", "python")
    namespace: dict[str, Any] = {}
    exec(compile(block.text, block.place, "exec"), namespace)
    assert namespace["picture"].shape == (1, 3, 96, 128)


def test_the_examples_of_the_differentiable_brush_run() -> None:
    import torch

    blocks = read_blocks(DOCS / "differentiable-mypaint.md", "python")
    shapes = {"loss": (), "picture": (3, 64, 64), "samples": (4, 4, 64, 64), "coverage": (8, 1, 64, 64)}
    for block, (name, shape) in zip(blocks, shapes.items(), strict=True):
        namespace: dict[str, Any] = {}
        torch.manual_seed(0)
        exec(compile(block.text.replace("range(120)", "range(30)"), block.place, "exec"), namespace)
        assert namespace[name].shape == shape, block.place
        if name == "loss":
            assert namespace["loss"] < 0.01, "it is .0486 at the start"
        if name == "coverage":
            strokes = artkit.brush("classic/dry_brush").coverage(namespace["actions"])
            torch.testing.assert_close(namespace["coverage"], strokes, rtol=0, atol=0.001)


def test_the_loop_of_the_readme_runs() -> None:
    import torch

    block = read_blocks(ROOT / "README.md", "python")[-1]
    assert len(block.text.strip().splitlines()) <= 15
    losses = []
    for steps in (1, 12):
        namespace: dict[str, Any] = {}
        torch.manual_seed(0)
        exec(compile(block.text.replace("range(100)", f"range({steps})"), block.place, "exec"), namespace)
        losses.append(namespace["loss"].item())
    assert losses[1] < losses[0] / 2


@pytest.mark.parametrize("block", all_blocks("toml"))
def test_toml_is_valid(block: Block, tmp_path: Path) -> None:
    tree = tomllib.loads(block.text)
    tables = [tree.get("renderer", {}), *tree.get("objective", {}).values()]
    if "project" in tree or {table.get("type") for table in tables} & {"splatter", "brightness"}:
        return  # a pyproject.toml, or a recipe that needs the plugins of its page
    (tmp_path / "targets").symlink_to(recipe_folder() / "targets", target_is_directory=True)
    file = tmp_path / (block.file_name or "recipe.toml")
    file.write_text(block.text, encoding="utf-8")
    if "example" in tree:
        assert read_examples(file)
        return
    amends = not all("type" in table for table in tables)
    read_recipe([shipped_recipes()["photo"], file] if amends else [file])


@pytest.mark.parametrize("block", [pytest.param(block, id=block.place) for block in read_blocks(TOUR, "python")])
def test_excerpts_of_the_tour_are_in_the_sources(block: Block) -> None:
    """The first line names the file; ``...`` marks lines that are left out."""
    first, *rest = block.text.splitlines()
    source = (ROOT / first.removeprefix("# ")).read_text(encoding="utf-8")
    source_lines = "\n".join(line.strip() for line in source.splitlines())
    for excerpt in "\n".join(line.strip() for line in rest).split("\n...\n"):
        assert excerpt in source_lines, f"{block.place}: {first.removeprefix('# ')} does not contain:\n{excerpt}"


# --------------------------------------------------------------------------------------------------- the plugin guide
def test_the_guide_builds_the_sample() -> None:
    """The guide's blocks about the renderer are in the sample's files and, except for imports, are all of it."""
    sample = DOCS / "plugins" / "splatter"

    def normalize(text: str) -> str:
        """Remove indentation and blank lines, which differ between a class and an excerpt of it."""
        return "".join(f"{line.strip()}\n" for line in text.splitlines() if line.strip())

    source = normalize((sample / "artkit_splatter/splatter.py").read_text())
    test = normalize((sample / "tests/test_splatter.py").read_text())
    excerpts = [normalize(block.text) for block in read_blocks(GUIDE, "python") if not block.file_name]
    assert len(excerpts) >= 6
    for excerpt in excerpts:
        assert excerpt in source or excerpt in test, excerpt
        source = source.replace(excerpt, "")
    assert [line for line in source.splitlines()[1:] if not line.startswith(("import ", "from "))] == []


@pytest.mark.slow
def test_plugins_of_the_guide_paint(
    tmp_path: Path, with_packages: Callable[..., dict[str, str]], commands: Callable[..., list[str]]
) -> None:
    """The modules of the guide and its sample, installed as pip would, in a process of their own."""
    folders = []
    projects = [block for block in read_blocks(GUIDE, "toml") if block.file_name == "pyproject.toml"]
    for block in read_blocks(GUIDE, "python"):
        if not block.file_name:
            continue
        module = block.file_name.removesuffix(".py")
        folder = tmp_path / module
        folder.mkdir()
        (folder / block.file_name).write_text(block.text, encoding="utf-8")
        project = [p.text for p in projects if f'"{module}"' in p.text] or [
            f'[project]\nname = "{module}"\nversion = "1.0"\ndependencies = []\n'
            f'[project.entry-points.artkit]\n{module} = "{module}"\n'
        ]
        (folder / "pyproject.toml").write_text(project[0])
        folders.append(folder)
    assert {folder.name for folder in folders} == {"artkit_brightness", "artkit_here", "artkit_watch"}
    splashes = next(block for block in read_blocks(GUIDE, "toml") if block.file_name == "splashes.toml")
    (tmp_path / splashes.file_name).write_text(splashes.text, encoding="utf-8")
    calls = [words for block in shell_blocks(GUIDE) for words in read_commands(block)]
    run_photo = next(words for words in calls if "photo" in words and "--set" in words)
    plugins_json, *_, strokes, doctor, _ = commands(
        [
            ["plugins", "--json"],
            ["run", splashes.file_name, "--set", "steps=3", "--out", "run"],
            ["export", "run", "large.png", "--scale", "2"],
            ["sweep", splashes.file_name, "--set", "steps=1", "--seeds", "2", "--executor", "here", "--out", "swept"],
            ["strokes", "run"],
            ["doctor"],
            [*run_photo, *TINY, "--out", "light"],
        ],
        tmp_path,
        with_packages(*folders, DOCS / "plugins" / "splatter"),
    )
    plugins = json.loads(plugins_json)
    assert plugins["set_aside"] == []
    assert {"brightness", "splatter"} <= {component["name"] for component in plugins["parts"]}
    log = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert len(log) == 3
    assert log[-1]["light"] < log[0]["light"]
    assert len(list((tmp_path / "swept").glob("*/painting.png"))) == 2
    assert (tmp_path / "run/watch.txt").exists()
    painting = json.loads((tmp_path / "run/strokes.json").read_text())
    assert painting["space"] == "splatter-1"
    assert int(strokes) == len(painting["strokes"])
    assert "ffmpeg" in doctor
    from PIL import Image

    width, height = painting["size"]
    assert Image.open(tmp_path / "large.png").size == (2 * width, 2 * height)


@pytest.mark.slow
def test_three_commands_lead_to_a_painting(tmp_path: Path) -> None:
    """The first block of the guide, word for word, in an environment of its own."""
    block = next(block for block in shell_blocks(GUIDE) if "new-plugin" in block.text)
    lines = block.text.splitlines()
    assert [line.split()[:2] for line in lines] == [["artkit", "new-plugin"], ["pip", "install"], ["artkit", "run"]]
    home = tmp_path / "fresh"
    venv.create(home, with_pip=True)
    # The packages of this environment are visible there too, so that torch is not downloaded again.
    (packages,) = home.glob("lib/python*/site-packages")
    sites = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "here.pth").write_text("".join(f"import site; site.addsitedir({site!r})\n" for site in sites))
    (home / "bin" / "artkit").write_text(f"#!{home}/bin/python\nfrom artkit.cli.main import main\nmain()\n")
    (home / "bin" / "artkit").chmod(0o755)
    env = os.environ | {"PATH": f"{home}/bin:{os.environ['PATH']}", "VIRTUAL_ENV": str(home)}
    for line in lines:
        # Tests run without a network, so pip uses the build backend of this environment.
        words = line + (" --no-build-isolation --no-deps -q" if line.startswith("pip") else "")
        done = subprocess.run(["bash", "-c", words], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    assert json.loads((tmp_path / "runs/dots/strokes.json").read_text())["space"] == "dots-1"
    assert (tmp_path / "runs/dots/painting.png").stat().st_size


# -------------------------------------------------------------------------------------------------- hooks, interfaces
@pytest.mark.parametrize("hook", [name for name in dir(hookspecs) if name.startswith("artkit_")])
def test_every_hook_is_documented_with_its_arguments(hook: str) -> None:
    page = prose(GUIDE)
    arguments = list(inspect.signature(getattr(hookspecs, hook)).parameters)
    assert f"`{hook}({', '.join(arguments)})`" in page
    for argument in arguments:
        assert f"`{argument}`: " in page, argument


@pytest.mark.parametrize("kind", KIND_HOOKS)
def test_every_interface_is_documented(kind: str) -> None:
    """Under the class's name in `artkit`: its methods with their arguments, and its other public attributes."""
    page, name = prose(GUIDE), kind.capitalize()
    interface = getattr(importlib.import_module(f"artkit.interfaces.{kind}"), name)
    assert getattr(artkit, name) is interface

    def signature(method: str) -> str:
        return f"({', '.join(list(inspect.signature(getattr(interface, method)).parameters)[1:])})"

    heading = f"**`artkit.{name}{signature('__init__')}`**"
    assert heading in page
    section = page.partition(heading)[2].partition("**`")[0]
    methods = {n for n, value in vars(interface).items() if inspect.isfunction(value) and not n.startswith("_")}
    for method in sorted(methods | interface.__abstractmethods__):
        assert f"`{method}{signature(method)}`" in section, method
    attributes = {n for n in (*vars(interface), *interface.__annotations__) if not n.startswith("_")} - methods
    for attribute in sorted(attributes - {"Config", "config"}):
        assert f"`{attribute}`" in section, attribute


@for_each_page()
def test_public_names_exist(page: Path) -> None:
    """Names such as `artkit.Renderer` or `artkit.engine.run.Run` in the text."""
    for span in code_spans(page):
        if not re.fullmatch(r"artkit(\.\w+)+(\(.*\))?", span):
            continue
        first, *rest = span.partition("(")[0].split(".")
        value: Any = importlib.import_module(first)
        for name in rest:
            if not hasattr(value, name):
                importlib.import_module(f"{value.__name__}.{name}")
            value = getattr(value, name)


# ------------------------------------------------------------------------------------------------ the text as a whole
@pytest.fixture(scope="module")
def generator(script: Callable[[str], Any]) -> Any:
    return script("docs/generate.py")


def test_generated_parts_are_current(generator: Any) -> None:
    for page, text in generator.pages().items():
        assert page.read_text(encoding="utf-8") == text, f"run `python docs/generate.py`: {page.name} is not current"


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@for_each_page()
def test_relative_links_exist(page: Path) -> None:
    for link in re.findall(r"\]\(<?([^)\s>]+)", prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert target.is_relative_to(ROOT), f"{page.name}: {link} is outside of the project"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{page.name}: {link}"


@for_each_page()
def test_source_paths_in_prose_exist(page: Path) -> None:
    """Paths from the root of the project, such as `core/artkit/errors.py`."""
    for span in code_spans(page):
        if re.fullmatch(r"(core|plugins|tests|docs|recipes)/[\w./*-]+", span):
            assert list(ROOT.glob(span)), f"{page.name}: {span}"


FORBIDDEN = (
    (r"(?<![\w.~])/(root|work|tmp|home|mnt|Users)\b", "a path of one machine"),
    (r"\b(localhost|127\.0\.0\.1|10\.\d+\.\d+\.\d+)\b", "a machine"),
    (r"\b(index-url|pypi\.org|pythonhosted|trusted-host)\b", "a registry"),
    (r"\b(TODO|FIXME|XXX|coming soon)\b", "a promise"),
)


def test_the_tutorial_lists_every_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    section = (DOCS / "tutorial.md").read_text(encoding="utf-8").partition("### Extras")[2].partition("\n## ")[0]
    assert set(re.findall(r"\*\*(\w+)\*\*", section)) == {*project["optional-dependencies"]} - {
        "dev",
        "docs",
        "fuzz",
        "test",
    }


@for_each_page()
def test_no_page_depends_on_one_machine(page: Path) -> None:
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        for pattern, what in FORBIDDEN:
            assert not re.search(pattern, line), f"{page.name}:{number} names {what}: {line}"


def test_the_changelog_has_this_version() -> None:
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
