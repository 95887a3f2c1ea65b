"""``artkit doctor``: report what is installed and what is missing."""

from __future__ import annotations

import click

from artkit.registry.plugin_registry import get_registry
from artkit.version import __version__


@click.command()
def doctor() -> None:
    """Report what is installed and what is missing.

    For what is missing it shows how to install it.
    """
    import platform
    from importlib import metadata
    from importlib.util import find_spec

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
    installed = metadata.version("pillow-heif") if find_spec("pillow_heif") else ""
    _print_row("pillow-heif", f"{installed}, for HEIC photos" if installed else "missing")
    if not installed:
        _print_row("", "  for HEIC photos: pip install 'neural-artkit[heic]'")
    for plugin, requirements in get_registry().call_each("artkit_doctor"):
        try:
            rows = [(str(name), str(found), str(hint)) for name, found, hint in requirements or ()]
        except (TypeError, ValueError):
            get_registry().disable(plugin, "artkit_doctor returned something else than tuples (name, found, hint)")
            continue
        for name, found, hint in rows:
            _print_row(name, found or "missing")
            if not found:
                _print_row("", f"  {hint}")
    for entry in get_registry().disabled:
        _print_row(f"plugin {entry.plugin}", f"disabled: {entry.reason}")


def _print_row(name: str, value: str) -> None:
    click.echo(f"{name:<26} {value}")
