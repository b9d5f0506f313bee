"""Rivals that read features, against their formulas written out by hand."""

from math import exp, inf, log, sqrt

import numpy as np
import pytest
import torch
from torch import nn

from antehoc.metrics.selective import aurc
from antehoc.rivals.features import (
    NEAREST,
    Residual,
    Spread,
    choose_nearest,
    feature_norm,
    knn_distance,
    monte_carlo_dropout,
    sirc,
    trust_score,
)

TRAIN = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0], [0.0, 5.0]])
LABEL = torch.tensor([0, 0, 1, 1])


def head_of(weight: list[list[float]], bias: list[float] | None) -> nn.Linear:
    layer = nn.Linear(len(weight[0]), len(weight), bias=bias is not None)
    layer.weight.data = torch.tensor(weight)
    if bias is not None:
        layer.bias.data = torch.tensor(bias)
    return layer


def test_knn_distance_by_hand():
    image = torch.tensor([[7.0, 0.0], [3.0, 4.0]])
    # (.6, .8) is sqrt(.8) from (1, 0) and sqrt(.4) from (0, 1); two training images lie at each
    assert knn_distance(image, TRAIN, 1).tolist() == pytest.approx([0, sqrt(0.4)])
    assert knn_distance(image, TRAIN, 3).tolist() == pytest.approx([sqrt(2), sqrt(0.8)])
    assert knn_distance(image, TRAIN, 50).tolist() == pytest.approx([sqrt(2), sqrt(0.8)])  # of four the farthest


def test_the_neighbor_is_chosen_by_errors():
    # each class has three training images, so the tenth neighbor is of another class and says nothing
    train = torch.eye(6).repeat_interleave(3, 0) + 0.01 * torch.randn(18, 6, generator=torch.Generator().manual_seed(0))
    features = torch.eye(6).repeat(4, 1)
    wrong = torch.arange(24) >= 18
    features[wrong] += 0.7 * torch.eye(6).roll(1, 0)
    by_k = {k: float(aurc(knn_distance(features, train, k), wrong)) for k in NEAREST}
    assert by_k[1] < by_k[10]
    assert choose_nearest(features, train, wrong) == min(by_k, key=by_k.get)
    assert choose_nearest(features, train, torch.zeros(24).bool()) == 10  # without an error all are as good


def test_trust_score_by_hand():
    image = torch.tensor([[2.0, 1.0], [0.0, 3.0], [2.0, 0.0]])
    # from (2, 1): 1 to (2, 0), sqrt(8) to (0, 3)
    found = trust_score(image, TRAIN, LABEL, torch.tensor([0, 0, 1]))
    assert found.tolist() == pytest.approx([1 / sqrt(8), inf, inf])
    assert trust_score(image, TRAIN, LABEL, torch.tensor([1, 1, 0])).tolist() == pytest.approx([sqrt(8), 0, 0])
    assert trust_score(image, TRAIN, LABEL, torch.full((3,), 2)).tolist() == [inf, inf, inf]  # a class without images
    both = torch.cat([TRAIN, TRAIN[:1]])
    assert trust_score(TRAIN[:1], both, torch.tensor([0, 0, 1, 1, 1]), torch.tensor([0])).tolist() == [1.0]


def test_sirc_by_hand():
    logits = torch.tensor([[0.7, 0.2, 0.1], [0.25, 0.5, 0.25]]).log()
    # a = 10 - 3 * 2 = 4, b = 1 / 2: factors 1 + exp(-(second - 4) / 2)
    found = sirc(logits, torch.tensor([4.0, 10.0]), Spread(10.0, 2.0))
    assert found.tolist() == pytest.approx([log(0.3 * 2), log(0.5 * (1 + exp(-3)))])
    spread = Spread.of(torch.tensor([1.0, 3.0]))
    assert (spread.mean, spread.deviation) == (2.0, 1.0)
    assert Spread.of(torch.ones(3)).deviation > 0


def test_the_norm_of_features_is_the_sum_of_their_absolute_values():
    assert feature_norm(torch.tensor([[1.0, -2.0], [0.0, 0.5]])).tolist() == [3.0, 0.5]


def test_the_residual_is_what_lies_outside_the_main_directions():
    # training images vary along the first feature; of two features one is a main direction
    train = torch.tensor([[-3.0, 0.1], [3.0, -0.1], [-2.0, 0.0], [2.0, 0.0]])
    centered = Residual(train, head_of([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]))
    values, vectors = np.linalg.eigh((train.double().T @ train.double()).numpy())
    image = torch.tensor([[5.0, 0.0], [0.0, 2.0]])
    assert centered(image).tolist() == pytest.approx((-np.abs(image.double().numpy() @ vectors[:, 0])).tolist())
    assert values[0] < values[1]
    # with a bias the origin lies where all logits are 0: at (0, -1), so along the first feature from there
    moved = Residual(train + torch.tensor([0.0, -1.0]), head_of([[1.0, 0.0], [0.0, 1.0]], [0.0, 1.0]))
    assert moved(image + torch.tensor([0.0, -1.0])).tolist() == pytest.approx(centered(image).tolist(), abs=1e-6)


def test_few_training_images_leave_something_outside():
    train = torch.randn(6, 40, generator=torch.Generator().manual_seed(0))
    residual = Residual(train, head_of(torch.eye(3, 40).tolist(), None))
    assert residual.main.shape == (40, 3)  # half of the images, not half of the features
    assert (residual(train) < -0.1).all()


def test_dropout_averages_the_passes_it_draws():
    head, features = head_of([[2.0, 0.0], [0.0, 1.0]], [0.0, 0.5]), torch.tensor([[1.0, 1.0], [0.5, 2.0]])
    predicted = torch.tensor([0, 1])
    found = monte_carlo_dropout(
        features, head, predicted, rate=0.25, passes=3, generator=torch.Generator().manual_seed(5)
    )
    generator, expected = torch.Generator().manual_seed(5), torch.zeros(2)
    for _ in range(3):
        kept = torch.rand(2, 2, generator=generator) >= 0.25
        first, second = (features * kept / 0.75).T
        gap = 2 * first - second - 0.5  # logit 0 minus logit 1
        expected += torch.stack([torch.sigmoid(-gap[0]), torch.sigmoid(gap[1])]) / 3
    assert found.tolist() == pytest.approx(expected.tolist(), rel=1e-6)


def test_without_dropout_it_is_maximum_softmax():
    head, features = head_of([[2.0, 0.0], [0.0, 1.0]], None), torch.tensor([[1.0, 1.0]])
    found = monte_carlo_dropout(
        features, head, torch.tensor([0]), rate=0.0, passes=2, generator=torch.Generator().manual_seed(0)
    )
    assert found.tolist() == pytest.approx([1 / (1 + exp(1))])
