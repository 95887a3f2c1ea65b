"""Pictures for people and printers: `.jpg`, `.avif` and `.pdf`, and the resolution and profile of every format."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import av
import numpy as np
import pypdf
import pytest
import pyvips
from PIL import Image, ImageCms

from artkit import RenderedPainting, UsageError
from artkit.imaging.png import srgb_profile
from artkit.output.export import exporters
from artkit_exporters.jpg import Jpg

Paint = Callable[..., RenderedPainting]


def write(painting: RenderedPainting, file: Path, *settings: str) -> Path:
    (exporter,) = exporters([file], settings)
    exporter.write(painting, file)
    return file


def mean_difference(a: Any, b: Any) -> float:
    """Return the mean absolute difference of 8-bit pixels."""
    return float(np.abs(np.asarray(a, float) - np.asarray(b, float)).mean())


@pytest.mark.parametrize("name", ["p.jpg", "p.jpeg", "p.avif"])
def test_picture_with_profile_resolution_and_metadata(paint: Paint, tmp_path: Path, name: str) -> None:
    painting = paint(2.0)
    with Image.open(write(painting, tmp_path / name, "dpi=240", "quality=97")) as image:
        assert mean_difference(image.convert("RGB"), painting.pixels()) < 2.5
        exif = image.getexif()
        assert (exif[0x011A], exif[0x011B], exif[0x0128]) == (240, 240, 2)
        assert json.loads(exif[0x010E]) == painting.metadata
        if name != "p.avif":
            assert image.info["dpi"] == (240, 240)
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        assert "sRGB" in ImageCms.getProfileDescription(profile)


def test_higher_quality_is_nearer(paint: Paint, tmp_path: Path) -> None:
    painting = paint(2.0)
    for name in ("p.jpg", "p.avif"):
        low, high = (
            mean_difference(
                Image.open(write(painting, tmp_path / name, f"quality={q}")).convert("RGB"), painting.pixels()
            )
            for q in (20, 95)
        )
        assert high < 0.6 * low, name


def test_a_picture_that_the_format_cannot_hold_is_refused(paint: Paint, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(Jpg, "max_side", 100)
    with pytest.raises(UsageError, match=r"150 x 100 px; \.jpg allows at most 100") as caught:
        write(paint(2.0), tmp_path / "p.jpg")
    assert ".tif" in caught.value.hint
    with pytest.raises(UsageError, match="a PDF allows at most 508 cm a side"):
        write(paint(), tmp_path / "p.pdf", "dpi=0.3")


def test_without_avif_in_pillow_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.features.check", lambda name: False)
    with pytest.raises(UsageError, match="a Pillow with AVIF"):
        exporters([Path("a.avif")])


def read_page(file: Path) -> Any:
    """Return the only page of a PDF."""
    (page,) = pypdf.PdfReader(file).pages
    return page


def page_cm(page: Any) -> list[float]:
    """Return width and height of a page in cm."""
    return [float(side) / 72 * 2.54 for side in (page.mediabox.width, page.mediabox.height)]


def test_pdf_is_a_page_of_the_size_of_the_print_with_the_lossless_picture(paint: Paint, tmp_path: Path) -> None:
    painting = paint(4.0)
    file = write(painting, tmp_path / "p.pdf", "dpi=254")
    page = read_page(file)
    assert page_cm(page) == pytest.approx([3.0, 2.0], abs=0.01)
    (image,) = page.images
    np.testing.assert_array_equal(np.asarray(image.image.convert("RGB")), painting.pixels())
    colours = image.indirect_reference.get_object()["/ColorSpace"]
    assert colours[0] == "/ICCBased"
    assert colours[1].get_object().get_data() == srgb_profile()
    assert json.loads(pypdf.PdfReader(file).metadata.subject) == painting.metadata  # type: ignore[union-attr,arg-type]


def test_pdf_of_paths_has_no_pixels(paint: Paint, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    painting = replace(paint(4.0, strokes=2), metadata={"Software": "artkit"})
    page = read_page(write(painting, tmp_path / "p.pdf", "paths=true", "dpi=254"))
    assert page_cm(page) == pytest.approx([3.0, 2.0], abs=0.01)
    assert not list(page.images)
    paths = write(painting, tmp_path / "p.svg").read_text().count("<path")
    assert page.get_contents().get_data().count(b" rg ") == paths + 1, "the strokes and the background"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.pdf", "p.svg"]
    assert caplog.records == []


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fpdf", None)
    with pytest.raises(UsageError, match=r"\.pdf files need fpdf"):
        exporters([Path("a.pdf")])


def test_svg_and_ora_hold_the_resolution(paint: Paint, tmp_path: Path) -> None:
    painting = paint(2.0)
    drawing = ElementTree.parse(write(painting, tmp_path / "p.svg", "dpi=254")).getroot()
    assert (drawing.attrib["width"], drawing.attrib["height"]) == ("1.5cm", "1cm")
    with zipfile.ZipFile(write(painting, tmp_path / "p.ora", "dpi=254.4")) as archive:
        stack = ElementTree.fromstring(archive.read("stack.xml"))
        assert (stack.attrib["xres"], stack.attrib["yres"]) == ("254", "254")
        with Image.open(io.BytesIO(archive.read("mergedimage.png"))) as merged:
            assert merged.info["icc_profile"]


def test_tiles_and_films_hold_the_colour_space(paint: Paint, tmp_path: Path) -> None:
    write(paint(), tmp_path / "p.dzi")
    with Image.open(tmp_path / "p_files" / "0" / "0_0.jpg") as tile:
        assert tile.info["icc_profile"] == srgb_profile()
    for name in ("p.mp4", "p.webm"):
        with av.open(str(write(paint(), tmp_path / name, "seconds=0.3", "fps=10"))) as film:
            next(film.decode(video=0))
            context = film.streams.video[0].codec_context
            assert (context.color_primaries, context.color_trc, context.colorspace) == (1, 13, 6), name


def test_one_resolution_for_all_formats(paint: Paint, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("p.png", "p.tif", "p.jpg", "p.json")]
    built: Sequence[Any] = exporters(files, (), {"dpi": 150.0})
    painting = paint()
    for exporter, file in zip(built, files, strict=True):
        exporter.write(painting, file)
    assert Image.open(files[0]).info["dpi"] == pytest.approx((150, 150), rel=1e-3)
    assert pyvips.Image.new_from_file(str(files[1])).xres == pytest.approx(150 / 25.4)
    assert Image.open(files[2]).info["dpi"] == (150, 150)
