"""Exporters: every format is read back by another library."""

from __future__ import annotations

import io
import json
import sys
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

from artkit import RenderedPainting, StrokeLog, UsageError, Window, memmap
from artkit.imaging.background_image import BackgroundImage
from artkit.imaging.pixels import tensor_to_pixels
from artkit.output.export import exporters
from artkit.rendering import rendered_painting
from artkit_exporters import svg
from artkit_exporters.vips import vips_image

Paint = Callable[..., RenderedPainting]


def write(painting: RenderedPainting, file: Path, *settings: str) -> Path:
    (exporter,) = exporters([file], settings)
    exporter.write(painting, file)
    return file


def mean_difference(a: Any, b: Any) -> float:
    """Return the mean absolute difference of 8-bit pixels."""
    return float(np.abs(np.asarray(a, float) - np.asarray(b, float)).mean())


def merge_layers(archive: zipfile.ZipFile, layers: list[ElementTree.Element], size: tuple[int, int]) -> Image.Image:
    """Composite the layers of an OpenRaster file, of which the last one is the lowest."""
    merged = Image.new("RGBA", size)
    for layer in reversed(layers):
        image = Image.open(io.BytesIO(archive.read(layer.attrib["src"]))).convert("RGBA")
        merged = Image.alpha_composite(merged, image)
    return merged.convert("RGB")


def read_video(file: Path) -> list[np.ndarray[Any, Any]]:
    """Return the frames of a video in RGB."""
    with av.open(str(file)) as video:
        return [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]


def render_svg(text: str) -> Image.Image:
    return Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=text)))).convert("RGB")


@pytest.mark.parametrize("bits", [8, 16])
def test_tif_is_a_tiled_pyramid_with_profile_and_metadata(paint: Paint, tmp_path: Path, bits: int) -> None:
    painting = paint(12.0)
    file = str(write(painting, tmp_path / "p.tif", f"bits={bits}", "dpi=254"))
    image = pyvips.Image.new_from_file(file)
    np.testing.assert_array_equal(image.numpy(), painting.pixels(bits))
    assert (image.get("n-pages"), image.get("tile-width"), image.xres) == (3, 256, pytest.approx(10.0))
    assert len(image.get("icc-profile-data")) > 100
    assert pyvips.Image.new_from_file(file, page=2).width == 75 * 12 // 4
    assert Path(file).read_bytes()[:4] == b"II\x2b\x00", "BigTIFF"
    assert json.loads(image.get("image-description"))["artkit:seed"] == "1"


def test_dzi_has_all_tiles_of_all_levels_and_a_page(paint: Paint, tmp_path: Path) -> None:
    painting = paint(14.0)
    file = write(painting, tmp_path / "p & q.dzi", 'tiles="png"')
    description = ElementTree.parse(file).getroot()
    assert description.attrib | {} == {"Format": "png", "Overlap": "1", "TileSize": "512"}
    (size,) = description
    assert (size.attrib["Width"], size.attrib["Height"]) == ("1050", "700")
    folder = tmp_path / "p & q_files"
    joined = np.zeros((700, 1050, 3), np.uint8)
    for tile in (folder / "11").iterdir():
        column, row = map(int, tile.stem.split("_"))
        pixels = np.asarray(Image.open(tile))
        y, x = max(0, row * 512 - 1), max(0, column * 512 - 1)
        joined[y : y + len(pixels), x : x + pixels.shape[1]] = pixels
    np.testing.assert_array_equal(joined, painting.pixels())
    assert sorted(int(level.name) for level in folder.iterdir() if level.is_dir()) == list(range(12))
    page = (tmp_path / "p & q.html").read_text()
    assert "<title>p &amp; q</title>" in page
    assert "http" not in page, "the page needs no network"


