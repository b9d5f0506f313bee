"""A whole run: what a seed repeats, what is measured, and what it leaves behind."""

import dataclasses
import json

import pytest
import torch
import yaml

from antehoc.calibration import Evidence
from antehoc.errors import DataError
from antehoc.figure import values
from antehoc.model import load
from antehoc.runs.reproduce import named_notes, policy_notes, reproduce
from antehoc.runs.train import train
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
    variants = "variants={narrow: {system: {mirror: {width: 4}}}, alone: {verdict: {method: margin}}}"
    result = reproduce(
        str(tiny_run.recipe), out=tmp_path / "v", overrides=[*SMALL, variants, "unknown.count=20"], runner=CPU
    )
    assert set(result.models) == {str(tiny_run.recipe), "narrow", "alone"}
    assert result.models["narrow"].arguments["mirror"] == {"kind": "light", "width": 4}
    assert result.models["narrow"].arguments["backbone"] == {"name": "small"}
    found = values(result.figures)
    own = {name for name in found if not name.startswith(("narrow_", "alone_"))}
    for name in own:
        assert {f"narrow_{name}", f"alone_{name}"} <= set(found)
    assert found["alone_accuracy"] == found["accuracy"], "the same network, questioned by another rule"
    assert found["alone_verdict_auroc"] == found["margin_auroc"]
    assert (tmp_path / "v" / "narrow" / "model" / "config.json").is_file()


@pytest.mark.parametrize(("doubts", "said"), [(("margin",), False), (("margin", "entropy"), True)])
def test_one_doubt_has_no_weights_that_errors_are_too_few_for(tiny_run, doubts, said):
    model = load(tiny_run.model)
    one = (Evidence((0.0, 1.0), (0.0, 0.99), 1.0),) * len(doubts)
    added = {"method": "equal-weights", "evidence": one, "weights": (1.0,) * len(doubts)}
    policy = dataclasses.replace(model.policy, doubts=doubts, products=(), candidates=(), **added)
    notes = policy_notes(dataclasses.replace(model, policy=policy))
    assert any("too few to fit weights" in note for note in notes) == said


def test_a_note_of_a_variant_has_its_name_and_none_is_said_twice():
    found = {"": ["of the data"], "narrow": ["of the data", "no errors"], "alone": ["no errors"]}
    assert named_notes(found) == ("of the data", "narrow: no errors", "alone: no errors")


def test_notes_say_where_a_promise_could_not_be_kept(tiny_run, tmp_path):
    result = reproduce(
        str(tiny_run.recipe), out=tmp_path / "n", runner=CPU, overrides=[*SMALL, "verdict.alpha=0.0001"]
    )  # fmt: skip
    rows = result.models[str(tiny_run.recipe)].policy.threshold_rows
    assert f"{rows} correct decisions on calibration images keep alpha {1 / (rows + 1):.4f}, not 0.0001" in result.notes


def test_too_few_calibration_images_are_said_before_the_training(tiny_run, tmp_path):
    with pytest.raises(DataError, match="calibration has 20 images; give 80 or more"):
        reproduce(str(tiny_run.recipe), out=tmp_path / "few", overrides=["data.calibration=20", "verdict.alpha=0.01"])
    assert not list((tmp_path / "few").glob("phase-*"))
