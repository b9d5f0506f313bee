"""A map that may not be looked at says so and why; what cannot be done is said in one sentence."""

import importlib.util

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from antehoc.errors import DataError, ModelError, RecipeError
from antehoc.posthoc import METHODS, attributions, gradient_ascent, judge
from damaged import ODD, said


class Curved(nn.Module):
    """A logit far from linear, without a ReLU."""

    def forward(self, image):
        total = image.mean((1, 2, 3)) + image[:, 0, 0, 0]
        return torch.stack([(8 * total).exp(), total], 1)


class Hidden(torch.autograd.Function):
    """A square that no rule can see."""

    @staticmethod
    def forward(ctx, values):
        ctx.save_for_backward(values)
        return values**2

    @staticmethod
    def backward(ctx, slope):
        return 2 * ctx.saved_tensors[0] * slope


class Squares(nn.Module):
    def forward(self, image):
        return Hidden.apply(image).mean((2, 3))


IMAGE = torch.rand(2, 2, 4, 4, generator=torch.Generator().manual_seed(0))


def test_too_few_steps_are_not_complete_and_more_are():
    few = attributions(Curved(), IMAGE, method="integrated-gradients", target=0, steps=1)
    many = attributions(Curved(), IMAGE, method="integrated-gradients", target=0)
    assert (few.valid.tolist(), many.valid.tolist()) == ([False] * 2, [True] * 2)
    assert "more steps help" in few.why[0]
    assert many.why == ("", "")


def test_relevance_that_is_lost_or_made_is_found():
    found = attributions(Squares(), IMAGE, method="lrp", target=1)
    assert not found.valid.any()
    assert "miss the logit by 1 of it" in found.why[0]  # x * 2 x is twice the logit


def test_one_bad_image_does_not_spoil_the_others():
    image = IMAGE.clone()
    image[1, 0, 2, 2] = float("nan")
    found = attributions(Curved(), image, method="input-x-gradient", target=0)
    assert found.valid.tolist() == [True, False]
    assert "finite" in found.why[1]


def test_a_map_without_a_place_is_flat():
    even = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert "flat" in attributions(even, IMAGE, method="saliency", target=0).why[0]


@pytest.mark.parametrize(
    ("method", "brightness", "scale", "options"),
    [
        ("occlusion", 0.5, 1.0, {}),  # painted in its own color
        ("lime", 0.5, 1e3, {"samples": 40}),
        ("extremal-perturbation", 0.5, 1.0, {"steps": 5}),  # blurred, it stays as it is
        ("rise", 0.0, 1.0, {"masks": 40}),  # under any mask it is black
    ],
)
def test_where_no_change_of_the_image_changes_it_the_map_is_rounding(method, brightness, scale, options):
    pytest.importorskip("captum", reason="captum is not installed")
    torch.manual_seed(0)
    classifier = torchvision.models.resnet18(num_classes=5)
    classifier.fc.weight.data *= scale  # rounding grows with the logits
    even, other = torch.full((1, 3, 32, 32), brightness), torch.rand(1, 3, 32, 32)
    found = attributions(classifier, torch.cat([even, other]), method=method, preprocessing=(0.0, 1.0), **options)
    assert found.valid.tolist() == [False, True], found.why
    assert "rounding" in found.why[0] or "flat" in found.why[0]
    assert found.checks["spread"][0] < 1e-5 < found.checks["spread"][1]


def test_the_spread_minds_no_logit_of_minus_infinity():
    class Never(Curved):  # log-probabilities, of which one is always that of 0
        def forward(self, image):
            return torch.cat([super().forward(image), torch.full((len(image), 1), -torch.inf)], 1)

    found = attributions(Never(), IMAGE, method="rise", masks=20)
    assert found.valid.all(), found.why


def test_an_image_that_no_relu_lets_through_does_not_stop_the_others():
    torch.manual_seed(0)
    images = torch.stack([torch.zeros(3, 32, 32), torch.rand(3, 32, 32)])
    found = attributions(torchvision.models.resnet18(num_classes=5), images, method="grad-cam", preprocessing=(0, 1))
    assert found.valid.tolist() == [False, True]
    assert "flat" in found.why[0]


def test_guided_backprop_without_a_relu_is_not_guided():
    found = attributions(Curved(), IMAGE, method="guided-backprop", target=0)
    assert "0 ReLUs" in found.why[0]


