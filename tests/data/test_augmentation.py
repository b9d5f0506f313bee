"""Versions of a picture: pure functions of seed, number and content, at the frame's size, of the documented kinds."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from antehoc.data.augmentation import Versions, augment
from antehoc.data.examples import Files, Tensors
from antehoc.data.preprocessing import Preprocessing
from antehoc.errors import RecipeError

KINDS = ("crops", "thesis", "thesis-code")
FRAME = Preprocessing(3, 12, 16, "crop")
SIDE = 64


@pytest.fixture
def files(tmp_path):
    """Five pictures of several shapes, with their numbers as labels."""
    generator = np.random.default_rng(0)
    sizes = [(24, 18), (60, 9), (7, 50), (16, 12), (1, 1)]
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for path, (width, height) in zip(paths, sizes, strict=True):
        Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
    return Files(paths, FRAME, torch.arange(5), torch.arange(10.0).view(5, 2) / 10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("resize", [None, 20])
def test_version_0_is_the_plain_image(files, kind, resize):
    files.preprocessing = replace(FRAME, resize=resize)
    batch, plain = Versions(files, kind, 3).batch([4, 0, 2]), files.batch([4, 0, 2])
    assert all(a.equal(b) for a, b in zip(batch[:3], plain[:3], strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_a_version_hangs_on_its_seed_its_number_and_the_content_alone(files, kind):
    wanted = Versions(files, kind, 3).batch([5 + 2, 10 + 0, 10 + 2])
    part = Versions(files.select([2, 1, 0]), kind, 3)  # other numbers for the same images: 2 is 0, 0 is 2
    found = part.batch([6 + 0, 3 + 0, 6 + 2])
    assert found.image[[1, 2, 0]].equal(wanted.image)
    assert found.label.tolist() == [2, 2, 0]
    assert found.attributes.equal(files.attributes[[2, 2, 0]])


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_seeds_and_images_have_versions_of_their_own(files, kind):
    rows = [0, 1, 2, 3]  # the last picture has one pixel
    numbers = [5 * version + row for version in range(4) for row in rows]
    found = torch.cat([Versions(files, kind, seed).batch(numbers).image for seed in (3, 4)])
    assert len({tuple(image.flatten().tolist()) for image in found}) == 4 * 4 + 3 * 4, "version 0 is the same for both"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("resize", [None, 20])
def test_masks_go_the_way_of_their_images(tmp_path, kind, resize):
    """Objects are white on black, so that an image is its own mask, wherever a version puts it."""
    paths, masks = ([tmp_path / f"{what}{n}.png" for n in range(2)] for what in ("image", "mask"))
    for path, mask, (width, height) in zip(paths, masks, [(40, 30), (20, 50)], strict=True):
        sheet = np.zeros((height, width), dtype=np.uint8)
        sheet[height // 3 :, : width // 2] = 255
        for place in (path, mask):
            Image.fromarray(sheet).save(place)
    files = Files(paths, Preprocessing(1, 12, 16, "crop", resize=resize), masks=masks)
    batch = Versions(files, kind, 3).batch([0, 1, 2, 3, 4, 9, 12, 15])
    assert batch.mask is not None
    assert batch.mask.equal(batch.image)
    assert batch.mask[:2].equal(files.batch([0, 1]).mask)
    assert len({tuple(mask.flatten().tolist()) for mask in batch.mask}) > 4


def test_boxes_are_masks_of_versions_and_images_without_objects_have_none(files):
    boxed = Files(files.paths, FRAME, boxes=torch.tensor([[0.0, 0.0, 9.0, 9.0]]).expand(5, 4))
    assert Versions(boxed, "crops", 0).batch([0, 5]).mask.shape == (2, 1, 12, 16)
    assert Versions(files, "crops", 0).batch([0, 5]).mask is None


def test_a_version_of_one_content_is_the_same_wherever_it_lies(files, tmp_path):
    copy = tmp_path / "copy.png"
    copy.write_bytes(files.paths[0].read_bytes())
    both = Versions(Files([files.paths[0], copy], FRAME), "crops", 0).batch([2, 3]).image
    assert both[0].equal(both[1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("size", [(1, 1), (2, 1), (300, 7), (7, 300), (40, 30)])
def test_every_version_has_the_frames_size(kind, mode, size):
    picture = Image.new(mode, size, "white")
    for seed in range(20):
        version = augment(picture, kind, 12, 16, seed)
        assert version.size == (16, 12)
        assert version.mode == mode
        assert kind != "crops" or version.getextrema() in ((255, 255), ((255, 255),) * 3), "nothing but the picture"


def test_a_version_is_not_resized_twice(files):
    one, other = (Versions(files.select([0]), "crops", 0) for _ in range(2))
    other.examples.preprocessing = replace(FRAME, resize=40)
    assert one.batch([1]).image.equal(other.batch([1]).image)


def shown(kind, seed):
    """Of a square picture: whether a version is turned and mirrored, and the share of its width and height it shows."""
    ramp = np.linspace(0, 255, SIDE).round().astype(np.uint8)
    across, down = np.broadcast_to(ramp, (SIDE, SIDE)), np.broadcast_to(ramp[:, None], (SIDE, SIDE))
    picture = Image.fromarray(np.stack([across, down, np.full_like(across, 255)], 2))
    version = np.asarray(augment(picture, kind, 32, 32, seed)).astype(float)
    wide, tall = version[16, 31, 0] - version[16, 0, 0], version[31, 16, 1] - version[0, 16, 1]
    turned = version[:, :, 2].min() < 200 or version[:, 16, 0].std() > 2  # a black corner, or columns that vary
    share = 63 / 255 / SIDE * 32 / 31  # of a side for each gray level from the first pixel's middle to the last one's
    return turned, wide < 0, abs(wide) * share, tall * share


def draws(kind):
    return [shown(kind, seed) for seed in range(80)]


@pytest.mark.parametrize("kind", KINDS)
def test_half_of_the_versions_are_mirrored(kind):
    # 80 draws of one half: 4.5 deviations are 20
    assert 20 < sum(mirrored for _, mirrored, _, _ in draws(kind)) < 60


def test_crops_show_35_to_100_percent_upright():
    found = draws("crops")
    assert not any(turned for turned, *_ in found)
    areas = [wide * tall for *_, wide, tall in found]
    # the drawn area, less what a shape cannot have inside a square; the ends of a ramp are read to some 5 %
    assert min(areas) > 0.33
    assert min(areas) < 0.5
    assert max(areas) > 0.85
    shapes = [wide / tall for *_, wide, tall in found]
    assert 0.7 < min(shapes) < 0.85
    assert 1.2 < max(shapes) < 1.4


def test_the_thesis_turns_half_and_shows_seven_eighths_of_each_side():
    found = draws("thesis")
    assert 20 < sum(turned for turned, *_ in found) < 60
    sides = np.array([(wide, tall) for turned, _, wide, tall in found if not turned])
    assert sides.mean(0) == pytest.approx([7 / 8, 7 / 8], abs=0.008)
    assert sides.min() > 7 / 8 - 0.03
    assert sides.max() < 7 / 8 + 0.03


def test_the_code_of_the_thesis_always_turns_and_shows_less():
    found = draws("thesis-code")
    assert sum(turned for turned, *_ in found) > 70, "a turn by a degree or two may not be seen"
    assert sum(abs(wide * tall) < 0.3 for *_, wide, tall in found) > 10, "crops never show so little"


def test_images_in_memory_are_refused():
    memory = Tensors(torch.zeros(1, 3, 12, 16, dtype=torch.uint8))
    with pytest.raises(RecipeError, match=r"augment: 'crops' draws from image files, .* in memory; take `flip`\."):
        Versions(memory, "crops", 0)
