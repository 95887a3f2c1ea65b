"""The exporter `png`."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms

from artkit import RenderedPainting
from artkit.imaging.pixels import tensor_to_pixels
from artkit.imaging.png import write_png
from artkit.rendering import rendered_painting
from artkit_exporters.png import Png


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_file_contains_the_picture_and_its_metadata(
    paint: Callable[..., RenderedPainting], tmp_path: Path, scale: float
) -> None:
    painting = paint(scale)
    Png(Png.Config()).write(painting, tmp_path / "p.png")
    with Image.open(tmp_path / "p.png") as image:
        assert image.format == "PNG"
        assert image.mode == "RGB"
        assert image.size == (75 * scale, 50 * scale)
        pixels = np.asarray(image)
        assert image.text["artkit:seed"] == "1"  # type: ignore[attr-defined]
        assert image.text["Title"] == "Füße \N{LOWER LEFT PAINTBRUSH}"  # type: ignore[attr-defined]
    np.testing.assert_array_equal(pixels, tensor_to_pixels(painting.to_tensor()))
    assert pixels.std() > 10


def test_the_same_painting_gives_the_same_bytes(paint: Callable[..., RenderedPainting], tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Png(Png.Config()).write(paint(), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_windows_join_without_seams(paint: Callable[..., RenderedPainting], monkeypatch: pytest.MonkeyPatch) -> None:
    """A large picture is rendered window by window."""
    expected = paint(2.0).pixels().astype(int)
    monkeypatch.setattr(rendered_painting, "WINDOW_SIDE", 37)
    painting = paint(2.0)
    assert len(list(painting.windows())) == 5 * 3
    assert np.abs(painting.pixels() - expected).max() <= 1


def test_16_bits_print_resolution_and_profile(paint: Callable[..., RenderedPainting], tmp_path: Path) -> None:
    painting = paint()
    with (tmp_path / "p.png").open("wb") as stream:
        write_png(painting.pixels(16), stream, dpi=300)
    with Image.open(tmp_path / "p.png") as image:
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        assert ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"])))
    image_16_bit = pyvips.Image.new_from_file(str(tmp_path / "p.png"))
    assert image_16_bit.format == "ushort"
    np.testing.assert_array_equal(image_16_bit.numpy(), painting.pixels(16))
    assert len(np.unique(painting.pixels(16))) > 1000


def test_suffix_is_png() -> None:
    assert Png.suffixes == (".png",)
