"""The stroke log: exact round trip, file format, and errors for damaged files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from artkit.errors import ArtkitError
from artkit.geometry.phase import Phase
from artkit.geometry.window import Window
from artkit.strokes.stroke_log import VERSION, StrokeLog

NAMES = ("x", "y", "size")
PHASES = (Phase(0, -4, -2, 16, 2, 3, 12), Phase(6, 0, 0, 32, 1, 1, 32))


def _log(actions: torch.Tensor, **changes: Any) -> StrokeLog:
    fields: dict[str, Any] = {
        "size": (40, 30),
        "background": (0.1, 1 / 3, 1.0),
        "seed": 2**63 - 1,
        "renderer": {"type": "mypaint", "brush": "classic/dry_brush", "surrogate": "gan"},
        "space": "toy-1",
        "names": NAMES,
        "actions": actions,
        "phases": PHASES,
        "clip": False,
    }
    return StrokeLog(**(fields | changes))


def _is_equal(a: StrokeLog, b: StrokeLog) -> bool:
    others = [{k: v for k, v in vars(log).items() if k != "actions"} for log in (a, b)]
    return others[0] == others[1] and a.actions.dtype == b.actions.dtype and torch.equal(a.actions, b.actions)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    _log(torch.rand(7, 3)).save(tmp_path / "strokes.json")
    return tmp_path / "strokes.json"


def test_phases_with_strokes_on_some_tiles_only_survive_the_round_trip(tmp_path: Path) -> None:
    phases = (Phase(0, -4, -2, 16, 2, 3, 12, (4, 0, 5)), Phase(3, 0, 0, 32, 1, 1, 32))
    log = _log(torch.rand(4, 3), phases=phases)
    assert log.tiles().tolist() == [[12, 14, 12], [-4, -2, 12], [28, 14, 12], [0, 0, 32]]
    log.save(tmp_path / "sparse.json")
    content = json.loads((tmp_path / "sparse.json").read_text())
    assert content["version"] == 2
    assert content["strokes"][0]["tile"] == [12, 14, 12]
    assert _is_equal(StrokeLog.load(tmp_path / "sparse.json"), log)
    indices, tiles = log.near(Window(10, 12, 8, 8), 0.0)
    assert (indices.tolist(), tiles.tolist()) == ([0, 3], [[12, 14, 12], [0, 0, 32]])
    content["phases"][0][7] = [4, 0, 6]
    (tmp_path / "sparse.json").write_text(json.dumps(content))
    with pytest.raises(ArtkitError, match="not on its lattice"):
        StrokeLog.load(tmp_path / "sparse.json")


@given(st.lists(st.floats(0, 1, width=32), min_size=21, max_size=21), st.booleans())
def test_every_number_survives_the_round_trip(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], clip: bool
) -> None:
    file = tmp_path_factory.mktemp("log") / "strokes.json"
    log = _log(torch.tensor(values).view(7, 3), clip=clip)
    log.save(file)
    assert _is_equal(StrokeLog.load(file), log)


def test_the_file_names_the_numbers_of_each_stroke(file: Path) -> None:
    content = json.loads(file.read_text(encoding="utf-8"))
    log = StrokeLog.load(file)
    assert (content["format"], content["version"], content["brush"]) == ("artkit-strokes", 1, "classic/dry_brush")
    assert len(content["strokes"]) == 7
    for stroke, action, tile in zip(content["strokes"], log.actions, log.tiles(), strict=True):
        assert list(stroke["action"]) == list(NAMES)
        assert torch.equal(torch.tensor(list(stroke["action"].values())), action)
        assert stroke["tile"] == tile.tolist()
    assert content["strokes"][1]["tile"] == [12, -2, 12]
    assert content["strokes"][6]["tile"] == [0, 0, 32]


def test_each_stroke_is_one_line(file: Path) -> None:
    lines = [line.strip().rstrip(",") for line in file.read_text().splitlines()]
    assert sum(line.startswith('{"tile"') and bool(json.loads(line)) for line in lines) == 7


def test_a_missing_log_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArtkitError) as caught:
        StrokeLog.load(tmp_path / "strokes.json")
    assert str(tmp_path) in caught.value.message
    assert "holds no painting" in caught.value.message


def _edit(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        content = json.loads(file.read_text())
        change(content)
        file.write_text(json.dumps(content))

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_text(""),
        lambda file: file.write_text(file.read_text()[:-100]),
        lambda file: file.write_bytes(b"\xff\xfe"),
        lambda file: file.write_text("[]"),
        lambda file: file.write_text("3"),
        _edit(lambda content: content.pop("names")),
        _edit(lambda content: content.pop("phases")),
        _edit(lambda content: content["phases"][0].pop()),
        _edit(lambda content: content.update(size=3)),
        _edit(lambda content: content.update(background=[1, 2])),
        _edit(lambda content: content.update(version="x")),
        _edit(lambda content: content["strokes"].pop()),
        _edit(lambda content: content["strokes"][0]["action"].pop("x")),
        _edit(lambda content: content["strokes"][0]["action"].update(x="far")),
        _edit(lambda content: content["strokes"][0]["action"].update(x=None)),
        _edit(lambda content: content["strokes"].__setitem__(0, 3)),
        # Found by tests/campaigns/strokes.py:
        _edit(lambda content: content.update(size=[10**30, 30])),
        _edit(lambda content: content.update(size=[0, 30])),
        _edit(lambda content: content.update(seed=2**64)),
        _edit(lambda content: content.update(seed=-1)),
        _edit(lambda content: content["phases"][0].__setitem__(1, 2**63)),
        _edit(lambda content: content["phases"][1].__setitem__(0, 7)),
        _edit(lambda content: content["phases"][0].__setitem__(3, 0)),
        _edit(lambda content: content["phases"][0].__setitem__(3, 5)),
        _edit(lambda content: content["strokes"][0]["action"].update(x=1.5)),
        _edit(lambda content: content["strokes"][0]["action"].update(x=float("nan"))),
        _edit(lambda content: content.update(renderer={})),
        _edit(lambda content: content.update(names=[])),
        lambda file: file.write_text(100_000 * "["),
    ],
    ids=[
        "empty", "truncated", "not UTF-8", "a list", "a number", "no names", "no phases", "short phase", "wrong size",
        "short background", "wrong version", "missing stroke", "short action", "text in an action", "null in an action",
        "wrong stroke", "huge size", "no size", "huge seed", "negative seed", "huge place", "gap in the strokes",
        "no pitch", "overlapping tiles", "out of range", "not a number", "no type", "no numbers", "nested",
    ],
)  # fmt: skip
def test_a_damaged_log_is_an_error(file: Path, damage: Callable[[Path], Any]) -> None:
    damage(file)
    with pytest.raises(ArtkitError) as caught:
        StrokeLog.load(file)
    assert str(file) in caught.value.message


@pytest.mark.parametrize(
    "change",
    [lambda content: content.update(version=VERSION + 1), lambda content: content.update(format="other")],
)
def test_a_log_of_another_format_or_a_later_version_is_an_error(file: Path, change: Callable[[Any], Any]) -> None:
    _edit(change)(file)
    with pytest.raises(ArtkitError) as caught:
        StrokeLog.load(file)
    assert "is not a stroke log that this version of artkit can read" in caught.value.message
    assert "update" in caught.value.hint


@pytest.mark.parametrize(
    "header",
    [b"", b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', (\n", b"\x93NUMPY\x09\x09"],
    ids=["empty", "open", "version"],
)
def test_a_damaged_array_beside_the_log_is_an_error(file: Path, header: bytes) -> None:
    _edit(lambda content: content.update(strokes="strokes.npy"))(file)
    with pytest.raises(ArtkitError, match=r"there is no strokes\.npy"):
        StrokeLog.load(file)
    (file.parent / "strokes.npy").write_bytes(header)
    with pytest.raises(ArtkitError, match=r"strokes\.npy cannot be read"):
        StrokeLog.load(file)


def test_a_damaged_picture_under_the_strokes_is_an_error(file: Path) -> None:
    _edit(lambda content: content.update(background_image="base.png"))(file)
    (file.parent / "base.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(30))
    with pytest.raises(ArtkitError, match=r"base\.png cannot be read"):
        StrokeLog.load(file)


def test_a_message_shows_no_control_characters_and_no_endless_values(file: Path) -> None:
    _edit(lambda content: content.update(names=["\x1b[2J\u202e", "y", 100_000 * "a"]))(file)
    with pytest.raises(ArtkitError) as caught:
        StrokeLog.load(file)
    assert caught.value.message.isprintable()
    assert "\\x1b" in caught.value.message
    assert len(caught.value.message) < 3000
