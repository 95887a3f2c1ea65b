"""Every format, opened by a reader that is not artkit's."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import av
import numpy as np
import pytest
import pyvips
import resvg_py
import torch
from PIL import Image

from artkit import memmap as scratch
from artkit.errors import UsageError
from artkit.geometry.window import Window
from artkit.imaging.pixels import tensor_to_pixels
from artkit.output.export import exporters
from artkit.rendering import rendered_painting as painting
from artkit.rendering.rendered_painting import RenderedPainting
from artkit.strokes.stroke_log import StrokeLog
from artkit_exporters import libraries, svg

Paint = Callable[..., RenderedPainting]


def write(picture: RenderedPainting, file: Path, *settings: str) -> Path:
    (exporter,) = exporters([file], settings)
    exporter.write(picture, file)
    return file


def far(one: Any, other: Any) -> float:
    """Mean difference of 8-bit pixels."""
    return float(np.abs(np.asarray(one, float) - np.asarray(other, float)).mean())


@pytest.mark.parametrize("bits", [8, 16])
def test_tif_is_a_pyramid_of_tiles_with_profile(paint: Paint, tmp_path: Path, bits: int) -> None:
    picture = paint(12.0)
    file = str(write(picture, tmp_path / "p.tif", f"bits={bits}", "dpi=254"))
    image = pyvips.Image.new_from_file(file)
    np.testing.assert_array_equal(image.numpy(), picture.pixels(bits))
    assert (image.get("n-pages"), image.get("tile-width"), image.xres) == (3, 256, pytest.approx(10.0))
    assert len(image.get("icc-profile-data")) > 100
    assert pyvips.Image.new_from_file(file, page=2).width == 75 * 12 // 4
    assert Path(file).read_bytes()[:4] == b"II\x2b\x00", "BigTIFF"
    assert json.loads(image.get("image-description"))["artkit:seed"] == "1"


def test_dzi_has_every_tile_at_every_size_and_a_page(paint: Paint, tmp_path: Path) -> None:
    picture = paint(14.0)
    file = write(picture, tmp_path / "p & q.dzi", 'tiles="png"')
    told = ElementTree.parse(file).getroot()
    assert told.attrib | {} == {"Format": "png", "Overlap": "1", "TileSize": "512"}
    (size,) = told
    assert (size.attrib["Width"], size.attrib["Height"]) == ("1050", "700")
    folder = tmp_path / "p & q_files"
    whole = np.zeros((700, 1050, 3), np.uint8)
    for tile in (folder / "11").iterdir():
        column, row = map(int, tile.stem.split("_"))
        pixels = np.asarray(Image.open(tile))
        y, x = max(0, row * 512 - 1), max(0, column * 512 - 1)
        whole[y : y + len(pixels), x : x + pixels.shape[1]] = pixels
    np.testing.assert_array_equal(whole, picture.pixels())
    assert sorted(int(level.name) for level in folder.iterdir() if level.is_dir()) == list(range(12))
    page = (tmp_path / "p & q.html").read_text()
    assert "<title>p &amp; q</title>" in page
    assert "http" not in page, "it needs no network"


def test_ora_is_as_its_specification_says(paint: Paint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = paint(2.0, strokes=3)
    monkeypatch.setattr(painting, "WINDOW_SIDE", 64)
    with zipfile.ZipFile(write(picture, tmp_path / "p.ora", "layers=2")) as zipped:
        assert zipped.testzip() is None
        first = zipped.infolist()[0]
        assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
        assert zipped.read("mimetype") == b"image/openraster"
        root = ElementTree.fromstring(zipped.read("stack.xml"))
        assert (root.tag, root.attrib["w"], root.attrib["h"]) == ("image", "150", "100")
        layers = root.findall("stack/layer")
        assert [layer.attrib["name"] for layer in layers] == ["pass 2 of 2", "pass 1 of 2", "ground"]
        below = Image.new("RGBA", (150, 100))
        for layer in reversed(layers):
            above = Image.open(io.BytesIO(zipped.read(layer.attrib["src"]))).convert("RGBA")
            below = Image.alpha_composite(below, above)
        assert np.abs(np.asarray(below)[..., :3].astype(int) - picture.pixels()).max() <= 4
        merged = np.asarray(Image.open(io.BytesIO(zipped.read("mergedimage.png"))))
        np.testing.assert_array_equal(merged, picture.pixels())
        assert max(Image.open(io.BytesIO(zipped.read("Thumbnails/thumbnail.png"))).size) <= 256


@pytest.mark.parametrize("largest", [512, 20])
def test_svg_resembles_the_painting(
    paint: Paint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, largest: int
) -> None:
    picture = paint(3.0, strokes=2)
    monkeypatch.setattr(svg, "_LARGEST", largest)  # strokes of larger tiles are measured on small ones
    text = write(picture, tmp_path / "p.svg").read_text()
    root = ElementTree.fromstring(text)
    paths = root.findall("{http://www.w3.org/2000/svg}path")
    assert 0.5 * len(picture.log.actions) < len(paths) <= len(picture.log.actions)
    drawn = np.asarray(Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=text)))).convert("RGB"))
    bare = np.broadcast_to([51, 230, 102], drawn.shape)
    # A path has no grain, so means over the pixels of the recipe are compared.
    drawn, painted, bare = (
        np.asarray(Image.fromarray(np.ascontiguousarray(i).astype(np.uint8)).reduce(3))
        for i in (drawn, picture.pixels(), bare)
    )
    assert far(drawn, painted) < 0.45 * far(bare, painted)


def test_svg_of_a_part_is_that_part(paint: Paint, tmp_path: Path) -> None:
    def drawn(file: Path) -> Any:
        data = bytes(resvg_py.svg_to_bytes(svg_string=file.read_text()))
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    whole = drawn(write(paint(2.0), tmp_path / "p.svg"))
    part = drawn(write(paint(2.0, region=Window(10, 5, 30, 20)), tmp_path / "q.svg"))
    assert far(part, whole[10:50, 20:80]) < 0.5


@pytest.mark.parametrize("suffix", ["mp4", "webm"])
def test_video_goes_from_the_ground_to_the_picture(paint: Paint, tmp_path: Path, suffix: str) -> None:
    picture = paint(2.0)
    file = write(picture, tmp_path / f"p.{suffix}", "seconds=1", "hold=0.5", "fps=8", "longest=400")
    with av.open(str(file)) as video:
        (stream,) = video.streams
        assert stream.average_rate == 8
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(stream)]
    assert len(frames) == 8 + 4
    ground = np.broadcast_to([51, 230, 102], frames[0].shape)
    assert far(frames[0], ground) < 3
    distances = [far(frame, picture.pixels()) for frame in frames]
    assert distances[0] > 1.2 * distances[4] > 1.2 * distances[8]
    assert distances[-1] < 0.2 * distances[0]
    assert far(frames[-1], frames[-4]) < 1.5, "the end is held"


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_moving_pictures_end_as_the_picture(paint: Paint, tmp_path: Path, suffix: str) -> None:
    picture = paint(2.0)
    file = write(picture, tmp_path / f"p.{suffix}", "seconds=1", "hold=0.5", "fps=10", "longest=75")
    with Image.open(file) as image:
        assert image.size == (76, 50)
        duration = 0
        for frame in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(frame)
            last = image.convert("RGB")
            duration += image.info["duration"]
        assert image.info["loop"] == 0
    assert duration == pytest.approx(1500, abs=110)
    small = Image.fromarray(paint().pixels()).resize((76, 50), Image.Resampling.LANCZOS)
    assert far(last, small) < 0.3 * far(np.broadcast_to([51, 230, 102], (50, 76, 3)), small)


def test_a_film_of_a_part_is_painted_as_the_part(paint: Paint, tmp_path: Path) -> None:
    picture = paint(2.0, region=Window(20, 10, 32, 24))
    with av.open(str(write(picture, tmp_path / "p.mp4", "seconds=0.5", "hold=0.2", "fps=10"))) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert frames[0].shape == (48, 64, 3)
    # The last frame that was painted step by step is nearly the held one, which was painted at once.
    assert far(frames[4], picture.pixels()) < 0.5 * far(frames[0], picture.pixels())


def test_json_is_the_stroke_log(paint: Paint, tmp_path: Path) -> None:
    picture = paint()
    log = StrokeLog.load(write(picture, tmp_path / "p.json"))
    assert torch.equal(log.actions, picture.log.actions)
    assert (log.phases, log.background, log.seed) == (picture.log.phases, picture.log.background, 1)


def test_a_picture_is_painted_once_for_all_files(paint: Paint, tmp_path: Path) -> None:
    picture = paint()
    calls: list[Window] = []
    replay = picture.renderer.replay

    def watched(log: StrokeLog, window: Window) -> torch.Tensor:
        calls.append(window)
        return replay(log, window)

    picture.renderer.replay = watched  # type: ignore[method-assign]
    for name in ("p.png", "p.tif", "p.dzi"):
        write(picture, tmp_path / name)
    assert len(calls) == 1


def test_large_pictures_lie_on_the_disk(paint: Paint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = paint(4.0).pixels()
    monkeypatch.setattr(scratch, "MEMMAP_THRESHOLD_BYTES", 1000)
    picture = paint(4.0, folder=tmp_path)
    np.testing.assert_array_equal(picture.pixels(), expected)
    assert not list(tmp_path.iterdir()), "the file has no name, so nothing of it can stay behind"
    with Image.open(write(picture, tmp_path / "p.png")) as image:
        np.testing.assert_array_equal(np.asarray(image), expected)


def test_passes_are_those_in_which_the_picture_was_gone_over(paint: Paint) -> None:
    picture = paint(strokes=3)
    passes = picture.passes(10)
    assert len(passes) == 3
    assert tuple(phase for one in passes for phase in one) == picture.log.phases
    assert len({sum(phase.stroke_count for phase in one) for one in passes}) == 1
    assert [len(one) for one in picture.passes(2)] == [len(passes[0]), 2 * len(passes[0])]


def test_paint_alone_over_a_ground_is_the_picture(paint: Paint) -> None:
    picture = paint()
    alone = picture.render_phases(picture.log.phases, 0, 0, 75, 50)
    ground = torch.tensor(picture.log.background).view(3, 1, 1)
    torch.testing.assert_close(ground * (1 - alone[3]) + alone[:3], picture.to_tensor(), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("suffix", "needed"), [("tif", "pyvips"), ("dzi", "pyvips"), ("mp4", "av"), ("gif", "av"), ("svg", "drawsvg")]
)
def test_a_library_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, needed: str
) -> None:
    monkeypatch.setitem(__import__("sys").modules, needed, None)
    with pytest.raises(UsageError, match=needed) as caught:
        exporters([tmp_path / f"p.{suffix}"])  # before anything is painted
    assert "neural-artkit[export]" in caught.value.hint


def test_settings_go_to_those_that_know_them() -> None:
    png, video = exporters([Path("a.png"), Path("b.mp4")], ["bits=16", "seconds=3"])
    assert (png.config.bits, video.config.seconds) == (16, 3.0)  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="colour") as caught:
        exporters([Path("a.png")], ["colour=1"])
    assert "bits, dpi" in caught.value.hint
    with pytest.raises(UsageError, match="bits"):
        exporters([Path("a.png")], ["bits=12"])
    with pytest.raises(UsageError, match="--set"):
        exporters([Path("a.png")], ["bits 16"])


def test_a_full_disk_is_told_as_such(paint: Paint) -> None:
    with pytest.raises(OSError, match="No space"), libraries.vips_image(pyvips, paint().pixels()):
        raise pyvips.Error("write error: No space left on device")


def test_images_of_16_bits_are_rounded_to_the_nearest() -> None:
    pixel = torch.tensor([0.25, 0.5, 1.0]).view(3, 1, 1)
    assert tensor_to_pixels(pixel, 16).tolist() == [[[16384, 32768, 65535]]]


def test_the_real_brush_paints_layers_and_films(
    mypaint: None, paint: Paint, scene: Callable[..., Any], tmp_path: Path
) -> None:
    made = scene((75, 50))
    picture = replace(paint(2.0, strokes=2), renderer=made.make("renderer", "mypaint", surrogate=""))
    with zipfile.ZipFile(write(picture, tmp_path / "p.ora")) as zipped:
        below = Image.new("RGBA", (150, 100))
        for layer in reversed(ElementTree.fromstring(zipped.read("stack.xml")).findall("stack/layer")):
            above = Image.open(io.BytesIO(zipped.read(layer.attrib["src"]))).convert("RGBA")
            below = Image.alpha_composite(below, above)
    assert far(below.convert("RGB"), picture.pixels()) < 0.6
    with av.open(str(write(picture, tmp_path / "p.mp4", "seconds=1", "hold=0.2", "fps=10"))) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert far(frames[9], frames[-1]) < 0.35 * far(frames[0], frames[-1]), "a tenth of the strokes is still missing"
