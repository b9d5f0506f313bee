import os
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import nn
from torch.testing import assert_close

from antehoc.errors import RecipeError
from antehoc.nn.backbones import build_backbone

SWIN = {"img_size": 64, "window_size": 4, "embed_dim": 24, "depths": (1, 1, 1, 1), "num_heads": (1, 2, 4, 8)}
NETWORKS = {
    "resnet18": {},
    "mobilenetv2_100": {"pad_type": "same"},
    "mobilenetv3_small_100": {},
    "efficientnet_lite0": {},
    "convnext_atto": {},
    "vit_tiny_patch16_224": {"img_size": 64},
    "swin_tiny_patch4_window7_224": SWIN,
    "test_mambaout": {},
}
RESNET, VIT = "test_resnet", "test_vit"  # timm's smallest


def pictures(channels=3, side=64):
    return torch.rand(2, channels, side, side, generator=torch.Generator().manual_seed(0))


def trained(net):
    """The network in eval mode with statistics, norms and layer scales as training may leave them."""
    generator = torch.Generator().manual_seed(0)
    for key, value in net.state_dict().items():
        if value.dim() == 1 and value.is_floating_point():
            value.copy_(0.2 * torch.rand(value.shape, generator=generator) + (0 if key.endswith("mean") else 0.9))
    return net.eval()


def write(net, path, **changes):
    save_file({key: value.contiguous() for key, value in {**net.state_dict(), **changes}.items()}, path)
    return str(path)


def normalized(net, image):
    mean, deviation = (torch.tensor(net.pretrained_cfg[key])[:, None, None] for key in ("mean", "std"))
    return (image - mean) / deviation


# The row


OLD = tuple(int(part) for part in timm.__version__.split(".")[:3]) < (1, 0, 31)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_from_a_file_gives_what_timm_gives(name, tmp_path):
    if OLD and "swin" in name:
        pytest.skip("before timm 1.0.31 a Swin of another width has other parameters where it gives its features")
    net = trained(timm.create_model(name, **NETWORKS[name]))
    backbone = build_backbone(name, 3, weights=write(net, tmp_path / "net.safetensors"), options=NETWORKS[name]).eval()
    image = normalized(net, pictures())
    with torch.no_grad():
        activations, last = backbone(pictures()), net.forward_features(image)
        at = {"indices": [2, 5, 8, 11]} if "vit" in name else {}
        inner = net.forward_intermediates(image, intermediates_only=True, **at)
    if "vit" in name:
        last = last[:, 1:].reshape(2, 4, 4, -1)
    if last.shape[1] != activations[-1].shape[1]:  # channels last
        last = last.permute(0, 3, 1, 2)
    for ours, theirs in zip(activations, [*inner[:-1], last], strict=True):
        assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2_100", "efficientnet_lite0"])
def test_the_mean_of_the_last_activation_is_what_timms_classifier_reads(name, tmp_path):
    net = trained(timm.create_model(name))
    backbone = build_backbone(name, 3, weights=write(net, tmp_path / "net.safetensors")).eval()
    with torch.no_grad():
        wanted = net.forward_head(net.forward_features(normalized(net, pictures())), pre_logits=True)
        assert_close(backbone(pictures())[-1].mean((2, 3)), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v2", "densenet121"])
def test_a_network_of_torchvision_gives_what_its_classifier_reads(name, tmp_path):
    net = trained(torchvision.models.get_model(name))
    backbone = build_backbone(f"torchvision/{name}", 3, weights=write(net, tmp_path / "net.safetensors")).eval()
    read = []
    net.classifier.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))
    with torch.no_grad():
        net(backbone.prepare(pictures()))
        last = backbone(pictures())[-1]
    assert_close(last if name == "squeezenet1_1" else last.mean((2, 3)), read[0], rtol=1e-4, atol=1e-4)


def test_a_stage_ends_before_a_fall_in_size_never_at_full_size_and_has_weights():
    backbone = build_backbone("torchvision/vgg11", 3, options={"init_weights": False})  # its row ends with a pooling
    with torch.no_grad():
        assert [activation.shape[-1] for activation in backbone(pictures())] == [32, 16, 8, 2]
    assert all(convolutions(stage) for stage in backbone.stages)


def convolutions(stage):
    return sum(isinstance(part, nn.Conv2d) for part in stage.modules())


@pytest.mark.skipif(OLD, reason="before timm 1.0.31 ConvMixer has no taps")
def test_a_tap_for_every_block_becomes_four_at_equal_depths():
    backbone = build_backbone("convmixer_768_32", 3)  # a convolution, and 32 blocks of two
    assert [convolutions(stage) for stage in backbone.stages] == [1 + 8 * 2, 8 * 2, 8 * 2, 8 * 2]


@pytest.mark.parametrize(("depth", "blocks"), [(12, [3, 3, 3, 3]), (5, [2, 1, 1, 1]), (2, [1, 1])])
def test_a_vision_transformer_is_cut_at_four_equal_depths(depth, blocks):
    stages = build_backbone(VIT, 3, options={"depth": depth}).stages
    assert [sum(type(part).__name__ == "Block" for part in stage) for stage in stages] == blocks


