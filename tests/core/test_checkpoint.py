"""Checkpoints: states are restored exactly, damaged files are refused, nothing is unpickled."""

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
def test_plain_values_are_restored(tmp_path_factory: pytest.TempPathFactory, state: dict[Any, Any]) -> None:
    file = tmp_path_factory.mktemp("c") / "c.safetensors"
    checkpoint.save(state, file)
    assert checkpoint.load(file) == state
    assert repr(checkpoint.load(file)) == repr(state), "with their types: 1 is not True, 1.0 is not 1"


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
def test_tensors_are_restored_exactly(tmp_path: Path, tensor: torch.Tensor) -> None:
    checkpoint.save({"nested": {3: [tensor, None]}}, tmp_path / "c")
    (loaded, none) = checkpoint.load(tmp_path / "c")["nested"][3]
    assert none is None
    assert loaded.dtype == tensor.dtype
    assert loaded.shape == tensor.shape
    assert torch.equal(loaded, tensor.detach())
    assert not loaded.requires_grad


def test_tuples_are_restored_as_lists(tmp_path: Path) -> None:
    checkpoint.save({"betas": (0.9, 0.999), 1: ((), [])}, tmp_path / "c")
    assert checkpoint.load(tmp_path / "c") == {"betas": [0.9, 0.999], 1: [[], []]}


def test_dicts_with_keys_of_the_format(tmp_path: Path) -> None:
    state = {"tensor": "0", "dict": {"tensor": 1}, "list": [{"list": []}], 0: torch.ones(1)}
    checkpoint.save(state, tmp_path / "c")
    assert checkpoint.load(tmp_path / "c") == state


def test_a_tensor_that_occurs_twice(tmp_path: Path) -> None:
    tensor = torch.rand(3)
    checkpoint.save({"a": tensor, "b": tensor, "c": tensor[:2]}, tmp_path / "c")
    loaded = checkpoint.load(tmp_path / "c")
    assert torch.equal(loaded["a"], tensor)
    assert torch.equal(loaded["b"], tensor)
    assert torch.equal(loaded["c"], tensor[:2])


def test_an_optimizer_resumes_as_without_interruption(tmp_path: Path) -> None:
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


def test_overwriting_a_checkpoint_does_not_change_loaded_tensors(tmp_path: Path) -> None:
    checkpoint.save({"a": torch.ones(1000)}, tmp_path / "c")
    loaded = checkpoint.load(tmp_path / "c")["a"]
    checkpoint.save({"a": torch.zeros(1000)}, tmp_path / "c")
    assert torch.equal(loaded, torch.ones(1000))


def _flip_byte(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 0xFF
    file.write_bytes(bytes(content))


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(file.read_bytes()[:-100]),
        lambda file: file.write_bytes(file.read_bytes()[:20]),
        lambda file: file.write_text("not a checkpoint"),
        lambda file: _flip_byte(file, 0),
        lambda file: _flip_byte(file, 9),
        lambda file: torch.save({"a": 1}, file),
        lambda file: file.unlink(),
    ],
    ids=["empty", "truncated", "truncated header", "text", "wrong length", "damaged header", "pickle", "missing"],
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


def test_a_safetensors_file_that_is_not_a_checkpoint_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    for metadata in (None, {"state": "3"}, {"state": '{"a": 3}'}, {"state": '["x"]'}):
        save_file({"0": torch.ones(1)}, tmp_path / "c", metadata)
        with pytest.raises(ArtkitError, match="damaged"):
            checkpoint.load(tmp_path / "c")
