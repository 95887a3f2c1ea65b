"""Logs of a run beside `log.jsonl`: what is logged of each step, smoothed over windows, and an image at intervals."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from PIL import Image

from artkit.output.log_writers import CsvWriter, LogWriter, TensorBoardWriter, TrackioWriter
from artkit.recipes.recipe import LOG_KEYS, Recipe

_IMAGE_SIDE_PX = 512  # of the longer side of a logged picture
_NOT_LOSSES = tuple(key for key in LOG_KEYS if key != "loss")


class WindowMeans:
    """Smoothed losses and the means of epochs, for runs whose steps see one window of the picture each.

    steps_per_epoch: the number of steps after which every window was seen once.
    """

    def __init__(self, steps_per_epoch: int) -> None:
        self.steps_per_epoch = steps_per_epoch
        self._smoothed: dict[str, float] = {}
        self._weights: dict[str, float] = {}
        self._epoch: dict[str, list[float]] = {}

    def update(self, step: int, losses: Mapping[str, float]) -> dict[str, float]:
        """Return ``smoothed/NAME`` of each loss and, after the last step of an epoch, ``epoch/NAME``, its mean.

        Smoothed is the exponential moving average over about an epoch, corrected for its start as Adam's means are.
        Nothing is returned if an epoch is a single step.
        """
        if self.steps_per_epoch == 1:
            return {}
        keep = math.exp(-1 / self.steps_per_epoch)
        values = {}
        for name, loss in losses.items():
            self._smoothed[name] = keep * self._smoothed.get(name, 0.0) + (1 - keep) * loss
            self._weights[name] = keep * self._weights.get(name, 0.0) + 1 - keep
            values[f"smoothed/{name}"] = self._smoothed[name] / self._weights[name]
            self._epoch.setdefault(name, []).append(loss)
        if (step + 1) % self.steps_per_epoch == 0:
            values |= {f"epoch/{name}": sum(losses) / len(losses) for name, losses in self._epoch.items()}
            self._epoch.clear()
        return values


class RunLogs:
    """The logs that a recipe asks for with `csv`, `tensorboard` and `trackio`. A resumed run continues them.

    Raises UsageError if what writes a log is not installed.
    """

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        settings = recipe.settings
        self._image_interval, self._log_file = settings.log_images, folder / "log.jsonl"
        self._writers: list[LogWriter] = []
        if settings.csv:
            self._writers.append(CsvWriter(folder / "losses.csv"))
        if settings.tensorboard:
            self._writers.append(TensorBoardWriter(folder / "tensorboard"))
        if settings.trackio:
            self._writers.append(TrackioWriter(folder, recipe.portable()))
        self._means: WindowMeans | None = None

    def write(
        self,
        step: int,
        losses: Mapping[str, float],
        *,
        steps: int,
        steps_per_epoch: int,
        picture: Callable[[], Image.Image],
    ) -> None:
        """Log the losses of a step, and close the logs after the last of `steps`.

        picture: renders the current picture. A log that cannot be written is reported and left out from then on; the
        run continues.
        """
        if not self._writers:
            return
        if self._means is None:
            self._means = WindowMeans(steps_per_epoch)
            for earlier_step, earlier in self._earlier_losses(step):
                self._means.update(earlier_step, earlier)
            self._each(lambda writer: writer.open(step))
        values = {**losses, **self._means.update(step, losses)}
        self._each(lambda writer: writer.write(step, values))
        last = step + 1 == steps
        if self._image_interval and (step % self._image_interval == 0 or last):
            self._write_image(step, picture)
        if last:
            self._each(lambda writer: writer.close())

    def _write_image(self, step: int, picture: Callable[[], Image.Image]) -> None:
        if any(writer.takes_images for writer in self._writers):
            image = picture().convert("RGB")
            image.thumbnail((_IMAGE_SIDE_PX, _IMAGE_SIDE_PX))
            self._each(lambda writer: writer.write_image(step, image))

    def _each(self, call: Callable[[LogWriter], None]) -> None:
        for writer in list(self._writers):
            try:
                call(writer)
            except Exception as error:  # other packages may raise anything; the run must not fail because of a log
                self._writers.remove(writer)
                print(f"note: {writer.name} is no longer logged ({type(error).__name__}: {error})", file=sys.stderr)

    def _earlier_losses(self, step: int) -> Iterator[tuple[int, dict[str, float]]]:
        """Yield the losses of the steps before `step` from the log of a resumed run."""
        for line in self._log_file.read_text(encoding="utf-8").splitlines() if step else ():
            values = json.loads(line)
            if values["step"] < step:
                yield values["step"], {key: value for key, value in values.items() if key not in _NOT_LOSSES}
