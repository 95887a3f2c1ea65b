"""Rectangles, stroke tiles and their layout in a picture. x runs to the right, y down; lengths are in px."""
