"""From strokes to pixels: compositing, window by window."""
