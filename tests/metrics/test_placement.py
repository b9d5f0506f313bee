"""Placement of maps: by hand, by law, and against the object's own mask."""

from math import isnan, log

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from antehoc.errors import DataError, RecipeError
from antehoc.metrics import MEASURES, MapMetric
from antehoc.metrics.placement import (
    best_threshold,
    coverage,
    energy,
    f1,
    gini,
    iou,
    max_scaled,
    outline,
    pointing_game,
    pompom,
    saliency_metric,
)

HIGHER = [pointing_game, energy, lambda m, o: iou(m, o, 0.5), lambda m, o: f1(m, o, 0.5)]
seeds = st.integers(0, 2**32 - 1)


def draw(seed, batch=3, height=6, width=5):
    """Maps in 0..1 and object masks that are neither empty nor full."""
    generator = torch.Generator().manual_seed(seed)
    maps, mask = torch.rand(2, batch, 1, height, width, generator=generator)
    mask = mask > 0.6
    mask[:, :, 0, 0], mask[:, :, 0, 1] = True, False
    return maps, mask


def row(*values):
    return torch.tensor(values).view(1, 1, 1, -1)


class Brightness(nn.Module):
    """P(class 0) is the mean of the image."""

    def forward(self, images):
        mean = images.mean((1, 2, 3))
        return torch.stack([mean, 1 - mean], 1).log()


def test_a_map_by_hand():
    maps, mask = row(0.8, 0.4, 0.0, -0.5, 0.6), row(True, False, True, False, False)
    assert pointing_game(maps, mask).item() == 1
    assert energy(maps, mask).item() == pytest.approx(0.8 / 1.8)
    # above .5 lie .8 (object) and .6; the object has two pixels
    assert iou(maps, mask, 0.5).item() == pytest.approx(1 / 3)
    assert f1(maps, mask, 0.5).item() == pytest.approx(2 / 4)
    assert coverage(maps, mask, 0.5).item() == 0.5
    assert pompom(maps, mask).item() == pytest.approx(2 / 3)  # .4 and .6 of three pixels outside
    assert gini(row(1.0, 3.0, 0.0, -4.0)).item() == pytest.approx(1 - 2 * (1 * 2.5 + 3 * 1.5 + 4 * 0.5) / (8 * 4))


def test_shown_is_strictly_above_the_threshold():
    assert coverage(row(0.5, 0.75), row(True, True), 0.5).item() == 0.5


@given(seeds)
def test_perfect_beats_random_beats_inverted(seed):
    maps, mask = draw(seed)
    perfect = mask.float()
    for measure in HIGHER:
        best, some, worst = (measure(own, mask) for own in (perfect, 0.2 + 0.6 * maps, 1 - perfect))
        assert (best >= some).all()
        assert (some >= worst).all()
        assert (best == 1).all()
        assert (worst == 0).all()
    assert (pompom(perfect, mask) < pompom(maps + 0.1, mask)).all()
    assert_close(pompom(1 - perfect, mask), torch.ones(3, dtype=torch.float64), atol=1e-6, rtol=0)
    assert_close(pompom(0 * perfect, mask), torch.zeros(3, dtype=torch.float64))


@given(seeds, st.floats(0, 1))
def test_counts_agree_with_numpy_and_with_each_other(seed, threshold):
    maps, mask = draw(seed)
    shown, inside = maps.double().numpy() > threshold, mask.numpy()
    for axis, (value, dice) in enumerate(zip(iou(maps, mask, threshold), f1(maps, mask, threshold), strict=True)):
        expected = np.logical_and(shown, inside)[axis].sum() / np.logical_or(shown, inside)[axis].sum()
        assert value.item() == pytest.approx(expected)
        assert dice.item() == pytest.approx(2 * expected / (1 + expected))  # Dice and Jaccard, one from the other


@given(seeds)
def test_gini_is_the_mean_difference_of_all_pairs(seed):
    maps, _ = draw(seed)
    value = maps.flatten(1).double()
    pairs = (value[:, :, None] - value[:, None]).abs().mean((1, 2)) / (2 * value.mean(1))  # its oldest definition
    assert_close(gini(-maps), pairs)
    assert_close(gini(7 * maps), gini(maps))


def test_flat_maps_and_missing_objects():
    flat, mask = torch.ones(2, 1, 2, 3), torch.zeros(2, 1, 2, 3, dtype=torch.bool)
    mask[0, 0, 0] = True  # the second image has no object
    for measure in [*HIGHER, lambda m, o: coverage(m, o, 0.5)]:
        assert measure(flat, mask)[0] > 0
        assert isnan(measure(flat, mask)[1])
    assert pointing_game(flat, mask)[0] == 0.5  # lots among all six pixels
    assert pompom(flat, mask).tolist() == pytest.approx([1, 1])
    assert energy(0 * flat, mask)[0] == 0
    assert gini(torch.cat([flat, 0 * flat])).tolist() == [0, 0, 0, 0]
    assert_close(max_scaled(torch.cat([0 * flat, -flat])), torch.zeros(4, 1, 2, 3))
    with pytest.raises(DataError, match="not finite"):
        energy(flat * torch.nan, mask)


