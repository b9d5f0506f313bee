"""Masks as files: at the source image's pixels, under names that do not fight."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from antehoc.data import Preprocessing
from antehoc.errors import DataError, ImageError, OutputError
from antehoc.explanations import SaliencyMask
from antehoc.report import masks
from report.test_cases import Sketch

STRETCHED = Preprocessing(1, 64, 64, fit="stretch")


def opened(path):
    with Image.open(path) as picture:
        return picture.mode, picture.size, np.array(picture)


@pytest.fixture
def picture(tmp_path):
    Image.new("RGB", (200, 100), "white").save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_a_mask_is_written_raw_and_over_its_image_at_the_images_pixels(picture, masked, tmp_path):
    written = masks.write([(picture, masked)], STRETCHED, tmp_path / "out")
    assert [path.name for path in written] == ["a.overlay.png", "a.mask.png"]
    assert opened(written[0])[:2] == ("RGB", (200, 100))
    mode, size, levels = opened(written[1])
    assert (mode, size) == ("L", (200, 100))
    assert (levels[:48, :95] == 255).all()
    assert (levels[52:] == 0).all()
    assert (levels[:, 105:] == 0).all()


def test_what_the_model_did_not_see_is_hidden(masked):
    cropped = Preprocessing(1, 64, 64, fit="crop")  # the middle 100 of 200 columns
    everywhere = replace(masked, explanations=(SaliencyMask.of(torch.ones(64, 64)),))
    (explanation,) = masks.at_source(everywhere, cropped, 100, 200).explanations
    values = explanation.maps()["mask"]
    assert (values[:, :50] == 0).all()
    assert (values[:, 50:150] == 1).all()
    assert (values[:, 150:] == 0).all()


def test_several_maps_of_an_image_keep_their_names(picture, masked, tmp_path):
    several = replace(masked, explanations=(Sketch("a fox"), *masked.explanations))
    written = masks.write([(picture, several)], STRETCHED, tmp_path / "out")
    names = ["front", "back-side", "mask"]
    assert [path.name for path in written] == [f"a.{name}{kind}.png" for name in names for kind in (".overlay", "")]


def test_images_of_one_name_do_not_overwrite_each_other(picture, masked, tmp_path):
    other = tmp_path / "b" / "A.png"
    other.parent.mkdir()
    Image.new("L", (64, 64)).save(other)
    unreadable = (tmp_path / "c.png", ImageError("c.png: no image."))
    written = masks.write([(picture, masked), unreadable, (other, masked)], STRETCHED, tmp_path / "out")
    assert [path.name for path in written] == ["a.overlay.png", "a.mask.png", "A-2.overlay.png", "A-2.mask.png"]
    assert opened(written[2])[1] == (64, 64)


def test_a_model_without_masks_and_a_place_that_cannot_be_are_refused(picture, masked, accepted, tmp_path):
    with pytest.raises(DataError, match="--masks: this model's explanations have no place in the image"):
        masks.write([(picture, accepted)], STRETCHED, tmp_path)
    with pytest.raises(OutputError, match="cannot be written"):
        masks.write([(picture, masked)], STRETCHED, picture)
