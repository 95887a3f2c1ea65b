"""Take over the results of ``artkit reproduce --quick`` into the documentation: ``python docs/reproduction.py FOLDER``.

Writes the results to ``docs/reproduction.json`` and the pictures to ``docs/images/reproduction``; `docs/generate.py`
makes the page of them.
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
    """Copy the results and the pictures of a folder of `artkit reproduce`, of claims as they are now."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    claims, kept = all_claims(), []
    for outcome in json.loads((folder / "results.json").read_text(encoding="utf-8")):
        claim = claims[outcome["claim"]]
        if list(claim.quick) != outcome["commands"]:
            continue
        # Messages may name folders of this machine.
        kept.append({key: outcome[key] for key in ("claim", "status", "seconds", "values", "version")})
        file = folder / claim.name / claim.picture
        if claim.picture and file.is_file():
            with Image.open(file) as opened:
                picture = opened.convert("RGB")
            picture.thumbnail((_SIDE_PX, _SIDE_PX))
            picture.save(IMAGES / f"{claim.name}.jpg", quality=85, optimize=True)
    write_text(RESULTS, json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