@given(seeds, st.floats(0.01, 1000))
def test_no_grid_threshold_is_better_and_scale_does_not_count(seed, scale):
    maps, mask = draw(seed)
    best, scaled = best_threshold(maps, mask), max_scaled(maps)
    means = {step / 100: iou(scaled, mask, step / 100).mean() for step in range(100)}
    assert means[best] == max(means.values())
    assert all(mean < means[best] for threshold, mean in means.items() if threshold < best)
    rescaled = iou(max_scaled(scale * maps), mask, best_threshold(scale * maps, mask)).mean()
    assert rescaled.item() == pytest.approx(means[best].item(), abs=0.05)  # a value at a threshold may round past it


def test_a_threshold_needs_an_object():
    with pytest.raises(DataError, match="all of these masks are empty"):
        best_threshold(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2, dtype=torch.bool))


def test_the_saliency_metric_by_hand():
    image = torch.full((3, 1, 10, 10), 0.1)
    image[:, :, 2:4, 5:9] = 0.9
    maps = torch.zeros(3, 1, 10, 10)
    maps[0, 0, 2, 5] = maps[0, 0, 3, 8] = 1  # two corners: a box of 2 by 4, all .9
    maps[1, 0, 3, 6] = 1  # one pixel: its area counts as .05
    found = saliency_metric(Brightness(), image, maps, torch.tensor([0, 0, 1]), 0.5)
    whole = 1 - (0.1 * 92 + 0.9 * 8) / 100  # nothing shown: all of the image
    assert found.tolist() == pytest.approx([log(0.08 / 0.9), log(0.05 / 0.9), -log(whole)], abs=1e-5)
    one_by_one = saliency_metric(Brightness(), image, maps, torch.tensor([0, 0, 1]), 0.5, chunk=1)
    assert_close(one_by_one, found)
    with pytest.raises(DataError, match="a class from 0 to 1; got 2"):
        saliency_metric(Brightness(), image, maps, torch.tensor([0, 0, 2]), 0.5)


@pytest.mark.parametrize(("outside", "inside"), [(1, 1), (2, 0), (0, 1), (3, 2)])
def test_an_outline_is_where_growing_and_shrinking_differ(outside, inside):
    _, mask = draw(1, batch=2, height=9, width=11)
    found = outline(mask, outside_px=outside, inside_px=inside)
    for y in range(9):
        for x in range(11):
            for image in range(2):
                near = mask[image, 0, max(y - outside, 0) : y + outside + 1, max(x - outside, 0) : x + outside + 1]
                close = mask[image, 0, max(y - inside, 0) : y + inside + 1, max(x - inside, 0) : x + inside + 1]
                assert bool(found[image, 0, y, x]) == (bool(near.any()) and not bool(close.all()))


FIXED = {"iou": {"threshold": 0.5}, "f1": {"threshold": 0.5}, "coverage": {"threshold": 0.5}}
OF_MASKS = [n for n, e in MEASURES.items() if e.group == "placed" and n != "saliency_metric"]


@pytest.mark.parametrize("name", OF_MASKS)
def test_a_metric_is_the_mean_of_all_batches_in_its_direction(name):
    maps, mask = draw(0, batch=5)
    mask[4] = False  # no answer, but for pompom
    metric, fixed = MapMetric(name, **FIXED.get(name, {})), FIXED.get(name, {})
    for part in (slice(0, 2), slice(2, 5)):
        metric.update(maps[part], mask[part])
    by_hand = MEASURES[name].function(maps, mask, **fixed)
    assert metric.each().shape == (5,)
    assert_close(metric.compute(), by_hand.nanmean())
    good, bad = (MEASURES[name].function(own, mask, **fixed)[0] for own in (mask.float(), 1 - mask.float()))
    assert (good > bad) == metric.higher_is_better


def test_slips_of_a_metric_are_refused():
    with pytest.raises(RecipeError, match="Did you mean 'energy'"):
        MapMetric("enrgy")
    with pytest.raises(TypeError, match="treshold"):
        MapMetric("iou", treshold=0.5)


def test_an_outline_is_a_pixel_wide_on_each_side_by_default():
    mask = torch.zeros(1, 1, 9, 9, dtype=torch.bool)
    mask[..., 3:6, 3:6] = True
    assert outline(mask).equal(outline(mask, outside_px=1, inside_px=1))
    assert int(outline(mask).sum()) == 5 * 5 - 1
