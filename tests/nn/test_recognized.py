"""Which network a file of weights belongs to."""

import pytest
import timm
import torch
from safetensors.torch import save_file

from antehoc.errors import RecipeError
from antehoc.nn.backbones import build_backbone
from antehoc.nn.recognized import recognize


@pytest.fixture(scope="module")
def state():
    return timm.create_model("mobilenetv3_small_100", num_classes=7).state_dict()


@pytest.mark.parametrize(
    ("file", "metadata", "options"),
    [
        ("weights", None, {}),
        ("my_tf_weights", None, {"pad_type": "same"}),
        ("weights", {"load": "create_model('x', pad_type='same')"}, {"pad_type": "same"}),
    ],
)
def test_a_network_is_known_by_its_tensors_whatever_its_head(state, tmp_path, file, metadata, options):
    path = tmp_path / f"{file}.safetensors"
    save_file(state, path, metadata)
    found = recognize(path)
    assert found == ("mobilenetv3_small_100", options)
    build_backbone(found.name, 3, weights=str(path), options=found.options)


def test_half_precision_and_old_files_are_known_as_well(state, tmp_path):
    path = tmp_path / "w.safetensors"
    save_file({key: value.half() for key, value in state.items() if not key.endswith("tracked")}, path)
    assert recognize(path).name == "mobilenetv3_small_100"


def test_what_fits_nothing_is_refused(state, tmp_path):
    path = tmp_path / "w.safetensors"
    save_file({**state, "extra": torch.zeros(1)}, path)
    with pytest.raises(RecipeError, match="these weights fit none of the networks that are tried"):
        recognize(path)
    path.write_bytes(b"no weights")
    with pytest.raises(RecipeError, match="this is not a safetensors file"):
        recognize(path)
    with pytest.raises(RecipeError, match="there is no such file"):
        recognize(tmp_path / "no.safetensors")
    with pytest.raises(RecipeError, match=r"give the .safetensors file of a network's weights"):
        recognize("a1_in1k")