def test_ora_follows_the_specification(paint: Paint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    painting = paint(2.0, strokes=3)
    monkeypatch.setattr(rendered_painting, "WINDOW_SIDE", 64)
    with zipfile.ZipFile(write(painting, tmp_path / "p.ora", "layers=2")) as archive:
        assert archive.testzip() is None
        first = archive.infolist()[0]
        assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
        assert archive.read("mimetype") == b"image/openraster"
        root = ElementTree.fromstring(archive.read("stack.xml"))
        assert (root.tag, root.attrib["w"], root.attrib["h"]) == ("image", "150", "100")
        layers = root.findall("stack/layer")
        assert [layer.attrib["name"] for layer in layers] == ["pass 2 of 2", "pass 1 of 2", "ground"]
        composited = np.asarray(merge_layers(archive, layers, (150, 100)))
        assert np.abs(composited.astype(int) - painting.pixels()).max() <= 4
        merged = np.asarray(Image.open(io.BytesIO(archive.read("mergedimage.png"))))
        np.testing.assert_array_equal(merged, painting.pixels())
        assert max(Image.open(io.BytesIO(archive.read("Thumbnails/thumbnail.png"))).size) <= 256


@pytest.mark.parametrize("max_side", [512, 20])
def test_svg_resembles_the_painting(
    paint: Paint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_side: int
) -> None:
    painting = paint(3.0, strokes=2)
    monkeypatch.setattr(svg, "_MAX_MEASURED_SIDE", max_side)
    text = write(painting, tmp_path / "p.svg").read_text()
    root = ElementTree.fromstring(text)
    paths = root.findall("{http://www.w3.org/2000/svg}path")
    assert 0.5 * len(painting.log.actions) < len(paths) <= len(painting.log.actions)
    vector = np.asarray(render_svg(text))
    background = np.broadcast_to([51, 230, 102], vector.shape)
    # Paths have no texture, so the pictures are compared at scale 1.
    vector, painted, background = (
        np.asarray(Image.fromarray(np.ascontiguousarray(image).astype(np.uint8)).reduce(3))
        for image in (vector, painting.pixels(), background)
    )
    assert mean_difference(vector, painted) < 0.45 * mean_difference(background, painted)


@pytest.mark.parametrize("suffix", ["ora", "svg", "gif"])
def test_formats_in_layers_and_strokes_contain_a_background_image(paint: Paint, tmp_path: Path, suffix: str) -> None:
    painting = paint(2.0, region=Window(10, 5, 30, 20))
    x, y = np.meshgrid(np.linspace(0, 255, 150), np.linspace(0, 255, 100))
    image = Image.fromarray(np.stack([x, y, 0 * x + 90], -1).astype(np.uint8))
    background = BackgroundImage.from_image(image, painting.log.size, torch.device("cpu"))
    painting = replace(painting, log=replace(painting.log, background_image=background), _pixel_cache={})
    without_pressure = painting.log.actions.clone()
    without_pressure[:, 6:8] = 0
    bare = replace(painting, log=replace(painting.log, actions=without_pressure), _pixel_cache={})
    expected = np.asarray(image.crop((20, 10, 80, 50)))
    file = write(bare if suffix == "svg" else painting, tmp_path / f"p.{suffix}", *(["seconds=1"] * (suffix == "gif")))
    if suffix == "ora":
        with zipfile.ZipFile(file) as archive:
            shown = np.asarray(Image.open(io.BytesIO(archive.read("data/ground.png"))))
            layers = ElementTree.fromstring(archive.read("stack.xml")).findall("stack/layer")
            composited = np.asarray(merge_layers(archive, layers, (60, 40)))
            assert np.abs(composited.astype(int) - painting.pixels()).max() <= 4
    else:
        shown = np.asarray(render_svg(file.read_text()) if suffix == "svg" else Image.open(file).convert("RGB"))
    assert mean_difference(shown, expected) < 4


def test_svg_of_a_region_equals_that_part_of_the_whole(paint: Paint, tmp_path: Path) -> None:
    region = Window(10, 5, 30, 20)
    whole, part = (
        np.asarray(render_svg(write(painting, tmp_path / name).read_text()))
        for painting, name in ((paint(2.0), "p.svg"), (paint(2.0, region=region), "q.svg"))
    )
    assert mean_difference(part, whole[10:50, 20:80]) < 0.5


@pytest.mark.parametrize("suffix", ["mp4", "webm"])
def test_video_starts_with_the_background_and_ends_with_the_picture(paint: Paint, tmp_path: Path, suffix: str) -> None:
    painting = paint(2.0)
    file = write(painting, tmp_path / f"p.{suffix}", "seconds=1.5", "hold=0.5", "fps=8", "longest=400")
    with av.open(str(file)) as video:
        (stream,) = video.streams
        assert stream.average_rate == 8
    frames = read_video(file)
    assert len(frames) == 8 + 4
    background = np.broadcast_to([51, 230, 102], frames[0].shape)
    assert mean_difference(frames[0], background) < 3
    differences = [mean_difference(frame, painting.pixels()) for frame in frames]
    assert differences[0] > 1.2 * differences[4] > 1.2 * differences[8]
    assert differences[-1] < 0.2 * differences[0]
    assert mean_difference(frames[-1], frames[-4]) < 1.5, "the finished picture is held"


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_animation_repeats_and_ends_with_the_picture(paint: Paint, tmp_path: Path, suffix: str) -> None:
    painting = paint(2.0)
    file = write(painting, tmp_path / f"p.{suffix}", "seconds=1.5", "hold=0.5", "fps=10", "longest=75")
    with Image.open(file) as image:
        assert image.size == (76, 50)
        duration = 0
        for frame in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(frame)
            last = image.convert("RGB")
            duration += image.info["duration"]
        assert image.info["loop"] == 0
    assert duration == pytest.approx(1500, abs=10)
    expected = Image.fromarray(paint().pixels()).resize((76, 50), Image.Resampling.LANCZOS)
    background = np.broadcast_to([51, 230, 102], (50, 76, 3))
    assert mean_difference(last, expected) < 0.3 * mean_difference(background, expected)


def test_video_of_a_region_shows_the_region(paint: Paint, tmp_path: Path) -> None:
    painting = paint(2.0, region=Window(20, 10, 32, 24))
    frames = read_video(write(painting, tmp_path / "p.mp4", "seconds=0.7", "hold=0.2", "fps=10"))
    assert frames[0].shape == (48, 64, 3)
    # The last frame before the held picture has been painted stroke by stroke, the held picture at once.
    assert mean_difference(frames[4], painting.pixels()) < 0.5 * mean_difference(frames[0], painting.pixels())


def test_json_is_the_stroke_log(paint: Paint, tmp_path: Path) -> None:
    painting = paint()
    log = StrokeLog.load(write(painting, tmp_path / "p.json"))
    assert torch.equal(log.actions, painting.log.actions)
    assert (log.phases, log.background, log.seed) == (painting.log.phases, painting.log.background, 1)


def test_picture_is_rendered_once_for_all_files(paint: Paint, tmp_path: Path) -> None:
    painting = paint()
    calls: list[Window] = []
    replay = painting.renderer.replay

    def record_call(log: StrokeLog, window: Window) -> torch.Tensor:
        calls.append(window)
        return replay(log, window)

    painting.renderer.replay = record_call  # type: ignore[method-assign]
    for name in ("p.png", "p.tif", "p.dzi"):
        write(painting, tmp_path / name)
    assert len(calls) == 1


def test_large_pictures_are_memory_mapped(paint: Paint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = paint(4.0).pixels()
    monkeypatch.setattr(memmap, "MEMMAP_THRESHOLD_BYTES", 1000)
    painting = paint(4.0, folder=tmp_path)
    np.testing.assert_array_equal(painting.pixels(), expected)
    assert not list(tmp_path.iterdir()), "the temporary file is not linked, so that it cannot be left behind"
    with Image.open(write(painting, tmp_path / "p.png")) as image:
        np.testing.assert_array_equal(np.asarray(image), expected)


def test_each_pass_has_one_stroke_per_tile(paint: Paint) -> None:
    painting = paint(strokes=3)
    passes = painting.passes(10)
    assert len(passes) == 3
    assert tuple(phase for phases in passes for phase in phases) == painting.log.phases
    assert len({sum(phase.stroke_count for phase in phases) for phases in passes}) == 1
    assert [len(phases) for phases in painting.passes(2)] == [len(passes[0]), 2 * len(passes[0])]


def test_rendered_phases_composited_over_the_background_are_the_picture(paint: Paint) -> None:
    painting = paint()
    paint_alone = painting.render_phases(painting.log.phases, 0, 0, 75, 50)
    background = torch.tensor(painting.log.background).view(3, 1, 1)
    composited = background * (1 - paint_alone[3]) + paint_alone[:3]
    torch.testing.assert_close(composited, painting.to_tensor(), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("suffix", "library"), [("tif", "pyvips"), ("dzi", "pyvips"), ("mp4", "av"), ("gif", "av"), ("svg", "drawsvg")]
)
def test_missing_library_is_named_before_rendering(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UsageError, match=library) as caught:
        exporters([tmp_path / f"p.{suffix}"])
    assert "neural-artkit[export]" in caught.value.hint


def test_settings_are_passed_to_the_exporters_that_have_them() -> None:
    png, video = exporters([Path("a.png"), Path("b.mp4")], ["bits=16", "seconds=3"])
    assert (png.config.bits, video.config.seconds) == (16, 3.0)  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="colour") as caught:
        exporters([Path("a.png")], ["colour=1"])
    assert "bits, dpi" in caught.value.hint
    with pytest.raises(UsageError, match="bits"):
        exporters([Path("a.png")], ["bits=12"])
    with pytest.raises(UsageError, match="--set"):
        exporters([Path("a.png")], ["bits 16"])


def test_full_disk_is_reported(paint: Paint) -> None:
    with pytest.raises(OSError, match="No space"), vips_image(pyvips, paint().pixels()):
        raise pyvips.Error("write error: No space left on device")


def test_16_bit_pixels_are_rounded_to_the_nearest() -> None:
    pixel = torch.tensor([0.25, 0.5, 1.0]).view(3, 1, 1)
    assert tensor_to_pixels(pixel, 16).tolist() == [[[16384, 32768, 65535]]]


def test_mypaint_renders_layers_and_videos(paint: Paint, scene: Callable[..., Any], tmp_path: Path) -> None:
    renderer = scene((75, 50)).make("renderer", "mypaint", surrogate="")
    painting = replace(paint(2.0, strokes=2), renderer=renderer)
    with zipfile.ZipFile(write(painting, tmp_path / "p.ora")) as archive:
        layers = ElementTree.fromstring(archive.read("stack.xml")).findall("stack/layer")
        merged = merge_layers(archive, layers, (150, 100))
    assert mean_difference(merged, painting.pixels()) < 0.6
    frames = read_video(write(painting, tmp_path / "p.mp4", "seconds=1.2", "hold=0.2", "fps=10"))
    # Frame 9 lacks the last tenth of the strokes.
    assert mean_difference(frames[9], frames[-1]) < 0.35 * mean_difference(frames[0], frames[-1])
