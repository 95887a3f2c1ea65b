"""Loading of image files of many kinds, fitting, error messages, and writing of PNG files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from artkit.errors import UsageError
from artkit.geometry.window import Window
from artkit.imaging import loading
from artkit.imaging.loading import Fit, load_target_image
from artkit.imaging.pixels import pixels_to_tensor, tensor_to_pixels
from artkit.imaging.png import save_png
from artkit.imaging.target_image import TargetImage

RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128)


def _quarters(width: int = 40, height: int = 20) -> Image.Image:
    """Return an image with red, green, blue and grey quarters, row by row."""
    image = Image.new("RGB", (width, height), RED)
    w, h = width // 2, height // 2
    for colour, corner in ((GREEN, (w, 0)), (BLUE, (0, h)), (GREY, (w, h))):
        image.paste(colour, (*corner, corner[0] + w, corner[1] + h))
    return image


def _corner_colours(target: TargetImage) -> list[tuple[int, int, int]]:
    """Return the colours near the four corners, row by row, as 8-bit integers."""
    pixels = (target.pixels[0] * 255).round().int()
    _, height, width = pixels.shape
    corners = [(y, x) for y in (height // 8, -height // 8) for x in (width // 8, -width // 8)]
    return [tuple(pixels[:, y, x].tolist()) for y, x in corners]


def _is_close(a: object, b: object, tolerance: float) -> bool:
    return bool(np.abs(np.asarray(a, float) - np.asarray(b, float)).max() <= tolerance)


@pytest.mark.parametrize(
    ("name", "mode", "options", "tolerance"),
    [
        ("a.png", "RGB", {}, 0),
        ("a.png", "P", {}, 2),
        ("a.gif", "P", {}, 2),
        ("a.webp", "RGB", {"lossless": True}, 0),
        ("a.bmp", "RGB", {}, 0),
        ("a.tif", "RGB", {}, 0),
        ("a.jpg", "RGB", {"quality": 95, "subsampling": 0}, 6),
        ("a.tif", "CMYK", {}, 2),
        ("a.jpg", "CMYK", {"quality": 95}, 6),
    ],
)
def test_files_of_many_formats_give_the_same_pixels(
    tmp_path: Path, name: str, mode: str, options: dict[str, int], tolerance: float
) -> None:
    image = _quarters()
    image = image.convert("P", palette=Image.Palette.ADAPTIVE) if mode == "P" else image.convert(mode)
    image.save(tmp_path / name, **options)  # type: ignore[arg-type]
    target = load_target_image(tmp_path / name, (40, 20))
    assert target.pixels.shape == (1, 3, 20, 40)
    assert target.pixels.dtype == torch.float32
    assert _is_close(_corner_colours(target), [RED, GREEN, BLUE, GREY], tolerance)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bit_images_keep_their_brightness(tmp_path: Path, name: str) -> None:
    # The values are not normalised to the brightest pixel.
    values = np.full((20, 40), 0x4000, np.uint16)
    values[:, 20:] = 0x2000
    Image.fromarray(values).save(tmp_path / name)
    target = load_target_image(tmp_path / name, (40, 20))
    assert float(target.pixels[..., :18].mean()) == pytest.approx(0.25, abs=0.01)
    assert float(target.pixels[..., 22:].mean()) == pytest.approx(0.125, abs=0.01)


def test_16_bit_images_use_the_full_range(tmp_path: Path) -> None:
    values = np.repeat(np.linspace(0, 65535, 64).astype(np.uint16)[None], 16, 0)
    Image.fromarray(values).save(tmp_path / "a.png")
    row = load_target_image(tmp_path / "a.png", (64, 16)).pixels[0, :, 8]
    torch.testing.assert_close(row, torch.linspace(0, 1, 64).expand(3, -1), rtol=0, atol=1 / 200)


@pytest.mark.parametrize("mode", ["L", "1"])
def test_images_without_colour(tmp_path: Path, mode: str) -> None:
    image = Image.new("L", (16, 16), 0)
    image.paste(255, (8, 0, 16, 16))
    image.convert(mode).save(tmp_path / "a.png")
    pixels = load_target_image(tmp_path / "a.png", (16, 16)).pixels
    assert float(pixels[..., :8].max()) == 0
    assert float(pixels[..., 8:].min()) == 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_show_the_background(tmp_path: Path, mode: str) -> None:
    file = tmp_path / "a.png"
    image = Image.new("RGBA", (40, 20), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (20, 0, 40, 20))
    if mode == "P":
        palette = Image.new("P", (40, 20), 0)
        palette.putpalette([0, 0, 0, 255, 0, 255])
        palette.paste(1, (20, 0, 40, 20))
        palette.save(file, transparency=1)
    else:
        image.convert(mode).save(file)
    target = load_target_image(file, (40, 20), background=torch.tensor([0.2, 0.4, 1.0]))
    assert _is_close(_corner_colours(target), [(0, 0, 0), (51, 102, 255)] * 2, 1)


def test_half_transparent_pixels_are_blended_with_the_background(tmp_path: Path) -> None:
    Image.new("RGBA", (16, 16), (255, 0, 0, 128)).save(tmp_path / "a.png")
    white = load_target_image(tmp_path / "a.png", (16, 16))
    assert _is_close(_corner_colours(white), [(255, 127, 127)] * 4, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_rotated_by_their_exif_orientation(tmp_path: Path, orientation: int) -> None:
    # The stored pixels are transposed so that all eight files show the same image.
    upright = _quarters(40, 20)
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(turns[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.jpg", quality=95, subsampling=0, exif=exif)
    target = load_target_image(tmp_path / "a.jpg", (40, 20))
    assert _is_close(_corner_colours(target), [RED, GREEN, BLUE, GREY], 6)


# -------------------------------------------------------------------------------------------------------------- fit
def _stripes(tmp_path: Path) -> Path:
    """Write an image of 60 x 20 px: red, green and blue stripes, 20 px each."""
    image = Image.new("RGB", (60, 20), RED)
    image.paste(GREEN, (20, 0, 40, 20))
    image.paste(BLUE, (40, 0, 60, 20))
    image.save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_cover_crops(tmp_path: Path) -> None:
    pixels = load_target_image(_stripes(tmp_path), (20, 20), "cover").pixels
    assert torch.equal(pixels, torch.tensor([0.0, 1.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, 20, 20))


def test_contain_pads_with_the_background(tmp_path: Path) -> None:
    pixels = load_target_image(_stripes(tmp_path), (60, 60), "contain", torch.tensor([1.0, 1.0, 0.0])).pixels
    background = torch.tensor([1.0, 1.0, 0.0]).view(1, 3, 1, 1)
    assert torch.equal(pixels[:, :, :20], background.expand(1, 3, 20, 60))
    assert torch.equal(pixels[:, :, 40:], background.expand(1, 3, 20, 60))
    assert torch.equal(pixels[0, :, 30, 10], torch.tensor([1.0, 0.0, 0.0]))
    assert torch.equal(pixels[0, :, 30, 50], torch.tensor([0.0, 0.0, 1.0]))


def test_stretch_shows_the_whole_image(tmp_path: Path) -> None:
    pixels = load_target_image(_stripes(tmp_path), (30, 60), "stretch").pixels
    assert pixels.shape == (1, 3, 60, 30)
    assert [pixels[0, :, 30, x].round().tolist() for x in (3, 15, 26)] == torch.eye(3).tolist()


@pytest.mark.parametrize("fit", ["cover", "contain", "stretch"])
@pytest.mark.parametrize("shape", [(1, 1), (500, 1), (1, 500), (37, 91)])
def test_images_of_any_shape_can_be_fitted(tmp_path: Path, fit: Fit, shape: tuple[int, int]) -> None:
    Image.new("RGB", shape, (9, 9, 9)).save(tmp_path / "a.png")
    target = load_target_image(tmp_path / "a.png", (64, 48), fit)
    assert target.pixels.shape == (1, 3, 48, 64)
    if fit != "contain" or max(shape) < 500:  # a thin image may become thinner than a pixel
        assert float(target.pixels.min()) == pytest.approx(9 / 255)


@pytest.mark.parametrize(
    ("size", "fit", "words"),
    [
        ((20, 20), "cover", ("67% are cut off, left and right", '"contain"')),
        ((60, 10), "cover", ("50% are cut off, above and below", "60 x 20 px", "60 x 10")),
        ((40, 20), "stretch", ("stretched in height by 50%", '"cover"')),
        ((60, 40), "contain", ()),
        ((90, 30), "cover", ()),
        ((31, 10), "cover", ()),  # less than a pixel is cut off
        ((100, 33), "cover", ()),
    ],
)
def test_a_note_says_how_much_is_cut_off(tmp_path: Path, size: tuple[int, int], fit: Fit, words: tuple[str]) -> None:
    file, notes = _stripes(tmp_path), list[str]()
    load_target_image(file, size, fit, notes=notes, report_shape=True)
    assert len(notes) == bool(words)
    assert not words or all(word in notes[0] for word in (str(file), *words))
    load_target_image(file, size, fit, notes=(none := []))
    assert not none


def test_a_window_is_a_crop_of_the_target(tmp_path: Path) -> None:
    target = load_target_image(_stripes(tmp_path), (60, 20))
    crop = target.window(Window(15, 3, 10, 5))
    assert torch.equal(crop, target.pixels[:, :, 3:8, 15:25])


# ----------------------------------------------------------------------------------------------------------- errors
def _truncated(file: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _text(file: Path) -> None:
    file.write_text("not an image")


def _empty(file: Path) -> None:
    file.touch()


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif", "a.gif"])
@pytest.mark.parametrize("damage", [_truncated, _text, _empty])
def test_a_file_that_is_not_an_image_is_an_error(tmp_path: Path, name: str, damage: Callable[[Path], None]) -> None:
    file = tmp_path / name
    damage(file)
    with pytest.raises(UsageError) as caught:
        load_target_image(file, (16, 16))
    assert str(file) in caught.value.message
    assert "cannot be read as an image" in caught.value.message


def test_an_image_that_is_too_large_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = _stripes(tmp_path)
    monkeypatch.setattr(loading, "MAX_PIXELS", 60 * 20)
    load_target_image(file, (16, 16))
    monkeypatch.setattr(loading, "MAX_PIXELS", 60 * 20 - 1)
    with pytest.raises(UsageError) as caught:
        load_target_image(file, (16, 16))
    assert str(file) in caught.value.message
    assert "60 x 20" in caught.value.message
    assert caught.value.hint


def test_loading_does_not_change_the_pixel_limit_of_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Programs that use artkit as a library rely on Pillow's own limit.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 12345)
    load_target_image(_stripes(tmp_path), (16, 16))
    assert Image.MAX_IMAGE_PIXELS == 12345


# ---------------------------------------------------------------------------------------------------------- writing
@given(st.lists(st.integers(0, 255), min_size=12, max_size=12))
def test_8_bit_pixels_survive_the_round_trip(values: list[int]) -> None:
    pixels = np.array(values, np.uint8).reshape(2, 2, 3)
    assert np.array_equal(tensor_to_pixels(pixels_to_tensor(pixels)[0]), pixels)


def test_values_outside_0_to_1_are_clamped() -> None:
    assert tensor_to_pixels(torch.tensor([-1.0, 0.5, 2.0]).view(3, 1, 1)).tolist() == [[[0, 128, 255]]]


def test_a_png_contains_its_pixels_and_texts(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (5, 7, 3), np.uint8)
    save_png(pixels_to_tensor(pixels)[0], tmp_path / "a.png", {"artkit:seed": "7", "about": "größer\nals"})
    with Image.open(tmp_path / "a.png") as image:
        assert np.array_equal(np.asarray(image), pixels)
        assert image.text["artkit:seed"] == "7"  # type: ignore[attr-defined]
        assert image.text["about"] == "größer\nals"  # type: ignore[attr-defined]
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
