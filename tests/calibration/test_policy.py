"""Doubts to one score, and the score to a threshold that keeps its promise."""

import dataclasses
import json
import math
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import binom
from torch.testing import assert_close

from antehoc.calibration import (
    Evidence,
    Policy,
    binomial_threshold,
    calibrate,
    conformal_threshold,
    fit_evidence,
    fit_weights,
    least_rows,
    with_threshold,
)
from antehoc.errors import DataError, RecipeError
from antehoc.schema import convert

sizes = st.integers(1, 400)
alphas = st.floats(0.001, 0.999)
seeds = st.integers(0, 2**32 - 1)


def normal(seed: int, *size: int) -> torch.Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


@given(n=sizes, alpha=alphas, seed=seeds)
def test_the_conformal_threshold_is_the_score_of_exactly_that_rank(n, alpha, seed):
    scores = normal(seed, n)
    threshold = conformal_threshold(scores, alpha)
    below_or_at, wanted = int((scores.double() <= threshold).sum()), (n + 1) * (1 - alpha)
    if threshold == math.inf:
        assert n < 1 / alpha - 1 + 1e-6
    else:
        assert threshold in scores.double()
        assert wanted - 1e-6 <= below_or_at < wanted + 1  # ceil, by its definition


@given(n=st.integers(0, 200), denominator=st.integers(2, 200))
def test_no_finite_threshold_below_the_least_number_of_rows(n, denominator):
    alpha = 1 / denominator  # 1 / alpha - 1 is whole here, the boundary itself
    assert least_rows(alpha) == denominator - 1
    assert math.isinf(conformal_threshold(torch.arange(float(n)), alpha)) == (n < denominator - 1)


def test_the_conformal_threshold_keeps_alpha_on_average():
    # exchangeable draws: the share of new scores above is uniform on average over the calibration draws, too
    for n, alpha in ((30, 0.1), (99, 0.01), (250, 0.05)):
        draws = torch.distributions.Exponential(1.0)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            rows = draws.sample((3000, n))
        shares = torch.tensor([math.exp(-conformal_threshold(row, alpha)) for row in rows])  # P(new > threshold)
        error = float(shares.std()) / math.sqrt(len(shares))
        assert float(shares.mean()) <= alpha + 3 * error
        # and it does not do so by questioning nothing: n + 1 ranks, so it misses alpha by less than 1 / (n + 1)
        assert float(shares.mean()) >= alpha - 1 / (n + 1) - 3 * error


@given(n=st.integers(1, 300), alpha=st.floats(0.01, 0.5), delta=st.floats(0.01, 0.5))
def test_the_binomial_threshold_has_the_rank_that_scipy_gives(n, alpha, delta):
    tails = binom.sf(np.arange(n + 1) - 1, n, 1 - alpha)  # P(Binomial >= r)
    if np.abs(tails - delta).min() < 1e-9:
        return  # rounding decides
    ranks = np.flatnonzero(tails <= delta)
    wanted = float(ranks[0]) if len(ranks) else math.inf
    assert binomial_threshold(torch.arange(1.0, n + 1), alpha, delta) == wanted


def test_a_chance_of_exactly_delta_is_small_enough():
    assert binomial_threshold(torch.tensor([7.0]), 0.5, 0.5) == 7  # P(Binomial(1, 1/2) >= 1) is a half
    assert binomial_threshold(torch.tensor([7.0]), 0.5, 0.499) == math.inf


def test_the_binomial_threshold_breaks_its_promise_in_a_share_delta_of_draws_at_most():
    alpha, delta, draws = 0.1, 0.2, 2000
    rows = torch.rand(draws, 100, generator=torch.Generator().manual_seed(1))
    broken = torch.tensor([1 - binomial_threshold(row, alpha, delta) > alpha for row in rows]).double().mean()
    assert float(broken) <= delta + 3 * math.sqrt(delta * (1 - delta) / draws)
    assert float(broken) > delta / 2, "it is no stricter than it must be"


