"""Rectangles of a picture, tiles of strokes, and where they lie. Lengths are px."""
