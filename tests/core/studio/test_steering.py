"""Steering runs: what a change writes into the recipe, and that the run goes on with it."""

from __future__ import annotations

import json
import shutil
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from artkit.engine.run_folder import RECIPE_FILE
from artkit.errors import UsageError
from artkit.recipes.reading import read_recipe
from artkit.studio.steering import steered


def recipe_of(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / RECIPE_FILE).read_text())


def test_a_change_is_at_the_step_that_was_reached(painted: Path) -> None:
    run = painted / "one"
    tree = steered(recipe_of(run), run, painted, 9, 0.2, {"look": 2.0}, {"look": "mask.png"})
    assert tree["changes"] == [
        {"step": 3, "steps": 9, "lr": 0.2, "weights": {"look": 2.0}, "weight_images": {"look": "mask.png"}}
    ]
    again = steered(tree, run, painted, 12, None, None, {"look": ""})
    assert again["changes"] == [
        {"step": 3, "steps": 12, "lr": 0.2, "weights": {"look": 2.0}, "weight_images": {"look": ""}}
    ], "a change that has not taken effect yet is replaced"
    assert "changes" not in steered(recipe_of(run), run, painted, None, None, None, None)
    with pytest.raises(UsageError, match="has done 3"):
        steered(recipe_of(run), run, painted, 2, None, None, None)


@pytest.mark.slow
def test_a_steered_run_goes_on_and_can_be_repeated(
    painted: Path, tmp_path: Path, serve: Callable[[Path], Any], run_files: Any
) -> None:
    from artkit.api import create_run

    shutil.copytree(painted, tmp_path / "runs")
    studio = serve(tmp_path / "runs")
    Image.linear_gradient("L").save(tmp_path / "runs" / "uploads" / "mask.png")
    values = {"steps": 5, "lr": 0.2, "weights": {"look": 3.0}, "weight_images": {"look": "../uploads/mask.png"}}
    studio.post("/api/runs/one/steer", values)
    deadline = time.monotonic() + 60
    while studio.get("/api/runs/one")["state"] != "finished":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    run = studio.get("/api/runs/one")
    assert (run["step"], run["steps"]) == (5, 5)
    assert [change["step"] for change in run["changes"]] == [3]
    assert run["recipe"]["changes"][0]["lr"] == 0.2
    repeated = create_run(read_recipe([tmp_path / "runs" / "one" / RECIPE_FILE]), tmp_path / "again").execute()
    assert repeated.outputs[0].read_bytes() == (tmp_path / "runs" / "one" / "painting.png").read_bytes()


def test_errors_of_a_change_leave_the_run_as_it_is(painted: Path, tmp_path: Path, serve: Callable[[Path], Any]) -> None:
    shutil.copytree(painted, tmp_path / "runs")
    (tmp_path / "secret.png").write_bytes((painted / "one/painting.png").read_bytes())
    studio = serve(tmp_path / "runs")
    before = (tmp_path / "runs/one" / RECIPE_FILE).read_text()
    wrong = [({"lr": -1}, "changes.0.lr"), ({"weights": {"none": 1}}, "changes.0.weights.none"),
             ({"weight_images": {"look": "../../secret.png"}}, "changes.weight_images.look"),
             ({"weight_images": {"look": str(tmp_path / "secret.png")}}, "changes.weight_images.look")]  # fmt: skip
    for values, place in wrong:
        errors = studio.post("/api/runs/one/steer", values)["errors"]
        assert [error["place"] for error in errors] == [place], json.dumps(errors)
    assert studio.request("POST", "/api/runs/one/steer", {"steps": "many"}).status == 400
    assert (tmp_path / "runs/one" / RECIPE_FILE).read_text() == before
    assert studio.get("/api/runs/one")["state"] == "finished"
