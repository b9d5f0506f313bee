"""Values: by hand where a hand can do it, else the same as captum's and the CAM library's."""

import warnings

import numpy as np
import pytest
import timm
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cosine
from sklearn.linear_model import Ridge
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from antehoc.errors import ModelError
from antehoc.posthoc import attributions, gradient_ascent, judge
from antehoc.posthoc.cams import last_map
from antehoc.posthoc.probe import Probe
from antehoc.systems import Mirror
from antehoc.systems.mirror.system import MirrorSettings

NETS = {
    "torchvision": lambda: torchvision.models.resnet18(),
    "timm": lambda: timm.create_model("resnet18"),
}


def linear(weight, bias=0.0):
    """Two logits of a gray 2 x 2 image: the weighted sum of the pixels, and 0."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    net[1].weight.data = torch.stack([torch.as_tensor(weight).float().flatten(), torch.zeros(4)])
    net[1].bias.data = torch.tensor([bias, 0.0])
    return net


class Plain(nn.Module):
    """What captum's LRP is right on: a chain, whose flattening is no module."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3), nn.ReLU())
        self.head = nn.Linear(8 * 13 * 13, 4)

    def forward(self, image):
        return self.head(self.features(image).flatten(1))


@pytest.fixture(scope="module", params=NETS)
def residual(request):
    torch.manual_seed(0)
    net = NETS[request.param]()
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):  # as if trained
            for values in (part.bias.data, part.running_mean, part.running_var.sub_(0.8)):
                values.add_(torch.rand_like(values) / 4)
    return net.eval()


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


TARGET = torch.tensor([3, 5])


@given(st.lists(st.floats(-3, 3, width=32), min_size=4, max_size=4), st.floats(-2, 2, width=32))
def test_a_linear_classifier_is_explained_by_its_weights(weight, bias):
    classifier, image = linear(weight, bias), torch.tensor([[[[0.5, 1.0], [0.25, 0.75]]]])
    weights = torch.tensor(weight).view(1, 1, 2, 2)
    for method, expected in {
        "saliency": weights.abs(),
        "smoothgrad": weights,
        "input-x-gradient": weights * image,
        "integrated-gradients": weights * image,
    }.items():
        assert_close(attributions(classifier, image, method=method, target=0).maps, expected, atol=1e-5, rtol=1e-4)


def test_integrated_gradients_of_a_square_by_hand():
    class Square(nn.Module):  # F = x^2 a pixel: from 0.5 to x its integral is x^2 - 0.25
        def forward(self, image):
            return image.square().sum((2, 3))

    image = torch.tensor([[[[1.0, 0.5]], [[0.0, 0.0]]]])
    found = attributions(Square(), image, method="integrated-gradients", target=0, baseline=0.5, steps=2)
    assert_close(found.maps, torch.tensor([[[[0.75, 0.0]]]]))
    assert found.checks["completeness"].item() < 1e-6


def test_lrp_by_hand():
    # z = 2 a - b + d + 1 = 3.5 on (1, .5, 1, 1): 2 a and d speak for it, two parts to one; the bias has no part
    classifier, image = linear([2.0, -1.0, 0.0, 1.0], bias=1.0), torch.tensor([[[[1.0, 0.5], [1.0, 1.0]]]])
    found = attributions(classifier, image, method="lrp", target=0)
    assert_close(found.maps, torch.tensor([[[[3.5 * 2 / 3, 0.0], [0.0, 3.5 / 3]]]]))
    assert found.checks["bias_share"].item() == 0
    assert found.valid.all()
    black = attributions(classifier, 0 * image, method="lrp", target=0)  # nothing but the bias is left to speak
    assert black.checks["bias_share"].item() == 1
    assert not black.valid.any()


def test_lrp_gives_a_subtracted_mean_its_share():
    class Centred(nn.Module):  # 2 (a - .25) on a = 1: the pixel takes 2, the mean -.5
        def forward(self, image):
            return F.linear(((image - 0.25) / 0.5).flatten(1), torch.tensor([[1.0], [0.0]]))

    found = attributions(Centred(), torch.ones(1, 1, 1, 1), method="lrp", target=0)
    assert_close((found.maps.item(), found.checks["bias_share"].item()), (2.0, -0.5 / 1.5))


