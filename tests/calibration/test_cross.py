"""Cross-conformal thresholds: near alpha, and of more use than split ones where rows are few."""

import math

import pytest
import torch

from antehoc.calibration import (
    Decisions,
    calibrate,
    conformal_threshold,
    cross_conformal,
    cross_threshold,
    proven_alpha,
)
from antehoc.errors import DataError


def generator(seed):
    return torch.Generator().manual_seed(seed)


def test_the_threshold_is_the_score_of_exactly_that_rank_over_all_folds():
    scores = torch.randperm(59, generator=generator(0)).double()
    assert cross_threshold([scores[:20], scores[20:33], scores[33:]], 0.05) == 56.0  # ceil(60 * 0.95) = the 57th
    assert math.isinf(cross_threshold([scores[:9], scores[9:18]], 0.05))


@pytest.mark.parametrize(
    ("folds", "alpha", "what"),
    [
        ([torch.ones(9)], 0.1, "two folds or more; got 1"),
        ([torch.ones(9), torch.ones(9)], 1.0, "alpha must be between 0 and 1"),
        ([torch.ones(9), torch.tensor([math.nan])], 0.1, "finite scores"),
    ],
)
def test_what_sets_no_threshold_is_refused(folds, alpha, what):
    with pytest.raises(DataError, match=what):
        cross_threshold(folds, alpha)


def test_the_proven_share_is_twice_alpha_and_a_term_that_vanishes():
    assert proven_alpha(0.05, 50) == pytest.approx(0.3)  # 0.1 + sqrt(2 / 50)
    assert proven_alpha(0.05, 2_000_000) == pytest.approx(0.101)
    assert proven_alpha(0.9, 10) == 1


def test_networks_that_are_trained_anew_question_alpha_and_find_more_than_a_few_held_out_rows_do():
    """A "network" is the mean of what it was trained on, and the score the distance from it.

    With 80 rows for training and 20 held out: over 2,000 draws the shares questioned must be alpha, within three
    standard errors of some 0.001 and what a mean of fewer rows adds; wrong decisions lie 3 units away.
    """
    alpha, cross, split, found = 0.1, [], [], {"cross": [], "split": []}
    for seed in range(2000):
        rows = torch.randn(100, generator=generator(seed), dtype=torch.float64)
        train, held, fold = rows[:80], rows[80:], torch.arange(80) % 5
        folds = [(train[fold == number] - train[fold != number].mean()).abs() for number in range(5)]
        center = float(train.mean())
        thresholds = {
            "cross": cross_threshold([*folds, (held - center).abs()], alpha),
            "split": conformal_threshold((held - center).abs(), alpha),
        }
        for name, own in thresholds.items():
            share = math.erfc((own - center) / 2**0.5) / 2 + math.erfc((own + center) / 2**0.5) / 2
            (cross if name == "cross" else split).append(share)
            found[name].append(math.erfc((own - 3 + center) / 2**0.5) / 2)
    mean = {name: sum(values) / 2000 for name, values in {"cross": cross, "split": split}.items()}
    assert mean["cross"] == pytest.approx(alpha, abs=0.003)
    assert mean["split"] == pytest.approx(2 / 21, abs=0.006)  # the 19th of 20: at most alpha
    assert torch.tensor(cross).std() < 0.6 * torch.tensor(split).std()
    # the same share on average, less spread: more wrong decisions found, since ROC curves bend
    assert sum(found["cross"]) / 2000 > sum(found["split"]) / 2000 + 0.02


NAMES = ("a", "b", "c")


def drawn(count, seed):
    """Three doubts that tell wrong decisions, one in five, more or less well."""
    wrong = torch.rand(count, generator=generator(seed)) < 0.2
    noise = torch.randn(3, count, generator=generator(seed + 1_000_000))
    return {name: own + wrong * way for name, own, way in zip(NAMES, noise, (1.5, 1.0, 0.5), strict=True)}, wrong


def policies(seed, alpha=0.1, held=40, count=100, method="combined", **options):
    doubts, wrong = drawn(held + count, seed)
    fold = torch.cat([torch.full((held,), -1), torch.arange(count) % 5])
    kept = []

    def refit(rows):
        kept.append(rows)
        fit = {name: values[rows] for name, values in doubts.items()}, wrong[rows]
        return calibrate(doubts, wrong, names=NAMES, alpha=alpha, fit=fit, method=method, generator=generator(0))

    policy = cross_conformal(refit(fold >= 0), refit, Decisions(doubts, wrong, fold), alpha, **options)
    return policy, kept, doubts, wrong, fold


def test_the_policy_keeps_its_score_and_each_fold_is_scored_by_the_others():
    policy, kept, doubts, wrong, fold = policies(0)
    assert [set(fold[rows].tolist()) for rows in kept[1:]] == [{0, 1, 2, 3, 4} - {number} for number in range(5)]
    assert (policy.guarantee, policy.alpha, policy.threshold_rows) == ("cross", 0.1, int((~wrong).sum()))
    by_hand = [policy.score(doubts)[(fold == -1) & ~wrong]]
    for number, rows in enumerate(kept[1:]):
        fit = {name: values[rows] for name, values in doubts.items()}, wrong[rows]
        other = calibrate(doubts, wrong, names=NAMES, alpha=0.1, fit=fit, generator=generator(0))
        by_hand.append(other.score(doubts)[(fold == number) & ~wrong])
    assert policy.threshold == cross_threshold(by_hand, 0.1)


def test_one_doubt_as_it_is_needs_no_fit():
    policy, kept, doubts, wrong, _ = policies(0, method="a")
    assert len(kept) == 1
    assert policy.threshold == conformal_threshold(doubts["a"][~wrong], 0.1)


def test_a_fold_whose_policy_scores_on_another_scale_is_scored_by_the_policy_itself():
    doubts, wrong = drawn(140, 0)
    policy = policies(0)[0]
    plain = calibrate(doubts, wrong, names=(), method="a", alpha=0.1, generator=generator(0))
    fold = torch.arange(140) % 5
    found = cross_conformal(policy, lambda _: plain, Decisions(doubts, wrong, fold), 0.1)
    assert found.threshold == conformal_threshold(policy.score(doubts)[~wrong], 0.1)


def test_an_alpha_beyond_all_rows_is_raised():
    policy, _, _, wrong, _ = policies(0, alpha=0.001)
    assert (policy.alpha, policy.asked_alpha) == (1 / (int((~wrong).sum()) + 1), 0.001)


def test_classes_with_enough_decisions_have_thresholds_of_their_own():
    decided = torch.arange(140) % 2 * 2
    policy, *_ = policies(0, predicted=decided, classes=3)
    assert [limit is None for limit in policy.class_thresholds] == [False, True, False]


def test_no_fold_beside_the_held_out_images_is_refused():
    doubts, wrong = drawn(60, 0)
    plain = calibrate(doubts, wrong, names=(), method="a", alpha=0.1, generator=generator(0))
    with pytest.raises(DataError, match="two folds or more; got 1"):
        cross_conformal(plain, lambda _: plain, Decisions(doubts, wrong, torch.full((60,), -1)), 0.1)


def test_rows_that_fitted_the_score_do_not_question_more_than_alpha():
    shares = []
    new, new_wrong = drawn(4000, 10_000)
    for seed in range(12):
        policy, *_ = policies(seed, count=60, held=20)
        shares.append(float((policy.score(new) > policy.threshold)[~new_wrong].double().mean()))
    # over 300 draws 0.085 with a standard deviation of 0.035 for one; scored by what they fitted, above 0.1
    assert sum(shares) / len(shares) < 0.1
