"""The picture as a PNG file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from artkit import images, painting
from artkit.canvas import Canvas
from artkit.painting import Painting
from artkit.part import Scene
from artkit.strokes import StrokeLog
from artkit_exporters.png import Png
from artkit_painters import stroke


@pytest.fixture
def paint(scene: Callable[..., Scene], random_actions: Callable[..., Tensor]) -> Callable[..., Painting]:
    def make(scale: float = 1.0) -> Painting:
        made = scene((75, 50))
        renderer = made.make("renderer", "gan")
        made.renderer = renderer
        canvas: Canvas = made.make("canvas", "grid", strokes=1)
        log = StrokeLog(
            size=(75, 50),
            background=(0.2, 0.9, 0.4),
            seed=1,
            renderer={"type": "gan"},
            space=stroke.SPACE.name,
            names=stroke.SPACE.names,
            actions=random_actions(canvas.strokes),
            phases=canvas.phases,
        )
        return Painting(log, renderer, scale, {"artkit:seed": "1", "Title": "Füße \N{LOWER LEFT PAINTBRUSH}"})

    return make


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_the_file_holds_the_picture_and_its_texts(paint: Callable[..., Painting], tmp_path: Path, scale: float) -> None:
    picture = paint(scale)
    Png(Png.Config()).write(picture, tmp_path / "p.png")
    with Image.open(tmp_path / "p.png") as image:
        assert image.format == "PNG"
        assert image.mode == "RGB"
        assert image.size == (75 * scale, 50 * scale)
        pixels = np.asarray(image)
        assert image.text["artkit:seed"] == "1"  # type: ignore[attr-defined]
        assert image.text["Title"] == "Füße \N{LOWER LEFT PAINTBRUSH}"  # type: ignore[attr-defined]
    np.testing.assert_array_equal(pixels, images.to_bytes(picture.whole()))
    assert pixels.std() > 10


def test_it_is_the_same_file_again(paint: Callable[..., Painting], tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Png(Png.Config()).write(paint(), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_strips_are_parts_of_one_picture(paint: Callable[..., Painting], monkeypatch: pytest.MonkeyPatch) -> None:
    """A large picture is painted strip by strip; the seams must not show."""
    picture = paint(2.0)
    whole = picture.whole()
    monkeypatch.setattr(painting, "STRIP", 150 * 7)
    strips = list(picture.strips())
    assert len(strips) == 15
    torch.testing.assert_close(torch.cat(strips, dim=1), whole, atol=1e-4, rtol=0)


def test_its_name_ends_in_png() -> None:
    assert Png.suffixes == (".png",)
