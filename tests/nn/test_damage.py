"""Damage of images in training: squares, and what stands in their place."""

from collections import Counter

import pytest
import torch

from antehoc.nn.damage import fill, openings, squares


def test_squares_come_whole_and_as_many_as_asked_for():
    torch.manual_seed(0)
    images = torch.zeros(400, 3, 48, 48)
    found = squares(images, 0.6)
    assert found.shape == (400, 1, 48, 48)
    assert set(found.unique().tolist()) == {0.0, 1.0}
    shares = found.mean((1, 2, 3))
    assert shares.mean().item() == pytest.approx(0.3, abs=0.03)  # evenly from 0 to .6
    assert shares.max() > 0.5
    changes = (found[..., 1:] != found[..., :-1]).flatten(0, 2).any(0).sum()
    assert changes < 16  # squares begin at the same columns in each image


def test_a_side_holds_5_to_16_squares():
    torch.manual_seed(1)
    sides = set()
    for _ in range(80):
        found = squares(torch.zeros(40, 1, 48, 48), 1.0)
        sides.add(1 + int((found[..., 1:] != found[..., :-1]).flatten(0, 2).any(0).sum()))
    assert sides == set(range(5, 17))


def test_nothing_is_damaged_where_the_share_is_none():
    assert not squares(torch.zeros(8, 1, 16, 16), 0.0).any()


def test_the_four_fills_are_drawn_alike():
    images, kinds = torch.rand(4, 3, 16, 16), Counter()
    for seed in range(400):
        torch.manual_seed(seed)
        found = fill(images, 0.25)
        assert found.shape == images.shape
        flat = found.flatten(1)
        if not (flat == flat[:, :1]).all():
            assert (found.std((2, 3)) < images.std((2, 3))).all()
            kinds["blurred"] += 1
        elif (flat == flat[0, 0]).all():
            kinds[float(flat[0, 0])] += 1
        else:
            kinds["levels"] += 1
    assert set(kinds) == {"blurred", "levels", 0.25, 0.5}
    assert all(70 < count < 130 for count in kinds.values())  # 100 each; a standard deviation is 9


def test_openings_show_between_a_tenth_and_all_in_blobs():
    torch.manual_seed(0)
    found = openings(torch.zeros(400, 3, 48, 40))
    assert found.shape == (400, 1, 48, 40)
    assert set(found.unique().tolist()) == {0.0, 1.0}
    shares = found.mean((1, 2, 3))
    assert shares.mean().item() == pytest.approx(0.55, abs=0.04)  # evenly from .1 to 1
    assert 0.09 < shares.min() < 0.13
    assert shares.max() > 0.97
    edges = (found[..., 1:] != found[..., :-1]).float().mean()
    assert edges < 0.1, "of single pixels at random it would be .3"
    assert not found[0].equal(found[1])
