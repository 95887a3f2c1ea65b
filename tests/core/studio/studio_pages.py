"""What tests do on pages of the studio."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest


def visit(page: Any, studio: Any, place: str = "") -> None:
    """Open a place of the page, and wait until it is shown."""
    page.goto(f"{studio.address}{place}")
    page.wait_for_selector("main[data-ready]")
    assert page.get_by_text("This cannot be shown").count() == 0


def until(page: Any, expression: str) -> None:
    """Wait until an expression is true; the page permits no `eval`, which Playwright's own waiting needs."""
    deadline = time.monotonic() + 15
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(30)


def shown_colour(page: Any, x: float = 0.5) -> list[int]:
    """Return the colour that is drawn at a share of the viewer's width, halfway down."""
    colour: list[int] = page.evaluate(
        """(x) => { const canvas = document.querySelector('.openseadragon-canvas canvas');
        const { data } = canvas.getContext('2d').getImageData(x * canvas.width, canvas.height / 2, 1, 1);
        return [...data].slice(0, 3) }""",
        x,
    )
    return colour


def until_colour(page: Any, expected: Sequence[float], tolerance: float) -> None:
    """Wait until the colour in the middle of the picture is the expected one."""
    deadline = time.monotonic() + 15
    while shown_colour(page) != pytest.approx(list(expected), abs=tolerance):
        assert time.monotonic() < deadline, (shown_colour(page), expected)
        page.wait_for_timeout(50)


def faults_of_axe(page: Any) -> list[str]:
    """Return the serious and critical faults that axe-core finds, each with the element that has it."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    violations = axe.Axe().run(page).response["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html']}" for v in violations if v["impact"] in ("serious", "critical")]


def focused(page: Any) -> str:
    """Return the label, or else the text, of the element with the focus."""
    label: str = page.evaluate(
        """() => { const { activeElement: element } = document;
        const labels = [...element.labels ?? []].map((label) => label.textContent.trim());
        return element.getAttribute('aria-label') ?? (labels.join(' ') || element.textContent.trim()) }"""
    )
    return label


def tab_to(page: Any, label: str, key: str = "Tab") -> None:
    """Press a key until an element has the focus. Fails if it does not get it, or if the focus cannot be seen."""
    passed = []
    for _ in range(120):
        page.keyboard.press(key)
        passed.append(focused(page))
        if passed[-1] == label:
            break
    assert passed[-1] == label, passed
    box = page.evaluate("document.activeElement.getBoundingClientRect().toJSON()")
    assert box["width"] > 1, label
    assert box["height"] > 1, label
