"""The gallery: its recipes can be painted, and its page is the one its script writes."""

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


def test_every_picture_can_be_painted(gallery: Any) -> None:
    from artkit.torchvision_compat import declare_missing_operators
    from artkit_vision.classes import imagenet

    declare_missing_operators()
    classes = imagenet(1000)
    assert classes is not None
    pictures = [picture for several in gallery.GALLERY.values() for picture in several]
    assert len({picture.name for picture in pictures}) == len(pictures) > 15
    for picture in pictures:
        recipe = read_recipe([shipped_recipes()[picture.recipe]], picture.settings)
        for block in recipe.named["objective"].values():
            for name in getattr(block.config, "wanted", {}):
                classes.find(name)


def test_the_page_is_current(gallery: Any) -> None:
    assert (DOCS / "gallery.md").read_text(encoding="utf-8") == gallery.page(), "run `python docs/gallery.py --page`"


def test_an_unknown_picture_lists_those_there_are(gallery: Any) -> None:
    with pytest.raises(SystemExit, match="no mona-lisa; there are: starfish"):
        gallery.main(["mona-lisa"])


def test_a_picture_goes_on_the_page(gallery: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gallery, "IMAGES", tmp_path / "images")
    small = ("steps=1", "size=[480, 32]", 'renderer={type="gan"}', "canvas.strokes=2", "objective.see.views=1")
    gallery.paint(gallery.Picture("starfish", "Starfish", "starfish", small))
    from PIL import Image

    assert Image.open(tmp_path / "images" / "starfish.jpg").size == (352, 23)
    page = gallery.page()
    assert "![Starfish](images/gallery/starfish.jpg)" in page
    assert page.count("efficientnet_lite2, which took no part, sees: ") == 1
