"""The plan of a sweep: combinations of values, folders and patterns of files, names, and error messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from artkit.errors import UsageError
from artkit.recipes.reading import read_recipe
from artkit.recipes.shipped import shipped_ablations, shipped_recipes
from artkit.sweep.names import run_names
from artkit.sweep.plan import Plan, plan_sweep

PAGE = Path(__file__).parents[2] / "docs/ablations.md"
RECIPE = """
seed = 5
steps = 2
size = [40, 24]
[objective.look]
type = "pixel"
target = "photos/a.jpg"
"""


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe_file: Callable[..., Path]) -> Callable[..., Plan]:
    """Plans a sweep of a recipe, ``plan(*over, seeds=None, pictures=())``, in a folder with photos."""
    photos = tmp_path / "photos"
    (photos / "more").mkdir(parents=True)
    for name in ("a.jpg", "b.png", "c d.jpg", "more/a.jpg"):
        Image.new("RGB", (8, 8)).save(photos / name)
    (photos / "notes.txt").write_text("no picture")
    (photos / ".hidden.jpg").write_text("no picture")
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/a.txt").write_text("no picture")
    monkeypatch.chdir(tmp_path)
    recipe = recipe_file(RECIPE)

    def make(*over: str, seeds: int | None = None, pictures: Sequence[str] = ()) -> Plan:
        return plan_sweep([recipe], (), over, seeds, [Path(picture) for picture in pictures])

    return make


def names(plan: Plan) -> list[str]:
    return [run.name for run in plan.runs]


def test_a_run_for_each_combination_of_values(plan: Callable[..., Plan]) -> None:
    planned = plan("optimizer.lr=0.1,0.02", "steps=1,3", seeds=2)
    assert len(planned.runs) == 8
    assert names(planned)[:3] == ["lr=0.1,steps=1,seed=5", "lr=0.1,steps=1,seed=6", "lr=0.1,steps=3,seed=5"]
    last = planned.runs[-1]
    assert last.settings == {"optimizer.lr": 0.02, "steps": 3, "seed": 6}
    assert (last.recipe.settings.optimizer.lr, last.recipe.settings.steps, last.recipe.settings.seed) == (0.02, 3, 6)


def test_without_values_there_is_one_run(plan: Callable[..., Plan]) -> None:
    planned = plan()
    assert names(planned) == ["r"]
    assert planned.runs[0].settings == {}


def test_values_are_as_in_toml(plan: Callable[..., Plan]) -> None:
    planned = plan('renderer={type="gan"},{type="mypaint", brush="deevad/liner"}', "size=[8,16],[16, 8]", "window=64")
    assert names(planned)[2:] == [
        "renderer=type=mypaint+brush=deevad-liner,size=8x16,window=64",
        "renderer=type=mypaint+brush=deevad-liner,size=16x8,window=64",
    ]
    assert planned.runs[2].recipe.blocks["renderer"].config.brush == "deevad/liner"
    assert planned.runs[0].recipe.settings.size == (8, 16)


def test_texts_need_no_quotes(plan: Callable[..., Plan]) -> None:
    planned = plan("renderer.brush=deevad/liner, charcoal")
    assert names(planned) == ["brush=deevad-liner", "brush=charcoal"]
    assert planned.runs[0].recipe.blocks["renderer"].config.brush == "deevad/liner"


TABLE = """
steps = 9
[sweep]
objective.look.target = ["../photos/b.png", "../photos/more"]
optimizer.lr = [0.1, 0.02]
seed = [1]
"""


def test_a_table_has_lists_of_values(plan: Callable[..., Plan], recipe_file: Callable[..., Path]) -> None:
    recipes = [recipe_file(RECIPE), recipe_file(TABLE, "tables/some.toml")]
    planned = plan_sweep(recipes, (), ["optimizer.lr=0.5"], seeds=2)
    assert planned.name == "some"
    assert names(planned) == ["b,lr=0.5,seed=5", "b,lr=0.5,seed=6", "a,lr=0.5,seed=5", "a,lr=0.5,seed=6"]
    assert planned.runs[0].recipe.named["objective"]["look"].config.target.is_file()
    assert {run.recipe.settings.steps for run in planned.runs} == {9}
    assert names(plan_sweep(recipes)) == ["b,lr=0.1,seed=1", "b,lr=0.02,seed=1", "a,lr=0.1,seed=1", "a,lr=0.02,seed=1"]
    assert "sweep" not in planned.runs[0].recipe.resolved()
    single = read_recipe(recipes)
    assert (single.settings.seed, single.settings.optimizer.lr) == (5, 0.1), "a single run has no use for the table"


def test_files_in_tables_of_values_start_at_the_folder_of_the_recipe(
    plan: Callable[..., Plan], recipe_file: Callable[..., Path]
) -> None:
    table = '[sweep]\nobjective.look = [{type = "pixel", target = "../photos/b.png"}]\n'
    planned = plan_sweep([recipe_file(RECIPE), recipe_file(table, "tables/some.toml")])
    assert planned.runs[0].recipe.named["objective"]["look"].config.target.name == "b.png"


@pytest.mark.parametrize("text", ["sweep = [1]", "[sweep]\nsteps = 3", "[sweep]\nsteps = []", "[sweep.canvas]\nx = 1"])
def test_values_that_are_no_lists(recipe_file: Callable[..., Path], text: str) -> None:
    with pytest.raises(UsageError, match=r"^sweep[.\w]*: write a table of lists, such as canvas.strokes = \[2, 4\]"):
        plan_sweep([recipe_file(text)])


@pytest.mark.parametrize("name", shipped_ablations())
def test_shipped_ablations_are_valid_and_documented(name: str) -> None:
    file = shipped_ablations()[name]
    command = re.search(r"^# (artkit sweep (\w+) (\S+))$", file.read_text(), re.MULTILINE)
    assert command
    assert command[3] == name
    assert len(plan_sweep([shipped_recipes()[command[2]], file]).runs) >= 6
    assert f"\n{command[1]}\n" in PAGE.read_text()


def test_pictures_replace_that_of_the_recipe(plan: Callable[..., Plan]) -> None:
    planned = plan("steps=1,2", pictures=["photos"])
    assert names(planned) == ["a,steps=1", "a,steps=2", "b,steps=1", "b,steps=2", "c-d,steps=1", "c-d,steps=2"]
    assert planned.name == "r"
    assert planned.runs[2].settings == {"picture": "photos/b.png", "steps": 1}
    targets = [run.recipe.named["objective"]["look"].config.target.name for run in planned.runs]
    assert targets[::2] == ["a.jpg", "b.png", "c d.jpg"]
    assert [file.name for file in planned.skipped] == ["notes.txt"]
    with pytest.raises(UsageError, match=r"there is no picture none.png"):
        plan(pictures=["none.png"])
    with pytest.raises(UsageError, match=r"the folder empty is empty"):
        plan(pictures=["empty"])


@pytest.mark.parametrize(
    ("value", "expected", "skipped"),
    [
        ("photos", ["a", "b", "c-d"], ["notes.txt"]),
        ('"photos/"', ["a", "b", "c-d"], ["notes.txt"]),
        ("photos/*", ["a", "b", "c-d"], ["notes.txt"]),
        ("photos/*.jpg", ["a", "c-d"], []),
        ("photos/**/a.*", None, []),
        ("photos/b.png,photos/c d.jpg", ["b", "c-d"], []),
        ('"photos/b.png","photos/a.jpg"', ["b", "a"], []),
        ("photos/*.txt", ["notes"], []),  # not known to be no target
    ],
)
def test_files_of_folders_and_patterns(
    plan: Callable[..., Plan], value: str, expected: list[str] | None, skipped: list[str]
) -> None:
    if expected is None:
        with pytest.raises(UsageError, match=r'two runs would have the name "a.jpg": .*photos/a.jpg, and .*more/a.jpg'):
            plan(f"objective.look.target={value}")
        return
    planned = plan(f"objective.look.target={value}")
    assert names(planned) == expected
    assert [file.name for file in planned.skipped] == skipped
    for run in planned.runs:
        assert run.recipe.named["objective"]["look"].config.target.is_file()


def test_a_folder_that_is_a_value_of_its_own_is_not_expanded(
    plan: Callable[..., Plan], recipe_file: Callable[..., Path]
) -> None:
    recipe = recipe_file(RECIPE.partition("target")[0] + '[data]\ntype = "folder"\npath = "photos"\n')
    planned = plan_sweep([recipe], (), ["data.path=photos,photos/more"])
    assert [run.recipe.blocks["data"].config.path.name for run in planned.runs] == ["photos", "more"]


@pytest.mark.parametrize(
    ("over", "seeds", "message"),
    [
        (["steps"], None, "--over steps: write KEY=VALUE,VALUE"),
        (["steps="], None, "--over steps=: write KEY=VALUE,VALUE"),
        (["=3"], None, "--over =3: "),
        (["a b=3"], None, "--over a b=3: "),
        (["steps=#1"], None, "--over steps=#1: write KEY=VALUE"),
        (["stepps=1,2"], None, 'stepps=1: the recipe r has 1 error:\n  stepps: unknown key; did you mean "steps"?'),
        (["steps=1,-2"], None, "steps=-2: the recipe r has 1 error:\n  steps: "),
        (["size=[8,16"], None, "--over size=[8,16: "),
        (["objective.look.target=empty"], None, "the folder empty is empty"),
        (["objective.look.target=texts"], None, "the folder texts contains no pictures"),
        (["objective.look.target=none/*.jpg"], None, "no file matches none/*.jpg"),
        (["objective.look.target=none.jpg"], None, "there is no file"),
        (["steps=1,1"], None, 'two runs would have the name "steps=1": steps=1, and steps=1'),
        (["steps=1", "steps=2"], None, "steps is varied twice"),
        (["seed=1,2"], 3, "seed is varied twice"),
    ],
)
def test_errors(plan: Callable[..., Plan], over: list[str], seeds: int | None, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        plan(*over, seeds=seeds)
    assert message in str(raised.value)


def test_a_seed_of_the_recipe_that_is_no_number(recipe_file: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match="seed: 'x' is not an integer"):
        plan_sweep([recipe_file(RECIPE.replace("seed = 5", 'seed = "x"'))], (), (), 3)


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        ([(("optimizer", "lr"), False, (1,)), (("other", "lr"), False, (2,))], "optimizer.lr=1,other.lr=2"),
        ([(("a",), False, (True,)), (("b",), False, ([],)), (("c",), False, ("../x",))], "a=true,b=none,c=x"),
        ([(("target",), True, ("x/thumbnails.jpg",))], "run-thumbnails"),
        ([(("target",), True, ("...",))], "none"),
    ],
)
def test_names_are_names_of_folders(axes: list[Any], expected: str) -> None:
    assert run_names(axes, [[values[0] for _, _, values in axes]]) == [expected]


def test_long_names_are_shortened_and_stay_different() -> None:
    axis = (("text",), False, ("a" * 300, "a" * 299 + "b"))
    first, second = run_names([axis], [["a" * 300], ["a" * 299 + "b"]])
    assert first != second
    assert len(first) == len(second) == 100


def test_names_differ_in_more_than_case() -> None:
    with pytest.raises(UsageError, match="two runs would have the name"):
        run_names([(("text",), False, ("A", "a"))], [["A"], ["a"]])
