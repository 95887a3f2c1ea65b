"""Phases of a grid of tiles, used by `grid` and `pyramid`."""

from __future__ import annotations

from artkit import Phase


def grid_phases(
    size: tuple[int, int], tile: int, overlap: int, bleed: int, strokes: int, margin: int, first_stroke: int = 0
) -> list[Phase]:
    """Return the phases of a grid of tiles that is centred on a picture and covers it.

    size: width and height of the picture. tile: side of a tile. overlap: of neighbouring tiles. bleed: distance by
    which the grid extends beyond the picture. margin: width of the border around a tile that is rendered with it. All
    in px. strokes: number of strokes per tile. first_stroke: index of the first stroke.

    Strokes are ordered in layers: the first stroke of every tile, then the second stroke of every tile, and so on. The
    order of the phases rotates from layer to layer, so that the same corner of a tile is not always on top.
    """
    stride = tile - overlap
    columns, rows = (max(1, -(-(length + 2 * bleed - overlap) // stride)) for length in size)
    left, top = (
        -((stride * (count - 1) + tile - length) // 2) for count, length in zip((columns, rows), size, strict=True)
    )
    # A phase takes every n-th tile, so that its patches do not overlap.
    every = -(-(tile + 2 * margin) // stride)
    offsets = [(row, column) for row in range(min(every, rows)) for column in range(min(every, columns))]
    phases: list[Phase] = []
    for layer in range(strokes):
        rotation = layer * len(offsets) // strokes
        for row, column in offsets[rotation:] + offsets[:rotation]:
            phase = Phase(
                first=first_stroke,
                x=left + column * stride,
                y=top + row * stride,
                pitch=every * stride,
                rows=-(-(rows - row) // every),
                columns=-(-(columns - column) // every),
                side=tile,
            )
            phases.append(phase)
            first_stroke += phase.stroke_count
    return phases
