"""Checkpoints: what goes in comes out, and nothing is ever unpickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from artkit.engine import checkpoint
from artkit.errors import ArtkitError

leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=5)
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=4) | st.integers(), trees, max_size=4))
def test_plain_values_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, state: dict[Any, Any]) -> None:
    file = tmp_path_factory.mktemp("c") / "c.safetensors"
    checkpoint.save(state, file)
    assert checkpoint.load(file) == state
    assert repr(checkpoint.load(file)) == repr(state), "types too: 1 is not True, 1.0 is not 1"


@pytest.mark.parametrize(
    "tensor",
    [
        torch.rand(2, 3),
        torch.tensor(1.5, dtype=torch.float64),
        torch.zeros(0, 4),
        torch.arange(6).view(2, 3).t(),
        torch.rand(3).to(torch.bfloat16),
        torch.tensor([True, False]),
        torch.Generator().manual_seed(1).get_state(),
        torch.nn.Parameter(torch.ones(2)),
        torch.rand(4).expand(3, 4),
    ],
)
def test_tensors_come_back_exactly(tmp_path: Path, tensor: torch.Tensor) -> None:
    checkpoint.save({"deep": {3: [tensor, None]}}, tmp_path / "c")
    (back, nothing) = checkpoint.load(tmp_path / "c")["deep"][3]
    assert nothing is None
    assert back.dtype == tensor.dtype
    assert back.shape == tensor.shape
    assert torch.equal(back, tensor.detach())
    assert not back.requires_grad


def test_tuples_come_back_as_lists(tmp_path: Path) -> None:
    checkpoint.save({"betas": (0.9, 0.999), 1: ((), [])}, tmp_path / "c")
    assert checkpoint.load(tmp_path / "c") == {"betas": [0.9, 0.999], 1: [[], []]}


def test_dicts_that_look_like_the_format_are_kept_apart(tmp_path: Path) -> None:
    state = {"tensor": "0", "dict": {"tensor": 1}, "list": [{"list": []}], 0: torch.ones(1)}
    checkpoint.save(state, tmp_path / "c")
    assert checkpoint.load(tmp_path / "c") == state


def test_one_tensor_in_two_places(tmp_path: Path) -> None:
    tensor = torch.rand(3)
    checkpoint.save({"a": tensor, "b": tensor, "c": tensor[:2]}, tmp_path / "c")
    back = checkpoint.load(tmp_path / "c")
    assert torch.equal(back["a"], tensor)
    assert torch.equal(back["b"], tensor)
    assert torch.equal(back["c"], tensor[:2])


def test_an_optimizer_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    def make() -> tuple[torch.nn.Linear, torch.optim.Adam]:
        torch.manual_seed(0)
        layer = torch.nn.Linear(3, 2)
        return layer, torch.optim.Adam(layer.parameters(), 0.1, amsgrad=True)

    def train(layer: torch.nn.Linear, optimizer: torch.optim.Adam, steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            (layer(torch.ones(1, 3)) - 3).square().sum().backward()
            optimizer.step()

    layer, optimizer = make()
    train(layer, optimizer, 5)
    other, resumed = make()
    train(other, resumed, 2)
    checkpoint.save({"layer": other.state_dict(), "optimizer": resumed.state_dict()}, tmp_path / "c")
    state = checkpoint.load(tmp_path / "c")
    other, resumed = make()
    other.load_state_dict(state["layer"])
    resumed.load_state_dict(state["optimizer"])
    train(other, resumed, 3)
    assert torch.equal(other.weight, layer.weight)
    assert not torch.equal(other.weight, make()[0].weight)


def test_a_checkpoint_can_be_overwritten_while_its_tensors_are_in_use(tmp_path: Path) -> None:
    checkpoint.save({"a": torch.ones(1000)}, tmp_path / "c")
    kept = checkpoint.load(tmp_path / "c")["a"]
    checkpoint.save({"a": torch.zeros(1000)}, tmp_path / "c")
    assert torch.equal(kept, torch.ones(1000))


def _flip(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 0xFF
    file.write_bytes(bytes(content))


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(file.read_bytes()[:-100]),
        lambda file: file.write_bytes(file.read_bytes()[:20]),
        lambda file: file.write_text("something else altogether"),
        lambda file: _flip(file, 0),
        lambda file: _flip(file, 9),
        lambda file: torch.save({"a": 1}, file),
        lambda file: file.unlink(),
    ],
    ids=["empty", "cut short", "cut in its head", "a text", "another length", "a bad head", "a pickle", "gone"],
)
def test_a_damaged_file_is_named(tmp_path: Path, damage: Any) -> None:
    file = tmp_path / "checkpoint.safetensors"
    checkpoint.save({"a": torch.rand(100), "b": 1}, file)
    damage(file)
    with pytest.raises(ArtkitError) as caught:
        checkpoint.load(file)
    assert str(file) in caught.value.message
    assert "damaged" in caught.value.message
    assert caught.value.hint


def test_a_safetensors_file_of_someone_else_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    for metadata in (None, {"state": "3"}, {"state": '{"a": 3}'}, {"state": '["x"]'}):
        save_file({"0": torch.ones(1)}, tmp_path / "c", metadata)
        with pytest.raises(ArtkitError, match="damaged"):
            checkpoint.load(tmp_path / "c")
