"""Campaign: damaged pictures of 20 formats are read: damaged bytes, cut files, and small files of huge pictures."""

from __future__ import annotations

import io
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from harness import Case, Fault, main
from mutations import mutate_bytes
from PIL import Image

WIDTH, HEIGHT = 48, 32
SIZES = (1, 7, 255, 20_000, 65_535, 2**31 - 1, 2**32 - 1)
"""Widths and heights of bombs."""
# Where the header of a format has its width and height, and their type.
SIZE_FIELDS: dict[str, tuple[int, str]] = {
    "png": (16, ">II"), "bmp": (18, "<ii"), "gif": (6, "<HH"), "tga": (12, "<HH"), "qoi": (4, ">II"),
    "psd": (14, ">II"), "sgi": (6, ">HH"), "pcx": (8, "<HH"), "dds": (12, "<II"), "webp": (26, "<HH"), "ico": (6, "BB"),
    "im": (512, "<II"),
}  # fmt: skip
MARKERS = {"jpg": b"\xff\xc0\x00\x11\x08", "avif": b"ispe\0\0\0\0", "heic": b"ispe\0\0\0\0", "jp2": b"ihdr"}
"""What comes before height and width, or width and height, in a file of a format."""
MARKED_FIELD = {"jpg": ">HH", "avif": ">II", "heic": ">II", "jp2": ">II"}


def pictures() -> dict[str, bytes]:
    """Return valid pictures by a name that ends with their format."""
    rng = np.random.default_rng(0)
    pixels = (rng.random((HEIGHT, WIDTH, 4)) * 255).astype(np.uint8)
    rgb, rgba = Image.fromarray(pixels[..., :3]), Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    saved: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        **{f"plain.{ending}": (rgb, {}) for ending in ("png", "jpg", "webp", "bmp", "ppm", "tga", "pcx", "sgi", "qoi")},
        **{f"plain.{ending}": (rgb, {}) for ending in ("jp2", "avif", "dds", "im", "icns", "ico", "gif", "tif")},
        "grey.pgm": (rgb.convert("L"), {}), "bits.xbm": (rgb.convert("1"), {}), "msp.msp": (rgb.convert("1"), {}),
        "alpha.png": (rgba, {}), "alpha.webp": (rgba, {"lossless": True}),
        "alpha.tga": (rgba, {"compression": "tga_rle"}),
        "palette.png": (rgb.quantize(8), {"transparency": 0}), "exif.jpg": (rgb, {"exif": exif}),
        "progressive.jpg": (rgb, {"progressive": True}), "cmyk.jpg": (rgb.convert("CMYK"), {}),
        "deflate.tif": (rgb, {"compression": "tiff_adobe_deflate"}), "lzw.tif": (rgb, {"compression": "tiff_lzw"}),
        "jpeg.tif": (rgb, {"compression": "jpeg"}), "cmyk.tif": (rgb.convert("CMYK"), {}),
        "animated.gif": (rgb, {"save_all": True, "append_images": [rgba.convert("RGB")]}),
        "deep.png": (Image.fromarray(pixels[..., 0].astype(np.uint16) * 257), {}),
    }  # fmt: skip
    formats = {"jpg": "JPEG", "tif": "TIFF", "pgm": "PPM", "jp2": "JPEG2000"}
    files: dict[str, bytes] = {}
    for name, (image, options) in saved.items():
        ending, stream = name.rpartition(".")[2], io.BytesIO()
        image.save(stream, formats.get(ending, ending.upper()), **options)
        files[name] = stream.getvalue()
    return files | _pictures_of_other_libraries(pixels)


def _pictures_of_other_libraries(pixels: np.ndarray[Any, Any]) -> dict[str, bytes]:
    files = {}
    try:
        import tifffile

        for dtype in ("float32", "uint16", "uint32"):
            stream = io.BytesIO()
            tifffile.imwrite(stream, pixels[..., :3].astype(dtype), photometric="rgb", compression=None)
            files[f"{dtype}.tif"] = stream.getvalue()
    except ImportError:
        pass
    try:
        import pillow_heif

        stream = io.BytesIO()
        pillow_heif.from_pillow(Image.fromarray(pixels[..., :3])).save(stream)
        files["photo.heic"] = stream.getvalue()
    except ImportError:
        pass
    # An image of 16 x 16 px with layers; Pillow writes no PSD.
    files["layers.psd"] = (
        b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 16, 16, 8, 3) + struct.pack(">III", 0, 0, 0) + b"\0\0" + bytes(768)
    )
    files["drawing.svg"] = b'<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"><circle r="9"/></svg>'
    files["page.eps"] = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\nshowpage\n%%EOF\n"
    return files


