"""Figures against an independent recomputation: plain loops, numpy and scikit-learn on the same trained model."""

import dataclasses
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    confusion_matrix,
    roc_auc_score,
    roc_curve,
)

from antehoc.data.outliers import outliers
from antehoc.evaluation import Scored, _cases, _unseen, evaluate, score
from antehoc.model import load
from antehoc.recipe import read_recipe
from antehoc.systems import Mirror

# sums of 400 numbers in another order
EXACT = {"rel": 1e-9, "abs": 1e-12}


@pytest.fixture(scope="module")
def found(tiny_run):
    """What the run wrote down, and what its test images give when they are decided one by one."""
    (evaluation,) = tiny_run.result.evaluations.values()
    model = load(tiny_run.model)
    source = read_recipe(str(tiny_run.recipe))[0].source("tiny.yaml", 0)
    test = source.roles["test"]
    decisions = model.decide(test.images(range(len(test))))
    classes = model.spec.classes
    predicted = np.array([classes.index(decision.label) for decision in decisions])
    label = test.labels.numpy()
    return SimpleNamespace(
        evaluation=evaluation,
        figures=evaluation.figures,
        model=model,
        source=source,
        test=test,
        decisions=decisions,
        predicted=predicted,
        label=label,
        wrong=predicted != label,
        questioned=np.array([decision.verdict.outcome == "questioned" for decision in decisions]),
        verdict=np.array([decision.verdict.score for decision in decisions]),
        softmax=np.array([decision.doubt["softmax"] for decision in decisions]),
        support=np.array([decision.doubt["support"] for decision in decisions]),
        seen=np.array([decision.explanans.probabilities for decision in decisions]),
        truth=test.attributes.numpy() > 0.5,
    )


def test_the_tiny_run_has_errors_to_find(found):
    assert 20 < found.wrong.sum() < 200


def test_accuracy_and_confusion(found):
    assert found.figures["accuracy"] == pytest.approx(accuracy_score(found.label, found.predicted), **EXACT)
    assert found.evaluation.confusion == confusion_matrix(found.predicted, found.label).tolist(), "rows are predicted"


def test_attribute_figures(found):
    right = (found.seen >= 0.5) == found.truth
    columns = range(found.truth.shape[1])
    wanted = {
        "attribute_accuracy": right.mean(),
        "attribute_exact": right.all(1).mean(),
        "argmax_agreement": (found.seen.argmax(1) == found.truth.argmax(1)).mean(),
        "attribute_map": np.mean([average_precision_score(found.truth[:, i], found.seen[:, i]) for i in columns]),
        "attribute_balanced_accuracy": np.mean(
            [balanced_accuracy_score(found.truth[:, i], found.seen[:, i] >= 0.5) for i in columns]
        ),
    }
    assert {name: found.figures[name] for name in wanted} == pytest.approx(wanted, rel=1e-6)


def test_a_row_for_each_attribute(found):
    assert [row["attribute"] for row in found.evaluation.attribute_table] == list(found.model.spec.attributes)
    right = ((found.seen >= 0.5) == found.truth).mean(0)
    assert [row["accuracy"] for row in found.evaluation.attribute_table] == pytest.approx(right.tolist(), rel=1e-6)


def test_trivial_twins_stand_beside_the_figures(found):
    assert found.figures["all_zeros_accuracy"] == pytest.approx((~found.truth).mean(), **EXACT)
    majority = found.source.roles["train"].attributes.numpy().mean(0) > 0.5
    assert found.figures["majority_accuracy"] == pytest.approx((majority == found.truth).mean(), **EXACT)
    ours = {name for name in found.figures if name.startswith(("verdict_", "ood_"))}
    for name in ours:
        if "support" in name or name.endswith("_minus_msp"):
            continue
        twin = f"msp_{name.removeprefix('verdict_')}"
        assert found.figures[twin] is not None, f"{name} has no maximum softmax beside it"


