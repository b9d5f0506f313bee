"""Measures of a verdict against slow definitions, other people's code, laws, and sums done by hand."""

import importlib.util
from fractions import Fraction
from itertools import permutations
from math import isnan
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score
from torch.testing import assert_close

from antehoc.errors import DataError, RecipeError
from antehoc.metrics.selective import (
    augrc,
    aurc,
    auroc,
    average_precision,
    fpr_at_95_tpr,
    questioned_share,
    risk_coverage,
    share_at,
)

RANKED = [auroc, average_precision, fpr_at_95_tpr, aurc, augrc]

# few values for many rows: ties within and between wrong and correct are the rule
rows = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=40).filter(
    lambda pairs: 0 < sum(flag for _, flag in pairs) < len(pairs)
)


def tensors(pairs):
    return torch.tensor([float(score) for score, _ in pairs]), torch.tensor([flag for _, flag in pairs])


def by_all_pairs(score, positive):
    wins = [Fraction(p > n) + Fraction(p == n, 2) for p in score[positive].tolist() for n in score[~positive].tolist()]
    return float(sum(wins) / len(wins))


def aurc_by_loop(flags):
    """Of wrong flags in the order of acceptance: the mean over k of the error rate of the first k."""
    return sum(Fraction(sum(flags[:k]), k) for k in range(1, len(flags) + 1)) / len(flags)


def augrc_by_loop(flags):
    """The same with errors per n rather than per k, each step as the trapezoid between k - 1 and k."""
    n = len(flags)
    return sum(Fraction(sum(flags[: k - 1]) + sum(flags[:k]), 2 * n) for k in range(1, n + 1)) / n


def over_all_orders(area, pairs):
    orders = [[flag for _, flag in order] for order in permutations(pairs) if list(order) == sorted_by_score(order)]
    return float(sum(area(flags) for flags in orders) / len(orders))


def sorted_by_score(pairs):
    return sorted(pairs, key=lambda pair: pair[0])


def roc_by_thresholds(score, positive):
    """(false alarms, found) for every threshold there is, as shares."""
    thresholds = [float("inf"), *sorted(set(score.tolist()), reverse=True)]
    return [tuple((score[rows] >= bar).double().mean().item() for rows in (~positive, positive)) for bar in thresholds]


@pytest.fixture(scope="module")
def torch_uncertainty():
    """Its risk-coverage file alone: the package itself imports seaborn, which this test has no use for."""
    package = importlib.util.find_spec("torch_uncertainty")
    if package is None:
        pytest.skip("torch-uncertainty is not installed")
    path = Path(package.submodule_search_locations[0], "metrics", "classification", "risk_coverage.py")
    spec = importlib.util.spec_from_file_location("torch_uncertainty_risk_coverage", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@given(rows)
def test_auroc_is_the_share_of_pairs_in_order(pairs):
    score, wrong = tensors(pairs)
    assert auroc(score, wrong).item() == pytest.approx(by_all_pairs(score, wrong), abs=1e-15)


@given(rows)
def test_auroc_and_average_precision_agree_with_scikit_learn(pairs):
    score, wrong = tensors(pairs)
    assert auroc(score, wrong).item() == pytest.approx(roc_auc_score(wrong, score), abs=1e-12)
    assert average_precision(score, wrong).item() == pytest.approx(average_precision_score(wrong, score), abs=1e-12)


@given(rows)
def test_fpr_at_95_tpr_is_the_least_over_all_thresholds(pairs):
    score, wrong = tensors(pairs)
    # 1e-9: 19/20 and .95 are the same share
    by_hand = min(alarms for alarms, found in roc_by_thresholds(score, wrong) if found >= 0.95 - 1e-9)
    assert fpr_at_95_tpr(score, wrong).item() == pytest.approx(by_hand, abs=1e-15)


@pytest.mark.parametrize("positives", [20, 40, 60, 100, 140, 1000])
def test_95_percent_of_a_round_number_is_not_rounded_up(positives):
    score = torch.cat([torch.arange(positives, 0, -1.0), torch.tensor([positives * 0.05 + 0.5])])
    wrong = torch.arange(positives + 1) < positives
    assert fpr_at_95_tpr(score, wrong) == 0  # the one correct row lies below the 95 %


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=6))
def test_areas_are_means_over_all_orders_of_tied_rows(pairs):
    score, wrong = tensors(pairs)
    assert aurc(score, wrong).item() == pytest.approx(over_all_orders(aurc_by_loop, pairs), abs=1e-12)
    assert augrc(score, wrong).item() == pytest.approx(over_all_orders(augrc_by_loop, pairs), abs=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(2, 60))
