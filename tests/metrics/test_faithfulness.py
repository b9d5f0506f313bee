"""Curves of perturbed images: by hand, against a plain loop, against Quantus, and by law."""

import importlib.util
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from antehoc.errors import DataError, RecipeError
from antehoc.metrics import MapMetric, maps
from antehoc.metrics.faithfulness import (
    aopc,
    area,
    curves,
    deletion,
    insertion,
    morf,
    morf_many,
    replacement,
)
from antehoc.metrics.maps import grid

seeds = st.integers(0, 2**32 - 1)


class Net(nn.Module):
    """A small classifier with layers that differ between modes; it counts the images that it is shown."""

    def __init__(self, seed=0, channels=3):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.conv, self.norm, self.head = nn.Conv2d(channels, 6, 3), nn.BatchNorm2d(6), nn.Linear(6, 4)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)
        self.seen = 0

    def forward(self, images):
        self.seen += len(images)
        return self.head(self.norm(self.conv(images)).relu().mean((2, 3)))


class Brightness(nn.Module):
    """P(class 0) is the mean of the image."""

    def forward(self, images):
        mean = images.mean((1, 2, 3)).clamp(1e-6, 1 - 1e-6)
        return torch.stack([mean, 1 - mean], 1).log()


def draw(seed=0, batch=3, height=12, width=12, channels=3):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(batch, channels, height, width, generator=generator)
    own = torch.rand(batch, 1, height, width, generator=generator)
    return images, own, torch.randint(4, (batch,), generator=generator)


def step_by_step(classifier, image, own, target, patch, fill, steps, per_step=1):
    """The definition, one image and one patch after another; `fill` is the picture that patches are taken from."""
    height, width = image.shape[1:]
    boxes = [
        (slice(y, min(y + patch, height)), slice(x, min(x + patch, width)))
        for y in range(0, height, patch)
        for x in range(0, width, patch)
    ]
    boxes.sort(key=lambda box: -float(own[0][box].double().mean()))
    now, curve = image.clone(), []
    for step in range(steps + 1):
        with torch.no_grad():
            curve.append(classifier.eval()(now[None]).softmax(1)[0, target].item())
        for box in boxes[step * per_step : (step + 1) * per_step]:
            now[:, box[0], box[1]] = fill[:, box[0], box[1]]
    return curve


@pytest.mark.parametrize("perturbation", ["black", "white", "gray", "blur", "uniform"])
@pytest.mark.parametrize(("height", "width", "patch"), [(12, 12, 4), (11, 13, 4)])
def test_morf_is_the_definition_step_by_step(perturbation, height, width, patch):
    images, own, target = draw(height=height, width=width)
    found = morf(Net(), images, own, target, patch=patch, perturbation=perturbation, steps=5, chunk=4)
    fill = replacement(images, perturbation)
    by_hand = [
        step_by_step(Net(), *row, patch, other, 5) for *row, other in zip(images, own, target, fill, strict=True)
    ]
    assert_close(found, torch.tensor(by_hand, dtype=torch.float64), atol=1e-6, rtol=0)


def test_deletion_and_insertion_are_the_definition_step_by_step():
    images, own, target = draw(height=6, width=8)
    black = torch.zeros_like(images)
    rows = list(zip(images, own, target, strict=True))
    down = [step_by_step(Net(), *row, 1, black[0], 8, per_step=6) for row in rows]
    found = deletion(Net(), images, own, target, steps=8)
    assert_close(found, torch.tensor(down, dtype=torch.float64), atol=1e-6, rtol=0)
    up = [step_by_step(Net(), black[0], own, target, 1, image, 8, per_step=6) for image, own, target in rows]
    found = insertion(Net(), images, own, target, perturbation="black", steps=8)
    assert_close(found, torch.tensor(up, dtype=torch.float64), atol=1e-6, rtol=0)


def test_steps_that_do_not_divide_the_pixels_end_with_none_left():
    images, own, target = draw(height=5, width=5)
    last = deletion(Net(), images, own, target, steps=7)[:, -1]
    assert_close(last, morf(Net(), torch.zeros_like(images), own, target)[:, 0], atol=1e-6, rtol=0)
    assert deletion(Net(), images, own, target, steps=100).shape == (3, 26)


def test_patches_as_a_share_of_the_side():
    assert grid(7, 14, 1 / 7).unique().tolist() == list(range(49))
    assert grid(64, 96, 1 / 14).unique(return_counts=True)[1].aminmax() == (4 * 6, 5 * 7)
    assert int(grid(4, 4, 1 / 14).max()) == 15  # no patch is smaller than a pixel
    assert grid(5, 3, 1.0).unique().tolist() == [0]
    for patch in (0, 6, 0.0, 1.5, -1):
        with pytest.raises(RecipeError, match=f"got {patch}"):
            grid(5, 5, patch)


