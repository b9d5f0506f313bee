"""Whole jobs: what a seed repeats, what a run leaves behind, and what a real kill does not change."""

import dataclasses
import datetime
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from antehoc import runs
from antehoc.errors import DataError, ModelError, OutputError, RecipeError
from antehoc.figure import values
from antehoc.model import load
from antehoc.recipe import read_recipe
from antehoc.runs import evaluate_model, explain, recipe_of, reproduce, run_folder, train
from antehoc.training.loop import Runner

CPU = Runner("cpu")
PHASE = "{train: [main, mirror], epochs: 2, batch_size: 32, learning_rate: 0.02}"
SMALL = ("data={name: shapes, side: 32, train: 200, validation: 20, calibration: 300, test: 40}", f"phases=[{PHASE}]")


def test_a_run_with_the_same_seed_gives_the_same_figures_and_leaves_the_callers_random_state_alone(tiny_run, tmp_path):
    torch.manual_seed(99)
    wanted = torch.rand(3)
    torch.manual_seed(99)
    again = reproduce(str(tiny_run.recipe), out=tmp_path / "again", runner=CPU)
    assert torch.rand(3).equal(wanted)
    assert again.figures == tiny_run.result.figures
    assert again.intervals == tiny_run.result.intervals
    assert again.history == tiny_run.result.history
    weights = [folder / "main" / "model" / "model.safetensors" for folder in (again.folder, tiny_run.folder)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_another_seed_gives_another_model(tiny_run, tmp_path):
    models = [
        train(str(tiny_run.recipe), seed=seed, out=tmp_path / f"{seed}", overrides=SMALL, runner=CPU) for seed in (0, 1)
    ]
    assert [model.about["seed"] for model in models] == [0, 1]
    assert not models[0].system.main.head.weight.equal(models[1].system.main.head.weight)
    assert models[0].policy.threshold != models[1].policy.threshold


def test_a_run_says_what_it_measured_and_what_was_published(tiny_run):
    summary = tiny_run.result.summary()
    assert {"recipe", "scale", "seed", "seconds", "figures", "published"} <= set(summary)
    assert (summary["recipe"], summary["scale"], summary["seed"]) == (str(tiny_run.recipe), "small", 0)
    assert summary["published"] == {"accuracy": 0.99, "ood_noise_questioned": None}
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    for name, value in summary["figures"].items():
        if value is not None and not name.endswith("_minus_msp"):
            assert 0 <= value <= 1, name
    assert summary["figures"]["twins_across_roles"] == 0
    parts = {"data", "phase 1", "phase 2", "calibration", "evaluation"}
    assert set(summary["parts"]) == parts
    assert sum(summary["parts"].values()) == pytest.approx(summary["seconds"], abs=0.6)
    assert len(tiny_run.result.history) == 2
    assert [len(phase) for phase in tiny_run.result.history] == [3, 2]


def test_a_run_leaves_its_model_and_what_it_ran(tiny_run):
    assert (tiny_run.folder / "main" / "model" / "config.json").is_file()
    mark = json.loads((tiny_run.folder / "run.json").read_text())
    assert mark["recipe"] == str(tiny_run.recipe)
    assert mark["values"] == yaml.safe_load(tiny_run.recipe.read_text())


def test_train_gives_the_model_that_it_saves(tiny_run, tmp_path):
    model = train(str(tiny_run.recipe), out=tmp_path / "t", overrides=SMALL, runner=CPU)
    images = torch.rand(5, 1, 32, 32)
    assert load(tmp_path / "t" / "model").decide(images) == model.decide(images)
    assert model.policy is not None
    assert model.policy.asked_alpha == 0.05


def test_a_variant_has_figures_of_its_own_under_its_prefix(tiny_run, tmp_path):
    variants = "variants={narrow: {system: {width: 4}}, alone: {verdict: {method: margin}}}"
    result = reproduce(
        str(tiny_run.recipe), out=tmp_path / "v", overrides=[*SMALL, variants, "unknown.count=20"], runner=CPU
    )
    assert set(result.models) == {str(tiny_run.recipe), "narrow", "alone"}
    assert result.models["narrow"].arguments["width"] == 4
    assert result.models["narrow"].arguments["backbone"] == "small"
    own = {name for name in result.figures if not name.startswith(("narrow_", "alone_"))}
    for name in own:
        assert {f"narrow_{name}", f"alone_{name}"} <= set(result.figures)
    assert result.figures["alone_accuracy"] == result.figures["accuracy"], "the same network, questioned otherwise"
    assert result.figures["alone_verdict_auroc"] == result.figures["margin_auroc"]
    assert (tmp_path / "v" / "narrow" / "model" / "config.json").is_file()


@pytest.mark.parametrize(("doubts", "said"), [(("margin",), False), (("margin", "entropy"), True)])
def test_one_doubt_has_no_weights_that_errors_are_too_few_for(tiny_run, doubts, said):
    model = load(tiny_run.model)
    one = model.policy.evidence[:1] * len(doubts)
    weights = (1.0,) * len(doubts)
    policy = dataclasses.replace(model.policy, method="equal-weights", doubts=doubts, evidence=one, weights=weights)
    notes = runs._notes(dataclasses.replace(model, policy=policy))
    assert any("too few to fit weights" in note for note in notes) == said


def test_a_note_of_a_variant_has_its_name_and_none_is_said_twice():
    found = {"": ["of the data"], "narrow": ["of the data", "no errors"], "alone": ["no errors"]}
    assert runs._named_notes(found) == ("of the data", "narrow: no errors", "alone: no errors")


def test_notes_say_where_a_promise_could_not_be_kept(tiny_run, tmp_path):
    result = reproduce(
        str(tiny_run.recipe), out=tmp_path / "n", runner=CPU, overrides=[*SMALL, "verdict.alpha=0.0001"]
    )  # fmt: skip
    rows = result.models[str(tiny_run.recipe)].policy.threshold_rows
    assert f"{rows} correct calibration images keep alpha {1 / (rows + 1):.4f}, not 0.0001" in result.notes


def test_too_few_calibration_images_are_said_before_the_training(tiny_run, tmp_path):
    with pytest.raises(DataError, match="calibration has 20 images; give 80 or more"):
        train(str(tiny_run.recipe), out=tmp_path / "few", overrides=["data.calibration=20", "verdict.alpha=0.01"])
    assert not list((tmp_path / "few").glob("phase-*"))


def test_a_saved_model_measured_again_gives_the_figures_of_its_run(tiny_run):
    model = load(tiny_run.model)
    recipe, where, seed = recipe_of(model)
    assert (where, seed) == (str(tiny_run.recipe), 0)
    assert recipe == read_recipe(str(tiny_run.recipe))[0]
    found = values(evaluate_model(model, recipe, where, seed=seed).figures)
    wanted = {name: value for name, value in tiny_run.result.figures.items() if name in found}
    assert found == wanted
    assert set(tiny_run.result.figures) - set(wanted) == {"twins_across_roles"}


def test_a_recorded_recipe_takes_overrides(tiny_run):
    recipe, _, _ = recipe_of(load(tiny_run.model), ["data.test=40", "unknown.kinds=[noise]"])
    assert (recipe.data["test"], recipe.unknown.kinds) == (40, ("noise",))
    assert recipe.data["train"] == 600


@pytest.mark.parametrize(
    "about", [{}, {"values": 5, "recipe": "x", "seed": 0}, {"values": "[", "recipe": "x", "seed": 0},
              {"values": "{}", "recipe": "x", "seed": None}, {"values": "5", "recipe": "x", "seed": 0}],
)  # fmt: skip
def test_a_model_that_does_not_say_how_it_was_made_is_refused(tiny_run, about):
    with pytest.raises(RecipeError, match="name one with --recipe"):
        recipe_of(dataclasses.replace(load(tiny_run.model), about=about))


def test_data_that_are_not_the_models_are_refused(tiny_run):
    model = load(tiny_run.model)
    recipe, where, _ = recipe_of(model, ["data.side=40", "data.train=20", "data.test=20"])
    with pytest.raises(DataError, match=r"tiny\.yaml: brings images to another size or mode than the model's"):
        evaluate_model(model, recipe, where, seed=0)
    with pytest.raises(ModelError, match="never calibrated"):
        evaluate_model(dataclasses.replace(model, policy=None), recipe, where, seed=0)


def test_an_unknown_set_may_not_take_the_name_of_another(tiny_run, tmp_path):
    model = load(tiny_run.model)
    recipe, where, _ = recipe_of(model, ["data.train=20", "data.test=20", "data.calibration=80"])
    with pytest.raises(RecipeError, match=r"--ood noise=.*: the recipe has a set of that name; choose another"):
        evaluate_model(model, recipe, where, seed=0, ood={"noise": tmp_path})


def test_explain_pairs_each_path_with_its_decision_or_error(tiny_run, tmp_path):
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    Image.new("L", (40, 30), 100).save(good)
    bad.write_bytes(b"")
    found = list(explain(load(tiny_run.model), [str(bad), good]))
    assert [path for path, _ in found] == [bad, good]
    assert "the file is empty (0 bytes)" in str(found[0][1])
    assert found[1][1].verdict is not None


def folder_of(out, *, resume=False, recipe="shapes", seed=0, values=None):
    return run_folder(recipe, "small", seed, out, resume=resume, values=values or {"a": 1})


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
    for other in ({"recipe": "birds"}, {"seed": 1}, {"values": {"a": 2}}):
        with pytest.raises(OutputError, match="holds a run with another recipe, scale or seed"):
            folder_of(tmp_path / "run", resume=True, **other)


def test_a_damaged_mark_is_not_resumed(tmp_path):
    folder = folder_of(tmp_path / "run")
    (folder / "run.json").write_text('{"recipe": "sha')
    with pytest.raises(OutputError, match="holds a run with another recipe"):
        folder_of(tmp_path / "run", resume=True)


def test_what_yaml_makes_of_a_date_can_be_marked(tmp_path):
    values = {"data": {"made": datetime.date(2020, 1, 2)}}
    folder = folder_of(tmp_path / "run", values=values)
    assert folder_of(tmp_path / "run", resume=True, values=values) == folder


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file" / "run", tmp_path / ("long" * 100)):
        with pytest.raises(OutputError, match=r"cannot be written \(.*\); name another place with --out"):
            folder_of(out)


def command(recipe: Path, out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "antehoc.cli", "reproduce", str(recipe), "--out", str(out), "--device", "cpu",
            "--quiet", *more]  # fmt: skip


def kill_at(sign: Path, after: float, recipe: Path, out: Path, *more: str) -> None:
    """Start a run in a process of its own and kill it (SIGKILL) when a file appears, or some seconds later."""
    with subprocess.Popen(
        command(recipe, out, *more), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as run:
        deadline = time.monotonic() + 300
        while not sign.exists() and run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(after)
        died = run.poll() is None
        run.kill()
        assert died, f"it ended before it could be killed: {run.stderr.read()}"
    assert run.returncode == -9
    assert not (out / "figures.json").exists()


def finish(recipe: Path, out: Path) -> dict:
    done = subprocess.run(command(recipe, out, "--resume"), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "a resumed run has nothing to complain of"
    return json.loads((out / "figures.json").read_text())


def without_time(summary: dict) -> dict:
    return {name: value for name, value in summary.items() if name not in ("seconds", "parts")}


MOMENTS = {
    "at once": ("run.json", 0.0),
    "in the first epoch": ("main/phase-0", 0.0),
    "between epochs": ("main/phase-0/best.ckpt", 0.0),
    "in the last epoch": ("main/phase-0/last.ckpt", 0.2),
    "between phases": ("main/phase-0/history.pt", 0.0),  # just before its mark
    "after the first phase": ("main/phase-0/done.safetensors", 0.0),
    "in the second phase": ("main/phase-1/last.ckpt", 0.0),
    "after the second phase": ("main/phase-1/done.safetensors", 0.0),
    "while the model is saved": ("main/model/model.safetensors", 0.0),
    "in the evaluation": ("main/model/README.md", 0.02),
}


def check_kill(tiny_run, out: Path, moment: str) -> None:
    sign, after = MOMENTS[moment]
    kill_at(out / sign, after, tiny_run.recipe, out)
    assert without_time(finish(tiny_run.recipe, out)) == without_time(tiny_run.result.summary())


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_a_killed_run_goes_on_to_the_same_figures(tiny_run, tmp_path):
    kill_at(tmp_path / "run/main/phase-0/last.ckpt", 0.0, tiny_run.recipe, tmp_path / "run")
    assert not (tmp_path / "run/main/phase-1/done.safetensors").exists()
    again = reproduce(str(tiny_run.recipe), out=tmp_path / "run", runner=CPU, resume=True)  # the slow tests: a process
    assert without_time(again.summary()) == without_time(tiny_run.result.summary())
    models = [folder / "main/model/model.safetensors" for folder in (tmp_path / "run", tiny_run.folder)]
    assert models[0].read_bytes() == models[1].read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_killed_at_any_moment_goes_on_to_the_same_figures(tiny_run, tmp_path, moment):
    check_kill(tiny_run, tmp_path / "run", moment)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_a_run_killed_again_and_again_goes_on_to_the_same_figures(tiny_run, tmp_path):
    out = tmp_path / "run"
    kill_at(out / "main/phase-0/last.ckpt", 0.0, tiny_run.recipe, out)
    kill_at(out / "main/phase-0/done.safetensors", 0.0, tiny_run.recipe, out, "--resume")
    kill_at(out / "main/phase-1/last.ckpt", 0.0, tiny_run.recipe, out, "--resume")
    assert without_time(finish(tiny_run.recipe, out)) == without_time(tiny_run.result.summary())


def test_a_finished_run_can_be_resumed_too(tiny_run, tmp_path):
    # the mark holds the recipe's own values, so a copy of the folder is a run of the same recipe
    shutil.copytree(tiny_run.folder, tmp_path / "run")
    again = reproduce(str(tiny_run.recipe), out=tmp_path / "run", runner=CPU, resume=True)
    assert again.folder == tmp_path / "run"
    assert again.figures == tiny_run.result.figures
    assert again.history == tiny_run.result.history
