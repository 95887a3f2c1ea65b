"""Files that are read as clips: videos, animated images, and folders of images."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageSequence

from artkit.errors import UsageError
from artkit.imaging.clip import Clip, TimedFrame, check_frame_size
from artkit.imaging.image_file import image_size, open_with_pillow
from artkit.imaging.loading import MAX_PIXELS, load_rgb
from artkit.imaging.video_file import VideoClip

IMAGE_SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".avif", ".heic", ".ppm"))
"""Extensions of the files in a folder that are frames."""

_SHORTEST_FRAME_SECONDS = 0.02  # browsers show shorter frames of animated images for `_DEFAULT_FRAME_SECONDS`
_DEFAULT_FRAME_SECONDS = 0.1


def open_clip(path: Path) -> Clip:
    """Open a video, an animated image, an image or a folder of images.

    Raises UsageError if it is none of these, or if a video cannot be read because a library is missing.
    """
    if path.is_dir():
        return FolderClip(path)
    try:
        with open_with_pillow(path, MAX_PIXELS):
            return ImageClip(path)
    except UsageError:
        raise
    except Exception:  # Pillow's decoders raise many kinds of exceptions on what they cannot read
        return VideoClip(path)


class ImageClip(Clip):
    """An animated image (GIF, WebP, PNG), or an image as a clip of one frame."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        times = list(self._times())
        self.seconds, self._count = times[-1], len(times) - 1
        self.rate = self._count / self.seconds
        self.size = image_size(path)
        if self._count > 1:
            check_frame_size(path, self.size)

    def _times(self) -> Iterator[float]:
        """Yield when each frame begins and, last, when the clip ends, s."""
        seconds = 0.0
        yield seconds
        try:
            with open_with_pillow(self.path, MAX_PIXELS) as opened:
                for frame in ImageSequence.Iterator(opened):
                    seconds += _frame_seconds(frame)
                    yield seconds
        except Exception as error:
            if not seconds:
                raise UsageError(f"{self.path} cannot be read as an image ({error})") from None
            self.note(f"it is damaged ({error}); the frames before are used")

    def frames(self) -> Iterator[TimedFrame]:
        """See `Clip.frames`."""
        with open_with_pillow(self.path, MAX_PIXELS) as opened:
            if self._count == 1:
                yield TimedFrame(0.0, load_rgb(self.path, self.size, [])[0])  # with its rotation and colour profile
                return
            seconds = 0.0
            try:
                for frame in ImageSequence.Iterator(opened):
                    yield TimedFrame(seconds, frame.convert("RGBA"))
                    seconds += _frame_seconds(frame)
            except Exception as error:
                self.note(f"it is damaged ({error}); the frames before are used")


def _frame_seconds(frame: Image.Image) -> float:
    seconds = float(frame.info.get("duration", 0)) / 1000
    return seconds if seconds >= _SHORTEST_FRAME_SECONDS else _DEFAULT_FRAME_SECONDS


class FolderClip(Clip):
    """The images in a folder, in the order of their names: `frame2.png` comes before `frame10.png`.

    The time of a frame is its number, and the duration the number of frames, until a rate is known.
    """

    rate = None

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        names = (file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file())
        self.files = sorted(names, key=_natural_order)
        if not self.files:
            raise UsageError(f"the folder {path} has no images in it", hint="name a video, or a folder of frames")
        self.size, self.seconds = image_size(self.files[0]), float(len(self.files))
        check_frame_size(self.files[0], self.size)

    def frames(self) -> Iterator[TimedFrame]:
        """See `Clip.frames`. An image of another size is scaled to that of the first; a damaged one is left out."""
        for number, file in enumerate(self.files):
            try:
                image, size = load_rgb(file, self.size, [])
            except UsageError as error:
                self.note(f"{error.message}; the frame before it is shown longer")
                continue
            if size != self.size:
                self.note(f"{file.name} has another size than {self.files[0].name}; it is stretched")
            if image.size != self.size and size != self.size:
                image = image.resize(self.size, Image.Resampling.LANCZOS)
            yield TimedFrame(float(number), image)


def _natural_order(file: Path) -> list[tuple[int, str]]:
    """Return a key that sorts numbers in names by their value."""
    return [(int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", file.name)]
