"""artkit paints: brushstrokes optimised so that a neural network sees in them what was asked for."""

import os

# Threads of a step wait for each other many times a second. Where other programs use the same cores, waiting busily for
# long makes a step take ten times as long; so they soon sleep. This must be told before torch is imported, and whoever
# has told otherwise is heard.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

from artkit.hookspecs import hookimpl

__version__ = "0.1.0"
__all__ = ["__version__", "hookimpl"]
