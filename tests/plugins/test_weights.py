"""Weights of painters: what is read back, and what is refused."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from artkit.errors import UsageError
from artkit.files import sha256
from artkit.interfaces.scene import Scene
from artkit_mypaint.action_spaces import STROKE_SPACE
from artkit_painters import weights
from artkit_painters.gan import Gan
from artkit_painters.geometry_painter import GeometryPainter
from artkit_painters.vae import Vae

FACTS = {
    "channels": 4, "reach": [3.0, 1.0], "swell": [], "dab": [0.5, 0.0, [0.0, 1.0]],
    "brush": "classic/pen", "space": STROKE_SPACE.name,
}  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Weights of a small painter."""
    file = tmp_path / "mine.safetensors"
    weights.save(GeometryPainter(4, (3.0, 1.0)), FACTS, file)
    return file


def gan(scene: Callable[..., Scene], **settings: object) -> Gan:
    """The painter of a brush's mean, whose weights `file` are."""
    return Gan(Gan.Config(**{"grain": False, **settings}), scene())  # type: ignore[arg-type]


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    painter = GeometryPainter(4, (3.0, 1.0))
    weights.save(painter, FACTS, tmp_path / "mine.safetensors")
    tensors, facts, found = weights.load(tmp_path / "mine.safetensors")
    assert facts == FACTS
    assert found == sha256(tmp_path / "mine.safetensors")
    assert tensors.keys() == painter.state_dict().keys()
    for name, tensor in painter.state_dict().items():
        assert tensors[name].dtype == torch.float32
        torch.testing.assert_close(tensors[name], tensor.half().float(), atol=0, rtol=0)


def test_the_same_weights_are_the_same_file(tmp_path: Path) -> None:
    painter = GeometryPainter(4, (3.0, 1.0))
    for name in "ab":
        weights.save(painter, FACTS, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_sum_that_is_expected_must_be_found(file: Path, scene: Callable[..., Scene]) -> None:
    assert gan(scene, weights=file, sha256=sha256(file)).provenance["weights"] == sha256(file)
    with pytest.raises(UsageError, match=r"not the ones expected.*\n.*(fetch|train)"):
        gan(scene, weights=file, sha256="0" * 64)


@pytest.mark.parametrize("content", [b"", b"not weights", pickle.dumps({"enter.weight": [1.0]}), b"\xff" * 100])
def test_what_is_no_safetensors_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "mine.safetensors"
    file.write_bytes(content)
    with pytest.raises(UsageError, match="does not hold weights that artkit wrote"):
        weights.load(file)


def test_a_file_that_was_cut_off_is_refused(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(UsageError, match="does not hold weights"):
        weights.load(file)


def test_safetensors_of_another_program_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(UsageError, match="does not hold weights that artkit wrote"):
        weights.load(tmp_path / "other.safetensors")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the weights"):
        weights.load(tmp_path / "none.safetensors")


def test_weights_of_another_action_space_are_refused(tmp_path: Path, scene: Callable[..., Scene]) -> None:
    file = tmp_path / "other.safetensors"
    weights.save(GeometryPainter(4, (3.0, 1.0)), {**FACTS, "space": "spray-can-9"}, file)
    with pytest.raises(UsageError, match=f"spray-can-9, not {STROKE_SPACE.name}"):
        gan(scene, weights=file)


def test_weights_of_another_shape_are_refused(tmp_path: Path, scene: Callable[..., Scene]) -> None:
    file = tmp_path / "other.safetensors"
    weights.save(GeometryPainter(4, (3.0, 1.0)), {**FACTS, "channels": 8}, file)
    with pytest.raises(UsageError, match="another version of this network"):
        gan(scene, weights=file)


@pytest.mark.parametrize("missing", ["channels", "reach", "swell", "dab", "brush"])
def test_weights_that_do_not_tell_what_they_are_are_refused(
    tmp_path: Path, scene: Callable[..., Scene], missing: str
) -> None:
    file = tmp_path / "other.safetensors"
    weights.save(GeometryPainter(4, (3.0, 1.0)), {key: value for key, value in FACTS.items() if key != missing}, file)
    with pytest.raises(UsageError):
        gan(scene, weights=file, brush="classic/pen")


def test_weights_of_another_brush_are_refused(file: Path, scene: Callable[..., Scene]) -> None:
    assert gan(scene, weights=file, brush="classic/pen").config.brush == "classic/pen"
    with pytest.raises(UsageError, match=r"weights of the brush classic/pen, not classic/charcoal"):
        gan(scene, weights=file, brush="classic/charcoal")


def test_weights_of_the_mean_paint_no_samples(file: Path, scene: Callable[..., Scene]) -> None:
    with pytest.raises(UsageError, match=r"paint the mean of a brush\n.*grain = false"):
        gan(scene, weights=file, grain=True)
    with pytest.raises(UsageError, match=r"paint samples of a brush\n.*grain = true"):
        gan(scene, weights=weights.shipped("gan", "classic/dry_brush"))


def test_a_brush_without_weights_names_those_with(scene: Callable[..., Scene]) -> None:
    with pytest.raises(UsageError, match=r"no mean painter for the brush .*\n.*classic/dry_brush.*\[trainer\]"):
        gan(scene, brush="classic/smudge")


def test_shipped_weights_are_those_released() -> None:
    files = sorted(weights.SHIPPED.glob("*.safetensors"))
    sums = json.loads((weights.SHIPPED / "sha256.json").read_text())
    assert {file.name: sha256(file) for file in files} == sums
    assert files
    sizes = {file.name: file.stat().st_size for file in files}
    assert sum(size for name, size in sizes.items() if not name.startswith("vae-")) < 3e6
    assert all(size < 8e6 for size in sizes.values())


def test_shipped_weights_that_were_changed_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scene: Callable[..., Scene]
) -> None:
    shipped = weights.shipped("mean", "classic/dry_brush")
    content = bytearray(shipped.read_bytes())
    content[-1] ^= 1
    (tmp_path / shipped.name).write_bytes(content)
    (tmp_path / "sha256.json").write_bytes((weights.SHIPPED / "sha256.json").read_bytes())
    monkeypatch.setattr(weights, "SHIPPED", tmp_path)
    with pytest.raises(UsageError, match="not the ones expected"):
        gan(scene)


def test_every_shipped_painter_opens(scene: Callable[..., Scene]) -> None:
    for file in weights.SHIPPED.glob("*.safetensors"):
        _, facts, found = weights.load(file)
        kind = file.name.partition("-")[0]
        made: Gan | Vae
        if kind == "vae":
            made = Vae(Vae.Config(brush=facts["brush"]), scene())
        else:
            made = gan(scene, brush=facts["brush"], grain=kind == "gan")
        assert made.provenance["weights"] == found
        assert not made.training
        assert not any(parameter.requires_grad for parameter in made.parameters())
