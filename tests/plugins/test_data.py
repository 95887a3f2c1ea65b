"""Stroke data: pairs of actions and what the real MyPaint makes of them."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from artkit.errors import ArtkitError
from artkit_mypaint.workers import Workers
from artkit_painters import stroke_data as data
from artkit_painters.stroke_data import StrokeSet, StrokeStream

pytestmark = pytest.mark.usefixtures("mypaint", "small_shards")

BRUSH = "classic/dry_brush"


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of eight strokes rather than thousands."""
    monkeypatch.setattr(data, "SHARD_SIZE", 8)


@pytest.fixture(scope="module")
def workers(mypaint: None) -> Workers:
    return Workers(BRUSH, 1)


def test_what_was_stored_is_loaded(tmp_path: Path, workers: Workers) -> None:
    told = StrokeSet(BRUSH, 20, seed=5)
    grown = list(told.store(tmp_path, workers))
    assert grown == [0, 8, 16, 20]
    actions, shards = told.load(tmp_path)
    assert actions.shape == (20, 12)
    assert actions.min() >= 0
    assert actions.max() <= 1
    assert [shard.shape for shard in shards] == [(8, 96, 96), (8, 96, 96), (4, 96, 96)]
    assert torch.equal(actions, torch.cat([told.actions(shard) for shard in told.shards()]))
    for shard, stored in zip(told.shards(), shards, strict=True):
        np.testing.assert_array_equal(stored, told.paint(shard, workers))
        assert stored.dtype == np.uint8
        assert stored.max() > 150


def test_the_same_shard_is_painted_the_same_by_anyone(workers: Workers) -> None:
    told = StrokeSet(BRUSH, 16, seed=2)
    first = told.paint(1, workers)
    told.paint(0, workers)
    np.testing.assert_array_equal(told.paint(1, workers), first)
    np.testing.assert_array_equal(told.paint(1, Workers(BRUSH, 2)), first)


def test_strokes_do_not_depend_on_how_many_there_are(workers: Workers) -> None:
    few, many = StrokeSet(BRUSH, 5, seed=2), StrokeSet(BRUSH, 30, seed=2)
    assert torch.equal(few.actions(0), many.actions(0)[:5])
    np.testing.assert_array_equal(few.paint(0, workers), many.paint(0, workers)[:5])


def test_another_grain_is_another_sample_of_the_same_strokes(workers: Workers) -> None:
    told = StrokeSet(BRUSH, 8)
    one, two = (told.paint(0, workers, grain).astype(float) for grain in (0, 1))
    assert np.abs(one - two).max() > 50
    assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.7


def test_another_seed_is_other_strokes(workers: Workers) -> None:
    assert not torch.equal(StrokeSet(BRUSH, 8, seed=1).actions(0), StrokeSet(BRUSH, 8, seed=2).actions(0))
    assert not torch.equal(StrokeSet(BRUSH, 16).actions(0), StrokeSet(BRUSH, 16).actions(1))


def test_storing_goes_on_where_it_stopped(tmp_path: Path, workers: Workers) -> None:
    told = StrokeSet(BRUSH, 20, seed=1)
    list(told.store(tmp_path, workers))
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    told.file(tmp_path, 1).unlink()
    untouched = told.file(tmp_path, 0).stat().st_mtime_ns
    assert list(told.store(tmp_path, workers)) == [12, 20]
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    assert told.file(tmp_path, 0).stat().st_mtime_ns == untouched


def test_more_strokes_are_added_to_those_there(tmp_path: Path, workers: Workers) -> None:
    list(StrokeSet(BRUSH, 8).store(tmp_path, workers))
    more = StrokeSet(BRUSH, 24)
    assert list(more.store(tmp_path, workers)) == [8, 16, 24]


