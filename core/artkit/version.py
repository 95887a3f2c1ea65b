"""The version of artkit."""

__version__ = "0.1.0"