def test_lrp_conserves_the_logit_on_residual_nets(residual, images):
    found = attributions(residual, images, method="lrp", target=TARGET)
    assert found.valid.all(), found.why
    logit = residual(images).detach().gather(1, TARGET[:, None])[:, 0]
    assert_close(found.maps.sum((1, 2, 3)) + found.checks["bias_share"] * logit.abs(), logit, rtol=1e-3, atol=1e-4)


def test_lrp_merges_batch_norm_as_if_the_convolution_had_learned_it(images):
    torch.manual_seed(0)
    convolution, norm, head = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Linear(4, 2)
    for values in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
        values.uniform_(0.5, 1)
    tail = [nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head]
    merged = torch.nn.utils.fusion.fuse_conv_bn_eval(convolution.eval(), norm.eval())
    two = [
        attributions(nn.Sequential(*parts, *tail), images, method="lrp", target=0).maps
        for parts in ([convolution, norm], [merged])
    ]
    assert_close(*two)


class Tokens(nn.Module):
    """Four tokens of four values, with a batch norm on axis 1, as it is or by hand."""

    def __init__(self, layout, by_hand):
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.norm, self.head = nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(16, 2)
        for values in (self.norm.weight.data, self.norm.bias.data, self.norm.running_mean, self.norm.running_var):
            values.uniform_(0.5, 2)
        self.layout, self.by_hand = layout, by_hand

    def forward(self, image):
        state = self.layer(image.flatten(2).transpose(1, 2))  # (N, L, C)
        state = state.transpose(1, 2) if self.layout == "N, C, L" else state
        norm = self.norm
        if self.by_hand:
            scale = norm.weight.detach() / (norm.running_var + norm.eps).sqrt()
            state = state * scale[:, None] + (norm.bias.detach() - norm.running_mean * scale)[:, None]
        else:
            state = norm(state)
        return self.head(F.relu(state).flatten(1))


