"""Sweeps: many runs that differ in some settings, run by an executor."""