def test_what_replaces_a_patch():
    images, _, _ = draw()
    assert [replacement(images, name).unique().tolist() for name in ("black", "gray", "white")] == [[0], [0.5], [1]]
    noise = replacement(images, "uniform", seed=3)
    assert noise[0].equal(noise[2])
    assert not noise.equal(replacement(images, "uniform", seed=4))
    assert 0 <= noise.min() < 0.1 < 0.9 < noise.max() < 1
    flat = torch.full((1, 3, 30, 20), 0.3)
    assert_close(replacement(flat, "blur"), flat)  # the border does not darken
    dot = torch.zeros(1, 1, 44, 66)
    dot[..., 20, 30] = 1
    blurred = replacement(dot, "blur")[0, 0]
    assert (blurred[20, 32] / blurred[20, 30]).item() == pytest.approx(np.exp(-0.5), rel=1e-4)  # deviation: 44 / 22


def test_aopc_and_areas_by_hand():
    curve = torch.tensor([[0.9, 0.5, 0.1, 0.3], [0.2, 0.2, 0.2, 0.2]])
    assert aopc(curve).tolist() == pytest.approx([(0 + 0.4 + 0.8 + 0.6) / 4, 0])
    assert area(curve).tolist() == pytest.approx([(0.45 + 0.5 + 0.1 + 0.15) / 3, 0.2])
    metrics = {name: MapMetric(name) for name in ("aopc", "deletion", "insertion")}
    for metric in metrics.values():
        metric.update(curve)
    assert metrics["aopc"].compute().item() == pytest.approx(0.225)
    assert [metric.higher_is_better for metric in metrics.values()] == [True, False, True]


def test_of_several_labels_the_probability_is_the_labels_own():
    images, own, target = draw(batch=2)
    found = morf(Net(), images, own, target, patch=4, perturbation="black", steps=2, task="multi-label")
    with torch.no_grad():
        first = Net().eval()(images).sigmoid().gather(1, target[:, None])[:, 0]
        last = Net().eval()(images * 0).sigmoid().gather(1, target[:, None])[:, 0]
    whole = deletion(Net(), images, own, target, steps=1, task="multi-label")
    assert_close(found[:, 0], first.double())
    assert_close(whole, torch.stack([first, last], 1).double())


@settings(max_examples=20)
@given(seeds)
def test_perfect_beats_random_beats_inverted(seed):
    images, some, _ = draw(seed, channels=1)
    perfect, target = images.clone(), torch.zeros(3, dtype=torch.long)  # the brighter a pixel, the more it counts
    found = morf_many(Brightness(), images, {"good": perfect, "some": some, "bad": -perfect}, target, patch=1,
                      perturbation="black")  # fmt: skip
    good, middle, bad = (aopc(found[name]) for name in ("good", "some", "bad"))
    assert (good > middle).all()
    assert (middle > bad).all()
    falls = [area(deletion(Brightness(), images, own, target, steps=12)) for own in (perfect, some, -perfect)]
    rises = [
        area(insertion(Brightness(), images, own, target, steps=12, perturbation="black"))
        for own in (perfect, some, -perfect)
    ]
    assert (falls[0] < falls[1]).all()
    assert (falls[1] < falls[2]).all()
    assert (rises[0] > rises[1]).all()
    assert (rises[1] > rises[2]).all()


@pytest.mark.parametrize("mode", ["morf", "deletion", "insertion"])
@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_neither_chunk_nor_company_changes_a_value(mode, chunk):
    images, own, target = draw()
    knobs = {"patch": 3, "perturbation": "uniform", "steps": 6}
    several = {"own": own, "flat": torch.ones_like(own), "same": 2 * own}
    whole = curves(mode, Net(), images, several, target, **knobs)
    again = curves(mode, Net(), images, several, target, **knobs, chunk=chunk)
    for name, one in several.items():
        assert_close(again[name], whole[name], atol=1e-6, rtol=0)  # a convolution rounds by its batch
        alone = [
            curves(mode, Net(), *(x[row : row + 1] for x in (images,)), {"": one[row : row + 1]},
                   target[row : row + 1], **knobs)[""]
            for row in range(3)
        ]  # fmt: skip
        assert_close(torch.cat(alone), whole[name], atol=1e-6, rtol=0)


def test_an_image_that_was_seen_is_not_looked_at_again():
    images, own, target = draw(batch=2)
    net = Net()
    one = morf_many(net, images, {"own": own}, target, patch=4, perturbation="black")
    assert net.seen == 2 * 10
    net.seen = 0
    three = morf_many(net, images, {"own": own, "scaled": own * 5, "against": -own}, target, patch=4,
                      perturbation="black")  # fmt: skip
    assert net.seen == 2 * (10 + 8)  # the same ranking costs nothing, the inverted one shares both ends
    assert_close(three["scaled"], one["own"], atol=1e-6, rtol=0)
    images[:, :, :8] = 0  # black patches on black: six of nine change nothing
    net.seen = 0
    found = morf(net, images, own, target, patch=4, perturbation="black")
    assert net.seen == 2 * 4
    by_hand = [step_by_step(Net(), *row, 4, 0 * images[0], 9) for row in zip(images, own, target, strict=True)]
    assert_close(found, torch.tensor(by_hand, dtype=torch.float64), atol=1e-6, rtol=0)