@given(seed=seeds, n=st.integers(20, 300), ties=st.sampled_from([0, 1, 3]))
def test_evidence_never_falls_and_starts_at_nothing(seed, n, ties):
    doubt = normal(seed, n)
    doubt = doubt if not ties else (doubt * ties).round()
    evidence = fit_evidence(doubt)
    grid = torch.linspace(float(doubt.min()) - 3, float(doubt.max()) + 3, 1001, dtype=torch.float64)
    found = evidence(grid)
    assert (found.diff() >= 0).all()
    assert (found[grid <= doubt.min()] == 0).all()
    assert found[-1] > 0


def test_evidence_is_minus_the_log_of_the_share_that_doubts_as_much():
    doubt = normal(0, 20_000)
    evidence = fit_evidence(doubt)
    at = torch.tensor([-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 2.3])
    shares = torch.stack([(doubt >= value).double().mean() for value in at])
    assert_close(evidence(at), -shares.log(), rtol=0.02, atol=0.02)  # the levels stand .02 to .002 apart


def test_the_tail_is_what_lies_above_the_last_level():
    assert fit_evidence(torch.arange(101.0)).slope == pytest.approx(1)  # 99 is that level, and 100 lies 1 above it


def test_levels_stand_a_fiftieth_apart_and_from_nine_tenths_on_by_equal_ratios():
    levels = np.array(fit_evidence(normal(0, 100)).levels)
    np.testing.assert_allclose(levels[:46], np.arange(46) / 50)
    np.testing.assert_allclose(1 - levels[46:], np.geomspace(10**-1.02, 0.01, 30), rtol=1e-5)


def test_quantiles_of_very_many_rows_are_those_of_fewer():
    many = fit_evidence(torch.arange(1_000_000.0))
    np.testing.assert_allclose(many.values, np.array(many.levels) * 1e6, atol=1)


def test_evidence_of_ties_is_that_of_all_who_doubt_as_much():
    doubt = torch.cat([torch.zeros(60), torch.ones(40)])  # 40 of 100 doubt as much as 1
    evidence = fit_evidence(doubt)
    assert float(evidence(torch.tensor([1.0]))) == pytest.approx(-math.log(0.4), abs=0.06)  # one level of .02
    assert float(evidence(torch.tensor([0.0]))) == 0


def test_evidence_goes_on_in_a_straight_line_beyond_the_tail():
    evidence = fit_evidence(normal(0, 5000))
    last = evidence.values[-1]
    steps = evidence(torch.tensor([last, last + 1, last + 2, last + 100], dtype=torch.float64))
    assert float(steps[0]) == pytest.approx(-math.log(0.01))
    assert_close((steps - steps[0]) / evidence.slope, torch.tensor([0.0, 1.0, 2.0, 100.0], dtype=torch.float64))


def test_the_tail_of_an_exponential_has_its_rate():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        doubt = torch.distributions.Exponential(3.0).sample((50_000,))
    evidence = fit_evidence(doubt)
    assert evidence.slope == pytest.approx(3, rel=0.15)  # a mean of 500 values: 3 standard errors are 13 %
    assert float(evidence(torch.tensor([4.0]))) == pytest.approx(12, rel=0.15)


@pytest.mark.parametrize("doubt", [torch.ones(19), torch.full((30,), math.nan), torch.full((30,), math.inf)])
def test_evidence_needs_enough_finite_values(doubt):
    with pytest.raises(DataError, match="20 or more values"):
        fit_evidence(doubt)


def test_a_constant_doubt_is_no_evidence_until_it_is_passed():
    evidence = fit_evidence(torch.zeros(50))
    assert evidence(torch.tensor([-1.0, 0.0])).tolist() == [0, 0]
    assert float(evidence(torch.tensor([1.0]))) > 4
    assert evidence.slope == 1000  # a thousandth of the spread, or of 1 without any, is the least tail


def informative(seed: int, rows: int = 1500) -> tuple[torch.Tensor, torch.Tensor]:
    """Three evidences: one that tells errors well, one a little, one that knows nothing."""
    generator = torch.Generator().manual_seed(seed)
    wrong = torch.rand(rows, generator=generator) < 0.15
    columns = torch.rand(rows, 3, generator=generator).log().neg()
    columns[:, 0] += 3 * wrong
    columns[:, 1] += 1 * wrong
    return columns, wrong


