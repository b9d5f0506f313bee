import copy
from functools import cache

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from antehoc.errors import RecipeError
from antehoc.nn.backbones import BACKBONES, PaperShapes, Small, build_backbone, folded

SWIN = {"img_size": 64, "window_size": 4, "embed_dim": 24, "depths": (1, 1, 1, 1), "num_heads": (1, 2, 4, 8)}
HALVES = (32, 16, 8, 4, 2)
GIVEN = {  # name: options, channels and sides of the activations of an image of 64x64 pixels
    "resnet18": ({}, (64, 64, 128, 256, 512), HALVES),
    "resnet50": ({}, (64, 256, 512, 1024, 2048), HALVES),
    "mobilenetv2_100": ({"pad_type": "same"}, (16, 24, 32, 96, 1280), HALVES),
    "mobilenetv3_small_100": ({}, (16, 16, 24, 48, 576), HALVES),
    "efficientnet_b0": ({}, (16, 24, 40, 112, 1280), HALVES),
    "convnext_atto": ({}, (40, 80, 160, 320), HALVES[1:]),
    "vit_tiny_patch16_224": ({"img_size": 64}, (192,) * 4, (4,) * 4),
    "swin_tiny_patch4_window7_224": (SWIN, (24, 48, 96, 192), HALVES[1:]),
    "torchvision/squeezenet1_0": ({}, (96, 256, 512, 512), (29, 14, 7, 3)),
    "torchvision/mobilenet_v2": ({}, (16, 24, 32, 96, 1280), HALVES),
}
QUICK = [name for name in GIVEN if name != "resnet50"]
VIT = "vit_tiny_patch16_224"


@cache
def given(name):
    return build_backbone(name, 3, options=GIVEN[name][0]).eval()


def weights_of(module):
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def keras_count(module):
    """Keras counts batch norm's running mean and variance as parameters; PyTorch keeps them as buffers."""
    statistics = [b.numel() for name, b in module.named_buffers() if name.endswith(("running_mean", "running_var"))]
    return weights_of(module) + sum(statistics)


def pictures(channels, side=64):
    return torch.rand(2, channels, side, side, generator=torch.Generator().manual_seed(0))


# The thesis's network


def test_the_paper_network_has_the_papers_parameters_and_sizes():
    # originals: 85 + 405 + 405 in the convolutions and 20 in each batch norm, half of them running statistics
    backbone = PaperShapes(1)
    assert weights_of(backbone) == 85 + 405 + 405 + 3 * 10
    assert keras_count(backbone) == 85 + 405 + 405 + 3 * 20 == 955
    assert [tuple(a.shape[1:]) for a in backbone(pictures(1))] == [(5, 30, 30), (5, 13, 13), (5, 5, 5)]


def test_the_paper_network_halves_where_keras_does():
    sides = []
    backbone = PaperShapes(1)
    for part in backbone.modules():
        if isinstance(part, nn.Conv2d | nn.MaxPool2d):
            part.register_forward_hook(lambda _, __, output: sides.append(output.shape[-1]))
    backbone(pictures(1))
    assert sides == [61, 30, 27, 13, 10, 5]


