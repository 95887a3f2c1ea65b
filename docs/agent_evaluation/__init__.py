"""Evaluation of trained agents on test images: what `docs/agents.py` measures, and the page that it writes."""
