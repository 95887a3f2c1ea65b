"""The command line for people: pictures as arguments, sizes of prints and films, hints, `artkit classes`."""

from __future__ import annotations

import itertools
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from artkit.cli.main import cli
from artkit.output.print_size import size_from_text

Call = Callable[..., Result]

TOY = """
steps = 2
size = [40, 24]
[canvas]
tile = 16
overlap = 8
strokes = 1
[renderer]
type = "toy-blob"
[objective.look]
type = "pixel"
target = "own.png"
[output]
scale = 2
dpi = 120
"""


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run a command in this process, in a folder with a picture, mine.jpg."""
    here = tmp_path / "here"
    here.mkdir(exist_ok=True)
    monkeypatch.chdir(here)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Image.linear_gradient("L").resize((40, 30)).convert("RGB").save("mine.jpg")
    return lambda *arguments: CliRunner().invoke(cli, [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture
def recipe(toy: Any, recipe_file: Callable[..., Path]) -> Path:
    """A recipe with toy components and a picture of its own."""
    file = recipe_file(TOY)
    Image.new("RGB", (40, 24), "red").save(file.with_name("own.png"))
    return file


@pytest.fixture
def painted(call: Call, recipe: Path) -> Path:
    """The folder of a finished run."""
    result = call("run", recipe, "--out", "painted")
    assert result.exit_code == 0, result.output
    return Path("painted")


# -------------------------------------------------------------------------------------------------------------- run
def test_a_picture_is_painted_by_a_recipe(call: Call, recipe: Path) -> None:
    result = call("run", recipe, "mine.jpg", "--size", "32x48", "--steps", 1)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[0] == "runs/mine-r/painting.png"
    written = tomllib.loads(Path("runs/mine-r/recipe.toml").read_text())
    assert Path(written["objective"]["look"]["target"]) == Path("mine.jpg").resolve()
    assert (written["size"], written["steps"]) == ([32, 48], 1)


def test_a_picture_alone_is_painted_by_the_recipe_photo(call: Call) -> None:
    options = ("--steps", 1, "--size", "64x48", "--set", "output.scale=1", "--brush", "charcoal")
    result = call("run", "mine.jpg", *options)
    assert result.exit_code == 0, result.stderr
    written = tomllib.loads(Path("runs/mine-photo/recipe.toml").read_text())
    assert written["renderer"]["brush"] == "classic/charcoal"


def test_a_run_says_what_it_leaves_and_what_can_be_done_next(call: Call, recipe: Path) -> None:
    result = call("run", recipe, "--out", "my run")
    lines = result.stderr.splitlines()
    assert lines[0] == "writes painting.png (80 x 48 px), strokes.json and report.html into my run"
    for line in result.stdout.splitlines():
        assert Path(line).is_file()
    commands = [line.partition("  # ")[0].strip() for line in lines[lines.index("next:") + 1 :]]
    assert [command.split()[:2] for command in commands] == [["artkit", "export"]] * 2 + [["artkit", "run"]]
    for command in commands:
        words = [{"40x30cm": "4x3cm", "20": "1"}.get(word, word) for word in shlex.split(command)[1:]]
        done = call(*words)
        assert done.exit_code == 0, f"{command}\n{done.stderr}"
    with Image.open("print.jpg") as image:
        assert image.size == (480, 288), "12 times as large: the toy renders no 11.8"
        assert image.info["dpi"] == pytest.approx((305, 305), abs=1), "and so 4 cm wide"
    assert tomllib.loads(Path("my run/recipe.toml").read_text())["steps"] == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mine.jpg", "mine.jpg"], "a run paints one picture, and these are 2"),
        (["photo", "yours.jpg"], "there is no picture yours.jpg"),
        (["starfish", "mine.jpg"], "paints no picture"),
        (["photo", "--size", "30x40cm"], "--size 30x40cm is not a size in px"),
        (["photo", "--size", "large"], "--size large is not a size in px"),
        (["photo", "--brush", "2b_pencil"], "several brushes are called 2b_pencil: deevad/2B_pencil"),
        (["photo", "--brush", "charcoll"], 'there is no brush "charcoll"'),
        (["photo", "--steps", "-1"], "steps: "),
        (["light", "--brush", "charcoal"], "renderer.brush: unknown key"),
    ],
    ids=str,
)
def test_wrong_arguments_are_one_message(call: Call, arguments: list[str], message: str) -> None:
    result = call("run", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert not Path("runs").exists()


def test_only_unchanged_recipes_are_timed(call: Call, recipe: Path, tmp_path: Path) -> None:
    assert call("run", recipe, "--out", "a").exit_code == 0
    assert call("run", "photo", "--steps", 0, "--size", "48x32", "--set", "output.scale=1").exit_code == 0
    assert not (tmp_path / "cache").exists()
    assert "times on two CPU cores" in call("recipes").stderr


# ----------------------------------------------------------------------------------------------------------- export
def test_export_has_the_size_that_the_run_left(painted: Path, call: Call) -> None:
    assert call("export", painted, "a.png").exit_code == 0
    with Image.open("a.png") as image, Image.open(painted / "painting.png") as left:
        np.testing.assert_array_equal(np.asarray(image), np.asarray(left))
        assert image.info["dpi"] == left.info["dpi"] == pytest.approx((120, 120), rel=1e-3)


def test_export_by_a_renderer_that_cannot_render_the_size_that_the_run_left(call: Call, recipe: Path) -> None:
    options = ("--set", "renderer.type=mypaint", "--set", "canvas.tile=32", "--set", "output.long_side=91")
    assert call("run", recipe, "--out", "painted", *options).exit_code == 0
    assert Image.open("painted/painting.png").size == (91, 55)
    result = call("export", "painted", "a.png", "--renderer", "gan")
    assert result.exit_code == 0, result.stderr
    assert Image.open("a.png").size == (80, 48), "twice, the nearest whole number"


def test_export_by_the_size_of_the_print(painted: Path, call: Call) -> None:
    result = call("export", painted, "a.png", "a.jpg", "--size", "5,08x5cm", "--dpi", 100)
    assert result.exit_code == 0, result.stderr
    assert "note: the picture keeps its shape: in 5,08x5cm it is 5.08 x 3.048 cm; with --fill" in result.stderr
    for name in ("a.png", "a.jpg"):
        with Image.open(name) as image:
            assert image.size == (200, 120)
            assert image.info["dpi"] == pytest.approx((100, 100), rel=1e-3)


def test_a_print_may_be_filled(painted: Path, call: Call) -> None:
    """The painting has 40 x 24 px; a print of 3 x 4 shows 18 of its 40 columns."""
    result = call("export", painted, "a.png", "--size", "3x4cm", "--fill", "--dpi", 152.4)
    assert result.exit_code == 0, result.stderr
    assert "note: 55% of the width of the picture is cut off" in result.stderr
    assert call("export", painted, "whole.png", "--scale", 10).exit_code == 0
    with Image.open("a.png") as image, Image.open("whole.png") as whole:
        assert image.size == (180, 240)
        np.testing.assert_array_equal(np.asarray(image), np.asarray(whole)[:, 110:290])
    assert call("export", painted, "b.jpg", "--size", "100x60", "--fill", "--window", "2,1,20,20").exit_code == 0
    with Image.open("b.jpg") as image:
        assert image.size == (100, 60)


def test_films_have_the_width_and_the_seconds_that_were_asked_for(painted: Path, call: Call) -> None:
    options = ("--width", 160, "--seconds", 1.5, "--set", "fps=8", "--set", "hold=0.5")
    assert call("export", painted, "a.mp4", "a.gif", *options).exit_code == 0
    with av.open("a.mp4") as film:
        (stream,) = film.streams.video
        assert (stream.width, stream.height) == (160, 96)
        assert film.duration == 1_500_000
        frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in film.decode(video=0)]
    assert len(frames) == 12
    changes = [np.abs(a - b).mean() > 0.5 for a, b in itertools.pairwise(frames)]
    assert changes.index(False) == 8, "after 1 s the picture is finished"
    with Image.open("a.gif") as animation:
        durations = []
        for number in range(animation.n_frames):  # type: ignore[attr-defined]
            animation.seek(number)
            durations.append(animation.info["duration"])
        assert animation.size == (160, 96)
    assert sum(durations) == pytest.approx(1500, abs=20)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", "30 cm"], "--size 30 cm is not a size"),
        (["--size", "0x4cm"], "--size 0x4cm is not a size"),
        (["--size", "2x2cm", "--scale", "2"], "--size, --width and --scale all set the size"),
        (["--fill"], "--fill needs a size to fill"),
        (["--width", "100000"], "2500 times the size of the recipe"),
        (["--seconds", "3"], "none of these formats"),
        (["--seconds", "3", "--set", "hold=3"], "hold must be less"),
    ],
    ids=str,
)
def test_wrong_sizes_are_one_message(painted: Path, call: Call, options: list[str], message: str) -> None:
    result = call("export", painted, "a.mp4" if "hold=3" in options else "a.png", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


@pytest.mark.parametrize(
    ("text", "scale", "dpi"),
    [
        ("600x600", 3, None),
        ("600x600px", 3, None),
        ("2.54x10cm", 1.5, 300),
        ("25.4 x 100 mm", 1.5, 300),
        ("1×4in", 1.5, 300),
    ],
)
def test_sizes(text: str, scale: float, dpi: float | None) -> None:
    size = size_from_text(text, (200, 100), None)
    assert (size.scale, size.dpi) == (pytest.approx(scale), dpi)
    assert size.note


# ---------------------------------------------------------------------------------------------------------- classes
def test_classes_are_found_by_words_of_their_names(call: Call) -> None:
    lines = call("classes", "polar", "BEAR").stdout.splitlines()
    assert lines == [" 296  ice bear, polar bear, Ursus Maritimus, Thalarctos maritimus: white bear of Arctic regions"]
    cranes = call("classes", "crane").stdout.splitlines()
    assert [line.split()[0] for line in cranes] == ["134", "517"]
    assert "bird" in cranes[0]
    assert len(call("classes").stdout.splitlines()) == 1000


def test_an_unknown_class_is_an_error_with_similar_names(call: Call) -> None:
    result = call("classes", "starfih")
    assert result.exit_code == 2
    assert 'no class is called "starfih"' in result.stderr
    assert "starfish" in result.stderr
