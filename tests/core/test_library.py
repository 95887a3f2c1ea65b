"""artkit from Python: the same runs as from the command line, a step at a time."""

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


def files(run: Run) -> dict[str, bytes]:
    return {file: (run.folder / file).read_bytes() for file in ("painting.png", "strokes.json", "recipe.toml")}


def shown(run: Run) -> Image.Image:
    return Image.open(io.BytesIO(run._repr_png_()))


def test_to_import_artkit_is_quick() -> None:
    code = "import sys, artkit; dir(artkit); assert not {'torch', 'numpy', 'pydantic'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_there_is_nothing_else() -> None:
    assert artkit.paint.__module__ == artkit.scene.__module__ == "artkit.api"
    with pytest.raises(AttributeError, match="no attribute 'pain'"):
        _ = artkit.pain


def test_a_run_tells_how_far_it_is() -> None:
    run = artkit.paint(TREE)
    steps = list(run)
    assert [done.step for done in steps] == [1, 2, 3, 4, 5, 6]
    assert {done.steps for done in steps} == {6}
    assert all({"loss", "look"} == set(done.losses) for done in steps)
    assert run.folder == Path("runs/painting")
    assert repr(run) == f"<run painting: step 6 of 6, in {run.folder}>"


def test_it_is_the_run_of_the_command(command: Callable[..., Any], recipe_file: Callable[..., Path]) -> None:
    file = recipe_file(
        'steps = 6\nsize = [40, 24]\n[canvas]\ntype = "grid"\ntile = 16\noverlap = 8\nstrokes = 1\n'
        '[renderer]\ntype = "toy-blob"\n[objective.look]\ntype = "toy-flat"\n'
    )
    done = command("run", file, "--out", "told", "--set", "seed=3")
    assert done.returncode == 0, done.stderr
    from_python = artkit.paint(file, out="made", seed=3).execute()
    theirs = {name: Path("told", name).read_bytes() for name in ("strokes.json", "recipe.toml")}
    assert {name: files(from_python)[name] for name in theirs} == theirs


def test_it_shows_itself_as_it_is() -> None:
    run = artkit.paint(TREE)
    start = shown(run).tobytes()
    assert shown(run).size == (40, 24)
    for _ in run:
        if run.step == 3:
            break
    half = shown(run).tobytes()
    assert half != start
    run.execute()
    assert shown(run).tobytes() == Image.open(run.folder / "painting.png").tobytes() != half
    assert run.picture().tobytes() == shown(run).tobytes()


def test_a_large_picture_is_shown_smaller() -> None:
    run = artkit.paint({**TREE, "size": (1200, 600), "canvas": {"type": "single", "strokes": 1}})
    assert shown(run).size == (1024, 512)
    assert run.picture().size == (1200, 600)


def test_to_stop_and_go_on_changes_nothing() -> None:
    whole = artkit.paint(TREE, out="whole").execute()
    run = artkit.paint(TREE, out="stopped")
    for done in run:
        if done.step == 2:
            break
    assert (run.folder / "checkpoint.safetensors").exists()
    assert json.loads((run.folder / "log.jsonl").read_text().splitlines()[-1])["step"] == 1
    shown(run)
    assert [done.step for done in run] == [3, 4, 5, 6]
    assert files(run) == files(whole)
    assert len((run.folder / "log.jsonl").read_text().splitlines()) == 6


def test_it_goes_on_in_another_process_too() -> None:
    whole = artkit.paint(TREE, out="whole").execute()
    for _ in artkit.paint(TREE, out="stopped"):
        break
    with pytest.raises(UsageError, match="unfinished"):
        artkit.paint(TREE, out="stopped").execute()
    run = artkit.paint(TREE, out="stopped", resume=True)
    assert [done.step for done in run] == [2, 3, 4, 5, 6]
    assert files(run) == files(whole)


def test_ctrl_c_in_a_loop_ends_the_step_and_saves() -> None:
    whole = artkit.paint(TREE, out="whole").execute()
    run = artkit.paint(TREE, out="stopped")
    run.progress = lambda step, losses: os.kill(os.getpid(), signal.SIGINT) if step == 2 else None
    with pytest.raises(Interrupted, match="after step 2 of 6"):
        for _ in run:
            pass
    run.progress = None
    assert files(run.execute()) == files(whole)


def test_what_broke_in_a_step_does_not_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    run = artkit.paint(TREE)
    with monkeypatch.context() as patch:
        patch.setattr(run.task, "step", lambda step: (_ for _ in ()).throw(LookupError("lost")))
        with pytest.raises(LookupError):
            run.execute()
    with pytest.raises(ArtkitError, match="broke off"):
        next(iter(run))


