"""What training remarks of masks reaches the saved model and its evaluation."""

from antehoc.evaluation.controls import beside_controls
from antehoc.model import load
from antehoc.runs.recorded import evaluate_model, recipe_of
from antehoc.runs.train import train
from antehoc.training.loop import Runner

RECIPE = """
data: {name: triangles, size: 32, train: 60, validation: 40, calibration: 200, test: 40}
system: {name: joint, backbone: tiny, explainer: {filters: [4, 8]}, losses: [label, area]}
phases: [{train: [classifier, explainer], epochs: 1, learning_rate: 1.0e-4}]
verdict: {alpha: 0.2}
"""


def test_masks_that_are_worse_than_a_control_are_told_by_model_and_evaluation(tmp_path):
    (tmp_path / "lazy.yaml").write_text(RECIPE)
    model = train(str(tmp_path / "lazy.yaml"), out=tmp_path / "run", runner=Runner("cpu"))
    recipe, where, seed = recipe_of(model)
    beside = beside_controls(model.system, recipe.source(where, seed).roles["validation"])
    assert beside.placed
    assert beside.worse_than(), "one epoch finds no triangle"
    saved = load(tmp_path / "run" / "model")
    assert saved.about["remark"] == model.about["remark"] == beside.sentence()
    assert beside.sentence() in evaluate_model(saved, recipe, where, seed=seed).notes
