"""Calibration as a step of its own: by itself it gives what a whole run gives."""

import pytest
import torch

from antehoc import calibration
from antehoc.errors import DataError
from antehoc.model import Model, load
from antehoc.recipe import read_recipe
from antehoc.runs.calibrate import calibrate_model
from antehoc.runs.job import Job
from antehoc.runs.phases import train_system
from antehoc.runs.reproduce import reproduce
from antehoc.runs.sources import load_source
from antehoc.runs.train import train
from antehoc.training.loop import Runner

CPU = Runner("cpu")


@pytest.mark.parametrize("overrides", [[], ["verdict.folds=2", "verdict.alpha=0.1"]], ids=["halves", "folds"])
def test_training_and_calibration_by_themselves_give_the_model_of_a_run(tiny_run, tmp_path, overrides):
    name = str(tiny_run.recipe)
    changes = ["data={name: shapes, side: 32, train: 200, validation: 20, calibration: 300, test: 40}", *overrides]
    whole = train(name, out=tmp_path / "whole", overrides=changes, runner=CPU)
    recipe, _ = read_recipe(name, overrides=changes)
    job = Job(name, tmp_path / "steps", seed=0, runner=CPU)
    source, _ = load_source(recipe, name, job.seed)
    system, history = train_system(recipe, source, source.roles, job)
    untold = Model(system, dict(recipe.system), source.preprocessing)
    assert untold.policy is None
    model, rows = calibrate_model(untold, recipe, source, job)
    assert model.policy == whole.policy
    assert [len(epochs) for epochs in history] == [3, 2]
    assert len(rows.label) == 300
    images = torch.rand(4, 1, 32, 32)
    assert model.decide(images) == whole.decide(images)


def test_a_cross_conformal_threshold_counts_training_and_calibration_images(tiny_run, tmp_path):
    cross = ["verdict.folds=2", "verdict.threshold=cross", "verdict.alpha=0.1"]
    changes = ["data={name: shapes, side: 32, train: 200, validation: 20, calibration: 30, test: 100}", *cross]
    result = reproduce(str(tiny_run.recipe), out=tmp_path / "run", overrides=changes, runner=CPU)
    policy = result.models[str(tiny_run.recipe)].policy
    assert policy.guarantee == "cross"
    assert 30 < policy.threshold_rows <= 230
    assert policy.fit_rows == 200
    (note,) = [note for note in result.notes if "cross-conformal" in note]
    assert f"kept, {calibration.proven_alpha(0.1, policy.threshold_rows):.4f} is proven" in note
    assert "aims at alpha 0.1000: of " in note
    again = load(tmp_path / "run" / "main" / "model")
    assert again.policy == policy
    assert "About 10.0 % of correct decisions are questioned (cross)" in (
        tmp_path / "run" / "main" / "model" / "README.md"
    ).read_text(encoding="utf-8")


def test_a_saved_model_calibrated_again_on_the_same_images_keeps_its_verdict(tiny_run, tmp_path):
    model = load(tiny_run.model)
    recipe, _ = read_recipe(str(tiny_run.recipe))
    source, _ = load_source(recipe, "tiny", 0)
    again, _ = calibrate_model(model, recipe, source, Job("tiny", tmp_path, seed=0))
    assert again.policy == model.policy


def test_a_model_whose_calibration_fails_is_saved_without_a_verdict(tiny_run, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise DataError("no threshold keeps the promise.")

    monkeypatch.setattr("antehoc.runs.calibrate.policy_from", refuse)
    changes = ["data={name: shapes, side: 32, train: 80, validation: 20, calibration: 200, test: 40}"]
    with pytest.raises(DataError, match=r"keeps the promise\. The trained model is in .*model, without a verdict\."):
        train(str(tiny_run.recipe), out=tmp_path / "t", overrides=changes, runner=CPU)
    assert load(tmp_path / "t" / "model").policy is None
