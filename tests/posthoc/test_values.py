"""Values: by hand where a hand can do it, else the same as captum's and the CAM library's."""

import math
import warnings

import numpy as np
import pytest
import timm
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cosine
from sklearn.linear_model import Ridge
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from antehoc.errors import ModelError
from antehoc.posthoc import attributions, gradient_ascent, judge
from antehoc.posthoc.cams import last_map
from antehoc.posthoc.masking import _blurred
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


class Cube(nn.Module):
    """F = x^3 a pixel, so its gradient is 3 x^2."""

    def forward(self, image):
        cubes = image.pow(3).sum((1, 2, 3))
        return torch.stack([cubes, 0 * cubes], 1)


@pytest.mark.parametrize("options", [{}, {"samples": 7, "noise": 0.4}])
def test_smoothgrad_is_the_mean_gradient_under_noise_of_a_share_of_the_range(options):
    image = torch.tensor([[[[0.9, 0.5], [0.1, 0.7]], [[0.3, 0.4], [0.5, 0.6]]]])
    found = attributions(Cube(), image, method="smoothgrad", target=0, seed=3, chunk=4, **options)
    draws = torch.Generator().manual_seed(3)
    copies = [
        image[0] + options.get("noise", 0.15) * 0.8 * torch.randn(2, 2, 2, generator=draws)
        for _ in range(options.get("samples", 25))
    ]
    assert_close(found.maps[0], (3 * torch.stack(copies).square()).mean(0).sum(0, keepdim=True))


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


def test_lrp_of_negative_inputs_by_hand():
    class Signed(nn.Module):  # 2 (a - .5) - (b - .5) on (1, 0): both speak for it, 1 and .5
        def forward(self, image):
            return F.linear((image - 0.5).flatten(1), torch.tensor([[2.0, -1.0], [0.0, 0.0]]))

    found = attributions(Signed(), torch.tensor([[[[1.0, 0.0]]]]), method="lrp", target=0)
    assert_close(found.maps.flatten(), torch.tensor([2.0, 0.0]))  # without the means' shares: -1 and .5
    assert_close(found.checks["bias_share"].item(), -0.5 / 1.5)
    below = attributions(Signed(), torch.tensor([[[[0.25, 0.25]]]]), method="lrp", target=0)  # b alone speaks for it
    assert_close(below.maps.flatten(), torch.tensor([0.0, 0.25]))
    assert_close(below.checks["bias_share"].item(), -0.5 / 0.25)


def test_lrp_rules_by_hand():
    class Rules(nn.Module):
        def forward(self, image):
            a, b, c, d = image.flatten(1).split(1, 1)
            logit = F.silu(2 * a) + 3 * (1 - b) - c / 4 + d.mean(1, keepdim=True) * image.flatten(1)[:, :1].detach()
            return torch.cat([logit, 0 * logit], 1)

    found = attributions(Rules(), torch.tensor([[[[1.0, 0.5], [0.2, 0.7]]]]), method="lrp", target=0)
    silu = 2 / (1 + math.exp(-2))
    assert_close(found.maps.flatten(), torch.tensor([silu, -1.5, -0.05, 0.7]))
    assert_close(found.checks["bias_share"].item(), 3 / (silu + 1.5 - 0.05 + 0.7))


def test_lrp_loses_what_cancels_before_a_curve():
    class Cancels(nn.Module):
        def forward(self, image):
            a, b, c, _ = image.flatten(1).split(1, 1)
            logit = torch.tanh(a - b) + c
            return torch.cat([logit, 0 * logit], 1)

    found = attributions(Cancels(), torch.tensor([[[[0.5, 0.5], [0.2, 0.0]]]]), method="lrp", target=0)
    assert_close(found.maps.flatten(), torch.tensor([0.0, 0.0, 0.2, 0.0]))


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
    found = attributions(residual, images, method="grad-cam", target=TARGET, preprocessing=(0.0, 1.0))
    assert_close(found.maps, expected, rtol=1e-3, atol=1e-6)


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
        attributions(residual, images, method=name, target=TARGET, preprocessing=(0.0, 1.0)).maps
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


def test_a_hard_tanh_from_zero_on_is_a_rectifier_and_any_other_is_not():
    class Bounded(nn.Module):
        def forward(self, image):
            a, b, c, _ = image.flatten(1).unbind(1)
            logit = F.hardtanh(2 * a, 0.0, 3.0) + F.hardtanh(b, min_val=0.0) - F.hardtanh(c, -1.0, 1.0)
            return torch.stack([logit, 0 * logit], 1)

    image = torch.tensor([[[[1.0, 0.5], [0.5, 0.1]]], [[[1.5, 1.0], [0.5, 0.1]]]])  # the second is at both bounds
    maps = {m: attributions(Bounded(), image, method=m, target=0) for m in ("guided-backprop", "deconvolution")}
    assert_close(maps["guided-backprop"].maps.flatten(1), torch.tensor([[2.0, 1, -1, 0], [0, 0, -1, 0]]))
    assert_close(maps["deconvolution"].maps.flatten(1), torch.tensor([[2.0, 1, -1, 0]] * 2))
    assert maps["guided-backprop"].checks["rectifiers"].tolist() == [2, 2]


