"""`artkit schema` in editors: TOML language servers validate and complete recipes, also with third-party plugins."""

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
    """A client of the language server tombi, over its standard input and output."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [tool("tombi"), "lsp", "--offline"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.request_count = 0
        capabilities = {"textDocument": {"hover": {"contentFormat": ["markdown"]}}}
        folders = [{"uri": folder.as_uri(), "name": "recipes"}]
        self.request(
            "initialize", processId=None, rootUri=folder.as_uri(), capabilities=capabilities, workspaceFolders=folders
        )
        self.notify("initialized")

    def send(self, **message: Any) -> None:
        text = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(text) + text)
        self.process.stdin.flush()

    def notify(self, method: str, **params: Any) -> None:
        self.send(method=method, params=params)

    def read(self) -> dict[str, Any]:
        assert self.process.stdout
        size = 0
        while line := self.process.stdout.readline().strip():
            if line.lower().startswith(b"content-length:"):
                size = int(line.split(b":")[1])
        message: dict[str, Any] = json.loads(self.process.stdout.read(size))
        if "method" in message and "id" in message:
            self.send(id=message["id"], result=None)  # requests to the editor; there is none
        return message

    def request(self, method: str, **params: Any) -> Any:
        self.request_count += 1
        self.send(id=f"client-{self.request_count}", method=method, params=params)
        while (message := self.read()).get("id") != f"client-{self.request_count}":
            pass
        assert "error" not in message, message
        return message["result"]

    def open(self, file: Path) -> list[str]:
        """Open a recipe. Return the errors that an editor would underline."""
        document = {"uri": file.as_uri(), "languageId": "toml", "version": 1, "text": file.read_text()}
        self.notify("textDocument/didOpen", textDocument=document)
        while True:
            message = self.read()
            params = message.get("params") or {}
            if message.get("method") == "textDocument/publishDiagnostics" and params["uri"] == file.as_uri():
                return [entry["message"] for entry in params["diagnostics"]]

    def request_at(self, method: str, file: Path, before: str) -> Any:
        """Send a request about the position after the text `before` in a file."""
        text = file.read_text()
        head = text[: text.index(before) + len(before)]
        position = {"line": head.count("\n"), "character": len(head.rpartition("\n")[2])}
        return self.request(f"textDocument/{method}", textDocument={"uri": file.as_uri()}, position=position)

    def hover(self, file: Path, before: str) -> str:
        result = self.request_at("hover", file, before)
        return str(result["contents"]["value"]) if result else ""

    def completions(self, file: Path, before: str) -> dict[str, str]:
        result = self.request_at("completion", file, before) or []
        items = result["items"] if isinstance(result, dict) else result
        return {item["label"]: json.dumps(item) for item in items}


@pytest.fixture
def folder(tmp_path: Path, with_packages: Callable[..., dict[str, str]], commands: Callable[..., list[str]]) -> Path:
    """A folder with the output of `artkit schema` when the sample plugins are installed."""
    (schema,) = commands([["schema"]], tmp_path, with_packages(*SAMPLES))
    (tmp_path / "recipe.schema.json").write_text(schema)
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    client = Server(folder)
    yield client
    client.process.kill()
    client.process.wait()


@pytest.mark.slow
def test_editor_validates_recipes_and_shows_documentation(folder: Path, server: Server) -> None:
    recipes = [*shipped_recipes().values(), *(sample / f"{sample.name}.toml" for sample in SAMPLES)]
    for index, recipe in enumerate(recipes):
        copy = folder / f"{index}.toml"
        lines = [line for line in recipe.read_text().splitlines() if not line.startswith("#:schema")]
        copy.write_text("\n".join(["#:schema recipe.schema.json", *lines, ""]))
        assert server.open(copy) == [], recipe.name

    wrong = folder / "wrong.toml"
    wrong.write_text(
        "#:schema recipe.schema.json\nstpes = 3\n[renderer]\ntype = 'splatter'\ndrops = 'many'\n[canvas]\ntile = 3\n"
    )
    errors = " ".join(server.open(wrong))
    assert "stpes" in errors
    assert "Integer" in errors

    valid = folder / "valid.toml"
    valid.write_text(
        "#:schema recipe.schema.json\nsteps = 30\n\n[canvas]\ntype = 'grid'\ntile = 32\n\n"
        "[renderer]\ntype = 'splatter'\ndrops = 9\n\n"
        "[objective.colours]\ntype = 'histogram'\nimage = 'a.png'\nweight = 2.0\n\n"
    )
    server.open(valid)
    for before, text in (
        ("\nste", "Steps of optimisation"),
        ("\nti", "Side of a tile"),
        ("\ndro", "drops that fly on from a blot"),
        ("\nwei", "value in the loss"),
        ("[ren", "A blot where the paint lands"),
    ):
        assert text in server.hover(valid, before), before
    assert "Default: `12`" in server.hover(valid, "\ndro")
    for before, name, text in (
        ("30\n", "seed", "Seed of all random numbers"),
        ("32\n", "overlap", "neighbouring tiles"),
        ("= 9\n", "scatter", "How far drops deviate"),
        ("2.0\n", "side", "px a side"),
    ):
        items = server.completions(valid, before)
        assert name in items, (before, list(items))
        assert text in items[name]


@pytest.mark.slow
def test_editor_completes_types(folder: Path, server: Server) -> None:
    file = folder / "incomplete.toml"
    file.write_text("#:schema recipe.schema.json\n[renderer]\ntype = \n")
    server.open(file)
    assert {'"splatter"', '"mypaint"', '"gan"'} <= server.completions(file, "type = ").keys()


@pytest.mark.slow
def test_taplo_agrees(folder: Path) -> None:
    for name, recipe in shipped_recipes().items():
        copy = folder / f"{name.replace('/', '-')}.toml"
        lines = [line for line in recipe.read_text().splitlines() if not line.startswith("#:schema")]
        copy.write_text("\n".join(["#:schema ./recipe.schema.json", *lines, ""]))
    taplo = [tool("taplo"), "lint"]
    valid = [str(file) for file in folder.glob("*.toml")]
    result = subprocess.run([*taplo, *valid], cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    (folder / "wrong.toml").write_text("#:schema ./recipe.schema.json\n[renderer]\ntype = 'splatter'\ndrops = 'many'\n")
    result = subprocess.run([*taplo, "wrong.toml"], cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "many" in result.stderr
