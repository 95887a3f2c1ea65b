"""Frames of clips: videos, animated images and folders, sampled at a constant rate."""

from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artkit.errors import UsageError
from artkit.imaging.clip import SampledClip
from artkit.imaging.clip_files import open_clip

sys.path.insert(0, str(Path(__file__).parent))
from film_clips import av, panned, write_video


def _frames(path: Path, fps: float = 12, **options: float) -> list[Image.Image]:
    sampled = SampledClip(open_clip(path), fps, **options)
    frames = list(sampled.frames())
    assert len(frames) == sampled.count
    return frames


def _distance(first: Image.Image, second: Image.Image) -> float:
    return float(np.abs(np.asarray(first.convert("RGB"), int) - np.asarray(second.convert("RGB"), int)).mean())


def test_a_video_on_twos_shows_every_second_frame(tmp_path: Path) -> None:
    source = panned(8)
    frames = _frames(write_video(tmp_path / "a.mp4", source, rate=24, options={"crf": "4"}))
    assert len(frames) == 4
    for frame, expected in zip(frames, source[::2], strict=True):
        assert _distance(frame, expected) < 4


def test_frames_can_begin_anywhere(tmp_path: Path) -> None:
    clip = open_clip(write_video(tmp_path / "a.mp4", panned(9)))
    sampled = SampledClip(clip, 12)
    assert [_distance(a, b) for a, b in zip(list(sampled.frames())[6:], sampled.frames(6), strict=True)] == [0, 0, 0]


def test_a_part_of_a_video(tmp_path: Path) -> None:
    source = panned(12)
    frames = _frames(write_video(tmp_path / "a.mp4", source, options={"crf": "4"}), start=0.5, seconds=0.25)
    assert len(frames) == 3
    assert _distance(frames[0], source[6]) < 4


def test_a_frame_is_shown_until_the_next_begins(tmp_path: Path) -> None:
    source = panned(4)
    file = write_video(tmp_path / "a.mkv", source, codec="ffv1", pixels="bgr0", times=[0, 1, 5, 6])
    frames = _frames(
        file, fps=4
    )  # 4 frames in 7 / 12 s: fewer than 12 a second, so 4 / s are taken at 0, 3 / 12, 6 / 12
    assert [min(range(4), key=lambda i: _distance(frame, source[i])) for frame in frames] == [0, 1, 3]


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_video_of_a_phone_is_upright(tmp_path: Path, degrees: int) -> None:
    source = panned(1, (64, 48))
    plain = write_video(tmp_path / "plain.mp4", source, options={"crf": "1"})
    turned = write_video(tmp_path / "turned.mp4", source, options={"crf": "1"}, rotation=degrees)
    (upright,), (frame,) = _frames(plain), _frames(turned)
    assert _distance(upright.rotate(-degrees, expand=True), frame) == 0
    assert open_clip(turned).size == frame.size


def test_10_bits_odd_sizes_and_alpha(tmp_path: Path) -> None:
    source = panned(2)
    ten = _frames(write_video(tmp_path / "ten.mp4", source, pixels="yuv420p10le", options={"crf": "4"}))
    assert _distance(ten[1], source[1]) < 4
    odd = [image.crop((0, 0, 63, 47)) for image in source]
    assert _frames(write_video(tmp_path / "odd.mkv", odd, codec="ffv1", pixels="bgr0"))[1].size == (63, 47)
    for image in source:
        image.putalpha(0)
    clear = write_video(tmp_path / "clear.mkv", source, codec="ffv1", pixels="bgra")
    (frame, _) = SampledClip(open_clip(clear), 12, background=(9, 8, 7)).frames()
    assert frame.getpixel((5, 5)) == (9, 8, 7)


def test_animated_images_and_folders(tmp_path: Path) -> None:
    source = panned(3)
    source[0].save(tmp_path / "a.gif", save_all=True, append_images=source[1:], duration=[100, 100, 200])
    assert [_distance(a, b) < 12 for a, b in zip(_frames(tmp_path / "a.gif"), source, strict=False)] == [True] * 3
    assert len(_frames(tmp_path / "a.gif")) == 3
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, image in zip((1, 2, 10), source, strict=True):
        image.save(folder / f"f{number}.png")
    (folder / "notes.txt").write_text("x")
    assert [_distance(a, b) for a, b in zip(_frames(folder), source, strict=True)] == [0, 0, 0]
    source[0].save(tmp_path / "one.png")
    assert len(_frames(tmp_path / "one.png")) == 1