@pytest.mark.parametrize("layout", ["N, L, C", "N, C, L"])
def test_lrp_merges_no_batch_norm_of_tokens_along_another_axis(layout):
    image = torch.rand(2, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    found, expected = (attributions(Tokens(layout, hand), image, method="lrp", target=0) for hand in (False, True))
    assert_close(found.maps, expected.maps)
    assert_close(found.checks, expected.checks)
    assert found.checks["conservation"].max() < 1e-3


def test_lrp_merges_a_batch_norm_into_the_dense_layer_before_it():
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2)).eval()
    net[2].running_mean.uniform_(0.1, 0.3)
    merged = nn.Sequential(net[0], torch.nn.utils.fusion.fuse_linear_bn_eval(net[1], net[2]), *net[3:])
    image = torch.rand(2, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    assert_close(*(attributions(one, image, method="lrp", target=0).maps for one in (net, merged)))


def test_lrp_refuses_layers_whose_first_axis_is_not_the_images():
    class Folded(nn.Module):  # every pixel is an image of its own for the first layer
        def __init__(self):
            super().__init__()
            self.layer, self.head = nn.Linear(1, 3), nn.Linear(12, 2)

        def forward(self, image):
            return self.head(F.relu(self.layer(image.reshape(-1, 1))).reshape(len(image), -1))

    images = torch.rand(2, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ModelError, match=r"one has \(8, 3\); explain them one by one \(chunk=1\)\.$"):
        attributions(Folded(), images, method="lrp", target=0)
    assert attributions(Folded(), images, method="lrp", target=0, chunk=1).maps.isfinite().all()


def test_lrp_merges_no_batch_norm_when_something_was_added_before_it(images):
    class Added(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution, self.norm, self.head = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.Linear(3, 2)

        def forward(self, image):
            state = self.convolution(image)
            state += image
            return self.head(self.norm(state).mean((2, 3)))

    torch.manual_seed(0)
    net = Added()
    net.head.weight.data.abs_()
    assert attributions(net, images, method="lrp", target=0).valid.all()


def test_lrp_agrees_with_captum_where_captum_is_right(images):
    lrp = pytest.importorskip("captum.attr", reason="captum is not installed").LRP
    rules = pytest.importorskip("captum.attr._utils.lrp_rules")
    torch.manual_seed(0)
    net = Plain()
    for part in (net.features[0], net.features[3], net.head):
        part.bias.data.zero_()
        part.rule = rules.Alpha1_Beta0_Rule()
    expected = lrp(net).attribute(images.clone().requires_grad_(), target=2).detach().sum(1, keepdim=True)
    assert_close(attributions(net, images, method="lrp", target=2).maps, expected, rtol=1e-3, atol=1e-6)


def test_captums_relevance_of_a_residual_net_is_no_picture(images):
    lrp = pytest.importorskip("captum.attr", reason="captum is not installed").LRP
    torch.manual_seed(0)
    net = torchvision.models.resnet18().eval()
    logit = net(images)[:, 3].detach()
    maps = lrp(net).attribute(images.clone().requires_grad_(), target=3).detach().sum(1, keepdim=True)
    valid, _, why = judge(maps, {"conservation": (maps.sum((1, 2, 3)) - logit).abs() / logit.abs()})
    assert not valid.any()
    assert "miss the logit" in why[0]


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("saliency", "Saliency"),
        ("input-x-gradient", "InputXGradient"),
        ("integrated-gradients", "IntegratedGradients"),
        ("guided-backprop", "GuidedBackprop"),
        ("deconvolution", "Deconvolution"),
    ],
)
def test_the_same_as_captum(method, name, residual, images):
    attr = pytest.importorskip("captum.attr", reason="captum is not installed")
    options = {"steps": 8} if name == "IntegratedGradients" else {}
    found = attributions(residual, images, method=method, target=TARGET, chunk=8, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # captum says of every hook that it will be removed
        theirs = getattr(attr, name)(residual).attribute(images, target=TARGET, **({"n_steps": 8} if options else {}))
    theirs = theirs.detach().float()
    expected = theirs.amax(1, keepdim=True) if method == "saliency" else theirs.sum(1, keepdim=True)
    assert_close(found.maps, expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item())


def test_grad_cam_is_captums_at_the_last_stage(residual, images):
    attr = pytest.importorskip("captum.attr", reason="captum is not installed")
    images = F.interpolate(images, 96)
    theirs = attr.LayerGradCam(residual, residual.layer4).attribute(images, target=TARGET, relu_attributions=True)
    expected = F.interpolate(theirs.detach(), 96, mode="bilinear")
    assert_close(attributions(residual, images, method="grad-cam", target=TARGET).maps, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("method", "name"), [("grad-cam++", "GradCAMPlusPlus"), ("score-cam", "ScoreCAM")])
def test_the_same_as_the_cam_library_before_it_scales(method, name, images):
    cam = pytest.importorskip("pytorch_grad_cam", reason="grad-cam is not installed")
    targets = pytest.importorskip("pytorch_grad_cam.utils.model_targets")
    torch.manual_seed(0)
    front = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ReLU())  # at the image's size: the library enlarges else
    net = nn.Sequential(front, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 6)).eval()
    net[3].weight.data *= 1e5 if method == "grad-cam++" else 10  # it adds 1e-6, which small gradients do not survive
    with getattr(cam, name)(net, [front]) as library:  # the weights alone: its maps are scaled to 0..1
        features = front(images)
        slopes = torch.autograd.grad(net[1:](features).gather(1, TARGET[:, None]).sum(), features)[0]
        asked = [targets.ClassifierOutputTarget(int(label)) for label in TARGET]
        weights = library.get_cam_weights(images, None, asked, features.detach().numpy(), slopes.numpy())
    expected = (torch.as_tensor(weights)[:, :, None, None] * features.detach()).sum(1, keepdim=True).clamp(min=0)
    found = attributions(net, images, method=method, target=TARGET)
    assert_close(found.maps, expected, rtol=1e-3, atol=1e-5 * expected.max().item())


