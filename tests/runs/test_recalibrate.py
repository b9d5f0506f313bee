"""A threshold set again on labelled images: what is promised, what stays as it was, and what is refused."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import antehoc
from antehoc.calibration.choice import ENOUGH
from antehoc.calibration.shift import ROWS
from antehoc.data import Tensors
from antehoc.data.drawn import draw
from antehoc.data.sets.shapes import CLASSES, shapes
from antehoc.errors import DataError, ModelError, OutputError, RecipeError
from antehoc.evaluation import score
from antehoc.model import load
from antehoc.runs.recalibrate import recalibrate
from antehoc.runs.train import train
from antehoc.training.loop import Runner


@pytest.fixture(scope="module")
def model(tiny_run):
    return load(tiny_run.model)


def examples(count, seed=77, **look):
    """New shapes at the model's size."""
    return shapes(seed=seed, side=32, train=4, validation=4, calibration=4, test=count, **look).roles["test"]


def share(model, images):
    """Of correct decisions that are questioned."""
    rows = score(model.system, images)
    questioned = model.policy.score(rows.doubts) > model.policy.thresholds(rows.about)
    return float(questioned[~rows.wrong].double().mean())


def test_the_guarantee_holds_on_other_images_of_the_new_kind(model):
    hard = {"edges": "hard"}
    result = recalibrate(model, examples(800, **hard), alpha=0.1)
    others = examples(1200, seed=78, **hard)
    before, after = share(model, others), share(result.model, others)
    error = math.sqrt(0.1 * 0.9 * (1 / result.policy.threshold_rows + 1 / 1200))
    assert after <= 0.1 + 2.5 * error
    assert abs(after - 0.1) < abs(before - 0.1) or before <= 0.1
    assert result.before.correct == pytest.approx(before, abs=0.1)
    assert result.shift.differs, "small shapes with hard edges are not what it was calibrated on"


def test_images_of_the_old_kind_do_not_differ_and_need_no_other_threshold(model):
    result = recalibrate(model, examples(800))
    assert not result.shift.differs
    assert (result.shift.old_rows, result.policy.asked_alpha) == (len(model.reference["softmax"]), 0.05)
    assert "No difference from the old calibration images was found" in " ".join(result.sentences())


def test_a_kept_rule_is_the_same_score_and_the_model_given_is_not_changed(model):
    images, old = examples(300), model.policy
    result = recalibrate(model, images, alpha=0.2, rule="keep")
    apart = {"threshold": 0.0, "alpha": 0.5, "asked_alpha": 0.5, "threshold_rows": 0, "score_quantiles": ()}
    assert replace(result.policy, **apart) == replace(old, **apart)
    assert result.policy.threshold_rows == result.correct
    assert (model.policy, result.chosen, result.threshold_images) == (old, False, 300)
    assert len(result.model.reference["softmax"]) == min(ROWS, result.correct)


def test_a_chosen_rule_is_fitted_on_one_half_and_leaves_the_given_model_alone(model):
    temperature = model.system.temperature.value.clone()
    result = recalibrate(model, examples(800, edges="hard"), rule="choose")
    assert (result.chosen, result.threshold_images, result.policy.fit_rows) == (True, 400, 400)
    assert result.policy.threshold_rows < result.correct
    assert model.system.temperature.value.equal(temperature)
    assert not result.model.system.temperature.value.equal(temperature)
    weights = [
        {k: v for k, v in one.system.state_dict().items() if "temperature" not in k} for one in (model, result.model)
    ]
    assert all(weights[0][name].equal(weights[1][name]) for name in weights[0])


def test_the_rule_is_chosen_where_there_are_errors_enough(model, monkeypatch):
    images = examples(600)
    assert int(score(model.system, images).wrong.sum()) < 2 * ENOUGH
    assert not recalibrate(model, images, alpha=0.1).chosen
    monkeypatch.setattr("antehoc.runs.recalibrate.ENOUGH", 1)
    assert recalibrate(model, images, alpha=0.1).chosen
    assert not recalibrate(model, images, alpha=0.001).chosen, "its half could not keep alpha"


def test_a_model_that_was_never_calibrated_gets_the_verdict_of_its_recipe(model):
    bare = replace(model, policy=None, reference={})
    result = recalibrate(bare, examples(400))
    assert result.chosen
    assert result.policy.asked_alpha == 0.05
    assert result.policy.products
    assert "never calibrated before" in result.sentences()[-1]
    nameless = replace(bare, about={})
    assert recalibrate(nameless, examples(400)).policy.asked_alpha == 0.01
    with pytest.raises(DataError, match="never calibrated and has no rule to keep"):
        recalibrate(bare, examples(400), rule="keep")


