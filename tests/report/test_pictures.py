"""Pictures of pixels: kept, shrunk, and in the colors of all maps."""

from base64 import b64decode
from io import BytesIO

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

from antehoc.blocks import Overlay
from antehoc.report import pictures
from report.svg import SVG, parse, words

GREEN = (0, 158, 115)


def decode(address: str) -> Image.Image:
    return Image.open(BytesIO(b64decode(address.partition("base64,")[2])))


def test_a_small_picture_keeps_every_pixel():
    image = torch.randint(256, (3, 12, 20)).float() / 255
    back = torch.from_numpy(np.array(decode(pictures.picture(image)))).permute(2, 0, 1).float() / 255
    assert torch.equal(back, image)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_large_picture_shrinks(mode):
    address = pictures.picture(Image.new(mode, (900, 300)), 320)
    assert decode(address).size == (320, 107)
    assert address.startswith("data:image/jpeg")


def test_an_overlay_is_the_image_in_gray_under_the_colors_of_the_mask():
    image = torch.tensor([0.0, 1.0]).view(1, 1, 2).expand(3, 2, 2)  # black on the left, white on the right
    picture = np.array(pictures.overlay(image, torch.tensor([[0.0, 0.0], [1.0, 1.0]]))) / 255
    dark, bright = matplotlib.colormaps["inferno"](0.0)[:3], matplotlib.colormaps["inferno"](1.0)[:3]
    for row, color in enumerate((dark, bright)):
        for column, gray in enumerate((0.0, 1.0)):
            wanted = 0.62 * np.array(color) + 0.38 * gray
            assert picture[row, column] == pytest.approx(wanted, abs=1 / 255)


def test_a_small_mask_is_stretched_over_a_large_image():
    picture = pictures.overlay(Image.new("RGB", (40, 20)), torch.tensor([[0.0, 1.0]]))
    levels = np.array(picture.convert("L")).astype(int)
    assert levels.shape == (20, 40)
    assert levels[:, 0].max() < 10 < 120 < levels[:, -1].min()


@pytest.mark.parametrize("scale", [1, 2])
def test_an_outline_is_drawn_just_outside_of_the_object(scale):
    inside = torch.zeros(16, 16, dtype=torch.bool)
    inside[1:5, 2:6] = True
    image = torch.zeros(1, 16 * scale, 16 * scale)
    drawn = np.array(pictures.drawn(Overlay(torch.zeros(16, 16), "a mask", image, inside)))
    green = (drawn == np.array(GREEN)).all(2)
    ring = np.zeros_like(green)
    ring[scale - 1 : 5 * scale + 1, 2 * scale - 1 : 6 * scale + 1] = True
    ring[scale : 5 * scale, 2 * scale : 6 * scale] = False
    assert (green == ring).all()


def test_a_map_without_an_image_stands_on_gray():
    drawn = np.array(pictures.drawn(Overlay(torch.zeros(4, 6), "a mask")))
    assert drawn.shape == (4, 6, 3)
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) == 1


def test_the_color_bar_runs_from_the_darkest_to_the_brightest_and_names_its_ends():
    root = parse(pictures.color_bar("0: none", "1: <all>"))
    fills = [rect.get("fill") for rect in root.iter(f"{SVG}rect")]
    light = [sum(int(fill[place : place + 2], 16) for place in (1, 3, 5)) for fill in fills]
    assert light == sorted(light)
    assert (light[0], light[-1]) == (0 + 0 + 4, 252 + 255 + 164)  # of matplotlib's inferno
    assert words(root) == ["0: none", "1: <all>"]
