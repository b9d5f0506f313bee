"""A fault of published code, measured beside the repaired figure."""

import pytest

from antehoc.data.outliers import outliers
from antehoc.evaluation import evaluate, faults, score


def test_unknown_images_questioned_by_the_explanations_of_others(found):
    model, few = found.model, found.test.select(range(100))
    sets = {kind: outliers(kind, model.preprocessing, count=50, seed=5) for kind in ("noise", "star")}
    evaluation = evaluate(model, few, unknown=sets, paired=["noise", "absent"])
    (figure,) = [figure for figure in evaluation.figures if figure.name.endswith("_paired")]
    assert (figure.name, figure.of_set) == ("ood_noise_support_questioned_paired", "noise")
    assert 0 < figure.value <= 1
    assert figure.value * 50 == pytest.approx(round(figure.value * 50))  # a share of 50 images


def test_without_attributes_there_is_nothing_to_pair(found):
    scored = score(found.model.system, found.test.select(range(10)))
    scored.columns.clear()
    assert faults.paired(found.model.spec, scored, {"noise": scored}, ["noise"]) == []