def test_the_paper_networks_order_is_convolution_relu_batch_norm_pooling():
    backbone = PaperShapes(1).eval()
    for part in backbone.modules():
        if isinstance(part, nn.BatchNorm2d):  # statistics that show where the ReLU stands
            part.running_mean.uniform_(-1, 1)
            part.running_var.uniform_(0.5, 2)
            nn.init.uniform_(part.weight)
            nn.init.uniform_(part.bias)
    hidden, state = pictures(1), backbone.state_dict()
    for stage, activation in enumerate(backbone(hidden)):
        conv, norm = (
            {key.split(".")[-1]: value for key, value in state.items() if key.startswith(f"stages.{stage}.{part}.")}
            for part in (0, 2)
        )
        patches = hidden.unfold(2, 4, 1).unfold(3, 4, 1)
        hidden = torch.einsum("bchwij,ocij->bohw", patches, conv["weight"]) + conv["bias"].view(-1, 1, 1)
        mean, variance, scale, shift = (
            norm[key].view(-1, 1, 1) for key in ("running_mean", "running_var", "weight", "bias")
        )
        hidden = (hidden.clamp(min=0) - mean) / (variance + 1e-3).sqrt() * scale + shift  # Keras's epsilon
        even = hidden[..., : hidden.shape[2] // 2 * 2, : hidden.shape[3] // 2 * 2]
        hidden = even.unflatten(3, (-1, 2)).amax(4).unflatten(2, (-1, 2)).amax(3)
        assert_close(activation, hidden, rtol=1e-4, atol=1e-5)


def test_the_paper_network_starts_as_keras_does():
    for inputs, part in zip((1, 5, 5), PaperShapes(1).stages, strict=True):
        limit = (6 / (16 * inputs + 16 * 5)) ** 0.5  # Glorot uniform
        assert limit * 0.8 < part[0].weight.abs().max() <= limit
        assert not part[0].bias.any()


# Ours


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_says_how_many_channels_its_stages_have(name, channels):
    activations = build_backbone(name, channels)(pictures(channels))
    assert tuple(a.shape[1] for a in activations) == build_backbone(name, channels).channels
    sides = [a.shape[-1] for a in activations]
    assert sides == sorted(sides, reverse=True)


@pytest.mark.parametrize("name", BACKBONES)
def test_every_stage_of_a_backbone_reads_the_one_before(name):
    backbone = build_backbone(name, 1).eval()
    by_hand, image = [], pictures(1)
    for stage in backbone.stages:
        by_hand.append(stage(by_hand[-1] if by_hand else image))
    assert all(a.equal(b) for a, b in zip(backbone(image), by_hand, strict=True))


def test_small_is_small():
    assert 71_000 < weights_of(Small(1)) < 73_000  # its docstring says some 72,000


@pytest.mark.parametrize("name", BACKBONES)
def test_a_backbone_of_ours_takes_no_weights_and_no_options(name):
    for wrong in ({"weights": True}, {"options": {"pad_type": "same"}}):
        with pytest.raises(RecipeError, match="no published weights and no options"):
            build_backbone(name, 1, **wrong)


# Networks of timm and torchvision


@pytest.mark.parametrize("name", GIVEN)
def test_a_given_network_has_the_stages_of_the_table(name):
    _, channels, sides = GIVEN[name]
    backbone = given(name)
    with torch.no_grad():
        shapes = [tuple(a.shape) for a in backbone(pictures(3))]
    assert backbone.channels == channels
    assert shapes == [(2, c, side, side) for c, side in zip(channels, sides, strict=True)]


@pytest.mark.parametrize("name", QUICK)
def test_what_begins_can_be_finished_from_any_stage(name):
    backbone, image = given(name), pictures(3)
    with torch.no_grad():
        activations = backbone(image)
        for upto in range(len(backbone.stages) + 1):
            state = backbone.begin(image, upto)
            assert upto == 0 or backbone.view(state).equal(activations[upto - 1])  # no later stage wrote into it
            rest = backbone.finish(state, upto)
            assert len(rest) == len(activations) - upto
            assert all(a.equal(b) for a, b in zip(rest, activations[upto:], strict=True))


@pytest.mark.parametrize("upto", [-1, 4])
def test_more_stages_than_there_are_cannot_begin(upto):
    with pytest.raises(RecipeError, match=f"has 3 stages; its first {upto} cannot"):
        build_backbone("tiny", 1).begin(pictures(1), upto)


@pytest.mark.parametrize("name", QUICK)
def test_a_batch_and_its_images_one_by_one_agree(name):
    with torch.no_grad():
        together, alone = given(name)(pictures(3)), given(name)(pictures(3)[1:])
    for a, b in zip(together, alone, strict=True):
        assert_close(a[1:], b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", QUICK)
def test_every_weight_learns_from_the_last_activation(name):
    backbone, image = copy.deepcopy(given(name)), pictures(3).requires_grad_()
    last = backbone(image)[-1]
    (last * torch.randn(last.shape, generator=torch.Generator().manual_seed(0))).sum().backward()
    assert image.grad.abs().max() > 0
    assert all(parameter.grad is not None for parameter in backbone.parameters())


@pytest.mark.parametrize("name", QUICK)
def test_copied_stages_of_a_plain_network_run_on_activations(name):
    backbone, image = given(name), pictures(3)
    with torch.no_grad():
        hidden, *rest = backbone(image)
        for stage, activation in zip(copy.deepcopy(backbone.stages)[1:] if backbone.plain else [], rest, strict=False):
            hidden = stage(hidden)
            assert hidden.equal(activation)
    assert backbone.plain == (name != VIT)


def test_a_vision_transformer_carries_its_prefix_token_from_stage_to_stage():
    backbone, image = given(VIT), pictures(3)
    with torch.no_grad():
        state = backbone.begin(image, 2)
        assert state.shape == (2, 1 + 16, 192)
        assert backbone.view(state)[0, :, 1, 2].equal(state[0, 1 + 1 * 4 + 2])
        other = torch.cat([state[:, :1] + 1, state[:, 1:]], 1)
        assert not torch.allclose(backbone.finish(other, 2)[-1], backbone.finish(state, 2)[-1])


def test_images_of_another_size_than_the_network_takes_are_refused():
    with pytest.raises(RecipeError, match=r"of 32x48 pixels .* takes 64x64; .* img_size: \[32, 48\]"):
        given(VIT)(torch.zeros(1, 3, 32, 48))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["test_convnext", "torchvision/squeezenet1_1"])
def test_a_given_network_owns_its_normalisation(name, channels):
    backbone = build_backbone(name, channels)
    mean = backbone.mean.expand(2, channels, 8, 8)
    assert backbone.mean.numel() == channels
    assert not backbone.prepare(mean).any(), "the mean color becomes 0"
    assert_close(backbone.prepare(mean + backbone.deviation), torch.ones_like(mean))
    assert not any(key == "mean" or key == "deviation" for key in backbone.state_dict()), "known from the name"


def test_only_given_convolutions_get_channels_last():
    for name, expected in (("resnet18", True), (VIT, False)):
        prepared = given(name).prepare(pictures(3))
        assert prepared.is_contiguous(memory_format=torch.channels_last) == expected
    assert build_backbone("small", 3).prepare(pictures(3)).is_contiguous()


# Batch norm


def statistics(module):
    return {key: value.clone() for key, value in module.state_dict().items() if "running" in key}


def drifts(backbone, stages):
    before = statistics(stages)
    stages.train()
    state = backbone.prepare(pictures(3))
    for stage in stages:
        state = stage(state)
    return any(not value.equal(before[key]) for key, value in statistics(stages).items())


def test_fixed_statistics_stand_still_in_training_and_in_copies():
    free, fixed = (build_backbone("test_resnet", 3, batch_norm=mode) for mode in ("auto", "fixed"))
    assert (free.fixed_statistics, fixed.fixed_statistics) == (False, True)
    assert drifts(free, free.stages)
    assert not drifts(fixed, copy.deepcopy(fixed.stages))
    assert not drifts(fixed, fixed.stages)
    fixed.load_state_dict(free.state_dict())
    both = [backbone(pictures(3))[-1] for backbone in (fixed.train(), free.eval())]
    assert_close(*both)


def test_batch_norm_is_folded_where_means_are_0_and_variances_of_a_layer_one():
    backbone = build_backbone("small", 1)
    norms = [part for part in backbone.modules() if isinstance(part, nn.BatchNorm2d)]
    norms[0].running_var.fill_(0.5)
    assert folded(backbone)
    norms[-1].running_mean[3] = 0.1
    assert not folded(backbone)
    norms[-1].running_mean[3] = 0
    norms[1].running_var[0] = 0.9
    assert not folded(backbone)
    assert not folded(nn.Linear(2, 2)), "nothing to fold"
