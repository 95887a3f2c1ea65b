"""The Python API: `artkit.paint` gives the same runs as the command line, step by step; `artkit.scene`."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

import artkit
from artkit.engine.run import Run
from artkit.engine.task import Interrupted
from artkit.errors import ArtkitError, UsageError
from artkit.interfaces.objective import Objective
from artkit.interfaces.view import View

TREE: dict[str, Any] = {
    "steps": 6,
    "size": (40, 24),
    "canvas": {"type": "grid", "tile": 16, "overlap": 8, "strokes": 1},
    "renderer": {"type": "toy-blob"},
    "objective": {"look": {"type": "toy-flat"}},
}


@pytest.fixture(autouse=True)
def here(toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def outputs(run: Run) -> dict[str, bytes]:
    return {file: (run.folder / file).read_bytes() for file in ("painting.png", "strokes.json", "recipe.toml")}


def notebook_image(run: Run) -> Image.Image:
    return Image.open(io.BytesIO(run._repr_png_()))


def test_import_of_artkit_imports_nothing_heavy() -> None:
    code = "import sys, artkit; dir(artkit); assert not {'torch', 'numpy', 'pydantic'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_name_is_an_attribute_error() -> None:
    assert artkit.paint.__module__ == artkit.scene.__module__ == "artkit.api"
    with pytest.raises(AttributeError, match="no attribute 'pain'"):
        _ = artkit.pain


def test_run_yields_its_progress() -> None:
    run = artkit.paint(TREE)
    steps = list(run)
    assert [step.step for step in steps] == [1, 2, 3, 4, 5, 6]
    assert {step.steps for step in steps} == {6}
    assert all({"loss", "look"} == set(step.losses) for step in steps)
    assert run.folder == Path("runs/painting")
    assert repr(run) == f"<run painting: step 6 of 6, in {run.folder}>"


@pytest.mark.slow
def test_run_equals_that_of_the_command(command: Callable[..., Any], recipe_file: Callable[..., Path]) -> None:
    file = recipe_file(
        'steps = 6\nsize = [40, 24]\n[canvas]\ntype = "grid"\ntile = 16\noverlap = 8\nstrokes = 1\n'
        '[renderer]\ntype = "toy-blob"\n[objective.look]\ntype = "toy-flat"\n'
    )
    result = command("run", file, "--out", "command", "--set", "seed=3")
    assert result.returncode == 0, result.stderr
    from_python = artkit.paint(file, out="python", seed=3).execute()
    expected = {name: Path("command", name).read_bytes() for name in ("strokes.json", "recipe.toml")}
    assert {name: outputs(from_python)[name] for name in expected} == expected


def test_notebook_shows_the_current_picture() -> None:
    run = artkit.paint(TREE)
    start = notebook_image(run).tobytes()
    assert notebook_image(run).size == (40, 24)
    for _ in run:
        if run.step == 3:
            break
    half = notebook_image(run).tobytes()
    assert half != start
    run.execute()
    assert notebook_image(run).tobytes() == Image.open(run.folder / "painting.png").tobytes() != half
    assert run.picture().tobytes() == notebook_image(run).tobytes()


def test_notebook_shows_a_large_picture_downscaled() -> None:
    run = artkit.paint({**TREE, "size": (1200, 600), "canvas": {"type": "single", "strokes": 1}})
    assert notebook_image(run).size == (1024, 512)
    assert run.picture().size == (1200, 600)


def test_pausing_a_loop_does_not_change_the_result() -> None:
    whole = artkit.paint(TREE, out="whole").execute()
    run = artkit.paint(TREE, out="stopped")
    for step in run:
        if step.step == 2:
            break
    assert (run.folder / "checkpoint.safetensors").exists()
    assert json.loads((run.folder / "log.jsonl").read_text().splitlines()[-1])["step"] == 1
    notebook_image(run)
    assert [step.step for step in run] == [3, 4, 5, 6]
    assert outputs(run) == outputs(whole)
    assert len((run.folder / "log.jsonl").read_text().splitlines()) == 6


def test_another_picture_is_painted(tmp_path: Path) -> None:
    Image.linear_gradient("L").resize((40, 30)).save(tmp_path / "mine.png")
    objective = {"look": {"type": "pixel"}}
    with pytest.raises(UsageError, match="paints no picture"):
        artkit.paint({**TREE, "objective": objective}, picture=tmp_path / "mine.png")
    run = artkit.paint("photo", picture=tmp_path / "mine.png", steps=1, size=32, output={"scale": 1})
    assert run.folder == Path("runs/mine-photo")
    assert run.recipe.size == (32, 24)


def test_another_run_resumes() -> None:
    whole = artkit.paint(TREE, out="whole").execute()
    for _ in artkit.paint(TREE, out="stopped"):
        break
    with pytest.raises(UsageError, match="stopped at step 1 of 6"):
        artkit.paint(TREE, out="stopped").execute()
    run = artkit.paint(TREE, out="stopped", resume=True)
    assert [step.step for step in run] == [2, 3, 4, 5, 6]
    assert outputs(run) == outputs(whole)


def test_ctrl_c_in_a_loop_ends_the_step_and_saves() -> None:
    whole = artkit.paint(TREE, out="whole").execute()
    run = artkit.paint(TREE, out="stopped")
    run.progress = lambda step, losses: os.kill(os.getpid(), signal.SIGINT) if step == 2 else None
    with pytest.raises(Interrupted, match="after step 2 of 6"):
        for _ in run:
            pass
    run.progress = None
    assert outputs(run.execute()) == outputs(whole)


def test_run_that_failed_in_a_step_does_not_continue(monkeypatch: pytest.MonkeyPatch) -> None:
    run = artkit.paint(TREE)
    with monkeypatch.context() as patch:
        patch.setattr(run.task, "step", lambda step: (_ for _ in ()).throw(LookupError("lost")))
        with pytest.raises(LookupError):
            run.execute()
    with pytest.raises(ArtkitError, match="failed in the middle"):
        next(iter(run))


def test_later_recipes_and_settings_override(recipe_file: Callable[..., Path]) -> None:
    file = recipe_file("steps = 2\n[canvas]\nstrokes = 2\n")
    run = artkit.paint([TREE, file], canvas={"strokes": 3}, seed=4)
    assert (run.recipe.name, run.recipe.settings.seed, run.task.steps) == ("r", 4, 2)
    assert run.recipe.blocks["canvas"].config.strokes == 3
    assert run.recipe.blocks["canvas"].config.tile == 16


def test_paths_may_be_path_objects(here: Path) -> None:
    Image.new("RGB", (40, 24), "orange").save("photo.png")
    objective = {"look": {"type": "content", "target": Path("photo.png")}}
    run = artkit.paint({**TREE, "objective": objective}, steps=1)
    assert run.recipe.files() == {"objective.look.target": (here / "photo.png").resolve()}


def test_paint_also_trains() -> None:
    run = artkit.paint({"trainer": {"type": "toy-line"}}, steps=3)
    assert [set(step.losses) for step in run] == [{"mse"}] * 3
    assert notebook_image(run).size


@pytest.mark.parametrize(
    ("recipe", "settings", "message"),
    [
        ("no-such", {}, "there is no recipe no-such"),
        (TREE, {"stpes": 3}, 'did you mean "steps"'),
        (TREE, {"canvas": {"tile": "wide"}}, "canvas.tile"),
        (TREE, {"device": "cuda:99"}, "device"),
        ([], {}, "no recipe"),
    ],
)
def test_errors_are_raised_before_anything_is_written(recipe: Any, settings: Any, message: str, here: Path) -> None:
    with pytest.raises(UsageError, match=message):
        artkit.paint(recipe, **settings)
    assert list(here.iterdir()) == []


def test_notes_are_warnings(monkeypatch: pytest.MonkeyPatch, toy: Any) -> None:
    init = toy.Blob.__init__

    def init_with_note(self: Any, config: Any, scene: Any) -> None:
        init(self, config, scene)
        scene.notes.append("a toy paints")

    monkeypatch.setattr(toy.Blob, "__init__", init_with_note)
    with pytest.warns(UserWarning, match="a toy paints"):
        artkit.paint(TREE)


# ------------------------------------------------------------------------------------------ classes and components
class Dark(Objective):
    """The mean of the picture."""

    name = "dark"

    def forward(self, view: View) -> Tensor:
        return view.image.mean((1, 2, 3))


def test_recipe_may_name_a_class(own_plugins: Callable[[], Any]) -> None:
    objective = {"look": {"type": Dark, "weight": 2.0}}
    run = artkit.paint({**TREE, "objective": objective}).execute()
    assert run.losses["loss"] == pytest.approx(2 * run.losses["look"])
    assert 'type = "dark"' in (run.folder / "recipe.toml").read_text()

    class Darker(Dark):
        """The mean of the picture, redefined."""

        def forward(self, view: View) -> Tensor:
            return super().forward(view) + 1

    again = artkit.paint({**TREE, "objective": {"look": {"type": Darker}}}, steps=1).execute()
    assert again.losses["look"] > 1


def test_class_cannot_use_a_taken_name() -> None:
    content = type("Other", (Dark,), {"name": "content", "__doc__": "Another objective."})
    with pytest.raises(UsageError, match="already provided by neural-artkit"):
        artkit.paint(TREE, objective={"look": {"type": content}})
    with pytest.raises(UsageError, match="is not a subclass of Canvas"):
        artkit.paint(TREE, canvas={"type": Dark})


def test_components_are_built_by_name_or_class() -> None:
    scene = artkit.scene((48, 32), seed=2, background=(0.2, 0.2, 0.2), device="cpu")
    scene.renderer = scene.make("renderer", "toy-blob", reach=0.5)
    scene.canvas = scene.make("canvas", "single", strokes=3)
    actions = scene.make("agent", "free")(scene)
    picture = scene.canvas.render(scene.renderer, actions, scene.background)
    assert picture.shape == (1, 3, 32, 48)
    value = scene.make("objective", Dark)(View(picture, None, None, 0.0))  # type: ignore[arg-type]
    torch.testing.assert_close(value, picture.mean((1, 2, 3)))
    assert scene.make("exporter", "png").suffixes == (".png",)


def test_component_refuses_unknown_settings() -> None:
    with pytest.raises(UsageError, match='canvas grid: tiel: unknown key; did you mean "tile"'):
        artkit.scene().make("canvas", "grid", tiel=3)
    with pytest.raises(UsageError, match='no canvas "gird"'):
        artkit.scene().make("canvas", "gird")
