"""The phases of a grid of tiles, from which `grid` and `pyramid` are made."""

from __future__ import annotations

from artkit import Phase


def phases(
    size: tuple[int, int], tile: int, overlap: int, bleed: int, strokes: int, margin: int, first: int = 0
) -> list[Phase]:
    """A grid of tiles that covers a picture of `size` px and `bleed` px around it, centred on it.

    tile: side of a tile; overlap: of neighbouring tiles; margin: around a tile that is painted too; all px. strokes: a
    tile. first: number of the first stroke.

    The paint builds up in layers: one stroke on every tile, then a second one on every tile, and so on. Within a layer,
    phases take turns to come first, so that no corner of a tile always lies on top.
    """
    stride = tile - overlap
    columns, rows = (max(1, -(-(length + 2 * bleed - overlap) // stride)) for length in size)
    left, top = (
        -((stride * (count - 1) + tile - length) // 2) for count, length in zip((columns, rows), size, strict=True)
    )
    # Tiles of a phase are so many strides apart that their sheets do not overlap.
    apart = -(-(tile + 2 * margin) // stride)
    lattice = [(a, b) for a in range(min(apart, rows)) for b in range(min(apart, columns))]
    made: list[Phase] = []
    for layer in range(strokes):
        turn = layer * len(lattice) // strokes
        for a, b in lattice[turn:] + lattice[:turn]:
            phase = Phase(
                first=first,
                x=left + b * stride,
                y=top + a * stride,
                pitch=apart * stride,
                rows=-(-(rows - a) // apart),
                columns=-(-(columns - b) // apart),
                side=tile,
            )
            made.append(phase)
            first += phase.stroke_count
    return made
