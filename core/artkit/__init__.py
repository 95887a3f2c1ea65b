"""artkit paints: brushstrokes optimised so that a neural network sees in them what was asked for."""

from artkit.hookspecs import hookimpl

__version__ = "0.1.0"
__all__ = ["__version__", "hookimpl"]
