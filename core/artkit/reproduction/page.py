"""The page of a reproduction: each claim with what the paper says, what was measured, and the picture."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from artkit.files import write_text
from artkit.formatting import format_duration
from artkit.reproduction.claims import Claim
from artkit.reproduction.running import Outcome, stored_outcome

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
section { display: grid; grid-template-columns: 1fr 20rem; gap: 1rem; border-top: 1px solid #8886; padding: 1rem 0; }
h2 { font-size: 1.1rem; margin: 0; } img { max-width: 100%; } pre { overflow-x: auto; font-size: .8rem; }
blockquote { margin: .5rem 0; opacity: .75; } td, th { text-align: left; padding: .1rem 1rem .1rem 0; }
"""


def write(folder: Path, claims: Sequence[Claim]) -> Path:
    """Write `index.html` and `results.json` of the claims that were checked in a folder. Return the page."""
    outcomes = [(claim, stored_outcome(folder / claim.name)) for claim in claims]
    checked = [(claim, outcome) for claim, outcome in outcomes if outcome]
    sections = "\n".join(_section(claim, outcome, folder) for claim, outcome in checked)
    page = (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Neural Painters, reproduced</title>\n'
        f"<style>{_STYLE}</style>\n<h1>Neural Painters (Nakano, 2019), reproduced</h1>\n{sections}\n</html>\n"
    )
    results = [asdict(outcome) for _, outcome in checked]
    write_text(folder / "results.json", json.dumps(results, indent=1) + "\n")
    write_text(folder / "index.html", page)
    return folder / "index.html"


def _section(claim: Claim, outcome: Outcome, folder: Path) -> str:
    rows = [
        f"<tr><td>{html.escape(figure.name)}</td><td>{html.escape(figure.expected(outcome.quick))}</td>"
        f"<td>{value:.4g}</td></tr>"
        for figure, value in zip(claim.figures, outcome.values, strict=False)
    ]
    table = f"<table><tr><th>figure</th><th>expected</th><th>measured</th></tr>{''.join(rows)}</table>" if rows else ""
    commands = "\n".join(f"artkit {command}" for command in outcome.commands)
    picture = Path(claim.name, claim.picture)
    image = f'<img src="{picture.as_posix()}" alt="">' if claim.picture and (folder / picture).is_file() else ""
    return (
        f"<section><div><h2>{claim.name}: {outcome.status}</h2>{html.escape(claim.paper)}, "
        f"{format_duration(outcome.seconds)}<blockquote>{html.escape(claim.statement)}</blockquote>"
        f"{table}<p>{html.escape(outcome.message or claim.departs or claim.note)}</p>"
        f"<pre>{html.escape(commands)}</pre></div><div>{image}</div></section>"
    )
