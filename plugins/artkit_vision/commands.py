"""The command ``artkit classes``: search the names of the classes that a picture can be optimised for."""

from __future__ import annotations

import click

_CLASS_COUNT = 1000
"""Outputs of the shipped networks, which are trained on ImageNet-1k."""


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
