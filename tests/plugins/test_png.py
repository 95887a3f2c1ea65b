"""The picture as a PNG file."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms

from artkit.imaging.pixels import tensor_to_pixels
from artkit.imaging.png import write_png
from artkit.rendering import rendered_painting as painting
from artkit.rendering.rendered_painting import RenderedPainting
from artkit_exporters.png import Png


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_the_file_holds_the_picture_and_its_texts(
    paint: Callable[..., RenderedPainting], tmp_path: Path, scale: float
) -> None:
    picture = paint(scale)
    Png(Png.Config()).write(picture, tmp_path / "p.png")
    with Image.open(tmp_path / "p.png") as image:
        assert image.format == "PNG"
        assert image.mode == "RGB"
        assert image.size == (75 * scale, 50 * scale)
        pixels = np.asarray(image)
        assert image.text["artkit:seed"] == "1"  # type: ignore[attr-defined]
        assert image.text["Title"] == "Füße \N{LOWER LEFT PAINTBRUSH}"  # type: ignore[attr-defined]
    np.testing.assert_array_equal(pixels, tensor_to_pixels(picture.to_tensor()))
    assert pixels.std() > 10


def test_it_is_the_same_file_again(paint: Callable[..., RenderedPainting], tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Png(Png.Config()).write(paint(), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_windows_are_parts_of_one_picture(
    paint: Callable[..., RenderedPainting], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large picture is painted window by window; the seams must not show."""
    whole = paint(2.0).pixels().astype(int)
    monkeypatch.setattr(painting, "WINDOW_SIDE", 37)
    picture = paint(2.0)
    assert len(list(picture.windows())) == 5 * 3
    assert np.abs(picture.pixels() - whole).max() <= 1


def test_16_bits_and_how_large_it_is_printed(paint: Callable[..., RenderedPainting], tmp_path: Path) -> None:
    picture = paint()
    with (tmp_path / "p.png").open("wb") as stream:
        write_png(picture.pixels(16), stream, dpi=300)
    with Image.open(tmp_path / "p.png") as image:
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        assert ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"])))
    deep = pyvips.Image.new_from_file(str(tmp_path / "p.png"))
    assert deep.format == "ushort"
    np.testing.assert_array_equal(deep.numpy(), picture.pixels(16))
    assert len(np.unique(picture.pixels(16))) > 1000


def test_its_name_ends_in_png() -> None:
    assert Png.suffixes == (".png",)