def test_damage_in_the_middle_keeps_the_number_of_frames(tmp_path: Path) -> None:
    file = write_video(tmp_path / "a.mp4", panned(24, (128, 96)), options={"g": "4"})
    content = bytearray(file.read_bytes())
    middle = content.index(b"mdat") + 4 + (content.index(b"moov") - content.index(b"mdat")) // 2
    content[middle : middle + 600] = bytes(600)
    file.write_bytes(bytes(content))
    clip = open_clip(file)
    assert len(list(SampledClip(clip, 12).frames())) == 24
    assert clip.notes
    assert all("damaged" in note for note in clip.notes)


def test_a_video_that_ends_too_early_is_used_up_to_there(tmp_path: Path) -> None:
    file = write_video(tmp_path / "a.mkv", panned(24, (128, 96)), options={"g": "4"})
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    clip = open_clip(file)
    assert 0 < len(list(SampledClip(clip, 12).frames())) < 24
    assert "incomplete" in clip.notes[0]


def test_what_is_no_clip_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"\0\1\2" * 100)
    (tmp_path / "empty").mkdir()
    with av.open(str(tmp_path / "sound.m4a"), "w") as container:
        track = container.add_stream("aac", rate=48000, layout="mono")
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        tone.rate = 48000
        container.mux(track.encode(tone))
        container.mux(track.encode())
    video = write_video(tmp_path / "c.mp4", panned(2))
    (tmp_path / "list.m3u8").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{video}\n#EXT-X-ENDLIST\n")
    (tmp_path / "list.txt").write_text(f"ffconcat version 1.0\nfile {video.name}\n")
    for name, message in (
        ("list.m3u8", "cannot be read"),
        ("list.txt", "cannot be read"),
        ("a.mp4", "cannot be read"),
        ("empty", "no images"),
        ("sound.m4a", "no video track"),
    ):
        with pytest.raises(UsageError, match=message):
            open_clip(tmp_path / name)
    with pytest.raises(UsageError, match="nothing at 9 s"):
        SampledClip(open_clip(write_video(tmp_path / "b.mp4", panned(2))), 12, start=9)


def test_pixels_of_an_impossible_shape_are_square(tmp_path: Path) -> None:
    file = write_video(tmp_path / "a.mp4", panned(2), codec="libvpx-vp9", aspect=9)
    clip = open_clip(file)
    assert clip.size == (64, 48)
    assert "square" in clip.notes[0]


def test_a_video_of_an_unknown_codec(tmp_path: Path) -> None:
    file = write_video(tmp_path / "a.mp4", panned(2))
    file.write_bytes(file.read_bytes().replace(b"avc1", b"zzzz"))
    with pytest.raises(UsageError, match="unknown codec"):
        open_clip(file)


def test_frames_that_are_too_large_are_not_decoded(tmp_path: Path) -> None:
    file = write_video(tmp_path / "a.avi", panned(2), codec="mjpeg", pixels="yuvj420p")
    header = b"\xff\xc0\x00\x11\x08"
    file.write_bytes(
        file.read_bytes().replace(header + struct.pack(">HH", 48, 64), header + struct.pack(">HH", 20_000, 20_000))
    )
    with pytest.raises(UsageError):
        open_clip(file)


def test_a_folder_whose_first_image_claims_to_be_huge(tmp_path: Path) -> None:
    """The other images would be enlarged to its size."""
    for number in range(2):
        panned(1)[0].save(tmp_path / f"{number}.png")
    content = bytearray((tmp_path / "0.png").read_bytes())
    content[16:24] = struct.pack(">II", 128, 8_388_704)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (tmp_path / "0.png").write_bytes(content)
    with pytest.raises(UsageError, match=r"0\.png has frames of 128 x 8388704 px"):
        open_clip(tmp_path)


def test_an_animation_that_is_cut_anywhere(tmp_path: Path) -> None:
    """Pillow raises an IndexError, for example, where a GIF ends between two frames."""
    file = tmp_path / "a.gif"
    frames = [frame.resize((4, 3)) for frame in panned(2)]
    frames[0].save(file, save_all=True, append_images=frames[1:])
    content = file.read_bytes()
    for length in range(len(content)):
        file.write_bytes(content[:length])
        try:
            count = len(_frames(file))
        except UsageError:
            continue
        assert 1 <= count <= 3
