"""Strokes as data: action spaces, the stroke log, and examples of strokes drawn by hand."""
