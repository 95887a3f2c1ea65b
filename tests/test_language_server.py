"""`artkit schema` in an editor: what TOML language servers make of recipes, and of a stranger's part in them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from artkit.recipes.shipped import shipped_recipes

ROOT = Path(__file__).parents[1]
SAMPLES = [ROOT / "docs" / "plugins" / name for name in ("splatter", "histogram")]


def tool(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


class Server:
    """tombi, spoken to over its standard input and output."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [tool("tombi"), "lsp", "--offline"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.asked = 0
        wants = {"textDocument": {"hover": {"contentFormat": ["markdown"]}}}
        folders = [{"uri": folder.as_uri(), "name": "recipes"}]
        self.ask("initialize", processId=None, rootUri=folder.as_uri(), capabilities=wants, workspaceFolders=folders)
        self.tell("initialized")

    def send(self, **message: Any) -> None:
        text = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(text) + text)
        self.process.stdin.flush()

    def tell(self, method: str, **params: Any) -> None:
        self.send(method=method, params=params)

    def read(self) -> dict[str, Any]:
        assert self.process.stdout
        size = 0
        while line := self.process.stdout.readline().strip():
            if line.lower().startswith(b"content-length:"):
                size = int(line.split(b":")[1])
        message: dict[str, Any] = json.loads(self.process.stdout.read(size))
        if "method" in message and "id" in message:
            self.send(id=message["id"], result=None)  # it asks about the editor, of which there is none
        return message

    def ask(self, method: str, **params: Any) -> Any:
        self.asked += 1
        self.send(id=f"ours-{self.asked}", method=method, params=params)
        while (message := self.read()).get("id") != f"ours-{self.asked}":
            pass
        assert "error" not in message, message
        return message["result"]

    def open(self, file: Path) -> list[str]:
        """Open a recipe; what the editor would underline in it."""
        document = {"uri": file.as_uri(), "languageId": "toml", "version": 1, "text": file.read_text()}
        self.tell("textDocument/didOpen", textDocument=document)
        while True:
            message = self.read()
            told = message.get("params") or {}
            if message.get("method") == "textDocument/publishDiagnostics" and told["uri"] == file.as_uri():
                return [entry["message"] for entry in told["diagnostics"]]

    def at(self, method: str, file: Path, before: str) -> Any:
        """Ask about the place just behind a text of a file."""
        text = file.read_text()
        head = text[: text.index(before) + len(before)]
        where = {"line": head.count("\n"), "character": len(head.rpartition("\n")[2])}
        return self.ask(f"textDocument/{method}", textDocument={"uri": file.as_uri()}, position=where)

    def hover(self, file: Path, before: str) -> str:
        found = self.at("hover", file, before)
        return str(found["contents"]["value"]) if found else ""

    def completions(self, file: Path, before: str) -> dict[str, str]:
        found = self.at("completion", file, before) or []
        items = found["items"] if isinstance(found, dict) else found
        return {item["label"]: json.dumps(item) for item in items}


@pytest.fixture
def folder(tmp_path: Path, with_packages: Callable[..., dict[str, str]], commands: Callable[..., list[str]]) -> Path:
    """A folder with the schema as `artkit schema` prints it where the sample plugins are installed."""
    (told,) = commands([["schema"]], tmp_path, with_packages(*SAMPLES))
    (tmp_path / "recipe.schema.json").write_text(told)
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    made = Server(folder)
    yield made
    made.process.kill()
    made.process.wait()


def test_an_editor_knows_recipes_and_every_plugin(folder: Path, server: Server) -> None:
    recipes = [*shipped_recipes().values(), *(sample / f"{sample.name}.toml" for sample in SAMPLES)]
    for number, recipe in enumerate(recipes):
        copy = folder / f"{number}.toml"
        lines = [line for line in recipe.read_text().splitlines() if not line.startswith("#:schema")]
        copy.write_text("\n".join(["#:schema recipe.schema.json", *lines, ""]))
        assert server.open(copy) == [], recipe.name

    wrong = folder / "wrong.toml"
    wrong.write_text(
        "#:schema recipe.schema.json\nstpes = 3\n[renderer]\ntype = 'splatter'\ndrops = 'many'\n[canvas]\ntile = 3\n"
    )
    faults = " ".join(server.open(wrong))
    assert "stpes" in faults
    assert "Integer" in faults

    mine = folder / "mine.toml"
    mine.write_text(
        "#:schema recipe.schema.json\nsteps = 30\n\n[canvas]\ntype = 'grid'\ntile = 32\n\n"
        "[renderer]\ntype = 'splatter'\ndrops = 9\n\n"
        "[objective.colours]\ntype = 'histogram'\nimage = 'a.png'\nweight = 2.0\n\n"
    )
    server.open(mine)
    for before, told in (
        ("\nste", "Steps of optimisation"),
        ("\nti", "Side of a tile"),
        ("\ndro", "Drops that fly on from a blot"),
        ("\nwei", "enters the loss"),
        ("[ren", "A blot where the paint lands"),
    ):
        assert told in server.hover(mine, before), before
    assert "Default: `12`" in server.hover(mine, "\ndro")
    for before, name, told in (
        ("30\n", "seed", "Chooses everything random"),
        ("32\n", "overlap", "neighbouring tiles overlap"),
        ("= 9\n", "scatter", "How far they stray"),
        ("2.0\n", "side", "so many px a side"),
    ):
        found = server.completions(mine, before)
        assert name in found, (before, list(found))
        assert told in found[name]


def test_the_choices_of_a_type_are_completed(folder: Path, server: Server) -> None:
    mine = folder / "mine.toml"
    mine.write_text("#:schema recipe.schema.json\n[renderer]\ntype = \n")
    server.open(mine)
    assert {'"splatter"', '"mypaint"', '"gan"'} <= server.completions(mine, "type = ").keys()


def test_taplo_agrees(folder: Path) -> None:
    for name, recipe in shipped_recipes().items():
        copy = folder / f"{name.replace('/', '-')}.toml"
        lines = [line for line in recipe.read_text().splitlines() if not line.startswith("#:schema")]
        copy.write_text("\n".join(["#:schema ./recipe.schema.json", *lines, ""]))
    taplo = [tool("taplo"), "lint"]
    right = [str(file) for file in folder.glob("*.toml")]
    done = subprocess.run([*taplo, *right], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (folder / "wrong.toml").write_text("#:schema ./recipe.schema.json\n[renderer]\ntype = 'splatter'\ndrops = 'many'\n")
    done = subprocess.run([*taplo, "wrong.toml"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "many" in done.stderr
