"""Weights from a file: what does not fit is refused, with a sentence that says what to do."""

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from antehoc.errors import RecipeError
from antehoc.nn.backbones import build_backbone

RESNET = "test_resnet"  # timm's smallest


def write(net, path, **changes):
    save_file({key: value.contiguous() for key, value in {**net.state_dict(), **changes}.items()}, path)
    return str(path)


def refusal(name, **arguments):
    with pytest.raises(RecipeError) as caught:
        build_backbone(name, 3, **arguments)
    sentence = str(caught.value)
    assert sentence.endswith((".", ")."))
    assert "\n" not in sentence
    return sentence


def test_weights_that_are_no_safetensors_file_are_refused(tmp_path):
    assert "a pickle can run code" in refusal(RESNET, weights="net.pth")
    assert "there is no such file" in refusal(RESNET, weights=str(tmp_path / "net.safetensors"))
    assert "weights are a .safetensors file, hf-hub:" in refusal(RESNET, weights=str(tmp_path))
    (tmp_path / "torn.safetensors").write_bytes(b"torn")
    assert "this is not a safetensors file" in refusal(RESNET, weights=str(tmp_path / "torn.safetensors"))


def test_weights_that_do_not_fit_are_refused_by_their_first_key(tmp_path):
    net, path = timm.create_model(RESNET), tmp_path / "net.safetensors"
    cure = "take the weights of this very network, or other `options`."
    says = refusal(RESNET, weights=write(net, path, **{"layer9.weight": torch.zeros(1)}))
    assert says == f"{path}: the weights have 'layer9.weight', which {RESNET} does not know; {cure}"
    says = refusal(RESNET, weights=write(net, path, **{"bn1.bias": torch.zeros(3)}))
    assert says == f"{path}: 'bn1.bias' is (3,), and {RESNET} wants (32,); {cure}"
    del net.bn1.bias
    says = refusal(RESNET, weights=write(net, path))
    assert says == f"{path}: the weights have no 'bn1.bias', which {RESNET} wants; {cure}"


def test_weights_that_are_not_finite_are_refused_by_their_key(tmp_path):
    path = tmp_path / "net.safetensors"
    says = refusal(RESNET, weights=write(timm.create_model(RESNET), path, **{"bn1.bias": torch.full((32,), torch.nan)}))
    assert says == f"{path}: 'bn1.bias' holds NaN or infinity; download or convert the weights again."


def test_the_classifier_of_the_file_may_be_any_or_missing(tmp_path):
    net = timm.create_model(RESNET, num_classes=7)
    assert build_backbone(RESNET, 3, weights=write(net, tmp_path / "seven.safetensors"))
    net.fc = nn.Identity()
    assert build_backbone(RESNET, 3, weights=write(net, tmp_path / "none.safetensors"))
