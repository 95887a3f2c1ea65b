"""Reading of videos by PyAV, the library of the extra `video`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image

from artkit.errors import UsageError
from artkit.extras import import_extra
from artkit.imaging.clip import MAX_FRAME_PIXELS, Clip, TimedFrame, check_frame_size

_FORMATS = (
    "mov", "matroska", "webm", "avi", "mpegts", "mpeg", "mpegvideo", "ogg", "flv", "asf", "mxf", "h264", "hevc", "m4v",
    "ivf", "nut", "dv", "rm", "gxf", "yuv4mpegpipe", "wtv", "mp3", "wav", "flac", "aac",
)  # fmt: skip
# Other formats are left out on purpose: a playlist, for example, would have FFmpeg read other files and addresses.
_OPEN_OPTIONS = {"format_whitelist": ",".join(_FORMATS), "protocol_whitelist": "file"}
_HDR_TRANSFERS = (16, 18)  # libav's numbers of the transfer curves PQ and HLG
_UNSPECIFIED, _HD_LINES = 2, 720  # videos of so many lines that name no colour space have that of BT.709
_MAX_MISSING_SECONDS = 0.5  # by which the pictures may be shorter than the whole file, as its sound is longer
_DEFAULT_RATE = 25.0  # of a video whose frames have no times
_MAX_ASPECT = 8  # of a pixel that is not square; a larger one is damage
_ROTATIONS = {
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_270,
}


def video_library() -> Any:
    """Return the module `av`. Raises UsageError if it cannot be imported."""
    return import_extra("av", "video", "films")


def open_container(library: Any, file: Path | str) -> Any:
    """Open a video or a sound with the module `av`, as `av.open` does, but only in formats that read no other files."""
    return library.open(str(file), options=_OPEN_OPTIONS)


class VideoClip(Clip):
    """A video file. Frames are upright, have square pixels, 8 bits a channel, and an alpha channel if the video has.

    A frame that is damaged is left out, so that the one before it is shown longer.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._library = video_library()
        with self._open() as container:
            self._stream(container)
            self.has_sound = bool(container.streams.audio)
            self._measure(container)
        first = next(self.frames(), None)
        if first is None:
            raise UsageError(f"{path} has no frame that can be decoded", hint="is the file complete?")
        self.size = first.image.size

    def _open(self) -> Any:
        try:
            return open_container(self._library, self.path)
        except (self._library.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UsageError(
                f"{self.path} is no picture, and cannot be read as a video ({reason})",
                hint="name an image, a video, or a folder of frames",
            ) from None

    def _stream(self, container: Any) -> Any:
        pictures = [stream for stream in container.streams.video if not _is_cover(stream)]
        if not pictures:
            raise UsageError(f"{self.path} has no video track", hint="name a video, or a folder of frames")
        stream = pictures[0]
        if stream.codec_context is None:
            raise UsageError(f"{self.path} has a video track of an unknown codec", hint="convert it to H.264")
        check_frame_size(self.path, (stream.width, stream.height))
        stream.thread_type = "AUTO"
        stream.codec_context.options = {"max_pixels": str(MAX_FRAME_PIXELS)}  # the header of the file may be wrong
        return stream

    def _measure(self, container: Any) -> None:
        """Set the duration and the rate from the times of all packets, without decoding them."""
        stream, count, begin, end = self._stream(container), 0, math.inf, 0.0
        try:
            for packet in container.demux(stream):
                if packet.pts is None:
                    continue
                count += 1
                seconds = float(packet.pts * packet.time_base)
                begin, end = min(begin, seconds), max(end, seconds + float((packet.duration or 0) * packet.time_base))
        except self._library.FFmpegError as error:
            self.note(f"it is damaged after {max(0.0, end - begin):.2f} s ({error.strerror})")
        expected = (container.duration or 0) / self._library.time_base
        if count and expected - (end - begin) > _MAX_MISSING_SECONDS:
            self.note(f"it ends after {end - begin:.2f} s of {expected:.2f} s; it may be damaged or incomplete")
        nominal = float(stream.average_rate or stream.guessed_rate or _DEFAULT_RATE)
        self.seconds = end - begin if count and end > begin else max(count, 1) / nominal
        self.rate = max(count, 1) / self.seconds

    def frames(self) -> Iterator[TimedFrame]:
        """See `Clip.frames`."""
        with self._open() as container:
            stream = self._stream(container)
            begin, last = None, -math.inf
            for frame in self._decoded(container, stream):
                if frame.is_corrupt:
                    self._note_damage(last)
                if frame.pts is None:
                    seconds = 0.0 if begin is None else last + 1 / (self.rate or _DEFAULT_RATE)
                else:
                    begin = frame.time if begin is None else begin
                    seconds = frame.time - begin
                if seconds <= last:
                    continue
                try:
                    image = self._image(frame, stream.sample_aspect_ratio)
                except self._library.FFmpegError:  # a kind of pixels that cannot be converted
                    self._note_damage(seconds)
                    continue
                last = seconds
                yield TimedFrame(seconds, image)

    def _decoded(self, container: Any, stream: Any) -> Iterator[Any]:
        """Yield the frames that can be decoded."""
        packets, seconds = container.demux(stream), 0.0
        while True:
            try:
                packet = next(packets, None)
            except self._library.FFmpegError:
                self._note_damage(seconds)
                return
            if packet is None:
                return
            try:
                frames = packet.decode()
            except self._library.FFmpegError:
                self._note_damage(seconds)
                continue
            for frame in frames:
                seconds = frame.time or seconds
                yield frame

    def _note_damage(self, seconds: float) -> None:
        self.note(f"it is damaged after {max(0.0, seconds):.2f} s; where a frame is missing the one before it is used")

    def _image(self, frame: Any, aspect: Fraction | None) -> Image.Image:
        """Return a frame as an upright image with square pixels."""
        if frame.color_trc in _HDR_TRANSFERS:
            self.note("its colours are HDR, and are used as if they were not; convert it to SDR for better ones")
        has_alpha = any(component.is_alpha for component in frame.format.components)
        untagged = frame.colorspace == _UNSPECIFIED and frame.format.name.startswith("yuv")
        colours = {"src_colorspace": "ITU709"} if untagged and frame.height >= _HD_LINES else {}
        rgb = frame.reformat(format="rgba" if has_alpha else "rgb24", **colours)
        image = Image.fromarray(rgb.to_ndarray())
        if aspect and not 1 / _MAX_ASPECT <= aspect <= _MAX_ASPECT:
            self.note(f"the shape of its pixels, {float(aspect):.3g}, is damaged; they are taken as square")
        elif aspect and aspect != 1:
            image = image.resize((max(1, round(image.width * aspect)), image.height), Image.Resampling.LANCZOS)
        rotation = round(frame.rotation) % 360
        return image.transpose(_ROTATIONS[rotation]) if rotation in _ROTATIONS else image


def _is_cover(stream: Any) -> bool:
    """Return whether a video stream is only the cover picture of a sound file."""
    return bool(int(stream.disposition) & int(type(stream.disposition).attached_pic))
