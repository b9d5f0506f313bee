"""Explainers: shapes and ranges of their masks, the paper's sizes, and gates that let a gradient through."""

import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from antehoc.errors import RecipeError
from antehoc.nn.backbones import build_backbone
from antehoc.nn.explainers import Gating, MaskHead, Pyramid, UNet, build_explainer, opened

GIVEN = {"filters": (4, 8), "scale": 1, "norm": True}
SOFT = Gating("sigmoid", 0.0)
GATES = ("tanh", "sigmoid", "hard")


def explainer(gating=SOFT, **changes):
    return build_explainer("unet", 3, gating, **GIVEN | changes)


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("scale", [1, 2])
def test_masks_have_the_images_size_and_lie_in_0_to_1(gate, scale):
    mask = explainer(Gating(gate, 0.0), scale=scale)(torch.rand(2, 3, 16, 24))
    assert mask.shape == (2, 1, 16, 24)
    assert mask.min() >= 0
    assert mask.max() <= 1


def test_the_papers_explainer_has_its_layers():
    network = UNet(3)
    convolutions = sum(9 * i * o + o for i, o in ((3, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128)))
    risen = sum(4 * i * o + o for i, o in ((128, 128), (128, 64), (64, 32)))
    decoded = sum(2 * (9 * w * w + w) for w in (128, 64, 32))
    head = 32 + 1 + 2
    assert sum(p.numel() for p in network.parameters()) == convolutions + risen + decoded + head


def test_a_bias_of_3_starts_near_white_and_lets_little_gradient_through():
    torch.manual_seed(0)
    head = MaskHead(4, Gating()).eval()
    torch.nn.init.zeros_(head.convolution.weight)
    torch.nn.init.zeros_(head.convolution.bias)
    value = torch.rand(1, 4, 8, 8)
    assert head(value).mean().item() == pytest.approx(0.99505, abs=1e-4)
    head(value).mean().backward()
    assert head.norm.bias.grad.item() == pytest.approx(1 - 0.99505**2, abs=1e-4)  # 1 % of what it would be at 0


def test_a_closed_tanh_has_no_gradient_and_a_closed_sigmoid_has():
    for gate, alive in (("tanh", False), ("sigmoid", True)):
        head = MaskHead(4, Gating(gate, -5.0)).eval()
        torch.nn.init.zeros_(head.convolution.weight)
        head(torch.rand(1, 4, 8, 8)).mean().backward()
        assert bool(head.norm.bias.grad.abs() > 0) is alive


@given(st.floats(0, 1))
def test_a_hard_gate_is_0_or_1_with_the_masks_gradient(value):
    mask = torch.tensor([[[[value]]]], requires_grad=True)
    gate = opened(mask, "hard")
    assert gate.item() == float(value > 0.5)
    gate.sum().backward()
    assert mask.grad.item() == 1.0


def test_soft_gates_are_the_mask_itself():
    mask = torch.rand(1, 1, 2, 2)
    assert opened(mask, "sigmoid") is mask
    assert opened(mask, "tanh") is mask


def test_a_scale_of_2_reads_squares_of_2_pixels():
    network = explainer(scale=2).eval()
    image = torch.rand(1, 3, 16, 16)
    shuffled = image.view(1, 3, 8, 2, 16).flip(3).view(1, 3, 16, 16)  # swaps the rows inside each square
    assert torch.allclose(network(image), network(shuffled), atol=1e-6)
    assert not torch.allclose(explainer(scale=1).eval()(image), explainer(scale=1).eval()(shuffled), atol=1e-6)


def test_no_explainer_shows_all():
    assert build_explainer("none", 3, SOFT, **GIVEN)(torch.rand(2, 3, 5, 7)).eq(1).all()


@given(st.integers(0, 2**32 - 1))
def test_a_smoothed_mask_is_highest_inside_a_square_and_not_along_its_edge(seed):
    activation = 0.1 * torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(seed))
    activation[..., 4:11, 4:11] += 1
    heads = [MaskHead(1, SOFT._replace(smooth=smooth)).eval() for smooth in (0.0, 2.0)]
    for head in heads:
        torch.nn.init.ones_(head.convolution.weight)
        torch.nn.init.zeros_(head.convolution.bias)
    plain, smooth = (head(activation)[0, 0].flatten() for head in heads)
    middle = torch.tensor([7, 7])
    places = [torch.stack([at // 16, at % 16]) for at in (plain.argmax(), smooth.argmax())]
    assert (places[1] - middle).abs().max() <= 1
    assert smooth.max() < plain.max()


def test_smoothing_is_in_pixels_of_the_image():
    assert explainer(SOFT._replace(smooth=3.0), scale=2).head.smooth == 1.5


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("unet", {"filters": ()}, "filters"),
        ("unet", {"scale": 0}, "scale"),
        ("u-net", {}, "no explainer is called 'u-net'"),
        ("smp/nonsense/resnet18", {}, "smp"),
    ],
)
def test_what_cannot_be_built_is_said(name, changes, says):
    with pytest.raises(RecipeError, match=says):
        build_explainer(name, 3, SOFT, **GIVEN | changes)


def test_without_segmentation_models_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(RecipeError, match="needs segmentation-models-pytorch; install the extra `segmentation`"):
        build_explainer("smp/unet/resnet18", 3, SOFT, **GIVEN)


def test_decoders_of_segmentation_models():
    pytest.importorskip("segmentation_models_pytorch", reason="needs the extra `segmentation`")
    name = "smp/unet/tu-mobilenetv3_small_050"
    network = build_explainer(name, 3, SOFT, **GIVEN)
    mask = network.eval()(torch.rand(1, 3, 64, 64))
    assert mask.shape == (1, 1, 64, 64)
    assert 0 <= mask.min() <= mask.max() <= 1


def pyramid(**changes):
    torch.manual_seed(0)
    return Pyramid(build_backbone("tiny", 3), **{"hidden": 0.5, "width": 4, "gating": SOFT} | changes)


def test_a_pyramid_adds_its_stages_from_the_deepest_on():
    network, image = pyramid().eval(), torch.rand(2, 3, 24, 16)
    finer, deepest = network.frozen(image)[1:]  # the image as it was before `hidden` was subtracted
    added = network.lateral[0](finer) + torch.nn.functional.interpolate(
        network.lateral[1](deepest), finer.shape[2:], mode="bilinear", align_corners=False
    )
    large = torch.nn.functional.interpolate(network.last(added), (24, 16), mode="bilinear", align_corners=False)
    mask = network(image - 0.5)
    assert mask.shape == (2, 1, 24, 16)
    assert_close(mask, network.head(large), rtol=1e-4, atol=1e-5)


def test_of_a_pyramid_the_backbone_never_learns():
    network = pyramid().train().requires_grad_(True)
    before = {key: value.clone() for key, value in network.frozen.state_dict().items()}
    network(torch.rand(4, 3, 16, 16)).mean().backward()
    assert all(value.equal(before[key]) for key, value in network.frozen.state_dict().items()), "statistics drift"
    learns = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None}
    assert learns == {"lateral", "last", "head"}


def test_a_decoder_without_channels_is_refused():
    with pytest.raises(RecipeError, match="1 channel or more; got 0"):
        pyramid(width=0)


def test_a_mask_is_smoothed_in_pixels_of_the_image():
    assert MaskHead(1, SOFT._replace(smooth=2.0)).smooth == 2.0
    assert MaskHead(1, SOFT._replace(smooth=2.0), place=4).smooth == 0.5
