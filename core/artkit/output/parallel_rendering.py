"""Rendering of the windows of a large picture by an executor: each window is a job of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from artkit import memmap
from artkit.errors import ArtkitError
from artkit.geometry.window import Region
from artkit.imaging.pixels import Pixels, tensor_to_pixels
from artkit.interfaces.executor import Executor, Job
from artkit.output.export import open_painting
from artkit.rendering.rendered_painting import RenderedPainting


def with_executor(
    painting: RenderedPainting, executor: Executor, options: Mapping[str, Any], folder: Path
) -> RenderedPainting:
    """Return a painting whose `pixels` are rendered by an executor, one job a window.

    options: the arguments of `open_painting` from which `painting` comes, as JSON can hold them, without `scale` and
    `region`. folder: where the workers leave their windows; all of them must see it.
    """

    def render(bits: int) -> Pixels:
        (width, height), region = painting.size, painting.region
        pixels = memmap.zeros((height, width, 3), np.dtype(f"u{bits // 8}"), painting.folder or folder)
        with tempfile.TemporaryDirectory(prefix=".artkit-", dir=folder.absolute()) as shared:
            arguments = {
                "options": dict(options),
                "scale": painting.scale,
                "region": [region.x, region.y, region.width, region.height] if region else None,
                "bits": bits,
            }
            windows = {f"{x},{y}": (x, y, w, h) for x, y, w, h in painting.windows()}
            jobs = [
                Job(name, f"{__name__}:render_window", {**arguments, "window": window, "file": f"{shared}/{name}.npy"})
                for name, window in windows.items()
            ]
            with closing(executor.execute(jobs)) as events:  # type: ignore[type-var]
                for event in events:
                    if event.kind == "failed":
                        raise ArtkitError(event.value["error"], hint=event.value["hint"])
                    if event.kind == "finished":
                        x, y, w, h = windows[event.job]
                        file = Path(shared, f"{event.job}.npy")
                        pixels[y : y + h, x : x + w] = np.load(file, allow_pickle=False)
                        file.unlink()
                        memmap.release()
        return pixels

    return replace(painting, render=render)


def render_window(
    options: dict[str, Any],
    scale: float,
    region: list[float] | None,
    bits: int,
    window: tuple[int, int, int, int],
    file: str,
) -> Generator[None, None, None]:
    """Job that renders a window of a painting into a file of numpy."""
    yield
    # A worker keeps the painting for its next window.
    painting = _opened(tuple(sorted((key, _hashable(value)) for key, value in options.items())))
    painting = replace(painting, scale=scale, region=Region(*region) if region else None)
    np.save(file, tensor_to_pixels(painting.window(*window), bits))


@lru_cache(maxsize=1)
def _opened(options: tuple[tuple[str, Any], ...]) -> RenderedPainting:
    values = dict(options)
    return open_painting(Path(values.pop("run")), **values)


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
