"""Draws a folder of cartoon faces: a small data set in colour, where CelebA cannot be had.

    python docs/faces.py faces --count 5000
    artkit run agent/faces --set 'data={type="folder", path="faces"}'

The faces are those of facesjs (Apache-2.0), a package of npm's. So this needs Node.js, and resvg-py. Face number i is
the same whenever it is drawn.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
from PIL import Image

from artkit.errors import ArtkitError, UsageError
from artkit.files import atomic

PACKAGE = "facesjs@5.0.3"

# Reads numbers of faces, a line each, and writes each face as a line of JSON: an SVG.
DRAW = """
import { generate, faceToSvgString } from "facesjs";
import { createInterface } from "node:readline";
function seeded(a) {  // mulberry32 (Ettinger)
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
for await (const line of createInterface({ input: process.stdin })) {
  Math.random = seeded(Number(line));
  const gender = Math.random() < 0.5 ? "female" : "male";
  const hue = Math.floor(360 * Math.random()), light = Math.floor(45 + 45 * Math.random());
  const svg = faceToSvgString(generate(undefined, { gender }));
  console.log(JSON.stringify({ svg, ground: `hsl(${hue}, 45%, ${light}%)` }));
}
"""


def drawn(count: int) -> Iterator[tuple[str, str]]:
    """The faces as SVG, and the colour behind each. Raises ArtkitError if Node.js or the package is missing."""
    if not (shutil.which("node") and shutil.which("npm")):
        raise ArtkitError("faces are drawn by Node.js, which is not there", hint="apt install nodejs npm")
    with tempfile.TemporaryDirectory() as folder:
        told = subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--omit=peer", "--prefix", folder, PACKAGE],
            capture_output=True,
            text=True,
            check=False,
        )
        if told.returncode:
            raise ArtkitError(f"npm could not install {PACKAGE}: {told.stderr.strip()[-300:]}")
        script = Path(folder) / "draw.mjs"
        script.write_text(DRAW, encoding="utf-8")
        numbers = "".join(f"{number}\n" for number in range(count))
        (Path(folder) / "numbers").write_text(numbers)
        with (Path(folder) / "numbers").open() as asked:
            node = subprocess.Popen(["node", str(script)], stdin=asked, stdout=subprocess.PIPE, text=True, cwd=folder)
        assert node.stdout
        try:
            for line in node.stdout:
                face = json.loads(line)
                yield face["svg"], face["ground"]
        finally:
            node.kill()
            node.wait()


def picture(svg: str, ground: str, side: int) -> Image.Image:
    """The middle of a face's drawing, which is 400 x 600, as a square picture."""
    import resvg_py

    png = resvg_py.svg_to_bytes(svg_string=svg, background=ground, width=2 * side)
    with Image.open(io.BytesIO(bytes(png))) as opened:
        image = opened.convert("RGB")
    top = round(image.height * 0.2)
    return image.crop((0, top, image.width, top + image.width)).resize((side, side), Image.Resampling.BOX)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--count", type=click.IntRange(1, 100_000), default=5000, show_default=True, help="How many faces.")
@click.option("--side", type=click.IntRange(16, 1024), default=64, show_default=True, help="Of a picture, px.")
def main(folder: Path, count: int, side: int) -> None:
    """Draw faces into FOLDER, which must be new."""
    if folder.exists():
        raise UsageError(f"{folder} is already here", hint="name a new folder")
    for number, (svg, ground) in enumerate(drawn(count)):
        with atomic(folder / f"{number:05}.png") as temporary:
            picture(svg, ground, side).save(temporary)
    click.echo(str(folder))


if __name__ == "__main__":
    try:
        main()
    except ArtkitError as error:
        sys.exit(f"faces: {error}")
