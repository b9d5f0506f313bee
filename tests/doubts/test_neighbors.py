"""The doubts of similar training images."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch.testing import assert_close

from antehoc.doubts import TrainingImages
from antehoc.doubts.neighbors import knn, neighbors


def test_neighbors_is_the_difference_of_mean_similarities():
    alike = torch.tensor([[0.9, 0.8, 0.1, 0.6, 0.5, 0.0]])
    label = torch.tensor([0, 0, 0, 1, 1, 2])
    own, others = (0.9 + 0.8 + 0.1) / 3, (0.6 + 0.5 + 0.0) / 3
    assert_close(neighbors(alike, label, torch.tensor([0])), torch.tensor([others - own]))


def test_only_the_five_nearest_of_each_side_count():
    alike = torch.linspace(1, 0, 20)[None]
    label = torch.tensor([0, 1] * 10)
    even, odd = alike[0, 0:10:2].mean(), alike[0, 1:10:2].mean()
    assert_close(neighbors(alike, label, torch.tensor([0])), (odd - even)[None])


def test_a_class_without_a_training_image_is_as_far_as_can_be():
    alike, label = torch.tensor([[0.5, 0.25]]), torch.tensor([0, 0])
    assert_close(neighbors(alike, label, torch.tensor([1])), torch.tensor([0.375 + 1]))


def test_knn_is_the_distance_that_scikit_learn_gives():
    generator = torch.Generator().manual_seed(0)
    images = TrainingImages()
    features, query = torch.randn(50, 6, generator=generator), torch.randn(7, 6, generator=generator)
    images.fit(features, torch.arange(50) % 3)
    found = NearestNeighbors(n_neighbors=10, metric="cosine").fit(features.numpy()).kneighbors(query.numpy())[0][:, -1]
    np.testing.assert_allclose(images(query, torch.zeros(7, dtype=torch.int64))["knn"].numpy(), found, atol=1e-6)


def test_fewer_images_than_the_rank_give_the_farthest():
    assert_close(knn(torch.tensor([[0.9, 0.2, 0.4]])), torch.tensor([0.8]))


def test_at_most_so_many_images_are_kept_of_every_class_some():
    images = TrainingImages()
    label = torch.cat([torch.zeros(900), torch.ones(90), torch.full((10,), 2.0)]).long()
    images.fit(torch.randn(1000, 4), label, limit=60)
    assert torch.bincount(images.label).tolist() == [20, 20, 10]
    assert_close(images.features.norm(dim=1), torch.ones(50))


def test_images_are_saved_and_loaded_and_models_of_earlier_versions_have_none():
    images, other = TrainingImages(), TrainingImages()
    images.fit(torch.randn(12, 4), torch.arange(12) % 2)
    other.load_state_dict(images.state_dict())
    assert_close(other.features, images.features)
    other.load_state_dict({})
    assert not other.fitted
    assert images.fitted


def test_scale_of_the_features_does_not_count():
    images = TrainingImages()
    images.fit(torch.randn(12, 4), torch.arange(12) % 2)
    query = torch.randn(3, 4)
    one, ten = (images(times * query, torch.tensor([0, 1, 0])) for times in (1, 10))
    for name, value in one.items():
        assert_close(value, ten[name], msg=name)


@pytest.mark.parametrize("label", [0, 1])
def test_an_image_among_its_own_class_raises_less_doubt_than_among_others(label):
    images = TrainingImages()
    corners = torch.eye(2).repeat_interleave(6, 0) + 0.01 * torch.randn(
        12, 2, generator=torch.Generator().manual_seed(0)
    )
    images.fit(corners, torch.arange(2).repeat_interleave(6))
    doubt = images(torch.eye(2), torch.tensor([label, label]))["neighbors"]
    assert doubt[label] < 0 < doubt[1 - label]


def test_the_nearest_training_images_are_named_in_order():
    images = TrainingImages()
    images.fit(
        torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9], [-1.0, 0.0], [0.5, 0.5]]),
        torch.tensor([3, 3, 1, 1, 0, 2]),
    )
    assert images.nearest(torch.tensor([[2.0, 0.1]])).tolist() == [[3, 3, 2, 1, 1]]
