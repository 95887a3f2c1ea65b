"""Every public name is on the page of the API reference, and has an example that runs."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import itertools
import re
from pathlib import Path
from typing import Any

import pytest

import artkit

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "api.md"
NAMES = [name for name in artkit.__all__ if name != "__version__"]


def docstring(name: str) -> str:
    """Return the docstring of a public name; of a variable, the string below its assignment."""
    value: Any = getattr(artkit, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        return inspect.getdoc(value) or ""
    module = importlib.import_module(f"artkit.{artkit._MODULES.get(name, 'registry.hookspecs')}")
    body = ast.parse(inspect.getsource(module)).body
    for statement, below in itertools.pairwise(body):
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if [ast.unparse(target) for target in targets] == [name] and isinstance(below, ast.Expr):
            assert isinstance(below.value, ast.Constant)
            return inspect.cleandoc(str(below.value.value))
    return ""


def run_examples(text: str, name: str) -> int:
    """Run the examples of a docstring and return their number. Fails with the output of those that fail."""
    test = doctest.DocTestParser().get_doctest(text, {"__name__": "__main__"}, name, None, None)
    failures: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=failures.append)
    assert not result.failed, "".join(failures)
    return result.attempted


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_has_an_example_that_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = docstring(name)
    assert "Examples:" in text, f"artkit.{name} has no example"
    assert run_examples(text, name) >= 2


def test_the_examples_of_methods_run() -> None:
    method = inspect.getdoc(artkit.PainterModule.forward)
    assert run_examples(str(method), "forward") == 5


def test_an_example_that_fails_would_be_found() -> None:
    with pytest.raises(AssertionError, match="Expected"):
        run_examples(">>> 1 + 1\n3\n", "wrong")


def test_every_public_name_is_on_the_page() -> None:
    listed = re.findall(r"^::: artkit\.(\w+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(NAMES)
    assert len(set(listed)) == len(listed)