@pytest.mark.parametrize("seed", range(3))
def test_weights_are_positive_of_mean_one_and_follow_what_a_doubt_knows(seed):
    weights = fit_weights(*informative(seed))
    assert min(weights) > 0
    assert sum(weights) / 3 == pytest.approx(1)
    assert weights[0] > weights[1] > weights[2]


@pytest.mark.parametrize("asked", [{"pull": 0.5}, {"pull": 10.0}, {"pull": 1000.0}, {}])
def test_weights_are_those_that_scipy_finds(asked):
    pull = asked.get("pull", 100.0)
    columns, wrong = informative(7)
    rows, target = columns.double().numpy(), wrong.numpy()

    def loss(parameters):
        logits = parameters[0] + rows @ np.exp(parameters[1:])
        misfit = (np.logaddexp(0, logits) - target * logits).sum()
        return misfit + pull * ((parameters[1:] - parameters[1:].mean()) ** 2).sum()

    found = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-8})
    wanted = np.exp(found.x[1:]) / np.exp(found.x[1:]).mean()
    np.testing.assert_allclose(fit_weights(columns, wrong, **asked), wanted, rtol=1e-3)


def test_a_strong_pull_gives_equal_weights():
    assert fit_weights(*informative(1), pull=1e7) == pytest.approx([1, 1, 1], abs=1e-2)


def rows(seed: int, count: int = 2000, errors: float = 0.1) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    wrong = torch.rand(count, generator=generator) < errors
    noise = torch.randn(3, count, generator=generator)
    return {"good": noise[0] + 2 * wrong, "weak": noise[1] + 0.5 * wrong, "none": noise[2]}, wrong


def policy_of(seed: int = 0, **changes) -> Policy:
    doubts, wrong = rows(seed, **{k: changes.pop(k) for k in ("count", "errors") if k in changes})
    given_ = {"names": ("good", "weak"), "alpha": 0.05, "generator": torch.Generator().manual_seed(3)} | changes
    return calibrate(doubts, wrong, **given_)


def test_a_policy_says_how_it_was_made():
    policy = policy_of()
    _, wrong = rows(0)
    assert (policy.method, policy.doubts, policy.alpha, policy.asked_alpha) == (
        "combined",
        ("good", "weak"),
        0.05,
        0.05,
    )
    assert policy.fit_rows == 1000
    assert policy.fit_errors + (1000 - policy.threshold_rows) == int(wrong.sum()), "each row has one use"
    assert policy.weights[0] > policy.weights[1]


def test_the_score_is_the_weighted_sum_of_what_each_doubt_adds():
    policy = policy_of()
    doubts, _ = rows(5, 50)
    parts = policy.contributions(doubts)
    assert list(parts) == ["good", "weak"]
    by_hand = [
        w * float(e(doubts[n][7:8])) for n, w, e in zip(policy.doubts, policy.weights, policy.evidence, strict=True)
    ]
    assert [float(part[7]) for part in parts.values()] == by_hand
    assert_close(policy.score(doubts), torch.stack(list(parts.values())).sum(0))


def test_new_correct_decisions_are_questioned_at_alpha_or_less_and_wrong_ones_more():
    shares, found = [], []
    for seed in range(40):
        policy = policy_of(seed)
        doubts, wrong = rows(1000 + seed)
        questioned = policy.score(doubts) > policy.threshold
        shares.append(float(questioned[~wrong].double().mean()))
        found.append(float(questioned[wrong].double().mean()))
    assert np.mean(shares) <= 0.05 + 3 * np.std(shares) / math.sqrt(len(shares))
    assert np.mean(shares) > 0.04
    assert np.mean(found) > 0.4


