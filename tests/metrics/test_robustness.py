"""Stability and randomization: by hand and by law."""

import pytest
import torch
from scipy.stats import spearmanr
from torch import nn
from torch.testing import assert_close

from antehoc.errors import DataError, RecipeError
from antehoc.metrics import MapMetric
from antehoc.metrics.robustness import (
    layers_from_the_top,
    max_sensitivity,
    mean_sensitivity,
    randomization,
    randomized_similarity,
    stability,
)


def gray(images):
    return images.mean(1, keepdim=True)


@pytest.fixture
def images():
    return torch.rand(3, 3, 6, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def net():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1))


def test_a_linear_map_changes_with_its_image(images):
    images = images * 0.5 + 0.25  # no noise is cut off at 0 or 1
    changes = stability(lambda given: 7 * given[:, :1], images, noise=0.1, samples=50, seed=1)
    assert changes.shape == (3, 50)
    sizes = images[:, 0].flatten(1).double().norm(dim=1)
    # even noise in -.1..1 has the mean square .01 / 3; 36 pixels, 50 samples: known to a few percent
    assert_close(
        (changes * sizes[:, None]).square().mean(1), torch.full((3,), 36 * 0.01 / 3).double(), rtol=0.1, atol=0
    )
    assert (changes * sizes[:, None] <= 0.1 * 6 + 1e-6).all()
    assert_close(stability(lambda given: given[:, :1], images, noise=0.1, samples=50, seed=1), changes)
    half = stability(lambda given: given[:, :1], images, noise=0.05, samples=50, seed=1)
    assert_close(half, changes / 2, rtol=1e-4, atol=0)  # the sums round in single precision
    alone = stability(lambda given: given[:, :1], images[1:2], noise=0.1, samples=50, seed=1)
    assert_close(alone, changes[1:2])


def test_noise_stays_inside_the_images_range():
    seen = []
    stability(lambda given: seen.append(given) or gray(given), torch.ones(1, 3, 4, 4), noise=0.5, samples=3)
    assert all(given.max() <= 1 for given in seen)
    assert all(given.min() < 1 for given in seen[1:])


def test_a_steady_map_beats_one_of_chance(images):
    draws = torch.Generator().manual_seed(0)
    steady = stability(lambda given: torch.ones_like(gray(given)), images)
    chance = stability(lambda given: torch.rand(len(given), 1, 6, 6, generator=draws), images)
    smooth = stability(gray, images)
    assert (max_sensitivity(steady) == 0).all()
    assert (max_sensitivity(smooth) > 0).all()
    assert (max_sensitivity(smooth) < max_sensitivity(chance)).all()
    by_hand = torch.tensor([[0.25, 0.75]]).double()
    assert (mean_sensitivity(by_hand).item(), max_sensitivity(by_hand).item()) == (0.5, 0.75)
    metric = MapMetric("sensitivity")
    metric.update(by_hand)
    assert (metric.compute().item(), metric.higher_is_better) == (0.75, False)


def test_a_map_of_zeros_that_wakes_changes_without_bound(images):
    changes = stability(lambda given: (given - images).abs().mean(1, keepdim=True), images, samples=2)
    assert changes.isinf().all()


def test_a_map_of_the_image_fails_and_one_of_the_weights_passes(images, net):
    blind = randomized_similarity(randomization(lambda _: gray, net, images))
    assert_close(blind, torch.ones(3).double())
    sighted = randomized_similarity(randomization(lambda given: lambda x: given(x).detach(), net, images))
    assert (sighted < 0.9).all()
    metric = MapMetric("randomized_similarity")
    metric.update(blind[:, None])
    assert (metric.compute().item(), metric.higher_is_better) == (1, False)


def test_weights_fall_from_the_top_and_the_classifier_stays(images, net):
    assert layers_from_the_top(net) == ["2", "0"]
    before = {name: value.clone() for name, value in net.state_dict().items()}
    seen = []

    def explain_of(given):
        seen.append([given[0].weight.equal(net[0].weight), given[2].weight.equal(net[2].weight)])
        return lambda x: given(x).detach()

    stages = randomization(explain_of, net, images, cascade=True, seed=3)
    assert stages.shape == (3, 2)
    assert seen == [[True, True], [True, False], [False, False]]
    assert all(value.equal(before[name]) for name, value in net.state_dict().items())
    assert_close(stages[:, -1:], randomization(explain_of, net, images, seed=3))
    assert not torch.allclose(stages[:, -1:], randomization(explain_of, net, images, seed=4))


def test_random_weights_keep_mean_and_deviation(images):
    wide = nn.Conv2d(3, 500, 6)
    wide.weight.data.mul_(3).add_(2)
    found = []
    randomization(lambda given: found.append(given) or gray, wide, images)
    assert found[1].weight.mean().item() == pytest.approx(wide.weight.mean().item(), abs=0.02)  # 54,000 weights
    assert found[1].weight.std().item() == pytest.approx(wide.weight.std().item(), rel=0.02)


def test_the_correlation_is_spearmans_with_ties(images, net):
    first = (gray(images) * 5).round()
    second = (net(images).detach() * 5).round()
    pair = iter([first, second])
    found = randomization(lambda _: lambda _: next(pair), net, images)[:, 0]
    by_scipy = [spearmanr(a.flatten(), b.flatten()).statistic for a, b in zip(first, second, strict=True)]
    assert found.tolist() == pytest.approx(by_scipy)


@pytest.mark.parametrize(("after", "expected"), [(1.0, 1.0), (None, 0.0)])
def test_flat_maps_did_not_change(images, net, after, expected):
    flat = torch.ones(3, 1, 6, 6)
    pair = iter([flat, flat * 2 if after else gray(images)])
    assert randomization(lambda _: lambda _: next(pair), net, images)[:, 0].tolist() == [expected] * 3


def test_bad_requests_are_refused(images, net):
    with pytest.raises(RecipeError, match=r"got 0\.0 and 10"):
        stability(gray, images, noise=0.0)
    with pytest.raises(DataError, match="not finite"):
        stability(lambda given: gray(given) / 0, images)
    with pytest.raises(DataError, match=r"\(3, 1, 6, 6\); got \(3, 3, 6, 6\)"):
        stability(lambda given: given, images)
    with pytest.raises(RecipeError, match="this one has none"):
        randomization(lambda _: gray, nn.ReLU(), images)


def test_a_map_of_zeros_that_stays_one_is_stable():
    images = torch.rand(2, 1, 3, 3)
    assert stability(lambda some: 0 * some, images, samples=2).tolist() == [[0, 0], [0, 0]]
