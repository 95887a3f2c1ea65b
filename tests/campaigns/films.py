"""Campaign: damaged clips are read as a film reads them, with their sound; damaged films are opened and exported."""

from __future__ import annotations

import io
import itertools
import json
import random
import shutil
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from harness import Case, Fault, main
from mutations import mutate_bytes, mutate_tree
from PIL import Image

WIDTH, HEIGHT, FRAMES, RATE, SOUND_RATE = 128, 96, 6, 12, 48_000  # the encoder of H.265 writes beyond smaller frames
MAX_FRAMES = 40
"""Frames of a clip that are read: one that claims to last for years would take years by right."""
CODECS = {
    "h264.mp4": ("libx264", "yuv420p", "aac"), "h265.mp4": ("libx265", "yuv420p", "aac"),
    "mpeg4.mov": ("mpeg4", "yuv420p", "aac"), "prores.mov": ("prores_ks", "yuv422p10le", "pcm_s16le"),
    "lossless.mkv": ("ffv1", "bgr0", "pcm_s16le"), "alpha.webm": ("libvpx-vp9", "yuva420p", "libopus"),
    "av1.webm": ("libsvtav1", "yuv420p10le", "libopus"), "motion.avi": ("mjpeg", "yuvj420p", "libmp3lame"),
    "mpeg2.ts": ("mpeg2video", "yuv420p", "mp2"), "sorenson.flv": ("flv", "yuv420p", "libmp3lame"),
    "raw.nut": ("rawvideo", "rgb24", "pcm_s16le"), "windows.asf": ("wmv2", "yuv420p", "libmp3lame"),
}  # fmt: skip
"""Codecs of pictures, the pixels, and codecs of sound, by the name of a file."""
BOXES = (b"tkhd", b"mvhd", b"mdhd", b"stts", b"stsz", b"stco", b"stsc", b"ctts", b"elst", b"avcC", b"hvcC", b"mp4a")
"""Parts of an MP4 file that say where frames are, when, and how large."""


def _clips(folder: Path) -> None:
    """Write a short clip of each kind, with sound if it is a video."""
    wide = Image.fromarray(np.random.default_rng(0).integers(0, 255, (12, 18, 3), np.uint8))
    wide = wide.resize((WIDTH + 2 * FRAMES, HEIGHT), Image.Resampling.BICUBIC)
    frames = [wide.crop((2 * i, 0, 2 * i + WIDTH, HEIGHT)) for i in range(FRAMES)]
    for name, codecs in CODECS.items():
        _write_video(folder / name, frames, *codecs)
    for name in ("animated.gif", "animated.webp", "animated.png"):
        frames[0].save(folder / name, save_all=True, append_images=frames[1:], duration=80)
    (folder / "folder").mkdir()
    for number, frame in enumerate(frames[:3]):
        frame.save(folder / "folder" / f"{number}.{('png', 'jpg', 'webp')[number]}")


def _write_video(file: Path, frames: list[Image.Image], codec: str, pixels: str, sound: str) -> None:
    import av

    with av.open(str(file), "w") as container:
        stream: Any = container.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
        stream.codec_context.thread_count = 1
        track: Any = container.add_stream(sound, rate=SOUND_RATE, layout="mono")
        for number, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        wave = np.sin(np.arange(SOUND_RATE * len(frames) // RATE) / 20) * 8000
        tone = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None], format="s16", layout="mono")
        tone.rate = SOUND_RATE
        resampler = av.AudioResampler(format=track.codec_context.format, layout="mono", rate=SOUND_RATE)
        for part in resampler.resample(tone):
            container.mux(track.encode(part))
        container.mux(track.encode())


def mutate_clip(content: bytes, rng: random.Random) -> bytes:
    """Return a damaged clip: cut, with damaged bytes anywhere, in the header, or in a part that describes frames."""
    kind, boxes = rng.randrange(8), [box for box in BOXES if box in content]
    if kind == 0:
        return content[: rng.randrange(len(content))]
    if kind < 3:
        return mutate_bytes(content[:200], rng) + content[200:]
    if kind < 6 and boxes:
        at = content.index(rng.choice(boxes)) + 4 + 4 * rng.randrange(24)
        number = rng.choice((0, 1, 2, 255, 65_535, 2**31 - 1, 2**31, 2**32 - 1, rng.randrange(2**32)))
        changed = content[:at] + struct.pack(">I", number) + content[at + 4 :]
        return changed if rng.random() < 0.7 else mutate_bytes(changed, rng)
    return mutate_bytes(content, rng, most=20)


