"""`artkit reproduce`: the claims of the paper are commands that exist, and their figures decide."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from PIL import Image
from pydantic import ValidationError

from artkit.cli.main import cli
from artkit.reproduction import page, running
from artkit.reproduction.claims import Claim, Figure, all_claims
from artkit.reproduction.running import check, figure_value

COMMANDS = [
    pytest.param(command, id=f"{name}-{index}")
    for name, claim in all_claims().items()
    for index, command in enumerate((*claim.commands, *claim.quick))
]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_of_claims_are_valid(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = shlex.split(command)
    with click.Context(cli, info_name="artkit") as context:
        found = cli.get_command(context, words[0])
        assert found
        parameters = found.make_context(words[0], words[1:], context).params
    if words[0] == "run":
        from artkit.errors import UsageError
        from artkit.recipes.reading import read_recipe
        from artkit.recipes.shipped import find_recipe

        settings = [s for s in parameters["settings"] if "weights=" not in s]
        try:
            read_recipe([find_recipe(Path(name)) for name in parameters["arguments"]], settings)
        except UsageError as error:
            pytest.fail(str(error))


def test_every_claim_says_what_the_paper_says_and_what_is_expected() -> None:
    for claim in all_claims().values():
        assert "§" in claim.paper or "Figure" in claim.paper
        assert claim.statement.endswith(".")
        assert claim.figures or claim.not_reproduced, claim.name
        for figure in claim.figures:
            assert figure.expected(quick=False), claim.name
            assert figure.expected(quick=True), claim.name


def test_a_claim_without_commands_needs_a_reason() -> None:
    claim = {"name": "none", "paper": "§1", "statement": "It works."}
    with pytest.raises(ValidationError, match="or the reason"):
        Claim.model_validate(claim)
    with pytest.raises(ValidationError, match="as many quick commands"):
        Claim.model_validate(claim | {"commands": ["doctor"]})


def test_figures_are_read_from_json_and_logs(tmp_path: Path) -> None:
    (tmp_path / "0.out").write_text(json.dumps({"rows": [{"ratio": 0.4}, {"ratio": 0.7}]}))
    (tmp_path / "run").mkdir()
    (tmp_path / "run/log.jsonl").write_text(
        '{"step": 0, "mse": 8.0}\n{"step": 1, "mse": 2.0}\n{"step": 2, "gap": 5.0}\n'
    )
    assert figure_value(Figure(name="f", value="0:rows.1.ratio"), tmp_path) == 0.7
    assert figure_value(Figure(name="f", value="run:last:mse", over="run:first:mse"), tmp_path) == 0.25
    gain = Figure(name="f", value="0:rows.1.ratio", gain_over="0:rows.0.ratio")
    assert figure_value(gain, tmp_path) == pytest.approx(0.5)


def test_unknown_claims_list_the_claims() -> None:
    result = CliRunner().invoke(cli, ["reproduce", "panad"])
    assert result.exit_code == 2
    assert 'no claim "panad"\n  there are: vae-painter, ' in result.output


def test_the_list_names_every_claim() -> None:
    result = CliRunner().invoke(cli, ["reproduce", "--list"])
    assert [line.split()[0] for line in result.output.splitlines()] == list(all_claims())


RECIPE = 'size = [32, 32]\n[canvas]\ntype = "single"\nstrokes = 2\n[objective.flat]\ntype = "total-variation"\n'


@pytest.mark.slow
def test_a_claim_is_checked_by_its_commands(tmp_path: Path) -> None:
    folder = tmp_path / "flat"
    folder.mkdir()
    (folder / "flat.toml").write_text(RECIPE)
    commands = ("run flat.toml --out run --set steps=3", "evaluate run --json")
    claim = Claim.model_validate(
        {
            "name": "flat", "paper": "§0", "statement": "It <falls>.", "commands": commands, "quick": commands,
            "picture": "run/painting.png",
            "figure": [
                {"name": "fall", "value": "run:last:flat", "over": "run:first:flat", "below": 1.0},
                {"name": "strokes", "value": "1:strokes.count", "above": 5, "quick_above": 1},
            ],
        }
    )  # fmt: skip
    quick = check(claim, folder, quick=True)
    assert (quick.status, len(quick.values)) == ("reproduced", 2)
    assert quick.values[1] == 2
    log = (folder / "run/log.jsonl").stat().st_mtime_ns
    assert check(claim, folder, quick=True) == quick
    assert (folder / "run/log.jsonl").stat().st_mtime_ns == log, "it is not run again"
    text = page.write(tmp_path, [claim, claim.model_copy(update={"name": "unchecked"})]).read_text()
    assert "It &lt;falls&gt;." in text
    assert 'src="flat/run/painting.png"' in text
    (result,) = json.loads((tmp_path / "results.json").read_text())
    assert result["values"] == quick.values
    (folder / "outcome.json").unlink()
    assert check(claim, folder, quick=False).status == "differs", "2 strokes are not more than 5"


@pytest.mark.slow
def test_what_goes_wrong_is_part_of_the_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no-cache"))
    claim = Claim(name="c", paper="§0", statement="It works.", commands=("run agent/kmnist",), quick=("run no-such",))
    missing = check(claim, tmp_path / "a", quick=False)
    assert missing.status == "data missing"
    assert "KMNIST" in missing.message
    assert "\n" in missing.message, "with what brings it"
    failed = check(claim, tmp_path / "b", quick=True)
    assert (failed.status, failed.message.splitlines()[0]) == ("failed", "there is no recipe no-such")


def test_the_time_before_an_interruption_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = Claim(name="c", paper="§0", statement="It works.", commands=("doctor",), quick=("plugins",))

    def interrupt(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "_run", interrupt)
    with pytest.raises(KeyboardInterrupt):
        check(claim, tmp_path, quick=True)
    file = tmp_path / "outcome.json"
    stored = json.loads(file.read_text())
    assert stored["status"] == "interrupted"
    file.write_text(json.dumps({**stored, "seconds": 50.0}))
    monkeypatch.setattr(running, "_run", lambda *_: "")
    assert check(claim, tmp_path, quick=False).seconds < 50, "other commands"
    file.write_text(json.dumps({**stored, "seconds": 50.0}))
    finished = check(claim, tmp_path, quick=True)
    assert (finished.status, finished.seconds >= 50) == ("reproduced", True)


def test_results_are_taken_over_into_the_documentation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: Callable[[str], Any]
) -> None:
    module = script("docs/reproduction.py")
    monkeypatch.setattr(module, "RESULTS", tmp_path / "reproduction.json")
    monkeypatch.setattr(module, "IMAGES", tmp_path / "images")
    (tmp_path / "out/panda/panda").mkdir(parents=True)
    Image.new("RGBA", (640, 480), "red").save(tmp_path / "out/panda/panda/painting.png")
    panda, quick_commands = all_claims()["panda"], list(all_claims()["panda"].quick)

    def take_over(colour: str, **values: Any) -> list[dict[str, Any]]:
        outcome = {"claim": "panda", "quick": True, "status": "reproduced", "seconds": 2.0, "values": [3.0]}
        outcome |= {"version": "0", "message": f"in {tmp_path}", "commands": quick_commands, **values}
        Image.new("RGBA", (640, 480), colour).save(tmp_path / "out/panda/panda/painting.png")
        (tmp_path / "out/results.json").write_text(json.dumps([outcome]))
        module.main(tmp_path / "out")
        return json.loads((tmp_path / "reproduction.json").read_text())  # type: ignore[no-any-return]

    def picture() -> Any:
        return Image.open(tmp_path / "images/panda.jpg").resize((1, 1)).getpixel((0, 0))

    assert take_over("red", commands=["doctor"]) == [], "the commands of an earlier version"
    (quick,) = take_over("red")
    assert quick == {
        "claim": "panda", "quick": True, "status": "reproduced", "seconds": 2.0, "values": [3.0], "version": "0",
    }  # fmt: skip
    assert Image.open(tmp_path / "images/panda.jpg").size == (320, 240)
    assert picture()[0] > 200
    full, same = take_over("blue", quick=False, commands=list(panda.commands))
    assert (full["quick"], same) == (False, quick)
    assert picture()[2] > 200
    assert take_over("red", values=[4.0])[1]["values"] == [4.0]
    assert picture()[2] > 200, "the picture of the run in full stays"


def test_quick_and_full_results_have_folders_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for options, folder in ((["--quick"], "reproduction-quick"), ([], "reproduction"), (["--out", "mine"], "mine")):
        result = CliRunner().invoke(cli, ["reproduce", "spiral", *options])
        assert result.exit_code == 0, result.output
        assert (tmp_path / folder / "index.html").is_file()
