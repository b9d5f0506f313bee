"""A fault of published code, measured beside the repaired figure."""

import pytest
import torch

from antehoc.data.outliers import outliers
from antehoc.evaluation import Scored, evaluate, faults, score
from antehoc.types import DataSpec


def test_unknown_images_questioned_by_the_explanations_of_others(found):
    model, few = found.model, found.test.select(range(100))
    sets = {kind: outliers(kind, model.preprocessing, count=50, seed=5) for kind in ("noise", "star")}
    evaluation = evaluate(model, few, unknown=sets, paired=["noise", "absent"])
    (figure,) = [figure for figure in evaluation.figures if figure.name.endswith("_paired")]
    assert (figure.name, figure.of_set) == ("ood_noise_support_questioned_paired", "noise")
    assert 0 < figure.value <= 1
    assert figure.value * 50 == pytest.approx(round(figure.value * 50))  # a share of 50 images


def test_each_decision_is_paired_with_one_explanation_and_questioned_where_another_class_has_more():
    """Three test images whose attributes are those of `a`: decisions for `a` pass, and one for `b` is questioned."""
    spec = DataSpec(("a", "b"), 1, 8, 8, ("A", "B"), ((1.0, 0.0), (0.0, 1.0)))
    seen = torch.tensor([[1.0, 0.0]] * 3)
    known = Scored(torch.zeros(3), seen, torch.zeros(3, 2), {}, {"attributes": seen})
    logits = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    for count, share in ((4, 1 / 3), (1, 0.0)):  # as many pairs as both sets have images
        strange = Scored(torch.zeros(count), seen[:0], logits[:count], {}, {})
        (figure,) = faults.paired(spec, known, {"far": strange}, ["far"])
        assert figure.value == pytest.approx(share)


def test_without_attributes_there_is_nothing_to_pair(found):
    scored = score(found.model.system, found.test.select(range(10)))
    scored.columns.clear()
    assert faults.paired(found.model.spec, scored, {"noise": scored}, ["noise"]) == []