# Weights


@pytest.mark.parametrize("name", [RESNET, VIT, "torchvision/squeezenet1_1"])
def test_grey_images_read_the_sum_of_the_weights_for_red_green_and_blue(name, tmp_path):
    library, _, rest = name.rpartition("/")
    net = torchvision.models.get_model(rest) if library else timm.create_model(name)
    file = write(net, tmp_path / "net.safetensors")
    gray, color = (build_backbone(name, channels, weights=file).state_dict() for channels in (1, 3))
    first, *others = [key for key in color if color[key].shape != gray[key].shape]
    assert not others
    assert_close(gray[first], color[first].sum(1, keepdim=True))


def test_a_grey_network_comes_back_from_its_file(tmp_path):
    net = timm.create_model(RESNET, in_chans=1)
    backbone = build_backbone(RESNET, 1, weights=write(net, tmp_path / "net.safetensors"))
    assert_close(backbone.stages[0][0][0].weight, net.conv1[0].weight)


def test_position_embeddings_follow_the_image_size(tmp_path):
    file = write(timm.create_model(VIT, img_size=64), tmp_path / "net.safetensors")
    backbone = build_backbone(VIT, 3, weights=file, options={"img_size": 96})
    assert backbone(pictures(side=96))[-1].shape == (2, 64, 6, 6)
    with pytest.raises(RecipeError, match=r"'pos_embed' is .*17.*wants .*101.* other `options`"):
        build_backbone(VIT, 3, weights=file)


def test_folded_batch_norm_is_found_in_the_weights(tmp_path):
    net = timm.create_model(RESNET)
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_var.fill_(1 - part.eps)
    file = write(net, tmp_path / "net.safetensors")
    for mode, fixed in (("auto", True), ("update", False), ("fixed", True)):
        assert build_backbone(RESNET, 3, weights=file, batch_norm=mode).fixed_statistics == fixed
    assert not build_backbone(RESNET, 3).fixed_statistics, "new statistics look the same, and must learn"


def test_published_weights_with_folded_batch_norm_keep_their_features():
    if "ANTEHOC_DATA" not in os.environ:
        pytest.skip("ANTEHOC_DATA names no folder with the development data")
    file = Path(os.environ["ANTEHOC_DATA"]) / "weights" / "mobilenetv2_100_tf_same.timm.safetensors"
    net = timm.create_model("mobilenetv2_100", pad_type="same").eval()
    net.load_state_dict(load_file(file))
    backbone = build_backbone("mobilenetv2_100", 3, weights=str(file), options={"pad_type": "same"})
    assert backbone.fixed_statistics
    with torch.no_grad():
        wanted = net.forward_head(net.forward_features(normalized(net, pictures())), pre_logits=True)
        assert_close(backbone.train()(pictures())[-1].mean((2, 3)), wanted, rtol=1e-4, atol=1e-4)


# Refusals


def refusal(name, **arguments):
    with pytest.raises(RecipeError) as caught:
        build_backbone(name, 3, **arguments)
    sentence = str(caught.value)
    assert sentence.endswith((".", ")."))
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize(
    ("name", "hint"), [("resnet81", "resnet"), ("tinny", "'tiny'"), ("paper_shapes", "'paper-shapes'")]
)
def test_an_unknown_network_is_refused_with_a_hint(name, hint):
    says = refusal(name)
    assert says.startswith(f"no backbone is called {name!r}. Did you mean ")
    assert hint in says


@pytest.mark.parametrize("name", ["mixer_s32_224", "visformer_tiny", "hrnet_w18_small", "crossvit_tiny_240"])
def test_a_network_that_is_no_row_of_maps_is_refused(name):
    assert f"timm's {name!r} is not a sequence of stages that return maps; take one such as resnet18" in refusal(name)


def test_a_network_of_torchvision_without_a_row_is_refused():
    assert "torchvision's 'resnet18' is not a sequence of stages. Take timm's." in refusal("torchvision/resnet18")
    assert "Did you mean 'squeezenet1_0'?" in refusal("torchvision/squeezenet10")


@pytest.mark.parametrize("name", [RESNET, "torchvision/squeezenet1_1"])
def test_options_that_the_backbone_sets_are_refused(name):
    for option in ("num_classes", "features_only", "in_chans", "pretrained"):
        assert f"option {option!r} is set by the backbone" in refusal(name, options={option: 3})


@pytest.mark.parametrize("name", [RESNET, "torchvision/squeezenet1_1"])
def test_an_option_that_the_network_does_not_know_is_refused(name):
    says = refusal(name, options={"pad_tipe": "same"})
    assert "{'pad_tipe': 'same'}" in says
    assert "unexpected keyword argument 'pad_tipe'" in says


def test_a_tag_that_is_none_is_refused():
    assert "timm cannot build 'resnet18.not_there'" in refusal("resnet18", weights="not_there")
    assert "weights 'NOT_THERE'" in refusal("torchvision/squeezenet1_1", weights="NOT_THERE")
    assert "No pretrained weights exist for test_mambaout" in refusal("test_mambaout", weights=True)
