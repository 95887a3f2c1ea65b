"""Optical flow between frames: where things go, and what is covered."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from artkit.imaging.optical_flow import FrameMotion, sample_at, warp

sys.path.insert(0, str(Path(__file__).parent))
from film_clips import panned, scenery

pytest.importorskip("cv2")
SIZE = (96, 64)


def test_a_pan_moves_everything_and_shows_something_new_at_the_edge() -> None:
    earlier, later = (np.asarray(frame) for frame in panned(2, SIZE, speed=4))
    motion = FrameMotion.between(earlier, later, SIZE)
    assert motion.forward.flatten(1).median(1).values.tolist() == pytest.approx([-4, 0], abs=0.2)
    assert motion.backward.flatten(1).median(1).values.tolist() == pytest.approx([4, 0], abs=0.2)
    assert motion.stays[0, :, :2].mean() < 0.2
    assert motion.was_visible[0, :, -2:].mean() < 0.2
    assert motion.was_visible[0, :, 8:-8].mean() > 0.9
    picture = torch.from_numpy(earlier.copy()).permute(2, 0, 1)[None] / 255
    expected = torch.from_numpy(later.copy()).permute(2, 0, 1)[None] / 255
    difference = ((motion.warp(picture) - expected).abs() * motion.was_visible)[..., 8:-8]
    assert difference.mean() < 0.01


def test_flow_of_larger_frames_is_in_px_of_the_picture() -> None:
    earlier, later = (np.asarray(frame) for frame in panned(2, (192, 128), speed=8))
    motion = FrameMotion.between(earlier, later, SIZE)
    assert motion.forward.shape == (2, 64, 96)
    assert motion.forward.flatten(1).median(1).values.tolist() == pytest.approx([-4, 0], abs=0.2)


def test_the_same_frames_give_the_same_flow() -> None:
    frames = [np.asarray(frame) for frame in panned(2, SIZE)]
    first, second = (FrameMotion.between(frames[0], frames[1], SIZE) for _ in range(2))
    assert torch.equal(first.forward, second.forward)


def test_warping_and_sampling_at_known_places() -> None:
    picture = torch.from_numpy(np.asarray(scenery(*SIZE)).copy()).permute(2, 0, 1)[None].float()
    flow = torch.zeros(2, 64, 96)
    flow[0] = 3
    assert torch.allclose(warp(picture, flow)[..., :-3], picture[..., 3:], atol=1e-3)
    field = torch.arange(6.0).view(1, 2, 3)
    points = torch.tensor([[0.5, 0.5], [2.5, 1.5], [1.0, 0.5], [-9.0, -9.0]])
    assert sample_at(field, points)[:, 0].tolist() == pytest.approx([0, 5, 0.5, 0], abs=1e-5)


def test_a_zoom_makes_things_larger() -> None:
    wide = scenery(192, 128)
    earlier, later = (
        np.asarray(wide.resize(SIZE, box=(side, side * 2 / 3, 192 - side, 128 - side * 2 / 3))) for side in (0, 4)
    )
    motion = FrameMotion.between(earlier, later, SIZE)
    points = torch.tensor([[48.0, 32.0], [30.0, 40.0], [1.0, 1.0]])
    middle, aside, leaving = motion.growth(points, torch.full((3,), 8.0)).tolist()
    assert (middle, aside) == pytest.approx((192 / 184, 192 / 184), abs=0.02)
    assert leaving == 1
