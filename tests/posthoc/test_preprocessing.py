"""Foreign classifiers with their preprocessing: the right input is explained, and a wrong one is not called valid."""

import io
import os
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from torchvision.transforms import v2

from antehoc.errors import DataError, ModelError, PreprocessingWarning, RecipeError
from antehoc.posthoc import attributions
from antehoc.posthoc.preprocessing import IMAGENET, declared, read

MEAN, STD = (0.2, 0.4, 0.6), (0.5, 0.25, 0.125)
SEEN = torch.stack([torch.full((8, 8), value) for value in (0.3, 0.5, 0.2)])[None]


class Colors(nn.Module):
    """Three logits: the mean of each channel."""

    def forward(self, image):
        return image.mean((2, 3))


def test_the_classifier_gets_normalized_images_and_the_map_is_in_the_pixels_own_unit():
    raw = attributions(Colors(), SEEN, method="input-x-gradient")
    found = attributions(Colors(), SEEN, method="input-x-gradient", preprocessing=(MEAN, STD))
    normal = (SEEN - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
    assert raw.target.tolist() == [1]  # 0.5 is the largest
    assert Colors()(normal)[0].tolist() == pytest.approx([0.2, 0.4, -3.2], abs=1e-5)
    assert found.target.tolist() == found.decided.tolist() == [1]
    share = torch.tensor([0.2, 0.4, -3.2]).softmax(0)[1]
    assert found.probability.tolist() == pytest.approx([share.item()], abs=1e-5)
    torch.testing.assert_close(found.maps, torch.full((1, 1, 8, 8), 0.5 / 0.25 / 64))
    assert found.images.equal(SEEN)


@pytest.mark.parametrize("given", [True, False])
def test_which_images_get_another_class_raw_is_said(given):
    blue = SEEN.clone()
    blue[:, 2] = 0.7  # raw the largest; normalized 0.8, above 0.4
    red = SEEN.clone()
    red[:, 0] = 0.45  # normalized 0.5, above 0.4; raw it is below 0.5
    images = torch.cat([blue, red])
    if given:
        found = attributions(Colors(), images, method="saliency", preprocessing=(MEAN, STD))
        assert found.target.tolist() == [2, 0]
        assert found.valid.tolist() == [False, False]  # flat, but for no other reason
        assert "preprocessed" not in found.checks
        assert found.notes == (
            "Without the preprocessing 1 of 2 images would get another class, such as image 1: 1 instead of 0.",
        )
        return
    net = Colors()
    net.pretrained_cfg = {"mean": MEAN, "std": STD, "num_classes": 3}
    with pytest.warns(PreprocessingWarning, match=r"such as image 1: 0 instead of 1\. Pass preprocessing="):
        found = attributions(net, images, method="saliency")
    assert found.checks["preprocessed"].tolist() == [1, 0]
    assert "another class: pass preprocessing=" in found.why[1]
    assert "flat" in found.why[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        attributions(net, images, method="saliency", preprocessing=(0.0, 1.0))  # it says that raw is right
        attributions(net, images[:1], method="saliency")
        attributions(net, 3 * images - 1, method="saliency")  # normalized already
        net.pretrained_cfg["num_classes"] = 1000
    with pytest.warns(PreprocessingWarning):  # trained anew on other classes: nobody knows
        assert "preprocessed" not in attributions(net, images, method="saliency").checks


@pytest.mark.parametrize(
    "make",
    [
        lambda: {"mean": MEAN, "std": STD},
        lambda: (MEAN, STD),
        lambda: [list(MEAN), np.array(STD)],
        lambda: torchvision.transforms.Normalize(MEAN, STD),
        lambda: torchvision.transforms.Compose(
            [torchvision.transforms.Resize(8), torchvision.transforms.ToTensor(),
             torchvision.transforms.Normalize(MEAN, STD)]
        ),
        lambda: v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]),
        lambda: nn.Sequential(torchvision.transforms.CenterCrop(8), torchvision.transforms.Normalize(MEAN, STD)),
        lambda: {"input_size": (3, 8, 8), "interpolation": "bicubic", "mean": MEAN, "std": STD, "crop_pct": 0.5,
                 "crop_mode": "center"},
        lambda: timm.data.create_transform((3, 8, 8), is_training=False, mean=MEAN, std=STD),
        lambda: torchvision.transforms._presets.ImageClassification(crop_size=8, resize_size=8, mean=MEAN, std=STD),
    ],
)  # fmt: skip
def test_every_form_gives_the_same_explanation_of_an_image_that_has_the_size(make):
    expected = attributions(Colors(), SEEN, method="input-x-gradient", preprocessing=(MEAN, STD), target=0)
    found = attributions(Colors(), SEEN, method="input-x-gradient", preprocessing=make(), target=0)
    torch.testing.assert_close(found.maps, expected.maps)
    assert found.images.equal(SEEN)