def test_a_set_that_grows_within_a_shard_is_whole(tmp_path: Path, workers: Workers) -> None:
    """Twelve strokes end with half a shard; of twenty that shard must be whole."""
    list(StrokeSet(BRUSH, 12).store(tmp_path, workers))
    more = StrokeSet(BRUSH, 20)
    list(more.store(tmp_path, workers))
    actions, shards = more.load(tmp_path)
    assert len(actions) == sum(len(shard) for shard in shards) == 20
    np.testing.assert_array_equal(shards[1], more.paint(1, workers))


@pytest.mark.parametrize(
    "other",
    [StrokeSet("classic/charcoal", 8), StrokeSet(BRUSH, 8, seed=1), StrokeSet(BRUSH, 8, margin=8)],
    ids=["brush", "seed", "margin"],
)
def test_a_folder_of_other_strokes_is_refused(tmp_path: Path, workers: Workers, other: StrokeSet) -> None:
    list(StrokeSet(BRUSH, 8).store(tmp_path, workers))
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(ArtkitError, match=r"holds other strokes.*\n.*choose another folder"):
        list(other.store(tmp_path, workers))
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_full_disk_is_one_message_and_leaves_nothing_half(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = StrokeSet(BRUSH, 20)
    real_save = np.save
    saved: list[object] = []

    def save(file: Any, array: Any) -> None:
        if saved:
            file.write(b"half a sh")
            raise OSError(errno.ENOSPC, "No space left on device")
        saved.append(array)
        real_save(file, array)

    monkeypatch.setattr(np, "save", save)
    with pytest.raises(ArtkitError, match=r"no space left on the disk for .*shard-00001.npy\n.*--resume"):
        list(told.store(tmp_path, workers))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["shard-00000.npy", "strokes.json"]
    monkeypatch.undo()
    monkeypatch.setattr(data, "SHARD_SIZE", 8)
    assert list(told.store(tmp_path, workers)) == [8, 16, 20]


def test_a_damaged_list_of_strokes_is_one_message(tmp_path: Path, workers: Workers) -> None:
    list(StrokeSet(BRUSH, 8).store(tmp_path, workers))
    (tmp_path / "strokes.json").write_text("{half")
    with pytest.raises(ArtkitError):
        list(StrokeSet(BRUSH, 8).store(tmp_path, workers))


def test_the_folder_tells_what_it_holds(tmp_path: Path, workers: Workers) -> None:
    list(StrokeSet(BRUSH, 8, seed=4).store(tmp_path, workers))
    told = json.loads((tmp_path / "strokes.json").read_text())
    assert told["brush"] == BRUSH
    assert told["seed"] == 4
    assert len(told["brush_sha256"]) == 64
    assert told["libmypaint"]


def test_a_stream_goes_on_from_anywhere(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for the strokes from 30 to 39 gets the same ones, whatever was asked for before."""
    monkeypatch.setattr(data, "CHUNK_SIZE", 8)
    told = StrokeSet(BRUSH, 0, seed=7)
    one, other = StrokeStream(told, workers), StrokeStream(told, workers)
    taken = [one.take(first, 10) for first in (0, 10, 20, 30)]
    actions, sheets = other.take(30, 10)
    assert torch.equal(actions, taken[3][0])
    np.testing.assert_array_equal(sheets, taken[3][1])
    every = torch.cat([some for some, _ in taken])
    assert len(every) == 40
    assert len(torch.unique(every[:, 0])) == 40, "each is used once"
    assert sheets.shape == (10, 96, 96)
    assert sheets.max() > 150
    assert not torch.equal(StrokeStream(StrokeSet(BRUSH, 0, seed=8), workers).take(30, 10)[0], actions)


def test_a_stream_s_strokes_are_those_of_their_actions(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Strokes that end up far to the right have paint there."""
    monkeypatch.setattr(data, "CHUNK_SIZE", 8)
    actions, sheets = StrokeStream(StrokeSet(BRUSH, 0), workers).take(5, 40)
    left = sheets[:, :, :48].astype(float).sum((1, 2))
    share = left / sheets.astype(float).sum((1, 2))
    assert np.corrcoef(share, actions[:, (0, 2, 4)].mean(1))[0, 1] < -0.9
