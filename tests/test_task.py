"""One label or several: what is predicted, what is wrong, and what the loss is."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from antehoc import task
from antehoc.errors import DataError, ModelError

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [-3.0, -2.0, -1.0]])


def test_with_one_label_the_highest_logit_is_predicted():
    assert task.predicted("single-label", LOGITS).tolist() == [0, 2]
    assert task.named("single-label", LOGITS) == [[0], [2]]


def test_with_several_labels_each_at_a_half_or_more_is_predicted():
    assert task.predicted("multi-label", LOGITS).tolist() == [[True, False, True], [False, False, False]]
    assert task.predicted("multi-label", torch.zeros(1, 1)).tolist() == [[True]]
    assert task.named("multi-label", LOGITS) == [[0, 2], []]


@pytest.mark.parametrize("kind", ["single-label", "multi-label"])
def test_log_probabilities_are_the_logarithms(kind):
    assert_close(task.log_probabilities(kind, LOGITS).exp(), task.probabilities(kind, LOGITS))


def test_wrong_is_a_flag_for_each_decision():
    assert task.wrong("single-label", LOGITS, torch.tensor([0, 1])).tolist() == [False, True]
    label = torch.tensor([[1, 0, 0], [0, 0, 1]])
    assert task.wrong("multi-label", LOGITS, label).tolist() == [[False, False, True], [False, False, True]]
    shares = torch.tensor([[0.5, 0.4, 0.49], [0.0, 0.5, 0.6]])  # of annotators: a half or more counts as present
    assert task.wrong("multi-label", LOGITS, shares).tolist() == [[False, False, True], [False, True, True]]
    assert task.accuracy("multi-label", LOGITS, label) == pytest.approx(4 / 6)
    assert task.accuracy("single-label", LOGITS, torch.tensor([0, 1])) == 0.5


def test_the_loss_with_one_label_is_minus_the_log_probability_of_the_class():
    label = torch.tensor([1, 2])
    by_hand = -torch.stack([LOGITS.softmax(1)[0, 1].log(), LOGITS.softmax(1)[1, 2].log()]).mean()
    assert_close(task.loss("single-label", LOGITS, label), by_hand)


def test_the_loss_with_several_labels_is_the_mean_over_label_decisions():
    label = torch.tensor([[1, 0, 1], [0, 0, 1]])
    shares = LOGITS.sigmoid()
    by_hand = -torch.where(label == 1, shares.log(), (1 - shares).log()).mean()
    assert_close(task.loss("multi-label", LOGITS, label), by_hand)


@given(seed=st.integers(0, 2**32 - 1))
def test_confidence_is_the_probability_of_what_is_predicted(seed):
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(seed)).double()
    one = task.probabilities("single-label", logits)
    assert_close(task.confidence("single-label", logits), one.gather(1, task.strongest(logits)[:, None])[:, 0])
    several, present = task.probabilities("multi-label", logits), task.predicted("multi-label", logits)
    assert_close(task.confidence("multi-label", logits), torch.where(present, several, 1 - several))


@pytest.mark.parametrize(
    ("kind", "label", "says"),
    [
        ("single-label", torch.zeros(2, 3), "one label per image needs class numbers"),
        ("single-label", torch.tensor([0, 3]), "class numbers must be in 0..2; got 0 to 3"),
        ("multi-label", torch.tensor([0, 1]), "several labels need 0 or 1"),
        ("multi-label", torch.zeros(2, 2), "for each of 3 classes"),
    ],
)
def test_labels_that_do_not_fit_the_task_are_refused(kind, label, says):
    with pytest.raises(DataError, match=says):
        task.check_labels(kind, label, 3, "here")


def test_labels_that_fit_pass():
    task.check_labels("single-label", torch.tensor([0, 2]), 3, "here")
    task.check_labels("single-label", torch.zeros(0, dtype=torch.int64), 3, "here")
    task.check_labels("multi-label", torch.zeros(2, 3), 3, "here")


@pytest.mark.parametrize(
    ("logits", "says"),
    [
        (torch.zeros(3, 2), r"map 2 images to logits \(2, classes\); int gave a tensor \(3, 2\)"),
        (torch.zeros(2), r"int gave a tensor \(2,\)"),
        ([torch.zeros(2, 2)], "int gave list"),
        (torch.zeros(2, 1), "int gives a single logit, whose softmax is always 1"),
    ],
)
def test_what_is_no_logits_is_refused(logits, says):
    with pytest.raises(ModelError, match=says):
        task.checked_logits(7, logits, 2)


def test_logits_pass_as_they_are_and_one_alone_through_a_sigmoid():
    for kind, classes in (("single-label", 2), ("multi-label", 2), ("multi-label", 1)):
        logits = torch.zeros(2, classes)
        assert task.checked_logits(7, logits, 2, kind) is logits
