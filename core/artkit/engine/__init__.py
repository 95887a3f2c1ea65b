"""Runs: the optimisation loop, its tasks, checkpoints and memory."""
