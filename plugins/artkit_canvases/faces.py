"""Where the faces of a target are, by the cascade that scikit-image ships; used by `adaptive`."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from artkit import UsageError
from artkit.formatting import counted
from artkit.imaging.target_image import TargetImage

_MAX_PIXELS = 1 << 20  # the target is reduced to this size before faces are searched
_MIN_FACE_SIDE = 32  # px of the reduced target
_MIN_DETECTIONS = 12  # overlapping detections that make a face; fewer are false more often than not
_FADE_SIDES = 0.25  # over which the weight falls to 0 around a face, in sides of its square


def face_weights(target: TargetImage, notes: list[str]) -> Tensor:
    """Return a weight (h, w) for each pixel of the target, maybe reduced: 1 in faces, fading to 0 around them.

    Appends to `notes` how many faces were found. Raises UsageError if scikit-image is not installed.
    """
    pixels = target.thumbnail(_MAX_PIXELS)[0][0].cpu()
    faces = find_faces(pixels)
    found = counted(len(faces), "face") if faces else "no face"
    notes.append(f'canvas.detail = "faces": {found} found in the target')
    weights = torch.zeros(pixels.shape[1:])
    for x, y, side in faces:
        across, down = (
            1 - ((torch.arange(length) + 0.5 - start - side / 2).abs() - side / 2).clamp(min=0) / (_FADE_SIDES * side)
            for length, start in ((pixels.shape[2], x), (pixels.shape[1], y))
        )
        weights = torch.maximum(weights, down.clamp(min=0)[:, None] * across.clamp(min=0))
    return weights


def find_faces(pixels: Tensor) -> list[tuple[int, int, int]]:
    """Return x, y and side in px of the squares around the faces of an image (3, h, w)."""
    try:
        from skimage.data import lbp_frontal_face_cascade_filename
        from skimage.feature import Cascade
    except ImportError:
        raise UsageError(
            'canvas.detail = "faces" needs scikit-image', hint="pip install 'neural-artkit[faces]'"
        ) from None
    shorter = min(pixels.shape[1:])
    if shorter < _MIN_FACE_SIDE:
        return []
    cascade = Cascade(lbp_frontal_face_cascade_filename())  # type: ignore[no-untyped-call]
    detections = cascade.detect_multi_scale(
        img=(255 * pixels).byte().permute(1, 2, 0).numpy(),
        scale_factor=1.1,
        step_ratio=1,
        min_size=(_MIN_FACE_SIDE, _MIN_FACE_SIDE),
        max_size=(shorter, shorter),
        min_neighbor_number=_MIN_DETECTIONS,
    )
    squares = [(d["c"], d["r"], math.isqrt(d["width"] * d["height"])) for d in detections]
    # Of faces found at several sizes the largest remains.
    faces: list[tuple[int, int, int]] = []
    for x, y, side in sorted(squares, key=lambda square: -square[2]):
        if not any(
            abs(x + side / 2 - fx - fs / 2) < fs / 2 and abs(y + side / 2 - fy - fs / 2) < fs / 2
            for fx, fy, fs in faces
        ):
            faces.append((x, y, side))
    return faces