@settings(max_examples=15)  # each fits a policy three times
@given(seed=st.integers(0, 50), shift=st.floats(-5, 5, width=32))
def test_the_rows_that_set_the_threshold_cannot_move_the_weights(seed, shift):
    doubts, wrong = rows(seed, 400, 0.2)
    order = torch.randperm(400, generator=torch.Generator().manual_seed(3))
    fit, rest = order[:200], order[200:]

    def made(columns):
        return calibrate(
            columns, wrong, names=("good", "weak"), alpha=0.1, generator=torch.Generator().manual_seed(3)
        )  # fmt: skip

    before = made(doubts)
    moved = {name: column.index_add(0, rest, torch.full((200,), shift)) for name, column in doubts.items()}
    after = made(moved)
    assert (after.evidence, after.weights) == (before.evidence, before.weights)
    # and the other way round: the threshold is a score of the second half's correct decisions
    scores = after.score(moved)
    assert after.threshold in scores[rest][~wrong[rest]]
    assert after.threshold == conformal_threshold(scores[rest][~wrong[rest]].double(), 0.1)
    fitted = {name: column.index_add(0, fit, torch.full((200,), shift)) for name, column in doubts.items()}
    assert after.threshold_rows == made(fitted).threshold_rows == int((~wrong[rest]).sum())


def test_too_few_errors_leave_the_weights_equal():
    policy = policy_of(errors=0.002)
    assert policy.method == "equal-weights"
    assert policy.fit_errors < 10
    assert policy.weights == (1.0, 1.0)
    assert math.isfinite(policy.threshold)


def test_one_doubt_has_no_weights_to_fit():
    assert policy_of(names=("good",)).method == "equal-weights"


def test_ten_errors_are_enough_to_fit_the_weights():
    columns, _ = rows(0, 200)
    for errors, method in ((9, "equal-weights"), (10, "combined")):
        wrong = torch.arange(200) < errors
        given = {"names": ("good", "weak"), "alpha": 0.05, "generator": torch.Generator()}
        assert calibrate(columns, torch.zeros(200, dtype=torch.bool), fit=(columns, wrong), **given).method == method


def test_too_few_correct_decisions_are_refused():
    doubts, _ = rows(0, 100)
    wrong = torch.arange(100) >= 39
    with pytest.raises(DataError, match="needs 40 correct decisions and got 39 of 100; give more calibration images"):
        calibrate(doubts, wrong, names=("good",), alpha=0.1, generator=torch.Generator())


def test_an_unknown_doubt_is_refused():
    with pytest.raises(DataError, match="no doubt is called 'god'; this model has good, weak, none"):
        policy_of(names=("good", "god"))
    with pytest.raises(DataError, match="no doubt is called 'mixed'"):
        policy_of(method="mixed")


@pytest.mark.parametrize("guarantee", ["expected", "binomial"])
def test_an_alpha_that_the_rows_cannot_keep_is_raised_and_the_asked_one_kept(guarantee):
    policy = policy_of(count=200, alpha=1e-4, guarantee=guarantee)
    n = policy.threshold_rows
    wanted = 1 / (n + 1) if guarantee == "expected" else 1 - 0.05 ** (1 / n)
    assert policy.asked_alpha == 1e-4
    assert policy.alpha == pytest.approx(wanted, rel=1e-6)
    assert math.isfinite(policy.threshold)
    assert policy.threshold < sys.float_info.max, "the largest score, not one that nothing passes"


def test_the_binomial_guarantee_is_the_stricter_one():
    assert policy_of(guarantee="binomial").threshold > policy_of(guarantee="expected").threshold


def test_a_rule_by_name_takes_the_doubt_as_it_is_and_all_rows_for_its_threshold():
    doubts, wrong = rows(0)
    policy = policy_of(method="weak")
    assert (policy.method, policy.doubts, policy.evidence) == ("weak", ("weak",), ())
    assert (policy.fit_rows, policy.fit_errors, policy.threshold_rows) == (0, 0, int((~wrong).sum()))
    assert policy.score(doubts).equal(doubts["weak"].double())
    assert list(policy.contributions(doubts)) == ["weak"]
    assert policy.threshold == conformal_threshold(doubts["weak"][~wrong], 0.05)


