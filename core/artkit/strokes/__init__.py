"""Strokes as data: action spaces, the stroke log, and strokes made by hand."""
