"""Photos of every kind give the colours that a viewer shows, and a note where something was assumed."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from artkit.errors import UsageError
from artkit.imaging import image_file, loading
from artkit.imaging.colour_profiles import matrix_profile
from artkit.imaging.image_file import image_size
from artkit.imaging.loading import load_target_image
from artkit.imaging.png import srgb_profile

WIDTH, HEIGHT = 32, 16
DARK, LIGHT = 64, 192

GREY = np.where(np.arange(WIDTH) < WIDTH // 2, DARK, LIGHT)[None].repeat(HEIGHT, 0) / 255
"""Grey values in [0, 1]: dark on the left, light on the right."""
RGB = np.stack([GREY, 1 - GREY, GREY * 0 + 32 / 255], -1)
GREY_COLOURS, RGB_COLOURS = ((64, 64, 64), (192, 192, 192)), ((64, 191, 32), (192, 63, 32))


def _load(file: Path, notes: list[str] | None = None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the colours on the left and on the right of an image, 8-bit, read on a white background."""
    pixels = load_target_image(file, (WIDTH, HEIGHT), notes=notes).pixels[0]
    left, right = ((pixels[:, HEIGHT // 2, x] * 255).round().int().tolist() for x in (4, WIDTH - 4))
    return tuple(left), tuple(right)


def _is_close(colours: Any, expected: Any, tolerance: int = 2) -> bool:
    return bool(np.abs(np.asarray(colours, int) - np.asarray(expected, int)).max() <= tolerance)


def _scaled(values: np.ndarray[Any, Any], white: float, dtype: str) -> np.ndarray[Any, Any]:
    return (values * white).round().astype(dtype) if np.dtype(dtype).kind != "f" else (values * white).astype(dtype)


def _write_png(file: Path, bits: int, colour_type: int, rows: list[bytes], *chunks: tuple[bytes, bytes]) -> Path:
    """Write a PNG of WIDTH x HEIGHT px whose kind Pillow cannot write."""

    def chunk(key: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + key + content + struct.pack(">I", zlib.crc32(key + content))

    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, colour_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", pixels), (b"IEND", b"")]
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))
    return file


# ---------------------------------------------------------------------------------------------- samples of many bits
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize(
    ("dtype", "white", "note"),
    [
        ("float32", 1, ""),
        ("float32", 255, "floats up to 192: white is taken as 255"),
        ("float32", 65535, "white is taken as 65535"),
        ("float32", 10, "white is taken as"),
        ("float16", 1, ""),
        ("uint16", 65535, ""),
        ("uint16", 4095, "16-bit integers up to 3083: white is taken as 4095"),
        ("uint16", 255, "white is taken as 255"),
        ("int16", 32767, ""),
        ("int32", 255, "32-bit integers up to 192: white is taken as 255"),
        ("int32", 2**31 - 1, "white is taken as 2147483647"),
        ("uint32", 255, "white is taken as 255"),
        ("uint32", 65535, "white is taken as 65535"),
        ("uint32", 2**32 - 1, "white is taken as 4294967295"),
        ("int8", 127, ""),
    ],
)
def test_grey_tiffs_are_scaled_to_their_white(
    tmp_path: Path, dtype: str, white: float, note: str, byteorder: Any
) -> None:
    if dtype == "float16" or (dtype == "uint32" and byteorder == ">"):
        pytest.importorskip("pyvips")
    file, notes = tmp_path / "a.tif", list[str]()
    tifffile.imwrite(file, _scaled(GREY, white, dtype), byteorder=byteorder, photometric="minisblack")
    expected = ((85,) * 3, (255,) * 3) if white == 10 else GREY_COLOURS  # 10 is no white: the largest value is
    assert _is_close(_load(file, notes), expected)
    assert bool(notes) == bool(note)
    assert not note or (note in notes[0] and str(file) in notes[0])


@pytest.mark.parametrize(
    ("dtype", "white"),
    [("float32", 1), ("float32", 255), ("uint16", 65535), ("uint16", 4095), ("uint16", 255), ("uint32", 2**32 - 1)],
)
@pytest.mark.parametrize("planar", [False, True])
def test_colour_tiffs_are_scaled_to_their_white(tmp_path: Path, dtype: str, white: float, planar: bool) -> None:
    pytest.importorskip("pyvips")
    values, file = _scaled(RGB, white, dtype), tmp_path / "a.tif"
    options: dict[str, Any] = {"photometric": "rgb", "planarconfig": "separate" if planar else "contig"}
    tifffile.imwrite(file, np.moveaxis(values, -1, 0) if planar else values, **options)
    assert _is_close(_load(file), RGB_COLOURS)
    assert image_size(file) == (WIDTH, HEIGHT)


def test_12_bit_values_in_a_16_bit_png_keep_their_brightness(tmp_path: Path) -> None:
    pytest.importorskip("pyvips")
    rows, notes = list(_scaled(RGB, 4095, ">u2").reshape(HEIGHT, -1)), list[str]()
    assert _is_close(_load(_write_png(tmp_path / "a.png", 16, 2, [r.tobytes() for r in rows]), notes), RGB_COLOURS)
    assert "white is taken as 4095" in notes[0]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_white_may_be_zero(tmp_path: Path, dtype: str, byteorder: Any) -> None:
    if byteorder == ">" and dtype == "uint16":
        pytest.importorskip("pyvips")
    white = {"uint8": 255, "uint16": 65535, "float32": 1}[dtype]
    inverted = _scaled(1 - GREY, white, dtype)
    tifffile.imwrite(tmp_path / "a.tif", inverted, photometric="miniswhite", byteorder=byteorder)
    assert _is_close(_load(tmp_path / "a.tif"), GREY_COLOURS)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_alpha_of_many_bits_shows_the_background(tmp_path: Path, dtype: str) -> None:
    pytest.importorskip("pyvips")
    white = 65535 if dtype == "uint16" else 1
    values = _scaled(np.stack([GREY, GREY * 0 + 0.5], -1), white, dtype)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack", extrasamples=["unassalpha"])
    assert _is_close(_load(tmp_path / "a.tif"), ((159,) * 3, (223,) * 3))


@pytest.mark.parametrize(
    "tags",
    [
        [(341, "f", 1, 200.0, True)],
        [(340, "f", 1, 0.0, True), (341, "f", 1, 200.0, True)],
        [(270, "s", 0, "ImageJ=1.54\nmin=0.0\nmax=200.0\n", True)],
    ],
)
def test_a_range_that_the_file_declares_needs_no_note(tmp_path: Path, tags: list[Any]) -> None:
    notes: list[str] = []
    tifffile.imwrite(tmp_path / "a.tif", _scaled(GREY, 200, "float32"), extratags=tags, metadata=None)
    assert _is_close(_load(tmp_path / "a.tif", notes), GREY_COLOURS)
    assert not notes


def test_floats_may_be_signed_or_infinite(tmp_path: Path) -> None:
    notes: list[str] = []
    tifffile.imwrite(tmp_path / "signed.tif", (2 * GREY - 1).astype("float32"))
    assert _is_close(_load(tmp_path / "signed.tif", notes), GREY_COLOURS)
    assert "black is taken as -1" in notes[0]
    values = GREY.astype("float32")
    values[0, :4] = np.nan, np.inf, -np.inf, 0
    tifffile.imwrite(tmp_path / "a.tif", values)
    assert _is_close(_load(tmp_path / "a.tif"), GREY_COLOURS)
    tifffile.imwrite(tmp_path / "b.tif", values * np.nan)
    assert _load(tmp_path / "b.tif") == ((0, 0, 0), (0, 0, 0))


def test_a_few_values_above_1_are_highlights(tmp_path: Path) -> None:
    values, notes = GREY.astype("float32"), list[str]()
    values[0, 0] = 8
    tifffile.imwrite(tmp_path / "a.tif", values)
    assert _is_close(_load(tmp_path / "a.tif", notes), GREY_COLOURS)
    assert "above 1 are white" in notes[0]


# ----------------------------------------------------------------------------------------------- transparent colours
@pytest.mark.parametrize(
    ("bits", "colour_type", "row", "key"),
    [
        (16, 0, _scaled(GREY[0], 65535, ">u2").tobytes(), (64 * 257,)),
        (16, 2, _scaled(RGB[0], 65535, ">u2").tobytes(), (64 * 257, 191 * 257, 32 * 257)),
        (8, 0, _scaled(GREY[0], 255, "u1").tobytes(), (64,)),
        (4, 0, b"\x44" * 8 + b"\xcc" * 8, (4,)),
        (2, 0, b"\x55" * 4 + b"\xaa" * 4, (1,)),
    ],
)
def test_a_transparent_colour_of_a_png_shows_the_background(
    tmp_path: Path, bits: int, colour_type: int, row: bytes, key: tuple[int, ...]
) -> None:
    transparent = struct.pack(f">{len(key)}H", *key)
    file = _write_png(tmp_path / "a.png", bits, colour_type, [row] * HEIGHT, (b"tRNS", transparent))
    left, right = _load(file)
    assert left == (255, 255, 255)
    assert max(right) < 210


# --------------------------------------------------------------------------------------------------- colour profiles
def _to_srgb(xyz: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return 8-bit sRGB of XYZ adapted to D50."""
    to_linear = np.array([[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540]])
    linear = xyz @ np.vstack([to_linear, [0.0719453, -0.2289914, 1.4052427]]).T
    linear = linear.clip(0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055) * 255


PROPHOTO = ((0.79767, 0.28804, 0.0), (0.13519, 0.71187, 0.0), (0.03134, 0.00009, 0.8249))
DISPLAY_P3 = ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407))
ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))


@pytest.mark.parametrize(
    ("primaries", "gamma"), [(PROPHOTO, 1.8), (DISPLAY_P3, 2.2), (ADOBE, 563 / 256)], ids=["ProPhoto", "P3", "Adobe"]
)
@pytest.mark.parametrize("kind", ["a.png", "a.jpg", "a.tif", "a.webp", "alpha.png", "16.tif"])
def test_embedded_profiles_are_converted_to_srgb(
    tmp_path: Path, primaries: tuple[tuple[float, float, float], ...], gamma: float, kind: str
) -> None:
    profile, file = matrix_profile(primaries, gamma, "a wide gamut"), tmp_path / kind
    pixels = np.stack([GREY, GREY * 0.8, GREY * 0.7], -1)  # lies in the gamut of sRGB
    if kind == "16.tif":
        tifffile.imwrite(file, _scaled(pixels, 65535, "uint16"), photometric="rgb", iccprofile=profile)
    else:
        image = Image.fromarray(_scaled(pixels, 255, "uint8"))
        if kind == "alpha.png":
            image.putalpha(255)
        options = {"a.jpg": {"quality": 98, "subsampling": 0}, "a.webp": {"lossless": True}}.get(kind, {})
        image.save(file, icc_profile=profile, **options)  # type: ignore[arg-type]
    expected = _to_srgb(pixels[0, [0, -1]] ** gamma @ np.array(primaries))
    assert _is_close(_load(file), expected, 3)
    assert not _is_close(pixels[0, [0, -1]] * 255, expected, 6)


@pytest.mark.parametrize("dtype", ["float32", "uint16"])
def test_tiffs_in_linear_light_keep_their_shadows(tmp_path: Path, dtype: str) -> None:
    pytest.importorskip("pyvips")
    pixels = np.stack([GREY, GREY * 0.8, GREY * 0.7], -1) / 100
    pixels[0, 0] = 1
    profile = matrix_profile(ADOBE, 1.0, "linear")
    values = _scaled(pixels, 65535 if dtype == "uint16" else 1, dtype)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", iccprofile=profile)
    assert _is_close(_load(tmp_path / "a.tif"), _to_srgb(pixels[1, [0, -1]] @ np.array(ADOBE)), 2)


def test_a_camera_may_name_adobe_rgb_in_exif_only(tmp_path: Path) -> None:
    pixels = np.stack([GREY, GREY * 0.8, GREY * 0.7], -1)
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    Image.fromarray(_scaled(pixels, 255, "uint8")).save(tmp_path / "a.jpg", quality=98, subsampling=0, exif=exif)
    assert _is_close(_load(tmp_path / "a.jpg"), _to_srgb(pixels[0, [0, -1]] ** (563 / 256) @ np.array(ADOBE)), 3)


def test_the_gamma_of_a_png_is_applied(tmp_path: Path) -> None:
    rows = [_scaled(RGB[0], 255, "uint8").tobytes()] * HEIGHT
    linear = _write_png(tmp_path / "a.png", 8, 2, rows, (b"gAMA", struct.pack(">I", 100000)))
    assert _is_close(_load(linear), ((137, 224, 99), (224, 136, 99)), 3)  # of 64, 191, 32 and 192, 63, 32
    usual = _write_png(tmp_path / "b.png", 8, 2, rows, (b"gAMA", struct.pack(">I", 45455)))
    assert _load(usual) == RGB_COLOURS


def _cmyk_profile() -> bytes:
    """Return an ICC profile of a press whose cyan ink is light green: L a b = 87, -60, 50."""
    grid = np.array([(c, m, y, k) for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)])
    ink = grid.any(1, keepdims=True)
    lab = np.where(grid == [1, 0, 0, 0], 1, 0).all(1, keepdims=True)
    values = np.where(lab, (87, -60, 50), np.where(ink, (20, 0, 0), (100, 0, 0))) * (2.55, 1, 1) + (0, 128, 128)
    identity = np.arange(256, dtype=np.uint8).tobytes()
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + np.eye(3, dtype=">i4").__mul__(65536).astype(">i4").tobytes()
    lut += identity * 4 + values.round().astype(np.uint8).tobytes() + identity * 3
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    start = 128 + 4 + 2 * 12
    table = struct.pack(">I4sII4sII", 2, b"A2B0", start, len(lut), b"wtpt", start + len(lut), len(white))
    header = struct.pack(">I4xI4s4s4s", start + len(lut + white), 0x02100000, b"prtr", b"CMYK", b"Lab ")
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + lut + white


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_cmyk_is_converted_by_its_profile(tmp_path: Path, name: str) -> None:
    image = Image.new("CMYK", (WIDTH, HEIGHT))
    image.paste((255, 0, 0, 0), (0, 0, WIDTH // 2, HEIGHT))
    image.save(tmp_path / name, icc_profile=_cmyk_profile())
    left, right = _load(tmp_path / name)
    assert _is_close(right, (255, 255, 255), 3)
    red, green, blue = left
    assert green > 220 > 160 > max(red, blue)  # cyan without the profile: 0, 255, 255


def test_grey_and_lab_images_are_converted(tmp_path: Path) -> None:
    profile = matrix_profile(ADOBE, 1.0, "linear light")
    Image.fromarray(_scaled(GREY, 255, "uint8")).save(tmp_path / "grey.png", icc_profile=profile)
    assert _is_close(_load(tmp_path / "grey.png"), ((137,) * 3, (225,) * 3))
    lab = np.stack([GREY * 255, GREY * 0, GREY * 0], -1).astype("uint8")
    tifffile.imwrite(tmp_path / "lab.tif", lab, photometric="cielab")
    assert _is_close(_load(tmp_path / "lab.tif"), ((59, 59, 60), (185,) * 3))


def test_profiles_of_srgb_leave_the_pixels_as_they_are(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=srgb_profile())
    loaded = load_target_image(tmp_path / "a.png", (WIDTH, HEIGHT)).pixels[0] * 255
    assert np.array_equal(loaded.permute(1, 2, 0).round().numpy(), pixels)


@pytest.mark.parametrize(("profile", "word"), [(b"no profile", "damaged"), (_cmyk_profile(), "CMYK")])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_profile_that_does_not_fit_is_ignored_with_a_note(
    tmp_path: Path, profile: bytes, word: str, dtype: str
) -> None:
    notes: list[str] = []
    values = _scaled(RGB, 255 if dtype == "uint8" else 65535, dtype)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", iccprofile=profile)
    assert _load(tmp_path / "a.tif", notes) == RGB_COLOURS
    assert word in notes[0]
    assert "ignored" in notes[0]


# ------------------------------------------------------------------------------------------- orientation, frames, HEIC
def test_a_large_turned_photo_is_decoded_in_full_detail(tmp_path: Path) -> None:
    # Upright 200 x 1600 px with lines of 4 px, 2 px of the target. At the scale for the stored shape they are lost.
    lines = np.where(np.arange(200) // 4 % 2, 255, 0).astype(np.uint8)[None].repeat(1600, 0)
    exif = Image.Exif()
    exif[0x0112] = 6
    file = tmp_path / "a.jpg"
    Image.fromarray(lines).transpose(Image.Transpose.ROTATE_90).save(file, quality=95, exif=exif)
    pixels = load_target_image(file, (100, 10)).pixels[0, 0, 5]
    assert float(pixels[2::4].mean() - pixels[::4].mean()) > 0.8
    assert image_size(file) == (200, 1600)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.webp", "a.heic"])
def test_all_formats_are_rotated(tmp_path: Path, name: str, orientation: int) -> None:
    turns = [None, *(Image.Transpose(index) for index in (0, 3, 1, 5, 2, 6, 4))]
    upright = Image.fromarray(_scaled(RGB, 255, "uint8"))
    turn, exif = turns[orientation - 1], Image.Exif()
    exif[0x0112] = orientation
    stored = upright if turn is None else upright.transpose(turn)
    if name == "a.heic":
        heif = pytest.importorskip("pillow_heif")
        heif.from_pillow(stored).save(str(tmp_path / name), exif=exif.tobytes(), quality=100, chroma=444)
    else:
        stored.save(tmp_path / name, exif=exif, **({"lossless": True} if name == "a.webp" else {}))  # type: ignore[arg-type]
    assert _is_close(_load(tmp_path / name), RGB_COLOURS, 8)
    assert image_size(tmp_path / name) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif"])
def test_the_first_frame_is_used_with_a_note(tmp_path: Path, name: str) -> None:
    first, second = (Image.fromarray(_scaled(values, 255, "uint8")) for values in (GREY, 1 - GREY))
    options = {"lossless": True} if name == "a.webp" else {}
    first.convert("RGB").save(tmp_path / name, save_all=True, append_images=[second.convert("RGB")], **options)  # type: ignore[arg-type]
    notes: list[str] = []
    assert _is_close(_load(tmp_path / name, notes), GREY_COLOURS)
    assert "first" in notes[0]
    first.save(tmp_path / f"still-{name}")
    assert _load(tmp_path / f"still-{name}", notes := []) == GREY_COLOURS
    assert not notes


@pytest.mark.parametrize("values", [GREY * 255, RGB])
def test_pages_of_a_tiff_have_a_note_also_with_libvips(tmp_path: Path, values: Any) -> None:
    pytest.importorskip("pyvips")
    pages = np.stack([values, values * 0]).astype("float32")
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="rgb" if values is RGB else "minisblack")
    _load(tmp_path / "a.tif", notes := list[str]())
    assert "several pages" in notes[0]


@pytest.mark.parametrize("bits", [8, 16])
def test_reduced_copies_in_a_tiff_are_no_pages(tmp_path: Path, bits: int) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for step in (1, 2):
            values = _scaled(RGB[::step, ::step], (1 << bits) - 1, f"uint{bits}")
            file.write(values, photometric="rgb", subfiletype=step - 1, iccprofile=srgb_profile())
    assert _load(tmp_path / "a.tif", notes := []) == RGB_COLOURS
    assert not notes


def test_a_file_of_a_camera_that_shows_its_preview_has_a_note(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.dng", _scaled(RGB, 255, "uint8"), photometric="rgb", subfiletype=1)
    assert _load(tmp_path / "a.dng", notes := []) == RGB_COLOURS
    assert "only its preview of 32 x 16 px" in notes[0]


# ------------------------------------------------------------------------------------------------------ missing extras
def _float_rgb(file: Path) -> None:
    tifffile.imwrite(file, RGB.astype("float32"), photometric="rgb")


def _planar_16_bit(file: Path) -> None:
    values = np.moveaxis(_scaled(RGB, 65535, "uint16"), -1, 0)
    tifffile.imwrite(file, values, photometric="rgb", planarconfig="separate")


@pytest.mark.parametrize("write", [_float_rgb, _planar_16_bit])
def test_a_tiff_that_needs_libvips_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]
) -> None:
    write(tmp_path / "a.tif")
    monkeypatch.setattr(image_file, "vips_library", lambda: None)
    for read in (lambda file: load_target_image(file, (8, 8)), image_size):
        if write is _planar_16_bit and read is image_size:
            continue
        with pytest.raises(UsageError) as caught:
            read(tmp_path / "a.tif")
        assert str(tmp_path / "a.tif") in caught.value.message
        assert "neural-artkit[export]" in str(caught.value.hint)


def test_dark_16_bit_colours_without_libvips_have_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(tmp_path / "a.tif", _scaled(RGB, 4095, "uint16"), photometric="rgb")
    monkeypatch.setattr(image_file, "vips_library", lambda: None)
    _load(tmp_path / "a.tif", notes := list[str]())
    assert "neural-artkit[export]" in notes[0]


def test_a_heic_photo_without_its_library_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(64))

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(image_file.importlib, "import_module", missing)
    with pytest.raises(UsageError) as caught:
        load_target_image(tmp_path / "a.heic", (8, 8))
    assert "neural-artkit[heic]" in str(caught.value.hint)


@pytest.mark.parametrize("keep", [8, 60, 200, 3000])
def test_a_damaged_tiff_that_only_libvips_reads_is_an_error(tmp_path: Path, keep: int) -> None:
    _float_rgb(tmp_path / "a.tif")
    (tmp_path / "a.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:keep])
    with pytest.raises(UsageError) as caught:
        load_target_image(tmp_path / "a.tif", (8, 8))
    assert "cannot be read as an image" in caught.value.message


def test_the_pixel_limit_holds_for_libvips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyvips")
    _float_rgb(tmp_path / "a.tif")
    monkeypatch.setattr(loading, "MAX_PIXELS", WIDTH * HEIGHT - 1)
    with pytest.raises(UsageError, match=f"{WIDTH} x {HEIGHT} px"):
        load_target_image(tmp_path / "a.tif", (8, 8), background=torch.ones(3))


# ------------------------------------------------------------------------------------------------------- hostile files
def test_programs_and_documents_are_no_pictures(tmp_path: Path) -> None:
    """Pillow has Ghostscript execute the program in an EPS; libvips renders SVG and PDF."""
    (tmp_path / "a.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n")
    (tmp_path / "a.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    for name in ("a.eps", "a.svg"):
        (tmp_path / "photo.png").write_bytes((tmp_path / name).read_bytes())  # the name does not matter
        for file in (tmp_path / name, tmp_path / "photo.png"):
            with pytest.raises(UsageError, match="cannot be read as an image") as caught:
                _load(file)
            assert caught.value.hint == "save it as PNG or JPEG"


def test_a_large_picture_in_a_small_icon_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "MAX_PIXELS", 5_000)
    Image.new("RGB", (300, 300)).save(tmp_path / "a.png")
    png = (tmp_path / "a.png").read_bytes()
    head = struct.pack("<HHHBBBBHHII", 0, 1, 1, 32, 32, 0, 0, 1, 32, len(png), 22)
    (tmp_path / "a.ico").write_bytes(head + png)
    with pytest.raises(UsageError, match=r"300 x 300 px|exceeds limit"):
        _load(tmp_path / "a.ico")


def test_the_pixels_of_a_heic_photo_are_counted_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.from_pillow(Image.new("RGB", (300, 300))).save(tmp_path / "a.heic")
    monkeypatch.setattr(loading, "MAX_PIXELS", 5_000)
    monkeypatch.setattr(pillow_heif.HeifFile, "to_pillow", lambda *_: pytest.fail("decoded"))
    with pytest.raises(UsageError, match="300 x 300 px"):
        _load(tmp_path / "a.heic")