def test_settings_and_recipes_are_laid_over_each_other(recipe_file: Callable[..., Path]) -> None:
    file = recipe_file("steps = 2\n[canvas]\nstrokes = 2\n")
    run = artkit.paint([TREE, file], canvas={"strokes": 3}, seed=4)
    assert (run.recipe.name, run.recipe.settings.seed, run.task.steps) == ("r", 4, 2)
    assert run.recipe.blocks["canvas"].config.strokes == 3
    assert run.recipe.blocks["canvas"].config.tile == 16


def test_paths_may_be_paths(here: Path) -> None:
    Image.new("RGB", (40, 24), "orange").save("mine.png")
    look = {"type": "content", "target": Path("mine.png")}
    run = artkit.paint({**TREE, "objective": {"look": look}}, steps=1)
    assert run.recipe.files() == {"objective.look.target": (here / "mine.png").resolve()}


def test_it_trains_too() -> None:
    run = artkit.paint({"trainer": {"type": "toy-line"}}, steps=3)
    assert [set(done.losses) for done in run] == [{"mse"}] * 3
    assert shown(run).size


@pytest.mark.parametrize(
    ("recipe", "settings", "told"),
    [
        ("no-such", {}, "there is no recipe no-such"),
        (TREE, {"stpes": 3}, 'did you mean "steps"'),
        (TREE, {"canvas": {"tile": "wide"}}, "canvas.tile"),
        (TREE, {"device": "cuda:99"}, "device"),
        ([], {}, "no recipe"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_written(recipe: Any, settings: Any, told: str, here: Path) -> None:
    with pytest.raises(UsageError, match=told):
        artkit.paint(recipe, **settings)
    assert list(here.iterdir()) == []


def test_remarks_are_warnings(monkeypatch: pytest.MonkeyPatch, toy: Any) -> None:
    built = toy.Blob.__init__

    def remark(self: Any, config: Any, scene: Any) -> None:
        built(self, config, scene)
        scene.notes.append("a toy paints")

    monkeypatch.setattr(toy.Blob, "__init__", remark)
    with pytest.warns(UserWarning, match="a toy paints"):
        artkit.paint(TREE)


# ----------------------------------------------------------------------------------------------- parts without recipes
class Dark(Objective):
    """The mean of the picture."""

    name = "dark"

    def forward(self, view: View) -> Tensor:
        return view.image.mean((1, 2, 3))


def test_a_recipe_may_name_a_class(own_plugins: Callable[[], Any]) -> None:
    objective = {"look": {"type": Dark, "weight": 2.0}}
    run = artkit.paint({**TREE, "objective": objective}).execute()
    assert run.losses["loss"] == pytest.approx(2 * run.losses["look"])
    assert 'type = "dark"' in (run.folder / "recipe.toml").read_text()

    class Darker(Dark):
        """The mean of the picture, written anew."""

        def forward(self, view: View) -> Tensor:
            return super().forward(view) + 1

    again = artkit.paint({**TREE, "objective": {"look": {"type": Darker}}}, steps=1).execute()
    assert again.losses["look"] > 1


def test_a_class_cannot_take_a_name_that_is_taken() -> None:
    content = type("Mine", (Dark,), {"name": "content", "__doc__": "Mine."})
    with pytest.raises(UsageError, match="already brought by neural-artkit"):
        artkit.paint(TREE, objective={"look": {"type": content}})
    with pytest.raises(UsageError, match="is no canvas"):
        artkit.paint(TREE, canvas={"type": Dark})


def test_parts_are_built_by_name_or_class() -> None:
    scene = artkit.scene((48, 32), seed=2, background=(0.2, 0.2, 0.2), device="cpu")
    scene.renderer = scene.make("renderer", "toy-blob", reach=0.5)
    scene.canvas = scene.make("canvas", "single", strokes=3)
    actions = scene.make("agent", "free")(scene)
    picture = scene.canvas.render(scene.renderer, actions, scene.background)
    assert picture.shape == (1, 3, 32, 48)
    value = scene.make("objective", Dark)(View(picture, None, None, 0.0))  # type: ignore[arg-type]
    torch.testing.assert_close(value, picture.mean((1, 2, 3)))
    assert scene.make("exporter", "png").suffixes == (".png",)


def test_a_part_refuses_settings_that_it_does_not_have() -> None:
    with pytest.raises(UsageError, match='canvas grid: tiel: unknown key; did you mean "tile"'):
        artkit.scene().make("canvas", "grid", tiel=3)
    with pytest.raises(UsageError, match='no canvas "gird"'):
        artkit.scene().make("canvas", "gird")
