"""Strangeness: the same figures as scikit-learn and a loop, with known and unknown images apart."""

from math import isnan

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from antehoc.metrics.ood import ood_auroc, ood_fpr_at_95_tpr

scores = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=30).map(torch.tensor)


@given(scores, scores)
def test_auroc_agrees_with_scikit_learn(known, unknown):
    truth = [0] * len(known) + [1] * len(unknown)
    assert ood_auroc(known, unknown).item() == pytest.approx(roc_auc_score(truth, torch.cat([known, unknown])))


@given(scores, scores)
def test_fpr_at_95_tpr_is_the_least_over_all_thresholds(known, unknown):
    shares = [
        [sum(s >= bar for s in side) / len(side) for side in (known.tolist(), unknown.tolist())] for bar in unknown
    ]
    by_hand = min(alarms for alarms, found in shares if found >= 0.95 - 1e-9)
    assert ood_fpr_at_95_tpr(known, unknown).item() == pytest.approx(by_hand)


def test_stranger_unknown_images_are_better_and_precisions_may_differ():
    known, unknown = torch.tensor([0.0, 1.0, 2.0]), torch.tensor([3.0, 4.0], dtype=torch.float64)
    assert (ood_auroc(known, unknown), ood_auroc(unknown, known)) == (1, 0)
    assert (ood_fpr_at_95_tpr(known, unknown), ood_fpr_at_95_tpr(unknown, known)) == (0, 1)
    tenth = torch.tensor([0.1], dtype=torch.float64)  # as float32 it is .100000001...: above, and no tie
    assert ood_auroc(tenth.float(), tenth) == 0


@pytest.mark.parametrize("metric", [ood_auroc, ood_fpr_at_95_tpr])
def test_without_both_kinds_there_is_no_answer(metric):
    assert isnan(metric(torch.rand(3), torch.zeros(0)))
    assert isnan(metric(torch.zeros(0), torch.rand(3)))
