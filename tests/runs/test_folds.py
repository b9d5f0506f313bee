"""Folds of the training images: each class shared out, and what belongs together in one fold."""

import pytest
import torch

from antehoc.data import Tensors
from antehoc.errors import DataError
from antehoc.runs.folds import folds_of, shared_out


def images(count):
    return torch.arange(count, dtype=torch.uint8).reshape(count, 1, 1, 1).expand(count, 1, 2, 2)


def test_images_of_a_group_and_equal_ones_share_a_fold():
    pictures = images(60).clone()
    pictures[59] = pictures[0]
    examples = Tensors(pictures, torch.arange(60) % 3)
    examples.groups = tuple(str(number // 4) if number < 40 else "" for number in range(60))
    fold = folds_of(examples, 4, seed=0)
    assert all(len(set(fold[start : start + 4].tolist())) == 1 for start in range(0, 40, 4))
    assert fold[59] == fold[0]
    assert fold.bincount(minlength=4).tolist() == pytest.approx([15] * 4, abs=3)
    assert not fold.equal(folds_of(examples, 4, seed=1))


def test_folds_without_groups_are_those_of_the_labels_alone():
    examples = Tensors(images(60), torch.arange(60) % 7 % 3)
    assert folds_of(examples, 4, seed=0).equal(shared_out(examples.labels, 4, seed=0))


def test_images_by_themselves_even_out_what_groups_leave():
    labels = torch.zeros(40, dtype=torch.int64)
    units = [number // 5 * 5 if number < 25 else number for number in range(40)]  # five of five, and 15 by themselves
    for seed in range(10):
        assert shared_out(labels, 4, seed, units).bincount().tolist() == [10] * 4


def test_rare_classes_are_spread_over_the_folds():
    labels = torch.arange(8).repeat_interleave(3)  # of each class a pair and an image by itself
    fold = shared_out(labels, 4, 0, [number - (number % 3 == 1) for number in range(24)])
    assert fold.bincount(minlength=4).tolist() == [6] * 4
    assert all(len(set(fold[labels == label].tolist())) == 2 for label in range(8))


def test_several_labels_are_shared_out_by_groups_too():
    labels = torch.zeros(40, 3)
    fold = shared_out(labels, 4, 0, [number // 2 for number in range(40)])
    assert fold.bincount().tolist() == [10] * 4
    assert fold[::2].equal(fold[1::2])


def test_fewer_groups_than_folds_are_refused():
    examples = Tensors(images(20), torch.arange(20) % 2)
    examples.groups = tuple("ab"[number % 2] for number in range(20))
    with pytest.raises(DataError, match="2 different images or groups to train on cannot fill 3 folds"):
        folds_of(examples, 3, seed=0)
