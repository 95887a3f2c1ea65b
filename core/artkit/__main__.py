"""``python -m artkit``."""

from artkit.cli import main

main()
