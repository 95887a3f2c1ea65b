"""The picture under the strokes: an image file, or the painting of an earlier run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from artkit.config import FIRST_STAGE
from artkit.errors import ArtkitError, UsageError
from artkit.imaging.background_image import MAX_BACKGROUND_SIDE, BackgroundImage
from artkit.imaging.loading import load_rgb, load_target_image, shape_note
from artkit.interfaces.scene import Scene
from artkit.output.export import open_painting
from artkit.output.finished_picture import possible_scale
from artkit.recipes.recipe import Recipe

_MAX_SCALE = 8
"""Size at which the painting of an earlier run is rendered, relative to the new one."""

_SAMPLE_SIZE = (512, 512)
"""Width and height in px to which a target is reduced before its mean colour is computed."""


def load_background(path: Path, size: tuple[int, int], device: torch.device, notes: list[str]) -> BackgroundImage:
    """Return the background of a painting of `size`, width and height in px, cropped to its shape.

    path: an image file, or the folder of a run, whose strokes are rendered again with its own renderer. notes: lines
    for the user are appended. Raises UsageError if there is no picture.
    """
    if path.is_file():
        image, full_size = load_rgb(path, (MAX_BACKGROUND_SIDE, MAX_BACKGROUND_SIDE), notes)
    else:
        image = _render_run(path, size)
        full_size = image.size
    if note := shape_note(full_size, size):
        notes.append(f"{path}: {note}")
    return BackgroundImage.from_image(image, size, device)


def colour_of_padded_target(recipe: Recipe, scene: Scene) -> Tensor | None:
    """Return the mean colour (3,) of the first target if it is padded; None if it fills the picture.

    It is known before the target is loaded, since its padding has that colour when the background is ``"target"``.
    """
    configs = [block.config for block in recipe.named["objective"].values()]
    config = next((config for config in configs if isinstance(getattr(config, "target", None), Path)), None)
    if config is None or config.target == FIRST_STAGE or getattr(config, "fit", "") != "contain":
        return None
    return load_target_image(config.target, _SAMPLE_SIZE, "stretch").pixels.mean((0, 2, 3)).to(scene.device)


def _render_run(folder: Path, size: tuple[int, int]) -> Image.Image:
    try:
        painting = open_painting(folder)
        longest = min(MAX_BACKGROUND_SIDE, _MAX_SCALE * max(size))
        scale = possible_scale(painting, max(1.0, longest / max(painting.size)))
        return Image.fromarray(np.ascontiguousarray(open_painting(folder, scale).pixels()))
    except ArtkitError as error:
        raise UsageError(f"background: {error.message}", hint="name an image file or the folder of a run") from None