def test_areas_agree_with_torch_uncertainty(torch_uncertainty, seed, n):
    generator = np.random.default_rng(seed)
    confidence = torch.tensor(generator.permutation(n) / (2 * n) + 0.5)  # of two classes: no ties, in 1/2..1
    wrong = torch.tensor(generator.random(n) < 0.3)
    probabilities = torch.stack([confidence, 1 - confidence], 1)
    theirs = {}
    for name in ("AURC", "AUGRC"):
        metric = getattr(torch_uncertainty, name)()
        # argmax ties at confidence 1/2 go to class 0, which `wrong` says is right or not
        metric.update(probabilities, wrong.long())
        theirs[name] = metric.compute().item() * (1 - 1 / n)
    # theirs joins the points 1/n..1 by straight lines and divides by 1 - 1/n, which is undone above; ours is the mean
    # of the points (AURC), and starts at (0, 0) (AUGRC): the ends differ
    surest, rate = wrong[confidence.argmax()].item(), wrong.double().mean().item()
    assert aurc(-confidence, wrong).item() == pytest.approx(theirs["AURC"] + (surest + rate) / (2 * n), abs=1e-6)
    assert augrc(-confidence, wrong).item() == pytest.approx(theirs["AUGRC"] + surest / (2 * n * n), abs=1e-6)


@given(rows)
def test_augrc_follows_from_auroc_and_the_error_rate(pairs):
    score, wrong = tensors(pairs)
    e = wrong.double().mean()  # Traub et al. 2024: the closed form
    assert_close(augrc(score, wrong), (1 - auroc(score, wrong)) * e * (1 - e) + e**2 / 2)


@given(rows, st.sampled_from(RANKED))
def test_only_the_order_of_scores_counts(pairs, metric):
    score, wrong = tensors(pairs)
    assert_close(metric(score.exp() * 7 - 3, wrong), metric(score, wrong), rtol=0, atol=0)
    shuffle = torch.randperm(len(score), generator=torch.Generator().manual_seed(len(pairs)))
    assert_close(metric(score[shuffle], wrong[shuffle]), metric(score, wrong))


@given(rows)
def test_perfect_beats_the_score_beats_inverted(pairs):
    score, wrong = tensors(pairs)
    perfect = wrong.float()
    for area in (aurc, augrc):
        assert area(perfect, wrong) <= area(score, wrong) + 1e-12
        assert area(score, wrong) <= area(-perfect, wrong) + 1e-12
        assert area(perfect, wrong) < area(torch.zeros(len(wrong)), wrong) < area(-perfect, wrong)
    assert_close(aurc(torch.zeros(len(wrong)), wrong), wrong.double().mean())  # all tied: the error rate
    assert auroc(score, wrong).item() == pytest.approx(1 - auroc(-score, wrong).item(), abs=1e-15)


@given(rows, st.integers(2, 5))
def test_the_same_rows_again_are_ties_that_change_no_curve(pairs, times):
    score, wrong = tensors(pairs)
    for metric in (auroc, average_precision, augrc):  # aurc's mean over k = 1..n knows n
        assert_close(metric(score.repeat(times), wrong.repeat(times)), metric(score, wrong))


@given(rows, st.floats(0, 1))
def test_share_at_reads_the_roc_curve(pairs, share):
    score, wrong = tensors(pairs)
    alarms, found = (np.array(axis) for axis in zip(*roc_by_thresholds(score, wrong), strict=True))
    upper = {}  # numpy interpolates between distinct points only: keep the upper end of each rise
    for x, y in zip(alarms, found, strict=True):
        upper[x] = max(y, upper.get(x, 0))
    lower = dict(reversed(list(zip(alarms, found, strict=True))))  # and the lower end, where the next line ends
    near = [(x, y) for x in sorted(upper) for y in sorted({lower[x], upper[x]})]
    x = np.array([x for x, _ in near])
    last = int(np.flatnonzero(x <= share + 1e-9)[-1])
    if last == len(near) - 1:
        by_hand = 1.0
    else:
        (x0, y0), (x1, y1) = near[last], near[last + 1]
        by_hand = y0 + (y1 - y0) * max(share - x0, 0) / (x1 - x0)
    assert share_at(score, wrong, share).item() == pytest.approx(by_hand, abs=1e-5)  # a millionth of a row counts


