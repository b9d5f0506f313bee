"""Ranks by hand: places, and how often they are kept."""

import pytest
import torch

from antehoc.comparison import Rank
from antehoc.comparison.ranks import ranked
from antehoc.metrics import Resamples

VALID = torch.tensor([True, True])


@pytest.fixture
def resamples() -> Resamples:
    """Three draws of two images; `a` leads in the first two."""
    found = Resamples(2, draws=3, generator=torch.Generator())
    found.counts = torch.tensor([[2.0, 0.0], [1.0, 1.0], [0.0, 2.0]]).double()
    return found


def test_ranks_by_hand(resamples):
    values = {"a": torch.tensor([1.0, 0.0]).double(), "b": torch.tensor([0.0, 0.9]).double()}
    each = {name: {"energy": own, "pompom": own} for name, own in values.items()}
    ranks = ranked("energy", {"a": VALID, "b": VALID}, each, resamples)
    assert ranks == {"a": Rank(1, pytest.approx(2 / 3)), "b": Rank(2, pytest.approx(2 / 3))}
    lower = ranked("pompom", {"a": VALID, "b": VALID}, each, resamples)
    assert (lower["a"].place, lower["b"].place) == (2, 1)


def test_equal_rows_share_the_better_place_and_invalid_ones_take_none(resamples):
    own = {"energy": torch.tensor([0.5, 0.5]).double()}
    each = {"a": own, "b": own, "c": own, "d": {"energy": torch.tensor([torch.nan, torch.nan]).double()}}
    valid = {"a": VALID, "b": VALID, "c": torch.tensor([False, False]), "d": VALID}
    assert ranked("energy", valid, each, resamples) == {"a": Rank(1, 1.0), "b": Rank(1, 1.0)}
    assert ranked("energy", {"c": ~VALID}, each, resamples) == {}


def test_a_row_with_an_answer_for_some_images_takes_a_place(resamples):
    each = {
        "a": {"energy": torch.tensor([torch.nan, 0.3]).double()},
        "b": {"energy": torch.tensor([0.1, 0.1]).double()},
    }
    ranks = ranked("energy", {"a": VALID, "b": VALID}, each, resamples)
    assert {name: rank.place for name, rank in ranks.items()} == {"a": 1, "b": 2}