def test_guided_grad_cam_is_the_product(residual, images):
    images = F.interpolate(images, 64)
    one, two, three = (
        attributions(residual, images, method=name, target=TARGET).maps
        for name in ("guided-backprop", "grad-cam", "guided-grad-cam")
    )
    assert_close(one * two, three)


def test_functional_and_bounded_rectifiers_are_rectified_too():
    class Functional(nn.Module):  # logit = -relu6(10 a) + relu(b) - relu(-c)
        def forward(self, image):
            a, b, c, _ = image.flatten(1).unbind(1)
            logit = -F.relu6(10 * a) + torch.relu(b) - F.relu(-c, inplace=True)
            return torch.stack([logit, 0 * logit], 1)

    image = torch.tensor([[[[1.0, 0.5], [0.5, 0.1]]], [[[0.1, -0.5], [-0.5, 0.1]]]])
    maps = {m: attributions(Functional(), image, method=m, target=0) for m in ("guided-backprop", "deconvolution")}
    assert_close(maps["guided-backprop"].maps.flatten(1), torch.tensor([[0.0, 1, 0, 0], [0, 0, 0, 0]]))
    assert_close(maps["deconvolution"].maps.flatten(1), torch.tensor([[0.0, 1, 0, 0], [0, 1, 0, 0]]))
    assert maps["guided-backprop"].checks["rectifiers"].tolist() == [3, 3]


def test_occlusion_by_hand():
    pytest.importorskip("captum", reason="captum is not installed")
    image = torch.tensor([[[[1.0, 0.5], [0.0, 0.25]]]])
    found = attributions(linear([1.0, 2.0, 3.0, 4.0]), image, method="occlusion", target=0, window=0.5, fill=0.5)
    assert_close(found.maps, torch.tensor([[[[0.5, 0.0], [-1.5, -1.0]]]]))


def test_lime_finds_the_weights_of_a_linear_classifier():
    pytest.importorskip("captum", reason="captum is not installed")
    image = torch.ones(1, 1, 2, 2)  # against a fill of 0: a shown cell adds its weight
    found = attributions(linear([1.0, -2, 3, 0]), image, method="lime", target=0, cells=2, fill=0.0, samples=400)
    assert_close(found.maps.flatten(), torch.tensor([1.0, -2, 3, 0]), atol=0.2, rtol=0)  # the ridge pulls to zero


def test_lime_is_the_ridge_regression_of_the_paper():
    """Logit a * b + 2c of 1 on a fill of 0: no line fits it, so the kernel and the ridge count."""
    pytest.importorskip("captum", reason="captum is not installed")

    class Product(nn.Module):
        def forward(self, image):
            a, b, c, _ = image.flatten(1).unbind(1)
            return torch.stack([a * b + 2 * c, 0 * a], 1)

    options = {"cells": 2, "fill": 0.0, "samples": 30, "seed": 5}
    found = attributions(Product(), torch.ones(1, 1, 2, 2), method="lime", target=0, **options)
    draws = torch.Generator().manual_seed(5)
    shown = np.concatenate([torch.randint(0, 2, (1, 4), generator=draws).numpy() for _ in range(30)])
    far = [cosine(row, np.ones(4)) if row.any() else 1.0 for row in shown]
    kernel = np.sqrt(np.exp(-np.square(far) / 0.25**2))
    ridge = Ridge(alpha=1.0).fit(shown, shown[:, 0] * shown[:, 1] + 2 * shown[:, 2], sample_weight=kernel)
    assert_close(found.maps.flatten(), torch.tensor(ridge.coef_).float(), rtol=1e-4, atol=1e-5)


def test_rise_of_a_classifier_that_reads_nothing_is_the_mean_mask():
    found = attributions(linear([0.0] * 4), torch.rand(1, 1, 2, 2), method="rise", target=0, masks=2000, shown=0.25)
    assert_close(found.maps, torch.full((1, 1, 2, 2), 0.5), atol=0.05, rtol=0)  # P = 1/2; the chance cancels


