"""The contact sheet of a sweep: one HTML page with all pictures, their settings and their figures.

It shows the files beside it and loads nothing from the network. A script sorts the pictures by any figure and plots one
figure or setting against another; without it the page is a list.
"""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from artkit.formatting import counted, format_duration
from artkit.sweep.names import short_keys

Row = Mapping[str, Any]
Figures = dict[str, float | str]

_TEMPLATE = Path(__file__).with_name("contact_sheet.html")


def page(title: str, rows: Sequence[Row]) -> str:
    """Return the page of the rows of a table (`artkit.sweep.sweep.Sweep.rows`)."""
    keys = list(dict.fromkeys(key for row in rows for key in row["settings"]))
    labels = dict(zip(keys, short_keys([key.split(".") for key in keys]), strict=True))
    figures = [_figures(row, labels) for row in rows]
    columns = list(dict.fromkeys(name for of_row in figures for name in of_row))
    data = {"columns": columns, "settings": list(labels.values()), "rows": figures}
    parts = {
        "title": html.escape(title),
        "summary": html.escape(_summary(rows)),
        "cards": "\n".join(_card(row, of_row) for row, of_row in zip(rows, figures, strict=True)),
        # "<" would end the script element, wherever it is in a string.
        "data": json.dumps(data).replace("<", "\\u003c"),
    }
    pieces = re.split(r"<!-- (\w+) -->", _TEMPLATE.read_text(encoding="utf-8"))
    return "".join(parts[piece] if index % 2 else piece for index, piece in enumerate(pieces))


def _figures(row: Row, labels: Mapping[str, str]) -> Figures:
    """Return what a run can be sorted by: name, settings by their labels, loss, objectives, evaluation and time."""
    figures: Figures = {"name": row["name"]}
    figures |= {labels[key]: _plain(value) for key, value in row["settings"].items()}
    if row.get("loss") is not None:
        figures["loss"] = row["loss"]
    if len(objectives := row.get("objectives", {})) > 1 or "loss" not in figures:
        figures |= objectives  # that of a single objective is the loss
    figures |= dict(_verdict_figures(row.get("verdicts", ())))
    if "seconds" in row:
        figures["seconds"] = row["seconds"]
    return figures


def _plain(value: Any) -> float | str:
    if isinstance(value, str):
        return Path(value).name if Path(value).suffix else value  # of a file its name
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else json.dumps(value)


def _verdict_figures(verdicts: Sequence[Row]) -> Iterator[tuple[str, float]]:
    """Yield the numbers of an evaluation; the texts of its row, such as the network, are part of their name."""
    for verdict in verdicts:
        texts = " ".join(value for value in verdict.values() if isinstance(value, str))
        for name, value in verdict.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                yield f"{texts} {name.replace('_', ' ')}", value


def _summary(rows: Sequence[Row]) -> str:
    counts = Counter(row["status"] for row in rows)
    listed = ", ".join(f"{counts[status]} {status}" for status in counts)
    seconds = sum(row.get("seconds", 0) for row in rows)
    return f"{counted(len(rows), 'run')}: {listed}; {format_duration(seconds)} in all"


def _card(row: Row, figures: Figures) -> str:
    name = html.escape(row["name"])
    if row["status"] == "finished":
        image = (
            f'<a href="{_link(row["report"])}"><img loading="lazy" src="{_link(row["thumbnail"])}" alt="{name}"></a>'
        )
    else:
        reason = f": {row['error']}" if "error" in row else ""
        image = f'<p class="missing">{html.escape(row["status"] + reason)}</p>'
    rows = "".join(
        f"<dt>{html.escape(key)}</dt><dd>{html.escape(_number(value))}</dd>"
        for key, value in figures.items()
        if key != "name"
    )
    return f'<figure id="{name}">{image}<figcaption>{name}</figcaption><dl>{rows}</dl></figure>'


def _number(value: float | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _link(path: str) -> str:
    return html.escape(quote(path))
