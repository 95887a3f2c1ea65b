"""Colours of photos: their principal components."""

from __future__ import annotations

PHOTO_COLOUR_COMPONENTS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
"""Principal components of the colours of natural images, one per column, scaled by their standard deviation (Olah et
al., 2017). The first is lightness, the others are hues."""
