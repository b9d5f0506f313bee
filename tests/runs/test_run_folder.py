"""Run folders: never taken twice, found again to resume."""

import datetime
import json
from pathlib import Path

import pytest

from antehoc.errors import OutputError, RecipeError
from antehoc.runs.folder import run_folder


def folder_of(out, *, resume=False, recipe="shapes", seed=0, values=None, command="train"):
    with run_folder(recipe, "small", seed, out, command=command, resume=resume, values=values or {"a": 1}) as folder:
        return folder


def refused(out, resume, values):
    """A run whose checks fail once its folder is there."""
    with run_folder("shapes", "small", 0, out, command="train", resume=resume, values=values):
        raise RecipeError("no")


def test_a_run_folder_is_never_taken_twice(tmp_path):
    taken = [folder_of(tmp_path / "run") for _ in range(3)]
    assert [path.name for path in taken] == ["run", "run-2", "run-3"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    (tmp_path / "file").write_text("keep me")
    assert folder_of(tmp_path / "mine").name == "mine-2"
    assert folder_of(tmp_path / "file").name == "file-2"
    assert (tmp_path / "mine" / "notes.txt").read_text() == (tmp_path / "file").read_text() == "keep me"
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_an_empty_folder_is_taken_as_it_is(tmp_path):
    (tmp_path / "empty").mkdir()
    assert folder_of(tmp_path / "empty") == tmp_path / "empty"


def test_without_a_name_the_run_says_what_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert folder_of(None) == Path("antehoc-runs/shapes-small-seed0")
    assert folder_of(None, recipe="my/birds.yaml", seed=7) == Path("antehoc-runs/birds-small-seed7")
    monkeypatch.chdir(tmp_path / "antehoc-runs")
    assert folder_of(".").name == "antehoc-runs-2"


def test_resume_finds_the_last_run_and_no_other(tmp_path):
    with pytest.raises(OutputError, match="there is no run to resume here; leave --resume out"):
        folder_of(tmp_path / "run", resume=True)
    folder_of(tmp_path / "run")
    last = folder_of(tmp_path / "run")
    assert folder_of(tmp_path / "run", resume=True) == last
    for other, named in (({"recipe": "birds"}, "recipe"), ({"seed": 1}, "seed"), ({"values": {"a": {"b": 2}}}, "a")):
        with pytest.raises(OutputError, match=f"other values of {named}; resume"):
            folder_of(tmp_path / "run", resume=True, **other)


@pytest.mark.parametrize(("command", "other"), [("train", "reproduce"), ("reproduce", "train")])
def test_a_run_is_resumed_by_the_command_that_started_it(tmp_path, command, other):
    first = folder_of(tmp_path / "run", command=command)
    message = rf"run: holds a run of `{command}`, which `{other}` cannot continue; resume it with `{command}`, or"
    with pytest.raises(OutputError, match=message):
        folder_of(tmp_path / "run", command=other, resume=True)
    second = folder_of(tmp_path / "run", command=other)
    assert folder_of(tmp_path / "run", command=other, resume=True) == second
    assert folder_of(tmp_path / "run", command=command, resume=True) == first


@pytest.mark.parametrize(("file", "command", "other"), [("data.txt", "train", "reproduce"),
                                                        ("main/data.txt", "reproduce", "train")])  # fmt: skip
def test_a_run_of_an_earlier_version_is_told_by_what_lies_in_it(tmp_path, file, command, other):
    folder = folder_of(tmp_path / "run")
    mark = json.loads((folder / "run.json").read_text())
    assert mark.pop("command") == "train"
    (folder / "run.json").write_text(json.dumps(mark))
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).touch()
    with pytest.raises(OutputError, match=f"holds a run of `{command}`, which `{other}` cannot continue"):
        folder_of(tmp_path / "run", command=other, resume=True)
    assert folder_of(tmp_path / "run", command=command, resume=True) == folder


def test_a_run_that_is_refused_leaves_its_name_to_the_next(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("run", "empty"):
        with pytest.raises(RecipeError, match="no"):
            refused(tmp_path / name, resume=False, values={})
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
    assert folder_of(tmp_path / "run").name == "run"
    with pytest.raises(RecipeError, match="no"):
        refused(tmp_path / "run", resume=True, values={"a": 1})
    assert (tmp_path / "run/run.json").exists()  # a resumed run keeps what it has


def test_what_follows_the_training_may_differ_on_resume(tmp_path):
    old = {"verdict": {"alpha": 0.1, "folds": 2}, "studies": [], "seed": 0}
    folder_of(tmp_path / "run", values=old)
    new = {"verdict": {"alpha": 0.2, "folds": 2, "method": "softmax"}, "studies": ["leakage"], "draws": 3, "seed": 0}
    folder_of(tmp_path / "run", values=new, resume=True)
    with pytest.raises(OutputError, match=r"other values of verdict\.folds; resume"):
        folder_of(tmp_path / "run", values={**new, "verdict": {**new["verdict"], "folds": 3}}, resume=True)


def test_resume_names_the_keys_that_differ(tmp_path):
    folder_of(tmp_path / "run", values={"verdict": {"folds": 2}, "phases": {"a": 1}, "seed": 0})
    with pytest.raises(OutputError, match=r"other values of phases\.a, data; resume"):
        folder_of(
            tmp_path / "run", values={"verdict": {"folds": 2}, "phases": {"a": 2}, "seed": 0, "data": 1}, resume=True
        )


def test_a_damaged_mark_is_not_resumed(tmp_path):
    folder = folder_of(tmp_path / "run")
    (folder / "run.json").write_text('{"recipe": "sha')
    with pytest.raises(OutputError, match=r"its run\.json is damaged; start a new run"):
        folder_of(tmp_path / "run", resume=True)


def test_what_yaml_makes_of_a_date_can_be_marked(tmp_path):
    values = {"data": {"made": datetime.date(2020, 1, 2)}}
    folder = folder_of(tmp_path / "run", values=values)
    assert folder_of(tmp_path / "run", resume=True, values=values) == folder


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file" / "run", tmp_path / ("long" * 100)):
        with pytest.raises(OutputError, match=r"cannot be written \(.*\); choose another path with --out"):
            folder_of(out)
