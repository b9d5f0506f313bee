"""The rank of a score among those of correct decisions, and the doubt that drives it."""

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from antehoc.calibration import Policy, calibrate
from antehoc.calibration.ranks import KEPT, quantiles, ranks
from antehoc.errors import DataError

FEW = st.lists(st.integers(-9, 9).map(float), min_size=2, max_size=60)


@given(scores=FEW, asked=st.integers(-10, 10).map(float))
def test_of_few_scores_the_rank_is_the_share_below_at_each_of_them(scores, asked):
    (rank,) = ranks(torch.tensor([asked]), quantiles(torch.tensor(scores)))
    below, n = sum(score < asked for score in scores), len(scores)
    # n scores leave n - 1 steps: the rank runs from 0 at the smallest score to 1 above the largest
    assert max(0, below - 1) / (n - 1) <= rank <= min(1, below / (n - 1))
    if asked in scores:
        assert rank == pytest.approx(below / (n - 1))


def test_of_many_scores_the_rank_is_right_to_a_half_percent():
    scores = torch.randn(20_000, generator=torch.Generator().manual_seed(0)).double() ** 3
    kept = quantiles(scores)
    assert len(kept) == KEPT
    asked = scores[:500]
    exact = [(scores < one).double().mean().item() for one in asked]
    assert torch.tensor(ranks(asked, kept)).sub(torch.tensor(exact)).abs().max() < 0.005


@pytest.mark.parametrize(
    ("score", "rank"), [(-5.0, 0.0), (99.0, 1.0), (math.inf, 1.0), (-math.inf, 0.0), (math.nan, None)]
)
def test_scores_beyond_all_others_have_the_first_and_the_last_rank(score, rank):
    assert ranks(torch.tensor([score]), (0.0, 1.0, 2.0)) == [rank]


@pytest.mark.parametrize("kept", [(1.0, 0.0), (0.0, math.nan), (0.0, math.inf), (0.0,) * (KEPT + 1)])
def test_quantiles_that_are_none_are_refused(kept):
    with pytest.raises(DataError, match="score_quantiles of a policy are at most 201 finite numbers that do not fall"):
        Policy("a", ("a",), (), (1.0,), 0.5, 0.1, 0.1, "expected", 0, 0, 20, score_quantiles=kept)


def policy() -> Policy:
    generator = torch.Generator().manual_seed(0)
    doubts = {name: torch.randn(900, generator=generator) for name in ("margin", "distance")}
    wrong = torch.rand(900, generator=generator) < 0.2
    return calibrate(doubts, wrong, names=("margin", "distance"), alpha=0.05, generator=generator)


def test_a_calibrated_policy_puts_its_own_threshold_at_1_minus_alpha():
    own = policy()
    (rank,) = own.ranks(torch.tensor([own.threshold]))
    assert rank == pytest.approx(0.95, abs=0.01)
    assert len(json.dumps(own.score_quantiles)) < 5000, "its size does not grow with the calibration images"


def test_the_doubt_that_adds_most_drives_the_score():
    own = policy()
    doubts = {"margin": torch.tensor([9.0, -9.0, -9.0]), "distance": torch.tensor([-9.0, 9.0, -9.0])}
    assert own.drivers(doubts) == ["margin", "distance", None], "where neither is unusual, none does"


def test_a_doubt_taken_as_it_is_drives_every_score():
    alone = Policy("a", ("a",), (), (1.0,), 0.5, 0.1, 0.1, "expected", 0, 0, 20)
    assert alone.drivers({"a": torch.tensor([-3.0, 3.0])}) == ["a", "a"]
    assert alone.ranks(torch.tensor([1.0])) == [None], "a policy of an earlier version keeps no quantiles"
