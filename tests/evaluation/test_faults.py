"""A fault of published code, measured beside the repaired figure."""

import pytest

from antehoc.data.outliers import outliers
from antehoc.errors import RecipeError
from antehoc.evaluation import evaluate
from antehoc.figure import values


def test_unknown_images_questioned_by_the_explanations_of_others(found):
    few = found.test.select(range(100))
    noise = outliers("noise", found.model.preprocessing, count=50, seed=5)
    evaluation = evaluate(found.model, few, unknown={"noise": noise}, faults=["ood-pairing"])
    (figure,) = [figure for figure in evaluation.figures if figure.name == "ood_noise_support_questioned_paired"]
    assert 0 < figure.value < 1
    assert figure.value * 50 == pytest.approx(round(figure.value * 50))  # a share of 50 images
    assert "ood_noise_support_questioned_paired" not in values(
        evaluate(found.model, few, unknown={"noise": noise}).figures
    )
    assert not any(
        "paired" in one.name for one in evaluate(found.model, few, unknown={}, faults=["ood-pairing"]).figures
    )


def test_an_unknown_fault_is_refused(found):
    with pytest.raises(RecipeError, match="no fault is called 'ood-pairings'"):
        evaluate(found.model, found.test.select(range(100)), unknown={}, faults=["ood-pairings"])
