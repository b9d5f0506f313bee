"""Control maps: what each holds, and that neither batch nor call changes them."""

import numpy as np
import pytest
import torch
from scipy.ndimage import sobel

from antehoc.metrics.controls import CONTROLS, controls
from antehoc.metrics.placement import energy, pointing_game


@pytest.fixture
def images():
    return torch.rand(3, 3, 9, 12, generator=torch.Generator().manual_seed(0))


def test_every_control_is_a_map_and_the_mask_is_perfect(images):
    mask = torch.zeros(3, 1, 9, 12, dtype=torch.bool)
    mask[..., :2, :3] = True
    found = controls(images, mask)
    assert tuple(found) == (*CONTROLS, "perfect")
    assert tuple(controls(images)) == CONTROLS
    assert {(own.shape, own.dtype) for own in found.values()} == {((3, 1, 9, 12), torch.float32)}
    assert (energy(found["perfect"], mask) == 1).all()
    assert (found["ones"] == 1).all()
    assert (found["zeros"] == 0).all()
    assert energy(found["ones"], mask)[0].item() == pytest.approx(6 / 108)  # the object's share of the image


@pytest.mark.parametrize("name", ["box", "gaussian"])
def test_the_centred_ones_are_centred(images, name):
    own = controls(images)[name]
    assert own.equal(own.flip(2))
    assert own.equal(own.flip(3))
    center = torch.zeros(3, 1, 9, 12, dtype=torch.bool)
    center[:, :, 2:7, 3:9] = True
    assert (pointing_game(own, center) == 1).all()
    assert (own[..., 0, 0] < 0.1).all()


def test_the_box_is_half_as_high_and_wide():
    own = controls(torch.zeros(1, 1, 8, 16))["box"]
    assert own.sum() == 4 * 8
    assert own[0, 0, 2:6, 4:12].all()


def test_the_gaussians_deviation_is_a_quarter_of_the_side():
    own = controls(torch.zeros(1, 1, 65, 65))["gaussian"][0, 0, 32]
    assert own[32].item() == 1
    assert own[32 + 13].item() == pytest.approx(np.exp(-0.5 * (13 / (65 / 4)) ** 2))


def test_random_maps_hang_on_image_and_seed_alone(images):
    own = controls(images)["random"]
    assert not own[0].equal(own[1])
    assert own[1:2].equal(controls(images[1:2])["random"])
    assert not own.equal(controls(images, seed=1)["random"])
    assert 0 <= own.min() < 0.05 < 0.95 < own.max() < 1


def test_edges_are_sobels(images):
    gray = images.mean(1).double().numpy()
    by_scipy = np.stack([np.hypot(sobel(one, 0, mode="nearest"), sobel(one, 1, mode="nearest")) for one in gray])
    assert controls(images)["edges"][:, 0].numpy() == pytest.approx(by_scipy, abs=1e-5)
