"""Other people's classifiers and inputs: explained, or refused with one sentence; never a wrong map called valid."""

import numpy as np
import pytest
import torch
from torch import nn

from antehoc.errors import AntehocError, DataError, ModelError, RecipeError
from antehoc.metrics.faithfulness import morf
from antehoc.posthoc import METHODS, attributions

FEW = {
    "smoothgrad": {"samples": 3}, "integrated-gradients": {"steps": 3}, "occlusion": {"window": 0.5},
    "lime": {"samples": 30, "cells": 2}, "rise": {"masks": 8, "cells": 2},
    "extremal-perturbation": {"steps": 3, "cells": 2},
}  # fmt: skip
BAD = {
    "steps": (0, -1, 1.5, True), "samples": (0, -2, 2.5), "cells": (0, "3"), "masks": (0,), "window": (0, -1, 5),
    "area": (0, 2, -0.1), "shown": (0, 1.5), "noise": (-1, float("nan")), "fill": (float("inf"), "black"),
    "baseline": (float("nan"), None),
}  # fmt: skip


def network(classes=2):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, classes)
    )


@pytest.fixture
def images():
    return torch.rand(3, 3, 12, 12, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("method", METHODS)
def test_a_single_logit_is_refused_unless_it_is_a_label_of_its_own(method, images):
    with pytest.raises(ModelError, match=r'a single logit, whose softmax is always 1; pass task="multi-label"'):
        attributions(network(1), images, method=method, **FEW.get(method, {}))
    one, other = attributions(network(1), images, method=method, task="multi-label", **FEW.get(method, {})).maps[:2]
    assert method == "deconvolution" or not one.equal(other)  # that one reads only where pooling took its maximum


def test_measures_refuse_a_single_logit_tuples_and_logits_that_are_not_finite(images):
    maps, target = images.mean(1, keepdim=True), torch.zeros(3, dtype=torch.int64)
    with pytest.raises(ModelError, match="a single logit"):
        morf(network(1), images, maps, target, patch=6)

    class Pair(nn.Module):
        def forward(self, image):
            return network()(image), image

    with pytest.raises(ModelError, match=r"must map 3 images to logits \(3, classes\); Pair gave tuple"):
        morf(Pair(), images, maps, target, patch=6, chunk=3)
    broken = network()
    broken[0].weight.data[0] = float("nan")
    with pytest.raises(DataError, match="gave logits that are NaN or infinite for"):
        morf(broken, images, maps, target, patch=6)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("method", METHODS)
def test_an_image_that_is_not_finite_gets_no_valid_map_and_spoils_no_other(method, value, images):
    options = FEW.get(method, {})
    whole = attributions(network(), images, method=method, target=1, **options)
    images = images.clone()
    images[1, 0, 3, 3] = value
    found = attributions(network(), images, method=method, target=1, **options)
    assert found.maps[1].isnan().all()
    assert not found.valid[1]
    assert "finite numbers" in found.why[1]
    for row in (0, 2):
        torch.testing.assert_close(found.maps[row], whole.maps[row])
        assert found.valid[row] == whole.valid[row]


@pytest.mark.parametrize("method", METHODS)
def test_no_map_of_a_classifier_with_nan_weights_is_valid(method, images):
    broken = network()
    broken[4].weight.data[:] = float("nan")
    try:
        found = attributions(broken, images, method=method, **FEW.get(method, {}))
    except AntehocError:
        return
    assert not found.valid.any()


@pytest.mark.parametrize(
    ("method", "name", "value"),
    [(method, name, value) for method, entry in METHODS.items() for name in entry.options for value in BAD[name]],
)
def test_an_option_out_of_its_range_is_refused(method, name, value, images):
    with pytest.raises(RecipeError, match=rf"method '{method}': option '{name}' must be a"):
        attributions(network(), images, method=method, **{name: value})


@pytest.mark.parametrize(
    "target", [1, [1, 1, 1], (1, 1, 1), np.array([1, 1, 1]), torch.tensor(1), torch.tensor([1, 1, 1]), np.int64(1)]
)
def test_targets_of_any_form_name_a_class(target, images):
    expected = attributions(network(), images, method="saliency", target=torch.ones(3, dtype=torch.int64))
    assert attributions(network(), images, method="saliency", target=target).maps.equal(expected.maps)


@pytest.mark.parametrize("target", [1.5, [0, 1], "cat", True, [[1, 1, 1]], {"a": 1}, torch.ones(3), [0, None, 1]])
def test_a_target_that_names_no_class_is_refused(target, images):
    with pytest.raises(DataError, match="target must be a class number, or one for each of the 3 images; got"):
        attributions(network(), images, method="saliency", target=target)


class Silent(nn.Module):
    """A `train` that returns nothing, as some people write it."""

    def __init__(self):
        super().__init__()
        self.own = network()

    def train(self, mode=True):
        self.own.train(mode)

    def forward(self, image):
        return self.own(image)


def scripted():
    return torch.jit.trace(network(), torch.rand(1, 3, 12, 12))


def exported():
    batch = {0: torch.export.Dim("batch", min=1, max=64)}
    return torch.export.export(network().eval(), (torch.rand(2, 3, 12, 12),), dynamic_shapes=(batch,)).module()


@pytest.mark.filterwarnings("ignore")  # of tracing and exporting, about their future
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("make", [Silent, scripted, exported])
def test_other_forms_of_a_classifier_are_explained_or_refused_in_one_sentence(make, method, images):
    options = FEW.get(method, {})
    expected = attributions(network(), images, method=method, target=1, **options)
    try:
        found = attributions(make(), images, method=method, target=1, **options)
    except AntehocError as error:
        refusal = error
        found = None
    if found is None:
        assert make is not Silent
        assert "\n" not in str(refusal)
        return
    if found.valid.all():
        torch.testing.assert_close(found.maps, expected.maps, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_weights_made_in_inference_mode_are_refused(method, images):
    with torch.inference_mode():
        made = network()
    with pytest.raises(ModelError, match=r"created in torch\.inference_mode, without"):
        attributions(made, images, method=method, **FEW.get(method, {}))
