"""``python -m artkit``."""

from artkit.cli.main import main

main()
