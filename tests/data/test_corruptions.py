"""Corruptions by hand: what each does to pixels whose answer is known."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from antehoc.data.corruptions import CORRUPTIONS, corrupt
from antehoc.errors import RecipeError


def random_images(count: int = 2, channels: int = 3, side: int = 96) -> torch.Tensor:
    """Smooth ones, as photographs are, with some texture."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, channels, 4, 4, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")
    return ((0.8 * smooth + 0.2 * torch.rand(count, channels, side, side, generator=generator)) * 255).byte()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_stronger_corruption_changes_more_and_the_seed_decides_all(name, channels):
    image = random_images(channels=channels)
    before = image.clone()
    changed = [corrupt(image, name, strength, seed=3) for strength in (1, 3, 5)]
    moved = [(one.float() - image.float()).abs().mean() for one in changed]
    assert 0 < moved[0] < moved[1] < moved[2]
    assert corrupt(image, name, 3, seed=3).equal(changed[1])
    assert image.equal(before)
    assert corrupt(image, name, 3, seed=4).equal(changed[1]) == (name != "gaussian_noise")


def test_noise_has_the_published_deviation():
    image = torch.full((1, 3, 64, 64), 128, dtype=torch.uint8)
    noise = corrupt(image, "gaussian_noise", 1, seed=0).float() - 128
    assert float(noise.std()) == pytest.approx(0.08 * 255, rel=0.03)  # of 12,288 values: a standard error of 0.6 %
    assert float(noise.mean()) == pytest.approx(0, abs=0.6)


def test_contrast_draws_each_channel_to_its_mean():
    image = torch.tensor([[[[0, 100]], [[50, 250]]]], dtype=torch.uint8)
    # at strength 3 a fifth of the distance to the mean stays: means 50 and 150
    assert corrupt(image, "contrast", 3, seed=0).tolist() == [[[[40, 60]], [[130, 170]]]]


def test_brightness_raises_the_value_and_keeps_the_hue():
    image = torch.tensor([100, 50, 0, 0, 0, 0, 250, 250, 0], dtype=torch.uint8).view(3, 3).T[None, :, None]
    changed = corrupt(image, "brightness", 3, seed=0)[0, :, 0].T
    assert changed.tolist() == [
        [177, 88, 0],  # 100 + .3 * 255 = 176.5 and a hair, and the others by the same factor of 1.765
        [76, 76, 76],  # black becomes gray
        [255, 255, 0],  # no brighter than white
    ]


def test_pixels_become_as_coarse_as_the_share_says():
    image = torch.arange(16, dtype=torch.uint8).view(1, 1, 4, 4)
    # a quarter of 4 pixels is one: the mean of 0..15, rounded to even
    assert corrupt(image, "pixelate", 5, seed=0).unique().tolist() == [8]
    half = corrupt(image, "pixelate", 2, seed=0)
    assert half[0, 0].tolist() == [[2, 2, 4, 4], [2, 2, 4, 4], [10, 10, 12, 12], [10, 10, 12, 12]]  # 2.5 and 10.5


def test_jpeg_has_the_published_quality():
    image = random_images(1, 3, 32)
    file = io.BytesIO()
    Image.fromarray(image[0].permute(1, 2, 0).numpy()).save(file, "JPEG", quality=15)
    by_pillow = np.asarray(Image.open(file)).astype(float)
    ours = corrupt(image, "jpeg", 3, seed=0)[0].permute(1, 2, 0).numpy()
    assert np.array_equal(ours, by_pillow)
    assert np.abs(ours - image[0].permute(1, 2, 0).numpy()).mean() > 5


def test_blur_scales_with_the_image():
    # a point on 56 pixels, a quarter of 224: at strength 3 a Gaussian of deviation .75
    image = torch.zeros(1, 1, 56, 56, dtype=torch.uint8)
    image[0, 0, 28, 28] = 255
    row = corrupt(image, "gaussian_blur", 3, seed=0)[0, 0, 28].float()
    kernel = np.exp(-((np.arange(-3, 4) / 0.75) ** 2) / 2)
    expected = 255 * kernel / kernel.sum() * kernel[3] / kernel.sum()
    assert row[25:32].tolist() == pytest.approx(expected.tolist(), abs=0.6)


@pytest.mark.parametrize(("name", "strength", "said"), [("jpg", 1, "'jpg'"), ("jpeg", 6, "no strength is called '6'")])
def test_what_does_not_exist_is_refused(name, strength, said):
    with pytest.raises(RecipeError, match=said):
        corrupt(random_images(), name, strength, seed=0)