def test_an_extremal_mask_has_the_area_that_was_asked_for(images):
    net = nn.Sequential(nn.Conv2d(3, 4, 5), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3))
    for area in (0.1, 0.4):
        found = attributions(net, images, method="extremal-perturbation", target=0, area=area)
        assert_close(found.maps.mean((1, 2, 3)), torch.full((2,), area), atol=0.03, rtol=0)
        assert ((found.maps > 0.1) & (found.maps < 0.9)).float().mean() < 0.2


def test_an_extremal_mask_takes_small_steps_towards_all_or_nothing():
    """Of a classifier that reads nothing: only the area counts, and half of it makes the two halves alike."""
    image, options = torch.rand(1, 1, 2, 2), {"target": 0, "area": 0.5, "cells": 2}
    for steps in (1, 2, 20):
        found = attributions(linear([0.0] * 4), image, method="extremal-perturbation", steps=steps, **options)
        hidden, shown = found.maps.flatten().sort().values.split(2)
        assert_close(shown, 1 - hidden)
        if steps == 1:  # the first step of Adam is its rate
            assert_close(shown, torch.full((2,), 0.3).sigmoid())


def test_the_first_step_of_gradient_ascent_is_a_twentieth():
    image = gradient_ascent(linear([3.0, -3.0, 0.1, -0.1]), 0, (1, 2, 2), steps=1)
    assert_close(image, torch.tensor([[[[0.55, 0.45], [0.55, 0.45]]]]))


def test_gradient_ascent_of_a_linear_classifier_goes_to_the_sign_of_its_weights():
    image = gradient_ascent(linear([3.0, -3.0, 0.0, 0.5]), 0, (1, 2, 2))
    # d/dx (w x - (x - .5)^2 / 4) is zero at .5 + 2 w: beyond the borders for all weights but the third
    assert_close(image, torch.tensor([[[[1.0, 0.0], [0.5, 1.0]]]]))
    bound = gradient_ascent(linear([3.0, -3.0, 0.0, 0.5]), 0, (1, 2, 2), decay=8.0)
    assert_close(bound, torch.tensor([[[[1.0, 0.0], [0.5, 0.625]]]]), atol=1e-2, rtol=0)  # .5 + .5 / 4


class TwoBranches(nn.Module):
    """Decides by `deep`; `aside` runs later and is not asked."""

    def __init__(self):
        super().__init__()
        self.deep = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(True))
        self.aside, self.head = nn.Conv2d(4, 4, 1), nn.Linear(4, 2)

    def forward(self, image):
        features = self.deep(image)
        self.aside(features)
        return self.head(features.mean((2, 3)))


def test_the_last_map_is_the_one_that_the_logit_is_made_from(images):
    net = TwoBranches()
    assert last_map(Probe(net, 4), images[:1], torch.tensor([0])) == (net.deep, 0)
    loose = nn.Sequential(*net.deep, nn.AdaptiveAvgPool2d(1), nn.Flatten(), net.head)
    assert last_map(Probe(loose, 4), images[:1], torch.tensor([0])) == (loose[3], 0)  # what follows in the same shape
    ours = torchvision.models.vgg11()
    assert last_map(Probe(ours, 4), images[:1], torch.tensor([0]))[0] is ours.features[19]  # ReLU on 2 x 2; then 1 x 1


def test_a_system_of_ours_is_explained_at_its_classifier(shapes_spec):
    mirror = MirrorSettings("paper-shapes", join="concat")
    system = Mirror(shapes_spec, backbone="paper-shapes", mirror=mirror, head="flatten").eval()
    image = torch.rand(1, 1, 64, 64)
    module, _ = last_map(Probe(system.as_classifier(), 4), image, torch.tensor([0]))
    assert any(module is part for part in system.main.modules())
    assert attributions(system.as_classifier(), image, method="guided-backprop").checks["rectifiers"].item() >= 3


def test_transformers_have_no_map_to_weight():
    net = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=1)
    with pytest.raises(ModelError, match="convolutional feature map"):
        attributions(net, torch.rand(1, 3, 32, 32), method="grad-cam")
    with pytest.raises(ModelError, match="no rule for the operation 'layer_norm'"):
        attributions(net, torch.rand(1, 3, 32, 32), method="lrp")
