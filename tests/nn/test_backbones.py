import pytest
import timm
import torch
from torch import nn
from torch.testing import assert_close

from antehoc.errors import RecipeError
from antehoc.nn.backbones import BACKBONES, PaperShapes, Small, Timm, build_backbone

ROWS = ("test_resnet", "test_convnext")  # two of timm's networks that are rows of stages, small enough for tests


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
def test_a_backbone_of_ours_has_no_published_weights(name):
    with pytest.raises(RecipeError, match="no published weights"):
        build_backbone(name, 1, pretrained=True)


# Networks of timm


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ROWS)
def test_a_timm_network_gives_what_timm_gives_on_a_normalised_image(name, channels):
    backbone = build_backbone(name, channels).eval()
    theirs = timm.create_model(name, features_only=True, in_chans=channels).eval()
    ours = backbone.stages.state_dict().values()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours, strict=True)))
    mean, deviation = (torch.tensor(theirs.pretrained_cfg[key]) for key in ("mean", "std"))
    if channels == 1:
        mean, deviation = mean.mean(0, keepdim=True), deviation.mean(0, keepdim=True)
    image = pictures(channels)
    with torch.no_grad():
        expected = theirs((image - mean[:, None, None]) / deviation[:, None, None])
        activations = backbone(image)
    assert tuple(a.shape[1] for a in activations) == backbone.channels
    for ours_, theirs_ in zip(activations, expected, strict=True):
        assert_close(ours_, theirs_)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ROWS)
def test_a_timm_network_owns_its_normalisation(name, channels):
    backbone = Timm(channels, name=name)
    mean = backbone.mean.expand(2, channels, 8, 8)
    assert backbone.mean.numel() == channels
    assert not backbone.prepare(mean).any(), "the mean colour becomes 0"
    assert_close(backbone.prepare(mean + backbone.deviation), torch.ones_like(mean))
    assert not any(key == "mean" or key == "deviation" for key in backbone.state_dict()), "known from the name"


@pytest.mark.parametrize(
    ("name", "hint"), [("resnet81", "resnet"), ("tinny", "'tiny'"), ("paper_shapes", "'paper-shapes'")]
)
def test_an_unknown_network_is_refused_with_a_hint(name, hint):
    with pytest.raises(RecipeError, match=rf"^no backbone is called '{name}'\. Did you mean .*{hint}.*Known: "):
        build_backbone(name, 3)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("test_efficientnet", "is no row of stages"),
        ("test_vit", "is no row of stages"),
        ("test_mambaout", "puts channels last"),
        ("beit_base_patch16_224.not_there", "does not give its stages|no backbone is called"),
    ],
)
def test_a_network_that_is_no_row_of_stages_is_refused_in_one_sentence(name, says):
    with pytest.raises(RecipeError, match=says) as caught:
        build_backbone(name, 3)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
