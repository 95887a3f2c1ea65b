"""Rendering of strokes: layouts, patches, compositing and windows of a picture."""
