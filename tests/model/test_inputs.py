"""What a model takes, and the state that it keeps: any form of paths, any mode, files with ordinary permissions."""

import os
import stat

import pytest
import torch
from PIL import Image
from torch import nn

from antehoc.data.preprocessing import Preprocessing
from antehoc.errors import DataError, ImageError, ModelError
from antehoc.model import Model, load
from antehoc.nn.files import write_weights
from antehoc.spec import DataSpec
from antehoc.systems import Mirror

SPEC = DataSpec(("cat", "fox"), 1, 16, 16, ("red",), ((0.0,), (1.0,)))


@pytest.fixture
def model():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Model(
            Mirror(SPEC, backbone="tiny").eval(), {"name": "mirror", "backbone": "tiny"}, Preprocessing(1, 16, 16)
        )


@pytest.fixture
def png(tmp_path):
    Image.new("L", (16, 16), 90).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_one_path_is_one_image_in_any_form(model, png):
    (expected,) = model.decide([png])
    for given in (png, str(png), [str(png)], (png,), iter([png]), {png}):
        assert model.decide(given) == [expected]


@pytest.mark.parametrize("given", [3, None, {"a": 1}, [3], [None], ["a.png", 3], [["a.png"], [{}]], iter([3])])
def test_anything_else_is_refused_in_one_sentence(model, given):
    with pytest.raises(DataError, match=r"^images must be paths, folders, .* or a list of these; got \w+\.$"):
        model.decide(given)


def test_a_missing_file_is_named_whole(model):
    with pytest.raises(ImageError, match=r"^a\.png: there is no such file"):
        model.decide("a.png")


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_are_taken_as_single_precision(model, kind):
    image = torch.full((2, 1, 16, 16), 0.5)
    assert model.decide(image.to(kind)) == model.decide(image)


def test_deciding_after_training_mode_changes_nothing(model):
    image = torch.rand(3, 1, 16, 16)
    expected, before = model.decide(image), {k: v.clone() for k, v in model.system.state_dict().items()}
    model.system.train()
    assert model.decide(image) == expected
    assert all(value.equal(before[name]) for name, value in model.system.state_dict().items())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:1", "tpu"])
def test_a_device_that_is_absent_is_named(model, tmp_path, device):
    model.save(tmp_path / "model")
    with pytest.raises(ModelError, match=rf"device '{device}' cannot be used here \(.*\); use 'cpu'"):
        load(tmp_path / "model", device=device)


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_saved_files_have_the_permissions_of_new_files(model, tmp_path, mask, mode):
    old = os.umask(mask)
    try:
        model.save(tmp_path / "model")
    finally:
        os.umask(old)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "model").iterdir()} == {mode}


def test_tied_and_strided_weights_are_written_and_come_back(tmp_path):
    one = nn.Linear(4, 4)
    net = nn.Sequential(one, nn.Linear(4, 4))
    net[1].weight = one.weight
    one.bias.data = torch.arange(8.0)[::2]
    write_weights(net.state_dict(), tmp_path / "w.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]
    from safetensors.torch import load_file

    found = load_file(tmp_path / "w.safetensors")
    assert found["1.weight"].equal(one.weight)
    assert found["0.bias"].tolist() == [0.0, 2.0, 4.0, 6.0]


def test_a_class_name_that_is_not_utf8_still_gets_a_model_card(tmp_path):
    spec = DataSpec(("m\xf6we", "gull\udcff"), 1, 16, 16, ("red",), ((0.0,), (1.0,)))
    model = Model(
        Mirror(spec, backbone="tiny").eval(), {"name": "mirror", "backbone": "tiny"}, Preprocessing(1, 16, 16)
    )
    model.save(tmp_path / "model")
    assert "m\xf6we, gull\\udcff" in (tmp_path / "model/README.md").read_text(encoding="utf-8")
    assert load(tmp_path / "model").spec.classes == spec.classes