def _png(width: int, height: int, compressed: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", compressed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(key, content) for key, content in chunks)


def _chunk(key: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + key + content + struct.pack(">I", zlib.crc32(key + content))


def mutate_picture(name: str, content: bytes, rng: random.Random) -> bytes:
    """Return a damaged picture: a bomb, damaged chunks with right sums, or damaged bytes anywhere."""
    ending, kind = name.rpartition(".")[2], rng.randrange(10)
    if kind == 0:
        content = _with_size(ending, content, rng)
    elif kind == 1 and ending == "png":
        return _with_damaged_chunk(content, rng)
    elif kind == 2:
        return content[: rng.randrange(len(content))]
    elif kind == 3 and ending in ("ico", "png"):
        return _icon_bomb(rng) if ending == "ico" else _png_bomb(rng)
    elif kind < 6:
        header = mutate_bytes(content[:64], rng)  # most of what a decoder believes is there
        return header + content[64:]
    else:
        return mutate_bytes(content, rng)
    return content if rng.random() < 0.5 else mutate_bytes(content, rng)


def _with_size(ending: str, content: bytes, rng: random.Random) -> bytes:
    """Return a picture whose header has another size."""
    changed = bytearray(content)
    if ending in MARKERS and (at := content.find(MARKERS[ending])) >= 0:
        place, layout = at + len(MARKERS[ending]), MARKED_FIELD[ending]
    elif ending in SIZE_FIELDS:
        place, layout = SIZE_FIELDS[ending]
    elif ending in ("ppm", "pgm"):
        return content.replace(b"48 32", f"{rng.choice(SIZES)} {rng.choice(SIZES)}".encode())
    elif ending == "svg":
        return content.replace(b'"20"', f'"{rng.choice(SIZES)}"'.encode())
    else:
        place, layout = rng.randrange(max(1, len(content) - 8)), rng.choice(("<II", ">II", "<HH", ">HH"))
    limit = 256 ** struct.calcsize(layout[-1]) // (2 if layout.endswith("i") else 1)
    sizes = [rng.choice(SIZES) % limit for _ in range(2)]
    changed[place : place + struct.calcsize(layout)] = struct.pack(layout, *sizes)
    if ending == "png":
        changed[29:33] = struct.pack(">I", zlib.crc32(changed[12:29]))
    return bytes(changed)


def _with_damaged_chunk(content: bytes, rng: random.Random) -> bytes:
    at, chunks = 8, []
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += length + 12
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(chunks))
        key, body = chunks[place]
        keys = (b"tRNS", b"PLTE", b"gAMA", b"iCCP", b"zTXt", b"eXIf", b"acTL", b"fcTL", b"IHDR", key)
        chunks.insert(place, (rng.choice(keys), mutate_bytes(body, rng)))
        if rng.random() < 0.7:
            del chunks[place + 1]
    return content[:8] + b"".join(_chunk(key, body) for key, body in chunks)


def _png_bomb(rng: random.Random) -> bytes:
    """Return a small PNG of many pixels, complete or not, or with a text or profile that grows when it is unpacked."""
    if rng.random() < 0.5:
        side = rng.choice((3_000, 20_001, 60_000))
        rows = rng.choice((1, min(side, 3_000)))
        return _png(side, side, zlib.compress((b"\0" + bytes(3 * side)) * rows))
    packed = b"name\0\0" + zlib.compress(bytes(rng.choice((10**6, 10**8))))
    plain = _png(8, 8, zlib.compress((b"\0" + bytes(24)) * 8))
    return plain[:33] + _chunk(rng.choice((b"zTXt", b"iCCP")), packed) + plain[33:]


def _icon_bomb(rng: random.Random) -> bytes:
    """Return an icon of 32 px that contains a PNG of many pixels."""
    side = rng.choice((3_000, 20_001))
    png = _png(side, side, zlib.compress((b"\0" + bytes(3 * side)) * min(side, 3_000)))
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 32, 32, 0, 0, 1, 32, len(png), 22) + png


def prepare(folder: Path) -> Case:
    """Write a valid picture of each kind."""
    import torch

    from artkit.imaging.image_file import image_size
    from artkit.imaging.loading import load_target_image

    torch.set_num_threads(1)
    valid = pictures()

    def case(rng: random.Random | None, run: Path) -> None:
        name = rng.choice(sorted(valid)) if rng else "plain.png"
        file = run / f"picture.{name.rpartition('.')[2]}"
        file.write_bytes(mutate_picture(name, valid[name], rng) if rng else valid[name])
        notes: list[str] = []
        pixels = load_target_image(file, (WIDTH, HEIGHT), notes=notes, report_shape=True).pixels
        if pixels.shape != (1, 3, HEIGHT, WIDTH) or not (pixels.min() >= 0 and pixels.max() <= 1):
            raise Fault(f"a picture of {tuple(pixels.shape)}, {pixels.min():g} to {pixels.max():g}")
        if not all(note.isprintable() and len(note) < 2_000 for note in notes):
            raise Fault("unreadable note")
        image_size(file)

    return case


if __name__ == "__main__":
    main("pictures", __doc__, prepare)