def test_few_images_keep_a_larger_alpha_and_it_is_said(model):
    result = recalibrate(model, examples(60), alpha=0.01)
    rows = result.policy.threshold_rows
    assert result.policy.alpha == pytest.approx(1 / (rows + 1))
    assert result.needed == 99
    assert result.needed_images == math.ceil(99 * 60 / result.correct)
    said = " ".join(result.sentences())
    assert f"Alpha 0.01 needs 99 correct decisions for the threshold, which takes {result.needed_images} images" in said
    assert f"These are too few: alpha {1 / (rows + 1):.4f} is guaranteed instead." in said


def test_a_cross_conformal_threshold_becomes_a_split_one(model):
    crossed = replace(model, policy=replace(model.policy, guarantee="cross"))
    assert recalibrate(crossed, examples(200)).policy.guarantee == "expected"


def test_the_new_model_is_saved_with_its_record_and_nothing_is_overwritten(tiny_run, tmp_path):
    folder = tmp_path / "photos"
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        for number, image in enumerate(draw(name, seed=5, count=30).image):
            Image.fromarray(image).save(folder / name / f"{number}.png")
    result = antehoc.recalibrate(tiny_run.model, folder, alpha=0.1, out=tmp_path / "new")
    again = load(tmp_path / "new")
    assert (again.policy, result.folder) == (result.policy, tmp_path / "new")
    assert again.about["recalibrated"]["images"] == 120
    assert result.sentences()[0] in (tmp_path / "new" / "README.md").read_text(encoding="utf-8")
    with pytest.raises(OutputError, match=r"new: exists, and nothing is overwritten"):
        antehoc.recalibrate(tiny_run.model, folder, out=tmp_path / "new")
    with pytest.raises(OutputError, match="lies in the folder of the old model"):
        antehoc.recalibrate(tiny_run.model, folder, out=Path(tiny_run.model) / "new")


def test_a_model_saved_earlier_says_that_the_images_cannot_be_compared(tiny_run, tmp_path):
    bare = replace(load(tiny_run.model), reference={})
    bare.save(tmp_path / "old")
    assert not [name for name in load_file(tmp_path / "old" / "model.safetensors") if "calibration" in name]
    result = recalibrate(tmp_path / "old", examples(200))
    assert result.shift is None
    assert "is not known: the model was saved without their doubts" in result.sentences()[-1]


def test_doubts_of_calibration_images_are_kept_with_the_model(tiny_run):
    kept, rows = load(tiny_run.model).reference, score(load(tiny_run.model).system, examples(10))
    assert set(kept) == set(rows.doubts)
    assert {len(values) for values in kept.values()} == {min(ROWS, len(kept["softmax"]))}


def test_damaged_doubts_are_refused(tiny_run, tmp_path):
    import json

    from antehoc.model.folder import sha256

    load(tiny_run.model).save(tmp_path / "m")
    file, config = tmp_path / "m" / "model.safetensors", tmp_path / "m" / "config.json"
    tensors = load_file(file)
    tensors["calibration_doubts.softmax"] = torch.zeros(3, 2)
    save_file(tensors, file)
    values = json.loads(config.read_text())
    values["weights"]["sha256"] = sha256(file)
    config.write_text(json.dumps(values))
    with pytest.raises(ModelError, match="doubts of calibration images in a wrong form"):
        load(tmp_path / "m")


@pytest.mark.parametrize(
    ("images", "options", "error", "message"),
    [
        (examples(12), {}, DataError, "20 correct decisions are needed, and there are 12 images; give more"),
        (examples(32), {"rule": "choose"}, DataError, "40 correct decisions are needed, and there are 32 images"),
        (examples(200), {"alpha": 2.0}, RecipeError, "alpha must be between 0 and 1; got 2"),
        (examples(40).without_labels(), {}, DataError, "needs labelled images, and these have no labels"),
        (Tensors(torch.zeros(40, 1, 32, 32, dtype=torch.uint8), torch.full((40,), 7)), {}, DataError, "recalibration"),
    ],
)
def test_what_cannot_be_is_refused_before_any_image_is_decided(model, monkeypatch, images, options, error, message):
    monkeypatch.setattr("antehoc.runs.recalibrate.score", None)
    with pytest.raises(error, match=message):
        recalibrate(model, images, **options)


def test_too_few_correct_decisions_are_refused(model):
    images = examples(60)
    shifted = Tensors(images.image, (images.labels + 1) % 4)
    with pytest.raises(DataError, match=r"20 correct decisions are needed, and \d+ of 60 are correct; give more"):
        recalibrate(model, shifted)


def test_a_training_with_too_few_calibration_images_leaves_a_model_and_says_how_to_go_on(tiny_run, tmp_path, caplog):
    changes = ["data={name: shapes, side: 32, train: 80, validation: 20, calibration: 8, test: 40}"]
    with pytest.raises(DataError) as caught:
        train(str(tiny_run.recipe), out=tmp_path / "t", overrides=changes, runner=Runner("cpu"))
    place = tmp_path / "t" / "model"
    assert f"`antehoc recalibrate {place} PATH` gives it one" in str(caught.value)
    assert any("The model is trained all the same" in record.getMessage() for record in caplog.records)
    assert load(place).policy is None
