"""Every component that reads an image reads photos of every kind, and tells what was assumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

import artkit
from artkit import Scene

SIZE = (32, 16)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A TIFF of floats up to 255 whose white is 0, dark on the left: 64 and 192 as a viewer shows it."""
    values = np.where(np.arange(32) < 16, 255 - 64, 255 - 192)[None].repeat(16, 0).astype(np.float32)
    file = tmp_path / "photos" / "a.tif"
    file.parent.mkdir()
    tifffile.imwrite(file, values, photometric="miniswhite")
    return file


def _scene() -> Scene:
    scene = artkit.scene(SIZE, device="cpu")
    scene.renderer = scene.make("renderer", "gan")
    scene.canvas = scene.make("canvas", "grid", tile=16, overlap=0, strokes=1)
    return scene


def _is_photo(pixels: torch.Tensor) -> bool:
    left, right = pixels[..., :12].mean(), pixels[..., 20:].mean()
    return abs(float(left) - 64 / 255) < 0.01 and abs(float(right) - 192 / 255) < 0.01


@pytest.mark.parametrize("name", ["content", "pixel"])
def test_targets(photo: Path, name: str) -> None:
    scene = _scene()
    objective: Any = scene.make("objective", name, target=str(photo))
    assert _is_photo(objective.target.pixels)
    (note,) = scene.notes
    assert "white is taken as 255" in note
    scene.make("objective", "pixel", target=str(photo))  # the file is read once, and told once
    assert len(scene.notes) == 1


def test_the_image_of_style(photo: Path) -> None:
    scene = _scene()
    objective: Any = scene.make("objective", "style", image=str(photo), layers=["blocks.0"])
    assert "white is taken as 255" in scene.notes[0]
    target = scene.load_image(photo)
    own = objective(artkit.View(target.pixels, None, artkit.Window(0, 0, *SIZE), 0.0))
    assert float(own) < float(objective(artkit.View(1 - target.pixels, None, artkit.Window(0, 0, *SIZE), 0.0)))


def test_masks(photo: Path) -> None:
    scene = _scene()
    mask: Any = scene.make("constraint", "mask", image=str(photo))
    actions = mask(torch.full((1, 2 * 1, 12), 0.5), 0.0)
    lifted = actions[0, :, 6:8].sum(1) == 0
    assert lifted.tolist() == [True, False]  # the left tile is dark
    assert "white is taken as 255" in scene.notes[0]


def test_a_mask_of_another_shape_has_a_note(photo: Path) -> None:
    scene = artkit.scene((32, 32), device="cpu")
    scene.renderer, scene.canvas = _scene().renderer, None
    scene.canvas = scene.make("canvas", "grid", tile=16, overlap=0, strokes=1)
    scene.make("constraint", "mask", image=str(photo))
    assert any("stretched in height by 100%" in note for note in scene.notes)


def test_palettes(photo: Path) -> None:
    scene = _scene()
    palette: Any = scene.make("constraint", "palette", image=str(photo), count=2)
    colours = [palette.transform_background(torch.full((3,), grey)) for grey in (0.0, 1.0)]
    assert [round(float(colour[0]) * 255) for colour in colours] == [64, 192]
    assert "white is taken as 255" in scene.notes[0]


def test_data_sets(photo: Path) -> None:
    scene = _scene()
    data: Any = scene.make("data", "folder", path=str(photo.parent), unseen=0)
    assert _is_photo(data.images(torch.tensor([0])))
    assert "white is taken as 255" in scene.notes[0]