@pytest.mark.parametrize(
    ("values", "valid"),
    [([0.0, 1.0], True), ([0.0, 0.0], False), ([5.0, 5.0], False), ([1.0, float("inf")], False), ([-1e-9, 0.0], True)],
)
def test_what_is_asked_of_every_map(values, valid):
    assert judge(torch.tensor(values).view(1, 1, 1, 2), {})[0].tolist() == [valid]


@pytest.mark.parametrize("name", ["completeness", "conservation"])
def test_a_check_that_is_no_number_fails(name):
    maps = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2)
    assert not judge(maps, {name: torch.tensor([float("nan")])})[0]
    assert judge(maps, {name: torch.tensor([0.005])})[0]
    assert not judge(maps, {"bias_share": torch.tensor([0.99])})[0]
    assert judge(maps, {"anything": torch.tensor([1e9])})[0]


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"method": "gradcam"}, RecipeError, "Did you mean 'grad-cam'"),
        ({"method": "rise", "maskes": 3}, RecipeError, "no option 'maskes'. Did you mean 'masks'"),
        ({"method": "saliency", "seed": 1, "steps": 3}, RecipeError, "Known: none"),
        ({"chunk": 0}, RecipeError, "1 or more; got 0"),
        ({"target": 2}, DataError, r"a class in 0..1; got \[2, 2\]"),
        ({"target": -1}, DataError, "must be a class"),
        ({"images": IMAGE[:0]}, DataError, "got none"),
        ({"classifier": nn.Identity()}, ModelError, r"Identity gave a tensor \(2, 2, 4, 4\)"),
    ],
)
def test_what_cannot_be_done_is_said(given, error, says):
    call = {"classifier": Curved(), "images": IMAGE, "method": "saliency", **given}
    with pytest.raises(error, match=says):
        attributions(call.pop("classifier"), call.pop("images"), **call)


def test_a_classifier_without_gradients_is_named():
    class Cut(nn.Module):
        def forward(self, image):
            return image.detach().mean((2, 3))

    for method in ("saliency", "grad-cam"):
        with pytest.raises(ModelError):
            attributions(Cut(), IMAGE, method=method)
    assert attributions(Cut(), IMAGE, method="rise", masks=4).maps.isfinite().all()


def test_a_missing_package_is_named(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr("antehoc.posthoc.options.find_spec", lambda name: None if name == "captum" else found(name))
    for method in [name for name, entry in METHODS.items() if entry.needs]:
        with pytest.raises(RecipeError, match="needs captum; install the extra `posthoc`"):
            attributions(Curved(), IMAGE, method=method)
    assert attributions(Curved(), IMAGE, method="saliency").valid.all()


def test_gradient_ascent_says_what_cannot_be():
    with pytest.raises(DataError, match="must be a class"):
        gradient_ascent(Curved(), 2, (2, 4, 4))
    with pytest.raises(RecipeError, match="one step or more"):
        gradient_ascent(Curved(), 0, (2, 4, 4), steps=0)


FEW = {"samples": 3, "masks": 3, "steps": 2, "cells": 2}
VALUES = (
    st.sampled_from([*ODD, b"x", torch.tensor(3), 1e-12, 1e38, 1e300, -1e300, 10**7])
    | st.floats()
    | st.integers(-5, 40)
)


@st.composite
def calls(draw) -> dict[str, object]:
    """A method with any values for one or two of its options, or for the class."""
    method = draw(st.sampled_from(sorted(METHODS)))
    known = METHODS[method].options
    odd = draw(st.lists(st.sampled_from([*known, "target"]), min_size=1, max_size=2, unique=True))
    return {"method": method, **{k: v for k, v in FEW.items() if k in known}, **{name: draw(VALUES) for name in odd}}


@settings(max_examples=250)
@given(calls())
def test_any_values_of_options_are_refused_in_a_sentence_or_give_maps(call):
    pytest.importorskip("captum", reason="captum is not installed")
    torch.manual_seed(0)
    parts = [nn.Conv2d(1, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 2)]
    image = torch.rand(2, 1, 8, 8)
    said(lambda: attributions(nn.Sequential(*parts), image, **call))


@pytest.mark.parametrize(
    ("method", "option", "most"),
    [
        ("rise", "masks", "1,000,000"),
        ("lime", "cells", "1,000"),
        ("rise", "cells", "1,000"),
        ("integrated-gradients", "steps", "10,000"),
        ("smoothgrad", "samples", "1,000,000"),
    ],
)
def test_numbers_that_no_machine_can_do_are_refused(method, option, most):
    with pytest.raises(RecipeError, match=f"option '{option}' must be a whole number in 1..{most}; got 1000"):
        attributions(Curved(), IMAGE, method=method, **{option: 10**30})
