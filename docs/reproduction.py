"""Take over the results of ``artkit reproduce`` into the documentation: ``python docs/reproduction.py FOLDER``.

Writes the results, in full and of ``--quick``, to ``docs/reproduction.json`` and the pictures to
``docs/images/reproduction``; `docs/generate.py` makes the page of them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from PIL import Image

from artkit.files import write_text
from artkit.reproduction.claims import all_claims

DOCS = Path(__file__).parent
RESULTS = DOCS / "reproduction.json"
IMAGES = DOCS / "images" / "reproduction"

_SIDE_PX = 320


def main(folder: Path) -> None:
    """Copy the results and the pictures of a folder of `artkit reproduce`, of claims as they are now.

    Stored results of other claims stay. The picture of a claim is that of its run in full, if there was one.
    """
    IMAGES.mkdir(parents=True, exist_ok=True)
    claims = all_claims()
    stored = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    kept = {(row["claim"], row["quick"]): row for row in stored}
    for outcome in json.loads((folder / "results.json").read_text(encoding="utf-8")):
        claim, quick = claims[outcome["claim"]], outcome["quick"]
        if list(claim.quick if quick else claim.commands) != outcome["commands"] or outcome["status"] == "interrupted":
            continue
        # Messages may name folders of this machine.
        keys = ("claim", "quick", "status", "seconds", "values", "version")
        kept[claim.name, quick] = {key: outcome[key] for key in keys}
        file = folder / claim.name / claim.picture
        if claim.picture and file.is_file() and not (quick and (claim.name, False) in kept):
            with Image.open(file) as opened:
                picture = opened.convert("RGB")
            picture.thumbnail((_SIDE_PX, _SIDE_PX))
            picture.save(IMAGES / f"{claim.name}.jpg", quality=85, optimize=True)
    rows = [kept[name, quick] for name in claims for quick in (False, True) if (name, quick) in kept]
    write_text(RESULTS, json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