def _read_clip(path: Path, work: Path) -> None:
    """Read frames and sound of a clip."""
    import av

    from artkit.imaging.clip import SampledClip
    from artkit.imaging.clip_files import open_clip
    from artkit.imaging.loading import MAX_PIXELS, fit_image
    from artkit.strokes.film_log import FilmLog
    from artkit_exporters.film_sound import FilmSound

    clip = open_clip(path)
    sampled = SampledClip(clip, RATE)
    for frame in itertools.islice(sampled.frames(), MAX_FRAMES):
        if frame.mode != "RGB" or frame.width * frame.height > MAX_PIXELS:
            raise Fault(f"a frame of {frame.size} px, {frame.mode}")
        pixels = fit_image(frame, (WIDTH, HEIGHT)).pixels
        if not (pixels.min() >= 0 and pixels.max() <= 1):
            raise Fault("pixels out of range")
    if not all(note.isprintable() and len(note) < 2_000 for note in clip.notes):
        raise Fault("unreadable note")
    film = FilmLog(work, (WIDTH, HEIGHT), RATE, FRAMES, 0, {}, "", (), (), str(path))
    with av.open(io.BytesIO(), "w", format="mp4") as container, FilmSound.of_film(film, av, "aac") as sound:
        sound.add_to(container)
        sound.finish(container)


def _paint_film(folder: Path) -> None:
    """Paint a film of two frames."""
    import artkit

    recipe: dict[str, Any] = {
        "steps": 1, "size": [48, 36], "film": {"clip": str(folder / "clips" / "h264.mp4"), "steps": 1, "seconds": 0.2},
        "canvas": {"type": "grid", "tile": 24, "overlap": 8, "strokes": 1}, "renderer": {"type": "gan"},
        "objective": {"look": {"type": "pixel"}},
    }  # fmt: skip
    artkit.paint(recipe, out=folder / "film").execute()


def _damage_film(run: Path, rng: random.Random) -> None:
    from artkit.strokes.film_log import FILM_FILE

    file = run / FILM_FILE if rng.random() < 0.7 else rng.choice(sorted((run / "frames").iterdir()))
    if file.suffix == ".json" and rng.random() < 0.8:
        file.write_text(json.dumps(mutate_tree(json.loads(file.read_text()), rng)))
    else:
        file.write_bytes(mutate_bytes(file.read_bytes(), rng))


def _open_film(run: Path) -> None:
    """Render the last frame of a film and, if it is short and small, export it."""
    from artkit.output.export import exporters, open_painting, write_painting

    painting = open_painting(run, device="cpu")
    width, height = painting.size
    painting.window(0, 0, min(width, WIDTH), min(height, HEIGHT))
    assert painting.film is not None
    if width * height <= 1 << 14 and painting.film.frames <= MAX_FRAMES:
        write_painting(painting, exporters([run / "out.mp4"])[0], run / "out.mp4")


def prepare(folder: Path) -> Case:
    """Write clips, and paint a film."""
    import torch

    torch.set_num_threads(1)
    (folder / "clips").mkdir()
    _clips(folder / "clips")
    _paint_film(folder)
    clips = sorted((folder / "clips").iterdir())

    def case(rng: random.Random | None, work: Path) -> None:
        if rng is None:
            for clip in clips:
                _read_clip(clip, work)
            _open_film(folder / "film")
        elif rng.random() < 0.25:
            shutil.copytree(folder / "film", work / "film")
            _damage_film(work / "film", rng)
            _open_film(work / "film")
        else:
            clip = rng.choice(clips)
            damaged = work / clip.name
            if clip.is_dir():
                shutil.copytree(clip, damaged)
            else:
                shutil.copy(clip, damaged)
            file = rng.choice(sorted(damaged.iterdir())) if clip.is_dir() else damaged
            file.write_bytes(mutate_clip(file.read_bytes(), rng))
            _read_clip(damaged, work)

    return case


if __name__ == "__main__":
    main("films", __doc__, prepare)