def test_a_rectifier_in_place_changes_what_it_was_given():
    class InPlace(nn.Module):  # what the rectifiers return is not looked at
        def forward(self, image):
            first, second = 2 * image.flatten(1) - 1, 3 * image.flatten(1) - 1
            torch.relu_(first)
            F.relu(second, inplace=True)
            logit = (first + second).sum(1)
            return torch.stack([logit, 0 * logit], 1)

    found = attributions(InPlace(), torch.tensor([[[[1.0, 0.4], [0.2, 0.0]]]]), method="deconvolution", target=0)
    assert_close(found.maps.flatten(), torch.full((4,), 5.0))
    found = attributions(InPlace(), torch.tensor([[[[1.0, 0.4], [0.2, 0.0]]]]), method="guided-backprop", target=0)
    assert_close(found.maps.flatten(), torch.tensor([5.0, 3.0, 0.0, 0.0]))
    assert found.checks["rectifiers"].item() == 2


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


def test_occlusion_by_a_seventh_of_the_side_paints_gray_and_moves_by_half_of_it():
    pytest.importorskip("captum", reason="captum is not installed")
    weight, image = torch.randn(2, 28, 28).unbind()
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 2, bias=False))
    net[1].weight.data = torch.stack([weight.flatten(), torch.zeros(784)])
    total, count = torch.zeros(28, 28), torch.zeros(28, 28)
    for top in range(0, 25, 2):
        for left in range(0, 25, 2):
            square = (slice(top, top + 4), slice(left, left + 4))
            total[square] += (weight[square] * (image[square] - 0.5)).sum()
            count[square] += 1
    found = attributions(net, image[None, None], method="occlusion", target=0)
    assert_close(found.maps[0, 0], total / count, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("options", [{"cells": 2, "fill": 0.0, "samples": 30}, {}])
def test_lime_is_the_ridge_regression_of_the_paper(options):
    """Logit 4 a b + 2 c of the means of three quarters: no line fits it, so the kernel and the ridge count."""
    pytest.importorskip("captum", reason="captum is not installed")

    def logit(image):
        a, b, c, _ = F.adaptive_avg_pool2d(image, 2).flatten(1).unbind(1)
        return 4 * a * b + 2 * c

    class Product(nn.Module):
        def forward(self, image):
            return torch.stack([logit(image), 0 * logit(image)], 1)

    image, cells, samples = torch.ones(1, 1, 14, 14), options.get("cells", 7), options.get("samples", 500)
    found = attributions(Product(), image, method="lime", target=0, seed=5, **options)
    draws = torch.Generator().manual_seed(5)
    shown = torch.cat([torch.randint(0, 2, (1, cells**2), generator=draws) for _ in range(samples)])
    far = [cosine(row, np.ones(cells**2)) if row.any() else 1.0 for row in shown.numpy()]
    kernel = np.sqrt(np.exp(-np.square(far) / 0.25**2))
    painted = F.interpolate(shown.view(-1, 1, cells, cells).float(), (14, 14)).clamp(min=options.get("fill", 0.5))
    ridge = Ridge(alpha=1.0).fit(shown, logit(painted), sample_weight=kernel)
    expected = F.interpolate(torch.tensor(ridge.coef_).float().view(1, 1, cells, cells), (14, 14))
    assert_close(found.maps, expected, rtol=1e-3, atol=1e-5)


def test_rise_is_the_mean_of_masks_weighted_by_what_they_show_of_the_class():
    """Grids of 2 x 2 cells, enlarged to one cell more than the 4 x 4 image, and cut to it at a random place."""
    weight, image = torch.linspace(-3, 4, 4), torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(1))

    def probability(shown):
        return (F.avg_pool2d(shown, 2).flatten(1) @ weight).sigmoid()

    class Mean(nn.Module):
        def forward(self, shown):
            share = probability(shown)
            return torch.stack([share.logit(), 0 * share], 1)

    found = attributions(Mean(), image, method="rise", target=0, seed=2, masks=20, cells=2, shown=0.3, chunk=7)
    draws = torch.Generator().manual_seed(2)
    grids = (torch.rand(20, 1, 2, 2, generator=draws) < 0.3).double().numpy()[:, 0]
    shifts = (torch.rand(20, 2, generator=draws) * 2).long().tolist()  # a cell is 2 pixels wide
    place = (np.arange(6) + 0.5) / 3 - 0.5  # of 6 pixels on a grid of 2: at the middles of cells it has their values
    total = torch.zeros(4, 4)
    for grid, (top, left) in zip(grids, shifts, strict=True):
        rows = np.stack([np.interp(place, [0, 1], column) for column in grid.T], 1)
        large = np.stack([np.interp(place, [0, 1], row) for row in rows])
        mask = torch.tensor(large[top : top + 4, left : left + 4]).float()
        total += probability(image * mask) * mask
    assert_close(found.maps[0, 0], total / (20 * 0.3))