def test_a_larger_image_is_resized_and_cropped_as_the_library_does():
    image = torch.rand(2, 3, 40, 30, generator=torch.Generator().manual_seed(0))
    preset = torchvision.transforms._presets.ImageClassification(crop_size=16, resize_size=20)
    found = attributions(Colors(), image, method="saliency", preprocessing=preset)
    assert found.images.shape == (2, 3, 16, 16)
    torch.testing.assert_close(read(preset).normalized(found.images), preset(image))
    config = {"input_size": (3, 16, 16), "interpolation": "bilinear", "mean": MEAN, "std": STD, "crop_pct": 0.8}
    pixels = Image.fromarray((image[0] * 255).byte().permute(1, 2, 0).numpy())
    theirs = timm.data.create_transform(**config, is_training=False)(pixels)
    prepare = read(config)
    exact = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float() / 255
    ours = prepare.normalized(prepare.resized(exact))[0]
    assert (ours - theirs).abs().max() < 0.5 / 255 / min(STD) + 0.02  # Pillow rounds to 8 bits after each direction


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("imagenet", "must be a timm data configuration"),
        (3, "got int"),
        ({"mean": MEAN}, "lacks mean or std"),
        ({"mean": MEAN, "std": STD, "inputsize": 3}, "Did you mean 'input_size'"),
        ((MEAN, (1, 2)), "one number for each channel"),
        ((MEAN, (0, 1, 1)), "std above 0"),
        (("a", 1), "mean is a number"),
        ((0.0, float("nan")), "std is a number"),
        (torchvision.transforms.Compose([torchvision.transforms.RandomCrop(4)]), "no rule for the step 'RandomCrop'"),
        (torchvision.transforms.Compose([torchvision.transforms.Normalize(0.5, 0.5)] * 2), "normalizes twice"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(given, says):
    with pytest.raises(RecipeError, match=says):
        attributions(Colors(), SEEN, method="saliency", preprocessing=given)


def test_images_that_are_normalized_already_or_have_other_channels_are_refused():
    with pytest.raises(DataError, match=r"must lie in 0\.\.1 where preprocessing normalizes them; got -0\.8"):
        attributions(Colors(), SEEN - 1, method="saliency", preprocessing=(MEAN, STD))
    with pytest.raises(DataError, match="is for images of 3 channels; these have 1"):
        attributions(Colors(), SEEN[:, :1], method="saliency", preprocessing=(MEAN, STD))
    with pytest.raises(DataError, match="names of all 3 classes; got 2"):
        attributions(Colors(), SEEN, method="saliency", classes=("red", "green"))
    with pytest.raises(ModelError):
        attributions(nn.Identity(), SEEN, method="saliency", preprocessing=(MEAN, STD))


def test_the_explained_class_is_reported_by_number_name_and_probability():
    found = attributions(Colors(), SEEN, method="occlusion", classes=("red", "green", "blue"), target=0)
    assert found.labels == ("red",)
    assert "explained: class 0 'red' (32." in found.headline()
    (row,) = found.records()
    assert (row["target"], row["label"], row["decided"]) == (0, "red", 1)
    assert attributions(Colors(), SEEN, method="saliency").labels == ("class 1",)
    assert attributions(Colors(), SEEN * torch.nan, method="saliency").probability.isnan().all()


def test_what_a_library_declares():
    assert declared(Colors()) is None
    assert declared(torchvision.models.resnet18()).mean == IMAGENET[0]
    net = timm.create_model("mobilenetv1_100")
    assert declared(net).mean == tuple(net.pretrained_cfg["mean"])
    assert declared(net).published == 1000


WEIGHTS = Path(os.environ.get("ANTEHOC_DATA", "")) / "weights" / "mobilenetv1_100_tf_same.timm.fp16.safetensors"
SAMPLES = Path(os.environ.get("ANTEHOC_DATA", "")) / "imagenet-samples-250" / "imagenet_samples_250_224.zip"


@pytest.mark.skipif(
    not (WEIGHTS.is_file() and SAMPLES.is_file()), reason="no weights and ImageNet samples under ANTEHOC_DATA"
)
def test_a_trained_network_of_timm_is_explained_for_the_class_that_it_decides():
    net = timm.create_model("mobilenetv1_100", pretrained=False, pad_type="same").eval()
    net.load_state_dict({name: value.float() for name, value in load_file(WEIGHTS).items()})
    with zipfile.ZipFile(SAMPLES) as archive:
        files = [name for name in archive.namelist() if name.endswith(".jpg")][:24]
        pictures = [Image.open(io.BytesIO(archive.read(name))).convert("RGB") for name in files]
    images = torch.stack([torch.from_numpy(np.array(one)).permute(2, 0, 1) for one in pictures]).float() / 255
    truth = torch.tensor([int(Path(name).name[:4]) for name in files])
    config = timm.data.resolve_model_data_config(net)
    right = attributions(net, images, method="saliency", preprocessing=config)
    with pytest.warns(PreprocessingWarning, match="EfficientNet of timm normalizes"):
        raw = attributions(net, images, method="saliency")
    normal = (images - torch.tensor(config["mean"]).view(3, 1, 1)) / torch.tensor(config["std"]).view(3, 1, 1)
    with torch.no_grad():
        assert right.target.equal(net(normal).argmax(1))
    assert right.valid.all()
    assert raw.valid.equal(raw.decided == right.decided)
    assert (right.decided == truth).sum() > (raw.decided == truth).sum()