def test_a_threshold_can_be_set_anew_from_newer_rows():
    policy = policy_of()
    doubts, wrong = rows(9)
    newer = with_threshold(policy, doubts, wrong, 0.2)
    assert (newer.weights, newer.evidence, newer.alpha) == (policy.weights, policy.evidence, 0.2)
    assert newer.threshold == conformal_threshold(policy.score(doubts)[~wrong], 0.2)
    assert newer.threshold_rows == int((~wrong).sum())


@pytest.mark.parametrize("method", ["combined", "weak"])
def test_a_policy_written_as_json_and_read_again_decides_the_same(method):
    policy = policy_of(method=method)
    text = json.dumps(dataclasses.asdict(policy), allow_nan=False)
    again = convert(json.loads(text), Policy, "config.json, policy")
    assert again == policy
    doubts, _ = rows(11)
    assert again.score(doubts).equal(policy.score(doubts))


@pytest.mark.parametrize(
    "change", [{"weights": (1.0,)}, {"evidence": ()}, {"doubts": ()}, {"doubts": ("good", "weak", "none")}]
)
def test_a_policy_whose_parts_do_not_line_up_is_refused(change):
    with pytest.raises(DataError, match="one weight and one evidence per doubt"):
        dataclasses.replace(policy_of(), **change)


@pytest.mark.parametrize("parts", [((0.0,), (0.0,)), ((0.0, 1.0), (0.0,)), ((0.0, 1.0), (0.0, 1.0))])
def test_evidence_whose_parts_do_not_line_up_is_refused(parts):
    with pytest.raises(DataError, match="one value per level"):
        Evidence(*parts, 1.0)


def test_a_policy_of_wrong_types_is_refused():
    values = dataclasses.asdict(policy_of())
    for change in ({"threshold": "high"}, {"weights": [1.0, "2"]}, {"guarantee": "sure"}, {"evidence": [{}, {}]}):
        with pytest.raises(RecipeError, match=r"^policy\."):
            convert(values | change, Policy, "policy")


def test_a_class_with_enough_rows_has_a_threshold_of_its_own():
    """Class 0: scores 1 to 60; class 1: ten rows, too few for alpha .05; class 2: scores 101 to 119, just enough."""
    scores = torch.cat([torch.arange(1.0, 61), torch.full((10,), 500.0), torch.arange(101.0, 120)])
    predicted = torch.tensor([0] * 60 + [1] * 10 + [2] * 19)
    wrong = torch.zeros(89, dtype=torch.bool)
    given = {"names": (), "method": "d", "alpha": 0.05, "generator": torch.Generator()}
    policy = calibrate({"d": scores}, wrong, predicted=predicted, classes=3, **given)
    assert policy.class_thresholds == (58.0, None, 119.0)  # ranks ceil(61 x .95) and ceil(20 x .95)
    assert policy.threshold == 500  # rank ceil(90 x .95) = 86 of all
    assert policy.thresholds(torch.tensor([2, 1, 0])).tolist() == [119, 500, 58]
    assert calibrate({"d": scores}, wrong, **given).class_thresholds == ()


@pytest.mark.parametrize("late", [False, True])
def test_late_evidence_is_silent_up_to_the_rarest_tenth_and_then_counts_double(late):
    doubt = torch.arange(1000.0)
    found = fit_evidence(doubt, late=late)
    whole = fit_evidence(doubt)(doubt)
    expected = 2 * (whole - math.log(10)).clamp(min=0) if late else whole
    assert_close(found(doubt), expected)
    assert (found(doubt) > 0).sum() == (100 if late else 999)


def test_given_rows_fit_the_score_and_all_others_set_the_threshold():
    generator = torch.Generator().manual_seed(0)
    wrong = torch.rand(400, generator=generator) < 0.2
    doubts = {"a": torch.randn(400, generator=generator) + 2 * wrong, "b": torch.randn(400, generator=generator)}
    other = torch.rand(300, generator=generator) < 0.2
    fit = {"a": torch.randn(300, generator=generator) + 2 * other, "b": torch.randn(300, generator=generator)}
    how = {"names": ("a", "b"), "alpha": 0.05, "generator": generator}
    policy = calibrate(doubts, wrong, fit=(fit, other), **how)
    assert (policy.fit_rows, policy.fit_errors) == (300, int(other.sum()))
    assert policy.threshold_rows == int((~wrong).sum())
    assert policy.evidence[0] == fit_evidence(fit["a"][~other])
    assert policy.weights[0] > policy.weights[1], "`b` tells nothing"


