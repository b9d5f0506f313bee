"""Doubts from the decision alone, against scipy."""

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch.testing import assert_close

from antehoc.doubts.certainty import energy, entropy, margin, probability

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 0.0], [-9.0, 8.0, 1.0]], dtype=torch.float64)


def test_entropy_is_that_of_the_softmax():
    shares = special.softmax(LOGITS.numpy(), axis=1)
    assert_close(entropy("single-label", LOGITS), torch.from_numpy(stats.entropy(shares, axis=1)))


def test_with_several_labels_each_has_the_entropy_of_its_sigmoid():
    present = special.expit(LOGITS.numpy())
    by_hand = torch.from_numpy(stats.entropy(np.stack([present, 1 - present])))
    assert_close(entropy("multi-label", LOGITS), by_hand)


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_a_sure_decision_has_no_entropy(task):
    assert_close(entropy(task, torch.tensor([[200.0, -200.0]])).sum(), torch.tensor(0.0))


def test_probability_is_the_softmax_of_the_asked_class():
    assert_close(probability(LOGITS, torch.tensor([0, 2, 1])), LOGITS.softmax(1)[[0, 1, 2], [0, 2, 1]])


def test_with_several_labels_the_margin_is_how_far_each_logit_lies_from_zero():
    assert_close(margin("multi-label", LOGITS), -torch.maximum(LOGITS, -LOGITS))


def test_energy_is_the_log_of_summed_exponentials():
    assert_close(energy("single-label", LOGITS), -torch.from_numpy(special.logsumexp(LOGITS.numpy(), axis=1)))
    assert_close(energy("single-label", LOGITS + 2), energy("single-label", LOGITS) - 2)


def test_with_several_labels_the_energy_is_that_of_the_image():
    by_hand = -np.log1p(np.exp(LOGITS.numpy())).sum(1, keepdims=True).repeat(3, 1)
    assert_close(energy("multi-label", LOGITS), torch.from_numpy(by_hand))
