"""Tests of `artkit_painters.stroke_data`."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from artkit.errors import ArtkitError
from artkit_mypaint.engine.engine import Engine
from artkit_painters import stroke_data
from artkit_painters.stroke_data import StrokeSet, StrokeStream

pytestmark = pytest.mark.usefixtures("small_shards")

BRUSH = "classic/dry_brush"


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stroke_data, "SHARD_SIZE", 8)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(BRUSH)


def read_files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


# ------------------------------------------------------------------------------------------------------- random strokes
def test_painting_is_reproducible_with_any_number_of_threads(engine: Engine, use_cores: Callable[[int], None]) -> None:
    strokes = StrokeSet(BRUSH, 16, seed=2)
    first = strokes.paint(1, engine)
    strokes.paint(0, engine)
    np.testing.assert_array_equal(strokes.paint(1, engine), first)
    for count in (1, 3):
        use_cores(count)
        np.testing.assert_array_equal(strokes.paint(1, engine), first)
    np.testing.assert_array_equal(strokes.paint(1, Engine(BRUSH)), first)


def test_strokes_do_not_depend_on_the_count(engine: Engine) -> None:
    few, many = StrokeSet(BRUSH, 5, seed=2), StrokeSet(BRUSH, 30, seed=2)
    assert torch.equal(few.actions(0), many.actions(0)[:5])
    np.testing.assert_array_equal(few.paint(0, engine), many.paint(0, engine)[:5])


def test_samples_differ_in_noise_only(engine: Engine) -> None:
    strokes = StrokeSet(BRUSH, 8)
    first, second = (strokes.paint(0, engine, sample).astype(float) for sample in (0, 1))
    assert np.abs(first - second).max() > 50
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.7


def test_strokes_of_seeds_and_shards_differ(engine: Engine) -> None:
    assert not torch.equal(StrokeSet(BRUSH, 8, seed=1).actions(0), StrokeSet(BRUSH, 8, seed=2).actions(0))
    assert not torch.equal(StrokeSet(BRUSH, 16).actions(0), StrokeSet(BRUSH, 16).actions(1))


def test_discrete_strokes_have_levels_and_may_be_lifted(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stroke_data, "SHARD_SIZE", 40)
    strokes = StrokeSet(BRUSH, 40, discrete=True)
    actions, patches = strokes.actions(0), strokes.paint(0, engine)
    lifted = actions[:, 12] == 1
    assert set(actions[:, 12].tolist()) == {0.0, 1.0}
    levels = actions[:, 6:9] * 9
    torch.testing.assert_close(levels, levels.round(), atol=1e-5, rtol=0)
    max_paint = torch.from_numpy(patches.astype(float)).amax((1, 2))
    assert max_paint[lifted].max() == 0
    assert (max_paint[~lifted & (actions[:, 6:8].amin(1) > 0.2)] > 20).all()


# ------------------------------------------------------------------------------------------------------- stored strokes
def test_stored_strokes_are_loaded(tmp_path: Path, engine: Engine) -> None:
    strokes = StrokeSet(BRUSH, 20, seed=5)
    assert list(strokes.store(tmp_path, engine)) == [0, 8, 16, 20]
    actions, shards = strokes.load(tmp_path)
    assert actions.shape == (20, 12)
    assert actions.min() >= 0
    assert actions.max() <= 1
    assert [shard.shape for shard in shards] == [(8, 96, 96), (8, 96, 96), (4, 96, 96)]
    assert torch.equal(actions, torch.cat([strokes.actions(shard) for shard in strokes.shards()]))
    for shard, stored in zip(strokes.shards(), shards, strict=True):
        np.testing.assert_array_equal(stored, strokes.paint(shard, engine))
        assert stored.dtype == np.uint8
        assert stored.max() > 150


def test_storing_continues_after_an_interruption(tmp_path: Path, engine: Engine) -> None:
    strokes = StrokeSet(BRUSH, 20, seed=1)
    list(strokes.store(tmp_path, engine))
    before = read_files(tmp_path)
    strokes.shard_file(tmp_path, 1).unlink()
    modified = strokes.shard_file(tmp_path, 0).stat().st_mtime_ns
    assert list(strokes.store(tmp_path, engine)) == [12, 20]
    assert read_files(tmp_path) == before
    assert strokes.shard_file(tmp_path, 0).stat().st_mtime_ns == modified


def test_larger_set_reuses_stored_shards(tmp_path: Path, engine: Engine) -> None:
    list(StrokeSet(BRUSH, 8).store(tmp_path, engine))
    assert list(StrokeSet(BRUSH, 24).store(tmp_path, engine)) == [8, 16, 24]


def test_larger_set_completes_a_partial_shard(tmp_path: Path, engine: Engine) -> None:
    list(StrokeSet(BRUSH, 12).store(tmp_path, engine))
    larger = StrokeSet(BRUSH, 20)
    list(larger.store(tmp_path, engine))
    actions, shards = larger.load(tmp_path)
    assert len(actions) == sum(len(shard) for shard in shards) == 20
    np.testing.assert_array_equal(shards[1], larger.paint(1, engine))


def test_folder_describes_its_strokes(tmp_path: Path, engine: Engine) -> None:
    list(StrokeSet(BRUSH, 8, seed=4).store(tmp_path, engine))
    description = json.loads((tmp_path / "strokes.json").read_text())
    assert description["brush"] == BRUSH
    assert description["seed"] == 4
    assert len(description["brush_sha256"]) == 64
    assert "libmypaint 1.6" in description["engine"]


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (StrokeSet("classic/charcoal", 8), "brush = "),
        (StrokeSet(BRUSH, 8, seed=1), "seed = 0"),
        (StrokeSet(BRUSH, 8, margin=8), "margin = 16"),
        (StrokeSet(BRUSH, 8, discrete=True), "space = mypaint-stroke-1"),
    ],
    ids=["brush", "seed", "margin", "action space"],
)
def test_error_for_a_folder_of_other_strokes(tmp_path: Path, engine: Engine, other: StrokeSet, difference: str) -> None:
    list(StrokeSet(BRUSH, 8).store(tmp_path, engine))
    before = read_files(tmp_path)
    with pytest.raises(ArtkitError, match=rf"holds other strokes: .*{difference}.*\n.*choose another folder"):
        list(other.store(tmp_path, engine))
    assert read_files(tmp_path) == before


def test_error_for_a_damaged_description(tmp_path: Path, engine: Engine) -> None:
    list(StrokeSet(BRUSH, 8).store(tmp_path, engine))
    (tmp_path / "strokes.json").write_text("{half")
    with pytest.raises(ArtkitError, match=r"strokes\.json is damaged"):
        list(StrokeSet(BRUSH, 8).store(tmp_path, engine))


def test_full_disk_is_reported_and_leaves_no_partial_file(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    strokes = StrokeSet(BRUSH, 20)
    save = np.save
    saved: list[object] = []

    def save_once(file: Any, array: Any) -> None:
        if saved:
            file.write(b"half a sh")
            raise OSError(errno.ENOSPC, "No space left on device")
        saved.append(array)
        save(file, array)

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", save_once)
        with pytest.raises(ArtkitError, match=r"no space left on the disk for .*shard-00001.npy\n.*--resume"):
            list(strokes.store(tmp_path, engine))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["shard-00000.npy", "strokes.json"]
    assert list(strokes.store(tmp_path, engine)) == [8, 16, 20]


# ----------------------------------------------------------------------------------------------------- streamed strokes
def test_stream_continues_at_any_stroke(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stroke_data, "CHUNK_SIZE", 8)
    strokes = StrokeSet(BRUSH, 0, seed=7)
    stream, resumed = StrokeStream(strokes, engine), StrokeStream(strokes, engine)
    batches = [stream.take(first, 10) for first in (0, 10, 20, 30)]
    actions, patches = resumed.take(30, 10)
    assert torch.equal(actions, batches[3][0])
    np.testing.assert_array_equal(patches, batches[3][1])
    all_actions = torch.cat([batch_actions for batch_actions, _ in batches])
    assert len(all_actions) == 40
    assert len(torch.unique(all_actions[:, 0])) == 40, "each stroke is used once"
    assert patches.shape == (10, 96, 96)
    assert patches.max() > 150
    assert not torch.equal(StrokeStream(StrokeSet(BRUSH, 0, seed=8), engine).take(30, 10)[0], actions)


def test_streamed_patches_belong_to_their_actions(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The further right a stroke is, the less paint is in the left half of its patch."""
    monkeypatch.setattr(stroke_data, "CHUNK_SIZE", 8)
    actions, patches = StrokeStream(StrokeSet(BRUSH, 0), engine).take(5, 40)
    left = patches[:, :, :48].astype(float).sum((1, 2))
    share = left / patches.astype(float).sum((1, 2))
    assert np.corrcoef(share, actions[:, (0, 2, 4)].mean(1))[0, 1] < -0.9
