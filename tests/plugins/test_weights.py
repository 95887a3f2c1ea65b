"""Tests of weights files of painters, and of the shipped weights."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from artkit import Scene, UsageError
from artkit.files import sha256
from artkit_mypaint.action_spaces import STROKE_SPACE
from artkit_painters import weights
from artkit_painters.dcgan import Dcgan
from artkit_painters.gan import Gan
from artkit_painters.geometry_painter import GeometryPainter
from artkit_painters.vae import Vae

METADATA = {
    "channels": 4, "reach": [3.0, 1.0], "swell": [], "dab": [0.5, 0.0, [0.0, 1.0]],
    "brush": "classic/pen", "space": STROKE_SPACE.name,
}  # fmt: skip


def save_painter(file: Path, **changes: object) -> Path:
    """Write weights of a small untrained painter of the mean."""
    weights.save(GeometryPainter(4, (3.0, 1.0)), METADATA | changes, file)
    return file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return save_painter(tmp_path / "painter.safetensors")


def build_mean_renderer(scene: Callable[..., Scene], **settings: object) -> Gan:
    return Gan(Gan.Config(**{"grain": False, **settings}), scene())  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------------------------- files
def test_saved_weights_are_loaded(tmp_path: Path) -> None:
    painter = GeometryPainter(4, (3.0, 1.0))
    file = tmp_path / "painter.safetensors"
    weights.save(painter, METADATA, file)
    tensors, metadata, checksum = weights.load(file)
    assert metadata == METADATA
    assert checksum == sha256(file)
    assert tensors.keys() == painter.state_dict().keys()
    for name, tensor in painter.state_dict().items():
        assert tensors[name].dtype == torch.float32
        torch.testing.assert_close(tensors[name], tensor.half().float(), atol=0, rtol=0)


def test_files_of_equal_weights_are_equal(tmp_path: Path) -> None:
    painter = GeometryPainter(4, (3.0, 1.0))
    for name in "ab":
        weights.save(painter, METADATA, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("content", [b"", b"not weights", pickle.dumps({"enter.weight": [1.0]}), b"\xff" * 100])
def test_error_for_a_file_that_is_no_safetensors(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "painter.safetensors"
    file.write_bytes(content)
    with pytest.raises(UsageError, match="does not hold weights that artkit wrote"):
        weights.load(file)


def test_error_for_a_truncated_file(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(UsageError, match="does not hold weights"):
        weights.load(file)


def test_error_for_safetensors_of_another_program(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(UsageError, match="does not hold weights that artkit wrote"):
        weights.load(tmp_path / "other.safetensors")


def test_error_for_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the weights"):
        weights.load(tmp_path / "none.safetensors")


# ------------------------------------------------------------------------------------------------------------ renderers
def test_sha256_of_the_recipe_must_match(file: Path, scene: Callable[..., Scene]) -> None:
    renderer = build_mean_renderer(scene, weights=file, sha256=sha256(file))
    assert renderer.provenance["weights"] == sha256(file)
    with pytest.raises(UsageError, match=r"not the ones expected.*\n.*(fetch|train)"):
        build_mean_renderer(scene, weights=file, sha256="0" * 64)


def test_error_for_weights_of_another_action_space(tmp_path: Path, scene: Callable[..., Scene]) -> None:
    file = save_painter(tmp_path / "other.safetensors", space="spray-can-9")
    with pytest.raises(UsageError, match=f"spray-can-9.*{STROKE_SPACE.name}"):
        build_mean_renderer(scene, weights=file)


def test_error_for_weights_of_another_shape(tmp_path: Path, scene: Callable[..., Scene]) -> None:
    file = save_painter(tmp_path / "other.safetensors", channels=8)
    with pytest.raises(UsageError, match="another version of this network"):
        build_mean_renderer(scene, weights=file)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        *((key, rf"incomplete: they lack {key}") for key in ("channels", "reach", "swell", "dab")),
        ("brush", "do not say which brush"),
    ],
)
def test_error_for_incomplete_metadata(tmp_path: Path, scene: Callable[..., Scene], missing: str, message: str) -> None:
    file = tmp_path / "other.safetensors"
    metadata = {key: value for key, value in METADATA.items() if key != missing}
    weights.save(GeometryPainter(4, (3.0, 1.0)), metadata, file)
    with pytest.raises(UsageError, match=message):
        build_mean_renderer(scene, weights=file, brush="classic/pen")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channels": 2**60}, "channels must be at most 1024"),
        ({"channels": "a"}, "channels must be a whole number"),
        ({"reach": [3.0]}, "lack reach.1"),
        ({"reach": [float("nan"), 1.0]}, "reach.0"),
        ({"swell": ["0"] * 3 + [None]}, "swell"),
        ({"swell": [0.5]}, "swell"),
        ({"dab": 3}, "dab must be a list"),
        ({"dab": [1.0, 0.0, [0.0, 1.0]]}, "dab.0 must be less than 1"),
        ({"dab": [0.5, 0.0, []]}, "dab.2 needs at least 2 values"),
        ({"brush": 3}, "do not say which brush"),
    ],
)
def test_error_for_damaged_metadata(
    tmp_path: Path, scene: Callable[..., Scene], changes: dict[str, object], message: str
) -> None:
    file = save_painter(tmp_path / "other.safetensors", **changes)
    with pytest.raises(UsageError, match=message):
        build_mean_renderer(scene, weights=file)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_error_for_values_that_are_not_numbers(tmp_path: Path, scene: Callable[..., Scene], value: float) -> None:
    painter = GeometryPainter(4, (3.0, 1.0))
    painter.leave.bias.data[0] = value
    weights.save(painter, METADATA, tmp_path / "other.safetensors")
    with pytest.raises(UsageError, match="a value is not a number"):
        build_mean_renderer(scene, weights=tmp_path / "other.safetensors")


def test_error_for_weights_of_another_brush(file: Path, scene: Callable[..., Scene]) -> None:
    assert build_mean_renderer(scene, weights=file, brush="classic/pen").config.brush == "classic/pen"
    with pytest.raises(UsageError, match=r"the brush classic/pen, not classic/charcoal"):
        build_mean_renderer(scene, weights=file, brush="classic/charcoal")


def test_error_for_weights_of_the_mean_instead_of_samples_and_the_reverse(
    file: Path, scene: Callable[..., Scene]
) -> None:
    with pytest.raises(UsageError, match=r"paint the mean of a brush\n.*grain = false"):
        build_mean_renderer(scene, weights=file, grain=True)
    with pytest.raises(UsageError, match=r"paint samples of a brush\n.*grain = true"):
        build_mean_renderer(scene, weights=weights.shipped("gan", "classic/dry_brush"))


# -------------------------------------------------------------------------------------------------------------- shipped
def test_error_for_a_brush_without_weights_names_the_others(scene: Callable[..., Scene]) -> None:
    with pytest.raises(UsageError, match=r"artkit has none for this brush\n.*classic/dry_brush.*train/mean"):
        build_mean_renderer(scene, brush="classic/smudge")


def test_shipped_weights_have_the_listed_checksums_and_are_small() -> None:
    files = sorted(weights.SHIPPED.glob("*.safetensors"))
    checksums = json.loads((weights.SHIPPED / "sha256.json").read_text())
    assert {file.name: sha256(file) for file in files} == checksums
    assert files
    sizes = {file.name: file.stat().st_size for file in files}
    assert sum(size for name, size in sizes.items() if not name.startswith("vae-")) < 3e6
    assert all(size < 8e6 for size in sizes.values())


def test_error_for_modified_shipped_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scene: Callable[..., Scene]
) -> None:
    shipped = weights.shipped("mean", "classic/dry_brush")
    content = bytearray(shipped.read_bytes())
    content[-1] ^= 1
    (tmp_path / shipped.name).write_bytes(content)
    (tmp_path / "sha256.json").write_bytes((weights.SHIPPED / "sha256.json").read_bytes())
    monkeypatch.setattr(weights, "SHIPPED", tmp_path)
    with pytest.raises(UsageError, match="not the ones expected"):
        build_mean_renderer(scene)


def test_all_shipped_weights_can_be_loaded(scene: Callable[..., Scene]) -> None:
    for file in weights.SHIPPED.glob("*.safetensors"):
        _, metadata, checksum = weights.load(file)
        kind = file.name.partition("-")[0]
        renderer: Gan | Vae | Dcgan
        if kind == "vae":
            renderer = Vae(Vae.Config(brush=metadata["brush"]), scene())
        elif kind == "dcgan":
            renderer = Dcgan(Dcgan.Config(brush=metadata["brush"]), scene())
        else:
            renderer = build_mean_renderer(scene, brush=metadata["brush"], grain=kind == "gan")
        assert renderer.provenance["weights"] == checksum
        assert not renderer.training
        assert not any(parameter.requires_grad for parameter in renderer.parameters())
