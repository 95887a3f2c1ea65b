"""The gallery: its recipes are valid, and its page is current."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from artkit.recipes.reading import read_recipe
from artkit.recipes.shipped import shipped_recipes

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def gallery(script: Callable[[str], Any]) -> Any:
    return script("docs/gallery.py")


def test_recipe_of_every_picture_is_valid(gallery: Any) -> None:
    from artkit.torchvision_compat import declare_missing_operators
    from artkit_vision.classes import imagenet_classes

    declare_missing_operators()
    classes = imagenet_classes(1000)
    assert classes is not None
    pictures = [picture for section in gallery.GALLERY.values() for picture in section]
    assert len({picture.name for picture in pictures}) == len(pictures) > 15
    for picture in pictures:
        recipe = read_recipe([shipped_recipes()[picture.recipe]], picture.settings)
        for block in recipe.named["objective"].values():
            for name in getattr(block.config, "class_weights", {}):
                classes.find(name)


def test_page_is_current(gallery: Any) -> None:
    assert (DOCS / "gallery.md").read_text(encoding="utf-8") == gallery.page(), "run `python docs/gallery.py --page`"


def test_unknown_name_lists_the_pictures(gallery: Any) -> None:
    with pytest.raises(SystemExit, match="no picture is named mona-lisa; choose from: portrait"):
        gallery.main(["mona-lisa"])


def test_painted_picture_is_added_to_the_page(gallery: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gallery, "IMAGES", tmp_path / "images")
    settings = (
        "steps=1",
        "size=[480, 32]",
        'renderer={type="gan"}',
        "canvas.strokes=2",
        "objective.see.views=1",
        "output.scale=1",
    )
    gallery.paint(gallery.Picture("starfish", "Starfish", "starfish", settings))
    from PIL import Image

    assert Image.open(tmp_path / "images" / "starfish.jpg").size == (352, 23)
    page = gallery.page()
    assert "![Starfish](images/gallery/starfish.jpg)" in page
    assert page.count("Prediction of the held-out network efficientnet_lite2: ") == 1
