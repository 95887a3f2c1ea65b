"""``artkit doctor``: report what is installed and what is missing."""

from __future__ import annotations

import click

from artkit.extras import describe_extra
from artkit.registry.plugin_registry import get_registry
from artkit.version import __version__

_EXTRAS = (
    ("pillow-heif", "heic", "HEIC photos", "pillow_heif"),
    ("starlette", "studio", "artkit studio"),
    ("tensorboard", "tensorboard", "tensorboard = true"),
    ("trackio", "trackio", "trackio = true"),
)
"""The arguments of `describe_extra` for the extras of the core; plugins describe theirs by `artkit_doctor`."""


@click.command()
def doctor() -> None:
    """Report what is installed and what is missing.

    For what is missing it shows how to install it.
    """
    import platform

    _print_row("artkit", f"{__version__}, Python {platform.python_version()}")
    try:
        import torch

        _print_row("torch", f"{torch.__version__}, {torch.get_num_threads()} threads")
        from artkit.devices import cuda_problem

        problem = cuda_problem()
        _print_row("GPU", f"none, {problem[0]}" if problem else torch.cuda.get_device_name())
    except (ImportError, OSError) as error:
        _print_row("torch", f"missing ({error})")
        _print_row("", "  pip install torch")
    for extra in _EXTRAS:
        _print_requirement(*describe_extra(*extra))
    for plugin, requirements in get_registry().call_each("artkit_doctor"):
        try:
            rows = [(str(name), str(found), str(hint)) for name, found, hint in requirements or ()]
        except (TypeError, ValueError):
            get_registry().disable(plugin, "artkit_doctor returned something else than tuples (name, found, hint)")
            continue
        for row in rows:
            _print_requirement(*row)
    for entry in get_registry().disabled:
        _print_row(f"plugin {entry.plugin}", f"disabled: {entry.reason}")


def _print_requirement(name: str, found: str, hint: str) -> None:
    _print_row(name, found or "missing")
    if not found:
        _print_row("", f"  {hint}")


def _print_row(name: str, value: str) -> None:
    click.echo(f"{name:<26} {value}")
