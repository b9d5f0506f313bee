"""Doubts of a mask, by hand: three looks at two classes."""

import math

import pytest
import torch

from antehoc.doubts.masks import necessity, sufficiency, whole

LOGITS = torch.tensor([[math.log(3.0), 0.0], [0.0, math.log(4.0)], [0.0, 0.0]])  # probabilities 3/4, 4/5, 1/2
PREDICTED = torch.tensor([0, 0, 1])


@pytest.mark.parametrize("doubt", [sufficiency, whole])
def test_what_is_shown_should_give_the_class_its_probability(doubt):
    assert doubt(LOGITS, PREDICTED).tolist() == pytest.approx([1 / 4, 4 / 5, 1 / 2])


def test_what_is_left_should_give_the_class_none():
    assert necessity(LOGITS, PREDICTED).tolist() == pytest.approx([3 / 4, 1 / 5, 1 / 2])


def test_where_nothing_is_there_what_is_left_should_give_no_other_class_any():
    assert necessity(LOGITS, PREDICTED, absent=0).tolist() == pytest.approx([1 / 4, 4 / 5, 1 / 2])
    assert necessity(LOGITS, PREDICTED, absent=1).tolist() == pytest.approx([3 / 4, 1 / 5, 1 / 2])