@pytest.mark.parametrize("share", [0.07, 0.14, 0.29, 0.57, 0.58])  # n * share is not whole in floating point
def test_share_at_reaches_the_top_of_a_rise(share):
    rank = torch.arange(100.0)  # the second wrong row ties with the next correct one: a slope follows the rise
    bar = float(100 - round(100 * share)) - 0.5  # above it lie exactly that share of the correct rows
    score, wrong = torch.cat([rank, torch.tensor([bar - 0.1, bar - 0.5])]), torch.arange(102) >= 100
    assert share_at(score, wrong, share).item() == pytest.approx(0.5, abs=1e-12)
    first = torch.arange(102) != 100
    assert 0 <= share_at(score[first], wrong[first], share) < 1e-12  # rounding brings no negative share


def test_a_curve_by_hand():
    score = torch.tensor([0.1, 0.2, 0.2, 0.9])
    wrong = torch.tensor([False, True, False, True])
    curve = risk_coverage(score, wrong)
    assert curve.coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert curve.risk.tolist() == pytest.approx([0, 1 / 4, 1 / 3, 1 / 2])  # the tie brings half an error each
    assert aurc(score, wrong).item() == pytest.approx(13 / 48)
    assert augrc(score, wrong).item() == pytest.approx((0.25 + 0.75 + 1.5) / 16)  # trapezoids of errors 0 0 .5 1 2
    assert auroc(score, wrong).item() == 3.5 / 4
    assert fpr_at_95_tpr(score, wrong).item() == 0.5
    assert share_at(score, wrong, 0.25).item() == 0.75  # half way along the tie: half of its one error
    assert share_at(score, wrong, 1.0).item() == 1  # all are questioned
    assert questioned_share(score, score[1].item()).item() == 0.25  # strictly above


def test_a_threshold_is_compared_in_double_precision():
    score = torch.tensor([0.1])  # as float32 it is .100000001...
    assert questioned_share(score, 0.1) == 1
    assert questioned_share(score, score.item()) == 0


@pytest.mark.parametrize("metric", [auroc, fpr_at_95_tpr, lambda s, w: share_at(s, w, 0.5)])
@pytest.mark.parametrize("wrong", [[], [True, True], [False, False]])
def test_without_both_kinds_there_is_no_answer(metric, wrong):
    assert isnan(metric(torch.rand(len(wrong)), torch.tensor(wrong, dtype=torch.bool)))


def test_where_one_kind_is_missing_the_others_still_answer():
    score, none = torch.tensor([0.3, 0.1]), torch.tensor([False, False])
    assert (aurc(score, none), aurc(score, ~none)) == (0, 1)
    assert (augrc(score, none), augrc(score, ~none)) == (0, 0.5)
    assert average_precision(score, ~none) == 1
    assert isnan(average_precision(score, none))
    empty = torch.zeros(0), torch.zeros(0, dtype=torch.bool)
    assert all(isnan(metric(*empty)) for metric in RANKED)
    assert isnan(questioned_share(empty[0], 0.5))
    assert risk_coverage(*empty).risk.shape == (0,)


def test_infinite_scores_have_a_rank_and_nan_has_none():
    wrong = torch.tensor([False, True])
    assert auroc(torch.tensor([-torch.inf, torch.inf]), wrong) == 1
    for metric in [*RANKED, risk_coverage]:
        with pytest.raises(DataError, match="row 1 is NaN"):
            metric(torch.tensor([0.0, torch.nan]), wrong)
    with pytest.raises(DataError, match="row 0 is NaN"):
        questioned_share(torch.tensor([torch.nan]), 0.0)


def test_what_does_not_line_up_is_refused():
    with pytest.raises(TypeError):
        auroc(torch.zeros(3), torch.zeros(1, dtype=torch.bool))
    with pytest.raises(RecipeError, match=r"got 1\.5"):
        share_at(torch.zeros(2), torch.tensor([True, False]), 1.5)