@pytest.mark.parametrize("outcome", ["wrong", "correct"])
def test_questioned_shares(found, outcome):
    rows = found.wrong if outcome == "wrong" else ~found.wrong
    assert found.figures[f"verdict_questioned_{outcome}"] == pytest.approx(found.questioned[rows].mean(), **EXACT)
    assert found.figures[f"support_questioned_{outcome}"] == pytest.approx((found.support[rows] > 0).mean(), **EXACT)
    low, high = found.evaluation.intervals[f"verdict_questioned_{outcome}"]
    assert low <= found.figures[f"verdict_questioned_{outcome}"] <= high
    assert high - low < 0.3


def area(score_: np.ndarray, wrong: np.ndarray) -> float:
    """Mean risk over all coverages, tied rows in the mean of their orders: each counts the share of its tie."""
    share = {value: wrong[score_ == value].mean() for value in np.unique(score_)}
    errors = np.cumsum([share[value] for value in np.sort(score_)])
    return float(np.mean(errors / np.arange(1, len(errors) + 1)))


@pytest.mark.parametrize("name", ["verdict", "msp"])
def test_measures_of_a_score(found, name):
    values = found.verdict if name == "verdict" else found.softmax
    auroc, error = roc_auc_score(found.wrong, values), found.wrong.mean()
    assert found.figures[f"{name}_auroc"] == pytest.approx(auroc, rel=1e-6)
    assert found.figures[f"{name}_aurc"] == pytest.approx(area(values, found.wrong), rel=1e-6)
    # Traub et al., NeurIPS 2024: AUGRC is a function of AUROC and error rate
    assert found.figures[f"{name}_augrc"] == pytest.approx((1 - auroc) * error * (1 - error) + error**2 / 2, rel=1e-6)
    false, true, _ = roc_curve(found.wrong, values, drop_intermediate=False)
    assert found.figures[f"{name}_fpr_at_95_tpr"] == pytest.approx(false[true >= 0.95].min(), rel=1e-6)


def test_the_difference_to_maximum_softmax_lies_in_its_interval(found):
    for measure in ("auroc", "aurc"):
        difference = found.figures[f"verdict_{measure}"] - found.figures[f"msp_{measure}"]
        assert found.figures[f"verdict_{measure}_minus_msp"] == pytest.approx(difference, abs=1e-9)
        low, high = found.evaluation.intervals[f"verdict_{measure}_minus_msp"]
        assert low <= difference <= high


def test_each_doubt_alone_is_measured_too(found):
    for name in ("support", "likelihood", "distance", "margin"):
        values = [decision.doubt[name] for decision in found.decisions]
        assert found.figures[f"{name}_auroc"] == pytest.approx(roc_auc_score(found.wrong, values), rel=1e-6)


def test_maximum_softmax_has_a_threshold_of_its_own_at_the_same_alpha(found):
    model, calibration = found.model, found.source.roles["calibration"]
    decisions = model.decide(calibration.images(range(len(calibration))))
    labels = [model.spec.classes[number] for number in calibration.labels]
    correct = sorted(
        decision.doubt["softmax"] for decision, label in zip(decisions, labels, strict=True) if decision.label == label
    )
    threshold = correct[int(np.ceil((len(correct) + 1) * 0.95 - 1e-9)) - 1]
    questioned = found.softmax > threshold
    assert found.figures["msp_questioned_wrong"] == pytest.approx(questioned[found.wrong].mean(), **EXACT)
    assert found.figures["msp_questioned_correct"] == pytest.approx(questioned[~found.wrong].mean(), **EXACT)


