"""Networks of timm and torchvision: weights from files and from the cache, and downloads that were asked for."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file
from torch import nn

from artkit.cli.main import cli
from artkit.config import LocatedStr
from artkit.errors import ArtkitError, UsageError
from artkit.geometry.window import Window
from artkit.interfaces.scene import Scene
from artkit.interfaces.view import View
from artkit.torchvision_compat import declare_missing_operators
from artkit_vision import networks
from artkit_vision.class_activation import ClassActivation
from artkit_vision.downloads import MissingWeightsError

CPU = torch.device("cpu")
TINY = "test_resnet"


def tiny_model(classes: int = 1000, **settings: Any) -> nn.Module:
    """A network of timm with some hundred thousand random weights."""
    declare_missing_operators()
    import timm

    torch.manual_seed(3)
    model: nn.Module = timm.create_model(TINY, num_classes=classes, **settings)
    return model.eval()


def activation_of(scene: Scene, **settings: Any) -> ClassActivation:
    config = ClassActivation.Config(**{"class": "starfish", "side": 64, "views": 1, **settings})
    return ClassActivation(config, scene)


@pytest.fixture(autouse=True)
def empty_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    declare_missing_operators()
    import timm  # noqa: F401 # imports the hub's client
    from huggingface_hub import constants

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


# ---------------------------------------------------------------------------------------------------------------- files
@pytest.mark.parametrize("wrapped", [False, True])
def test_weights_of_a_file_are_those_of_the_network(tmp_path: Path, wrapped: bool) -> None:
    model, image = tiny_model(), torch.rand(1, 3, 96, 96)
    if wrapped:  # as adversarial training stores it: twice, with a normalisation
        state = {
            f"module.{part}{key}": v for part in ("model.", "attacker.model.") for key, v in model.state_dict().items()
        }
        file = tmp_path / "robust.ckpt"
        torch.save({"model": {**state, "module.normalizer.new_mean": torch.zeros(3)}, "epoch": 90}, file)
    else:
        save_file(model.state_dict(), file := tmp_path / "tiny.safetensors")
    network = networks.load(f"{TINY}={file}", CPU)
    expected = model((image - network.mean) / network.std)
    torch.testing.assert_close(network(image), expected, atol=1e-4, rtol=1e-3)
    assert (network.side, network.classes.name(327)) == (160, "starfish")


def test_a_network_of_a_file_paints_and_is_in_the_record(scene: Callable[..., Scene], tmp_path: Path) -> None:
    save_file(tiny_model(5).state_dict(), tmp_path / "five.safetensors")
    name = LocatedStr(f"{TINY}=five.safetensors", tmp_path)  # relative to the recipe
    activation = activation_of(scene(), networks=name, **{"class": 3})
    image = torch.rand(1, 3, 64, 64, requires_grad=True)
    activation(View(image, None, Window(0, 0, 64, 64), 0.0)).sum().backward()
    assert image.grad is not None
    assert image.grad.any()
    assert len(activation.provenance["networks.0"]) == 64
    with pytest.raises(UsageError, match="indices go from 0 to 4"):
        activation_of(scene(), networks=name, **{"class": 5})


def test_a_network_of_one_channel_gets_the_brightness() -> None:
    model = nn.Sequential(nn.Flatten(2), nn.AdaptiveAvgPool1d(1), nn.Flatten())
    network = networks.Network("grey", model, [0.0], [1.0], 8)
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    assert network(red).item() == pytest.approx(0.299, abs=1e-4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"damaged", "cannot be read as weights"),
        ({"weights": [1, 2]}, "holds no weights"),
        ({"conv1.weight": torch.zeros(2)}, f"does not hold the weights of {TINY}"),
        ({"model": Path("x")}, "cannot be read as weights .*\n.*tensors only"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: Any, message: str) -> None:
    file = tmp_path / "other.pt"
    file.write_bytes(content) if isinstance(content, bytes) else torch.save(content, file)
    with pytest.raises(UsageError, match=message):
        networks.load(f"{TINY}={file}", CPU)


# ------------------------------------------------------------------------------------------------------------ downloads
@pytest.mark.parametrize("name", [f"{TINY}.r160_in1k", "torchvision/squeezenet1_1", "robust"])
def test_nothing_is_downloaded_without_being_asked(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def connect(*_: object, **__: object) -> None:
        raise AssertionError("connected")

    monkeypatch.setattr("socket.getaddrinfo", connect)
    with pytest.raises(
        MissingWeightsError, match=rf"weights of {name} are not on this machine.*\n.*artkit download {name}"
    ):
        networks.load(name, CPU)
    result = CliRunner().invoke(cli, ["download", name], input="n\n")
    assert result.exit_code == 0
    assert "MB, from https://" in result.output


def test_robust_is_downloaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    declare_missing_operators()
    from torchvision import models

    fetched: list[str] = []

    def fetch(url: str, file: str, progress: bool) -> None:
        fetched.append(url)
        torch.save({"model": models.resnet50().state_dict()}, file)

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    for _ in range(2):
        assert CliRunner().invoke(cli, ["download", "--yes", "robust"]).exit_code == 0
    assert len(fetched) == 1
    assert networks.load("robust", CPU).classes.name(327) == "starfish"
    networks.load.cache_clear()


def test_a_failed_download_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no connection\nand more lines")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(ArtkitError, match=r"weights of robust could not be downloaded \(no connection\)\n"):
        networks.download("robust", lambda _: True)


def test_without_a_connection_a_download_fails_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's client would try again with increasing pauses."""

    def no_network(*_: object, **__: object) -> None:
        raise OSError(-2, "Name or service not known")

    pauses: list[float] = []
    monkeypatch.setattr("socket.getaddrinfo", no_network)
    monkeypatch.setattr(time, "sleep", pauses.append)
    with pytest.raises(ArtkitError, match=f"weights of {TINY}.r160_in1k could not be downloaded"):
        networks.download(f"{TINY}.r160_in1k", lambda _: True)
    assert sum(pauses) < 10, pauses


@pytest.mark.parametrize("name", [f"{TINY}.unknown", "resnet5o"])
def test_unknown_weights_and_names_list_what_there_is(name: str) -> None:
    with pytest.raises(UsageError, match=f'no network "{name}"\n.*(r160_in1k|resnet50)'):
        networks.download(name, lambda _: True)


# ------------------------------------------------------------------------------------------------------------- gradient
def test_a_network_whose_gradient_vanishes_is_reported(
    scene: Callable[..., Scene], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tiny_model().state_dict()
    state["fc.bias"][5] = 1e4  # a probability of exactly 1
    save_file(state, tmp_path / "certain.safetensors")
    activation = activation_of(scene(), networks=[f"{TINY}={tmp_path / 'certain.safetensors'}"], score="probability")
    for _ in range(2):
        image = torch.rand(1, 3, 64, 64, requires_grad=True)
        activation(View(image, None, Window(0, 0, 64, 64), 0.0)).sum().backward()
    assert capsys.readouterr().err.count(f"the gradient of {TINY}=") == 1


def test_text_weights_are_not_downloaded_without_being_asked() -> None:
    pytest.importorskip("open_clip")
    result = CliRunner().invoke(cli, ["download", "text"], input="n\n")
    assert result.exit_code == 0, result.output
    assert "huggingface.co/laion/CLIP-ViT-B-32-laion2B-s34B-b79K" in result.output