@pytest.mark.parametrize("alpha", [0.0, 1.0, 1.5, -0.1, math.nan])
def test_an_alpha_that_is_no_share_is_refused(alpha):
    scores, wrong = torch.arange(100.0), torch.zeros(100, dtype=torch.bool)
    generator = torch.Generator()
    for call in (
        lambda: conformal_threshold(scores, alpha),
        lambda: binomial_threshold(scores, alpha),
        lambda: least_rows(alpha),
        lambda: calibrate({"a": scores}, wrong, names=["a"], alpha=alpha, generator=generator),
    ):
        with pytest.raises(DataError, match="alpha must be between 0 and 1, both excluded; got"):
            call()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_scores_that_are_not_finite_set_no_threshold(value):
    scores = torch.tensor([*range(100), value]).float()
    for call in (conformal_threshold, binomial_threshold):
        with pytest.raises(DataError, match="a threshold needs finite scores"):
            call(scores, 0.1)
    doubts = {"a": torch.where(torch.arange(200) == 7, value, torch.rand(200))}
    wrong = torch.zeros(200, dtype=torch.bool)
    for method in ("combined", "a"):
        with pytest.raises(DataError, match="finite"):
            calibrate(doubts, wrong, names=["a"], alpha=0.1, method=method, generator=torch.Generator().manual_seed(0))


def test_a_class_without_correct_decisions_takes_the_common_threshold():
    scores = normal(0, 400)
    predicted = torch.arange(400) % 3
    wrong = predicted == 2  # no decision for the last class is correct
    policy = calibrate(
        {"a": scores}, wrong, names=["a"], alpha=0.1, predicted=predicted, classes=4,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    assert [limit is None for limit in policy.class_thresholds] == [False, False, True, True]
    assert policy.thresholds(torch.tensor([2, 3])).tolist() == [policy.threshold] * 2


def test_without_a_correct_decision_there_is_no_threshold():
    policy = calibrate(
        {"a": normal(0, 200)}, torch.zeros(200, dtype=torch.bool), names=["a"], alpha=0.1,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    with pytest.raises(DataError, match="needs correct decisions, and there is none"):
        with_threshold(policy, {"a": normal(1, 9)}, torch.ones(9, dtype=torch.bool), 0.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": (-1.0,)}, "the weights of a policy must be above 0"),
        ({"weights": (0.0,)}, "the weights of a policy must be above 0"),
        ({"alpha": 7.0}, "the alpha of a policy must be between 0 and 1"),
        ({"asked_alpha": 0.0}, "the alpha of a policy must be between 0 and 1"),
        ({"threshold": math.nan}, "a threshold of a policy is NaN"),
        ({"class_thresholds": (1.0, math.nan)}, "a threshold of a policy is NaN"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(changes, message):
    policy = Policy("a", ("a",), (), (1.0,), 0.5, 0.1, 0.1, "expected", 0, 0, 50)
    with pytest.raises(DataError, match=message):
        dataclasses.replace(policy, **changes)


@pytest.mark.parametrize(
    ("values", "levels", "more", "message"),
    [
        ((1.0, 0.0), (0.0, 0.5), {}, "must not decrease"),
        ((0.0, 1.0), (0.5, 0.0), {}, "must not decrease"),
        ((0.0, math.nan), (0.0, 0.5), {}, "must not decrease"),
        ((0.0, math.inf), (0.0, 0.5), {}, "must rise with its doubt"),
        ((0.0, 1.0), (0.0, 0.5), {"slope": -1.0}, "must rise with its doubt"),
        ((0.0, 1.0), (0.0, 0.5), {"factor": 0.0}, "must rise with its doubt"),
    ],
)
def test_evidence_that_falls_is_refused(values, levels, more, message):
    with pytest.raises(DataError, match=message):
        Evidence(values, levels, **{"slope": 1.0} | more)