@pytest.mark.parametrize("kind", ["noise", "star"])
def test_images_of_no_known_class(found, tiny_run, kind):
    row = next(row for row in found.evaluation.unknown if row["set"] == kind)
    assert row["images"] == 100
    unknown = outliers(kind, found.model.preprocessing, count=100, seed=5)
    again = evaluate(found.model, found.test, unknown={kind: unknown})
    decisions = found.model.decide(unknown.images(range(100)))
    verdict = np.array([decision.verdict.score for decision in decisions])
    softmax = np.array([decision.doubt["softmax"] for decision in decisions])
    strange = np.r_[np.zeros(len(found.verdict)), np.ones(100)]
    figures = again.figures
    joined = np.r_[found.verdict, verdict]
    assert figures[f"ood_{kind}_auroc"] == pytest.approx(roc_auc_score(strange, joined), rel=1e-6)
    assert figures[f"msp_ood_{kind}_auroc"] == pytest.approx(
        roc_auc_score(strange, np.r_[found.softmax, softmax]), rel=1e-6
    )
    assert figures[f"ood_{kind}_questioned"] == np.mean([d.verdict.outcome == "questioned" for d in decisions])
    assert figures[f"ood_{kind}_support_questioned"] == np.mean([d.doubt["support"] > 0 for d in decisions])
    false, true, _ = roc_curve(strange, joined, drop_intermediate=False)
    assert figures[f"ood_{kind}_fpr_at_95_tpr"] == pytest.approx(false[true >= 0.95].min(), rel=1e-6)
    (found_row,) = again.unknown
    assert found_row["auroc"] == figures[f"ood_{kind}_auroc"]
    assert found_row["msp_auroc"] == figures[f"msp_ood_{kind}_auroc"]


def test_where_no_decision_is_wrong_figures_on_errors_are_null_and_a_note_says_so(found):
    correct = found.test.select(np.flatnonzero(~found.wrong).tolist())
    evaluation = evaluate(found.model, correct, unknown={})
    assert evaluation.notes == ["no test image was decided wrongly: figures on errors are null"]
    assert evaluation.figures["accuracy"] == 1
    nulls = {name for name, value in evaluation.figures.items() if value is None}
    assert {"verdict_questioned_wrong", "support_questioned_wrong", "verdict_auroc", "msp_auroc"} <= nulls
    assert evaluation.figures["verdict_questioned_correct"] is not None
    assert evaluation.figures["verdict_aurc"] == 0
    assert "verdict_questioned_wrong" not in evaluation.intervals
    assert not any(name.endswith("_minus_msp") for name in evaluation.figures)


def test_where_every_decision_is_wrong_the_other_figures_are_null(found):
    wrong = found.test.select(np.flatnonzero(found.wrong).tolist())
    figures = evaluate(found.model, wrong, unknown={}).figures
    assert figures["accuracy"] == 0
    assert not any(name.endswith("_minus_msp") for name in figures)
    assert figures["verdict_questioned_correct"] is None
    assert figures["verdict_auroc"] is None
    assert figures["verdict_questioned_wrong"] == pytest.approx(found.questioned[found.wrong].mean(), **EXACT)


def test_only_a_calibrated_model_is_measured(found):
    with pytest.raises(ValueError, match="calibrated"):
        evaluate(dataclasses.replace(found.model, policy=None), found.test, unknown={})


def test_curves_start_at_the_surest_decision_and_end_at_the_error_rate(found):
    for name in ("verdict", "maximum softmax"):
        coverage, risk = found.evaluation.curves[name]
        assert coverage[0] == 1 / len(found.wrong)
        assert (coverage[-1], risk[-1]) == (1, pytest.approx(found.wrong.mean()))
        assert coverage == sorted(coverage)


def test_scores_are_kept_by_set_for_the_histogram(found):
    assert set(found.evaluation.scores) == {"correct", "wrong", "noise", "star"}
    assert found.evaluation.scores["wrong"] == pytest.approx(found.verdict[found.wrong].tolist(), rel=1e-5)