def test_ties_follow_the_seed_and_absolute_values_are_an_option():
    images, own, target = draw()
    flat = torch.full_like(own, 0.1)
    first, again, other = (morf(Net(), images, flat, target, patch=5, seed=seed) for seed in (0, 0, 1))
    assert first.equal(again)
    assert not torch.allclose(first, other)
    raw, size = (morf(Net(), images, -own, target, patch=1, steps=4, absolute=on) for on in (False, True))
    assert not torch.allclose(raw, size)
    assert_close(size, morf(Net(), images, own, target, patch=1, steps=4), atol=1e-6, rtol=0)


def test_the_classifier_is_left_as_it_was():
    images, own, target = draw()
    net = Net().train()
    net.norm.eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    train, evaluation = morf(net, images, own, target), morf(Net().eval(), images, own, target)
    assert_close(train, evaluation)
    assert [net.training, net.conv.training, net.norm.training] == [True, True, False]
    assert all(value.equal(before[name]) for name, value in net.state_dict().items())


def test_a_default_chunk_has_so_many_pixels(monkeypatch):
    images, own, target = draw(batch=1)
    sizes = []
    net = Net()
    net.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    monkeypatch.setattr(maps, "PIXELS_AT_ONCE", 4 * 144)
    morf(net, images, own, target, patch=4)
    assert sizes == [4, 4, 2]


def test_bad_requests_are_refused():
    images, own, target = draw()
    with pytest.raises(DataError, match="'own' hold a number that is not finite"):
        morf_many(Net(), images, {"own": own * torch.nan}, target)
    with pytest.raises(DataError, match=r"'own' of these images are \(3, 1, 12, 12\); got \(2, 1, 12, 12\)"):
        morf_many(Net(), images, {"own": own[:2]}, target)
    with pytest.raises(DataError, match="from 0 to 3; got 4"):
        morf(Net(), images, own, target + 4 - target)
    with pytest.raises(RecipeError, match="one step or more; got 0"):
        morf(Net(), images, own, target, steps=0)
    with pytest.raises(RecipeError, match="one image or more; got 0"):
        morf(Net(), images, own, target, chunk=0)


# --- Quantus (LGPL): a reference, never a part

QUANTUS = pytest.mark.skipif(not importlib.util.find_spec("quantus"), reason="quantus is not installed")


def by_quantus(name, net, images, own, target, **knobs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import quantus

        measure = getattr(quantus, name)(normalize=False, perturb_baseline=0.0, disable_warnings=True, **knobs)
        arrays = images.numpy(), target.numpy(), own.numpy()
        found = measure(net.eval(), *arrays, channel_first=True, softmax=True, device="cpu", batch_size=len(images))
    return torch.from_numpy(np.array(found)).double()


@QUANTUS
@pytest.mark.parametrize(("patch", "steps"), [(4, 20), (8, 9)])
def test_morf_is_region_perturbation_of_quantus(patch, steps):
    images, own, target = draw(height=24, width=24)
    theirs = by_quantus("RegionPerturbation", Net(), images, own, target, patch_size=patch, regions_evaluation=steps)
    ours = morf(Net(), images, own, target, patch=patch, perturbation="black", steps=steps)
    assert_close(ours[:, :1] - ours[:, 1:], theirs, atol=1e-5, rtol=0)


@QUANTUS
@pytest.mark.parametrize("channels", [1, 3])
def test_deletion_is_pixel_flipping_of_quantus(channels):
    # Quantus flips values, not pixels: of a map that the channels share, all channels of a pixel come one after another
    images, own, target = draw(height=24, width=24, channels=channels)
    theirs = by_quantus("PixelFlipping", Net(channels=channels), images, own, target, features_in_step=48 * channels)
    ours = deletion(Net(channels=channels), images, own, target, steps=12)
    assert_close(ours[:, 1:], theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("curve", "patch", "perturbation"), [(morf, 1 / 7, "blur"), (deletion, 1, "black"), (insertion, 1, "blur")]
)
def test_the_defaults_are_those_of_the_published_curves(curve, patch, perturbation):
    draws = torch.Generator().manual_seed(0)
    images, maps = torch.rand(1, 1, 16, 16, generator=draws), torch.rand(1, 1, 16, 16, generator=draws)
    net, target = nn.Sequential(nn.Flatten(), nn.Linear(256, 2)), torch.tensor([0])
    asked = curve(net, images, maps, target)
    assert asked.equal(curve(net, images, maps, target, patch=patch, perturbation=perturbation))
    assert not asked.equal(curve(net, images, maps, target, patch=patch, perturbation="white"))
