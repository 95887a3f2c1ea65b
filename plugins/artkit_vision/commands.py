"""The commands ``artkit evaluate``, ``artkit classes`` and ``artkit download``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

_CLASS_COUNT = 1000
"""Outputs of the shipped networks, which are trained on ImageNet-1k."""


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--network", "held_out", multiple=True, metavar="NAME", help="A held-out network. Default: all packaged.")
@click.option("--target", type=click.Path(path_type=Path), help="Another image to compare with than the run's target.")
@click.option("--renderer", help="Another renderer than the run's: mypaint, gan, …")
@click.option("--device", help="auto, cpu, cuda, cuda:1 or mps.", default="auto", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def evaluate(
    run: Path, held_out: tuple[str, ...], target: Path | None, renderer: str | None, device: str, as_json: bool
) -> None:
    """Measure a finished painting: likeness to its target, what networks see in it, and its strokes.

    RUN is the folder of a run.
    """
    from artkit import open_painting
    from artkit_vision import evaluation
    from artkit_vision.packaged import PACKAGED

    painting = open_painting(run, renderer=renderer, device=device)
    figures = evaluation.evaluate(run, painting, held_out or tuple(PACKAGED), target, device)
    if as_json:
        click.echo(json.dumps(figures))
        return
    for name, value in _lines(figures):
        click.echo(f"{name:<44} {value}")


def _lines(figures: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield a name and a value for each line of the output."""
    for name, value in figures["strokes"].items():
        yield f"strokes: {name.replace('_', ' ')}", f"{value:g}"
    if "target" in figures:
        yield "target", figures["target"]
        yield "MS-SSIM", "the picture is too small" if figures["ms_ssim"] is None else f"{figures['ms_ssim']:.4f}"
        yield "CIEDE2000, mean", f"{figures['ciede2000_mean']:.2f}"
        yield "CIEDE2000, 95th percentile", f"{figures['ciede2000_p95']:.2f}"
        for row in figures["content"]:
            yield f"content ratio, {row['network']}{_held_out(row)}", f"{row['content_ratio']:.4f}"
    for row in figures.get("classes", ()):
        place = f"probability {row['probability']:.4f}, rank {row['rank']}, sees {row['sees']}"
        yield f"{row['class']}, {row['network']}{_held_out(row)}", place


def _held_out(row: dict[str, Any]) -> str:
    return " (held out)" if row["held_out"] else ""


@click.command("classes")
@click.argument("search", nargs=-1)
def classes(search: tuple[str, ...]) -> None:
    """List the classes of ImageNet, or those whose names contain all words of SEARCH.

    Each line has the index of a class, its names, and what it shows. A recipe's `class` is an index or a name.
    """
    from artkit import UsageError
    from artkit.torchvision_compat import declare_missing_operators
    from artkit_vision.classes import imagenet_classes

    declare_missing_operators()
    found = imagenet_classes(_CLASS_COUNT)
    assert found is not None
    query = " ".join(search)
    indices = found.search(query)
    if not indices:
        raise UsageError(f'no class is called "{query}"', hint=found.suggest(query))
    for index in indices:
        click.echo(f"{index:>4}  {', '.join(found.names[index])}: {found.definitions[index]}")


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--yes", is_flag=True, help="Download without asking.")
def download(names: tuple[str, ...], yes: bool) -> None:
    """Download the weights of networks, once, for recipes that name them.

    NAME is a network of timm (resnet50.a1_in1k) or torchvision (torchvision/vgg16); `robust`, an adversarially trained
    one; `text`, the default model of the objective text, or another of open_clip (open_clip/MODEL/WEIGHTS). What is
    downloaded, how much and from where is shown first.
    """
    from artkit_vision import networks, text
    from artkit_vision.packaged import DEFAULT_MODEL, DEFAULT_WEIGHTS

    def ask(question: str) -> bool:
        click.echo(question)
        return yes or click.confirm("Continue?", default=False)

    for name in names:
        full_name = f"{text.PREFIX}{DEFAULT_MODEL}/{DEFAULT_WEIGHTS}" if name == "text" else name
        fetch = text.download if full_name.startswith(text.PREFIX) else networks.download
        click.echo(f"{name}: downloaded" if fetch(full_name, ask) else f"{name}: nothing to download, or not wanted")