def test_rise_of_a_classifier_that_reads_nothing_is_the_mean_mask():
    found = attributions(linear([0.0] * 4), torch.rand(1, 1, 2, 2), method="rise", target=0, masks=2000, shown=0.25)
    assert_close(found.maps, torch.full((1, 1, 2, 2), 0.5), atol=0.05, rtol=0)  # P = 1/2; the chance cancels


def test_an_extremal_mask_has_the_area_that_was_asked_for(images):
    net = nn.Sequential(nn.Conv2d(3, 4, 5), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3))
    for area, asked in ((0.1, {}), (0.4, {"area": 0.4})):
        found = attributions(net, images, method="extremal-perturbation", target=0, **asked)
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


@pytest.mark.parametrize(("gain", "sign"), [(0.0027, -1), (0.0033, 1)])
def test_an_extremal_mask_first_weighs_its_area_by_three_tenths(gain, sign):
    """One bright pixel of 100, and an area of none: at a mask of 1/2 its misfit grows by 2 * (1/2) / 100."""
    image = torch.zeros(1, 1, 10, 10)
    image[..., 5, 5] = 1
    blurred = gaussian_filter(image[0, 0].double().numpy(), 1.0, mode="mirror", radius=2)  # a tenth of the side
    change = 1 - float(blurred[5, 5])
    net = nn.Sequential(nn.Flatten(), nn.Linear(100, 2, bias=False))
    net[1].weight.data.zero_()
    net[1].weight.data[0, 55] = 2 * gain / change  # at even odds the log-probability grows by half the logit
    found = attributions(net, image, method="extremal-perturbation", target=0, area=0.001, cells=10, steps=1)
    assert_close(found.maps[0, 0, 5, 5], torch.tensor(sign * 0.3).sigmoid())
    step = net[1].weight[0, 55].item() * change * abs(found.maps[0, 0, 5, 5].item() - 0.5)
    assert found.checks["spread"].item() == pytest.approx(step / 2 / math.log(2), rel=0.01)  # of the two masks tried


def test_what_an_extremal_mask_hides_is_blurred_by_a_tenth_of_the_longer_side():
    image = torch.rand(1, 1, 20, 30, generator=torch.Generator().manual_seed(0))
    expected = gaussian_filter(image[0, 0].double().numpy(), 3.0, mode="mirror", radius=6)
    assert_close(_blurred(image)[0, 0], torch.tensor(expected).float(), rtol=1e-4, atol=1e-5)


def test_the_first_step_of_gradient_ascent_is_a_twentieth():
    image = gradient_ascent(linear([3.0, -3.0, 0.1, -0.1]), 0, (1, 2, 2), steps=1)
    assert_close(image, torch.tensor([[[[0.55, 0.45], [0.55, 0.45]]]]))


def test_gradient_ascent_of_a_linear_classifier_goes_to_the_sign_of_its_weights():
    image = gradient_ascent(linear([3.0, -3.0, 0.0, 0.2]), 0, (1, 2, 2))
    # d/dx (w x - (x - .5)^2 / 4) is zero at .5 + 2 w: beyond the borders for the first two weights
    assert_close(image, torch.tensor([[[[1.0, 0.0], [0.5, 0.9]]]]), atol=1e-2, rtol=0)
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


class Pooled(nn.Module):
    """A block that pools what its convolution gives."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)

    def forward(self, image):
        return F.max_pool2d(self.convolution(image), 2)


def test_the_last_map_is_the_one_that_the_logit_is_made_from(images):
    net = TwoBranches()
    assert last_map(Probe(net, 4), images[:1], torch.tensor([0])) == (net.deep, 0)
    loose = nn.Sequential(*net.deep, nn.AdaptiveAvgPool2d(1), nn.Flatten(), net.head)
    assert last_map(Probe(loose, 4), images[:1], torch.tensor([0])) == (loose[3], 0)  # what follows in the same shape
    pooled = nn.Sequential(Pooled(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), net.head)
    assert last_map(Probe(pooled, 4), images[:1], torch.tensor([0])) == (pooled[0], 0)  # smaller than its convolution's
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
        attributions(net, torch.rand(1, 3, 32, 32), method="grad-cam", preprocessing=(0.5, 0.5))
    with pytest.raises(ModelError, match="no rule for the operation 'layer_norm'"):
        attributions(net, torch.rand(1, 3, 32, 32), method="lrp", preprocessing=(0.5, 0.5))
