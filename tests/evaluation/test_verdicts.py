"""Figures against an independent recomputation: plain loops, numpy and scikit-learn on the same trained model."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score, roc_curve

from antehoc.calibration import Policy
from antehoc.evaluation import Scored, evaluate, score, verdicts
from antehoc.evaluation.rules import RULES
from antehoc.figure import intervals, values

# sums of 400 numbers in another order
EXACT = {"rel": 1e-9, "abs": 1e-12}


@pytest.mark.parametrize("outcome", ["wrong", "correct"])
def test_questioned_shares(found, outcome):
    rows = found.wrong if outcome == "wrong" else ~found.wrong
    assert found.figures[f"verdict_questioned_{outcome}"] == pytest.approx(found.questioned[rows].mean(), **EXACT)
    assert found.figures[f"support_questioned_{outcome}"] == pytest.approx((found.support[rows] > 0).mean(), **EXACT)
    low, high = found.intervals[f"verdict_questioned_{outcome}"]
    assert low <= found.figures[f"verdict_questioned_{outcome}"] <= high
    assert high - low < 0.3


def area(score_: np.ndarray, wrong: np.ndarray) -> float:
    """Mean risk over all coverages, tied rows in the mean of their orders: each counts the share of its tie."""
    share = {value: wrong[score_ == value].mean() for value in np.unique(score_)}
    errors = np.cumsum([share[value] for value in np.sort(score_)])
    return float(np.mean(errors / np.arange(1, len(errors) + 1)))


@pytest.mark.parametrize("name", ["verdict", "msp"])
def test_measures_of_a_score(found, name):
    scores = found.verdict if name == "verdict" else found.softmax
    auroc, error = roc_auc_score(found.wrong, scores), found.wrong.mean()
    assert found.figures[f"{name}_auroc"] == pytest.approx(auroc, rel=1e-6)
    assert found.figures[f"{name}_aurc"] == pytest.approx(area(scores, found.wrong), rel=1e-6)
    # Traub et al., NeurIPS 2024: AUGRC is a function of AUROC and error rate
    assert found.figures[f"{name}_augrc"] == pytest.approx((1 - auroc) * error * (1 - error) + error**2 / 2, rel=1e-6)
    false, true, _ = roc_curve(found.wrong, scores, drop_intermediate=False)
    assert found.figures[f"{name}_fpr_at_95_tpr"] == pytest.approx(false[true >= 0.95].min(), rel=1e-6)


def test_the_difference_to_maximum_softmax_lies_in_its_interval(found):
    for measure in ("auroc", "aurc"):
        difference = found.figures[f"verdict_{measure}"] - found.figures[f"msp_{measure}"]
        assert found.figures[f"verdict_{measure}_minus_msp"] == pytest.approx(difference, abs=1e-9)
        low, high = found.intervals[f"verdict_{measure}_minus_msp"]
        assert low <= difference <= high


def test_each_doubt_alone_is_measured_too(found):
    for name in ("support", "likelihood", "distance", "margin"):
        doubts = [decision.doubts[name] for decision in found.decisions]
        assert found.figures[f"{name}_auroc"] == pytest.approx(roc_auc_score(found.wrong, doubts), rel=1e-6)


def test_maximum_softmax_has_a_threshold_of_its_own_at_the_same_alpha(found):
    model, calibration = found.model, found.source.roles["calibration"]
    decisions = model.decide(calibration.images(range(len(calibration))))
    labels = [model.spec.classes[number] for number in calibration.labels]
    correct = sorted(
        decision.doubts["confidence"]
        for decision, label in zip(decisions, labels, strict=True)
        if decision.label == label
    )
    threshold = correct[int(np.ceil((len(correct) + 1) * 0.95 - 1e-9)) - 1]
    questioned = found.softmax > threshold
    assert found.figures["msp_questioned_wrong"] == pytest.approx(questioned[found.wrong].mean(), **EXACT)
    assert found.figures["msp_questioned_correct"] == pytest.approx(questioned[~found.wrong].mean(), **EXACT)


def test_the_bootstrap_depends_on_its_seed_alone(found):
    few = found.test.select(range(0, 400, 4))
    once, again, other = (intervals(evaluate(found.model, few, unknown={}, seed=seed).figures) for seed in (1, 1, 2))
    assert once == again != other


def test_at_an_operating_point_each_score_questions_that_share_of_correct_decisions():
    """Ten correct decisions and four wrong ones; a threshold that questions two in ten correct ones lies at 0.75."""
    softmax = torch.tensor([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.75, 0.85, 0.95, 0.65])
    logits = torch.tensor([[2.0, 0.0]] * 14)
    label = torch.tensor([0] * 10 + [1] * 4)
    scored = Scored(label, torch.zeros(14, 0), logits, {"softmax": softmax, "margin": 1 - softmax}, {})
    policy = Policy("margin", ("margin",), (), (1.0,), 0.5, 0.1, 0.1, "expected", 0, 0, 20)
    found = verdicts.at_points(scored, policy, [0.2, 0.1506])
    assert [figure.name for figure in found] == [
        "verdict_questioned_wrong_at_2",
        "msp_questioned_wrong_at_2",
        "verdict_questioned_wrong_at_1506",
        "msp_questioned_wrong_at_1506",
    ]
    assert values(found)["msp_questioned_wrong_at_2"] == 0.75
    assert values(found)["verdict_questioned_wrong_at_2"] == 0
    assert found[3].meaning == "share of wrong decisions questioned by maximum softmax where 15.06 % of the correct are"


def test_rules_need_their_doubt_and_enough_classes():
    support, topn, centred = RULES
    doubts = {"support": torch.tensor([0.0, 0.1]), "top-n": torch.tensor([9.0, 10.0])}
    assert support.applied(doubts, 2).tolist() == [False, True]
    assert topn.applied(doubts, 10) is None  # of ten classes each is among the ten best
    assert topn.applied(doubts, 11).tolist() == [False, True]
    assert centred.applied(doubts, 11) is None


def test_with_several_labels_each_label_is_a_decision():
    """Two images of three labels are measured as six decisions; what lies on the threshold is accepted."""
    logits = torch.tensor([[2.0, -1.0, 0.5], [-3.0, 1.0, -0.2]])
    label = torch.tensor([[1, 0, 0], [0, 1, 1]])
    doubts = {"softmax": torch.tensor([[0.1, 0.3, 0.4], [0.05, 0.25, 0.45]])}
    policy = Policy("softmax", ("softmax",), (), (1.0,), 0.25, 0.1, 0.1, "expected", 0, 0, 20)
    scored = Scored(label, torch.zeros(2, 0), logits, doubts, {}, "multi-label")
    found = values(verdicts.figures(scored, policy, seed=0))
    assert scored.wrong.tolist() == [[False, False, True], [False, False, True]]
    assert found["verdict_questioned_wrong"] == 1
    assert found["verdict_questioned_correct"] == 0.25
    assert found["verdict_auroc"] == found["msp_auroc"] == 1
    baseline = values(verdicts.baseline_figures(scored, 0.25))
    assert baseline == {"msp_questioned_wrong": 1, "msp_questioned_correct": 0.25}


def test_how_often_an_explanation_contradicts_the_label(found):
    model, test = found.model, found.test
    rows = score(model.system, test)
    decided = [model.decide(test.batch([index]).image)[0] for index in range(40)]
    flags = rows.columns["contradicted"]
    assert flags[:40].tolist() == [one.contradicted_by is not None for one in decided]
    named = values(verdicts.figures(rows, model.policy, 0))
    assert named["contradicted_wrong"] == pytest.approx(float(flags[rows.wrong].double().mean()))
    assert named["contradicted_correct"] == pytest.approx(float(flags[~rows.wrong].double().mean()))