def test_shown_cases_are_what_their_titles_say(found):
    shown = {case.title: case for case in found.evaluation.shown}
    assert {"Unknown: noise", "Unknown: star", "Correct"} <= set(shown)
    for title, case in shown.items():
        assert case.image.shape == (1, 32, 32)
        if title.startswith("Unknown"):
            assert case.truth is None
        else:
            assert (case.decision.label == case.truth) == (title == "Correct")
        mine = case.confidence[found.model.spec.classes.index(case.decision.label)]
        if "case 1" in title:
            assert mine == 0 < max(case.confidence)
        if "case 2" in title:
            assert mine == max(case.confidence)
            assert case.confidence.count(mine) > 1
        if "case 3" in title:
            assert 0 < mine < max(case.confidence)
        if "agree" in title:
            assert mine == max(case.confidence)


def test_the_bootstrap_depends_on_its_seed_alone(found):
    few = found.test.select(range(0, 400, 4))
    once, again, other = (evaluate(found.model, few, unknown={}, seed=seed).intervals for seed in (1, 1, 2))
    assert once == again != other


def test_a_scored_set_is_the_same_in_batches_of_any_size(found, monkeypatch):
    one = score(found.model.system, found.test)
    monkeypatch.setattr("antehoc.evaluation._PIXELS", 37 * 32 * 32)
    other = score(found.model.system, found.test)
    assert one.predicted.equal(other.predicted)
    assert one.label.equal(found.test.labels)
    torch.testing.assert_close(one.columns["attributes"], other.columns["attributes"], rtol=1e-3, atol=1e-5)


def test_blindness_to_an_attribute_is_judged_by_classes_where_these_share_it():
    """Twelve classes of five images: attribute 0 is seen, 1 is noise, 2 is in no class."""
    label = torch.arange(60) % 12
    truth = torch.stack([label < 5, label % 2 == 0, label < 0], 1).float()
    noise = torch.rand(60, 3, generator=torch.Generator().manual_seed(1))
    probabilities = torch.stack([0.8 * truth[:, 0] + 0.2 * noise[:, 0], noise[:, 1], noise[:, 2]], 1)
    assert _unseen(probabilities, truth, label, 12) == ["no", "yes", None]
    few = label < 4  # of four classes even a perfect order proves nothing
    assert _unseen(truth[few], truth[few], label[few], 12) == [None, None, None]


def test_shown_decisions_of_many_classes_are_what_their_titles_say(found):
    """Twelve classes; decisions and verdicts made up so that every kind occurs."""
    generator = torch.Generator().manual_seed(0)
    label = torch.arange(240) % 12
    logits = torch.randn(240, 12, generator=generator) + 3 * torch.nn.functional.one_hot(label, 12)
    rows = torch.eye(12)
    attributes = (0.7 * rows[label] + 0.3 * torch.rand(240, 12, generator=generator)).clamp(0.01, 0.99)
    odd = torch.arange(240) % 3 == 0
    attributes[odd] = (0.8 * rows[logits.argmax(1)] + 0.1)[odd]
    doubts = {"margin": torch.rand(240, generator=generator)}
    scored = Scored(label, rows[label], logits, doubts, {"attributes": attributes})
    policy = replace(found.model.policy, doubts=("margin",), evidence=(), weights=(1.0,), threshold=0.5)
    spec = replace(
        found.model.spec,
        classes=tuple("abcdefghijkl"),
        attributes=tuple("ABCDEFGHIJKL"),
        class_attributes=tuple(map(tuple, rows.tolist())),
        exclusive=(),
    )
    model = replace(found.model, system=Mirror(spec, backbone="tiny"), policy=policy)
    cases = _cases(model, scored)
    assert all(index is not None for title, index in cases.items() if "third" not in title)
    for title, index in cases.items():
        if index is None:
            continue
        assert bool(scored.wrong[index]) == title.startswith("Wrong")
        assert bool(doubts["margin"][index] > 0.5) == ("uestioned" in title)
        best = int(attributes[index].argmax())
        if "the true class" in title:
            assert best == label[index]
        elif "decided class" in title:
            assert best == scored.predicted[index]
