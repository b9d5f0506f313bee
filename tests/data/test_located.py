"""Maps of classes and ignored pixels, in files, in memory and in drawn versions."""

import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from antehoc.data import Files, Instance, Preprocessing, Tensors
from antehoc.data.archives import Member
from antehoc.data.augmentation import Versions
from antehoc.data.class_maps import ClassMap
from antehoc.data.images import read_indices
from antehoc.errors import DataError, ImageError

PLAIN = Preprocessing(3, 8, 12)
NUMBERS = np.zeros((8, 12), np.uint8)
NUMBERS[1:4, 1:5] = 7  # of class 0
NUMBERS[5:8, 6:12] = 3  # of class 2
NUMBERS[1:4, 5:7] = 255  # ignored


def palette(array=NUMBERS):
    """A palette whose colors say nothing of the indices: 7 is black and 0 white."""
    picture = Image.fromarray(array, "P")
    picture.putpalette([255 - n for n in range(256) for _ in range(3)])
    return picture


@pytest.fixture
def map_file(tmp_path):
    palette().save(tmp_path / "map.png")
    return tmp_path / "map.png"


def files(map_file, frame=PLAIN, mapped=True, count=1):
    Image.new("L", (12, 8), 90).save(map_file.parent / "image.png")
    own = ClassMap(map_file, {7: 0, 3: 2}, frozenset({255})) if mapped else None
    objects = [[Instance((0.0, 0.0, 2.0, 2.0), None, 1)]] * count
    labels = torch.tensor([[1.0, 1.0, 1.0]] * count)
    return Files([map_file.parent / "image.png"] * count, frame, labels, objects=objects, maps=[own] * count)


def test_palettes_gray_and_archives_are_read_as_numbers(map_file):
    np.testing.assert_array_equal(read_indices(map_file), NUMBERS)
    with zipfile.ZipFile(map_file.parent / "a.zip", "w") as archive:
        archive.write(map_file, "in/map.png")
    np.testing.assert_array_equal(read_indices(Member(map_file.parent / "a.zip", "in/map.png")), NUMBERS)
    Image.fromarray(NUMBERS).save(map_file)
    np.testing.assert_array_equal(read_indices(map_file), NUMBERS)
    Image.fromarray(NUMBERS.astype(np.uint16) * 200).save(map_file)
    np.testing.assert_array_equal(read_indices(map_file), NUMBERS.astype(int) * 200)


def test_colors_are_segments_only_where_asked_for(map_file):
    Image.new("RGB", (2, 1), (5, 1, 2)).save(map_file)
    assert read_indices(map_file, rgb=True).tolist() == [[5 + 256 + 2 * 65536] * 2]
    with pytest.raises(ImageError, match=r"a PNG of numbers \(palette or gray\) is needed; got one of mode RGB\.$"):
        read_indices(map_file)
    palette().save(map_file)
    with pytest.raises(ImageError, match=r"a PNG of colors \(mode RGB\) is needed; got one of mode P\.$"):
        read_indices(map_file, rgb=True)
    map_file.write_bytes(b"GIF89a")
    with pytest.raises(ImageError, match="GIF"):
        read_indices(map_file)


def test_a_map_overrides_objects_and_ignored_pixels_are_nothing(map_file):
    batch = files(map_file).batch([0])
    wanted = torch.from_numpy(NUMBERS)
    assert torch.equal(batch.mask[0, 0], ((wanted == 7) | (wanted == 3)).float())
    assert torch.equal(batch.valid[0, 0], wanted != 255)
    masks = files(map_file).class_masks([0], 3)[0]
    assert torch.equal(masks, torch.stack([wanted == 7, wanted == 4, wanted == 3]).float())


def test_without_a_map_the_objects_say_it_class_by_class(map_file):
    one = files(map_file, mapped=False)
    assert one.valid_pixels([0]) is None
    assert one.batch([0]).valid is None
    masks = one.class_masks([0], 3)[0]
    assert masks.sum((1, 2)).tolist() == [0, 4, 0]
    assert torch.equal(masks.amax(0), one.object_masks([0])[0, 0])
    assert one.without_labels().class_masks([0], 3) is None


@pytest.mark.parametrize("frame", [Preprocessing(3, 9, 9), Preprocessing(1, 16, 9, "crop"), Preprocessing(3, 7, 20)])
def test_ignored_pixels_are_never_an_object_at_any_size(map_file, frame):
    one = files(map_file, frame)
    valid, mask, masks = one.valid_pixels([0]), one.object_masks([0]), one.class_masks([0], 3)
    assert not valid.all()
    assert not (mask * ~valid).any()
    assert not (masks * ~valid).any()
    assert torch.allclose(masks.sum(1, keepdim=True).clamp(max=1), mask, atol=0.01)


@pytest.mark.parametrize("kind", ["crops", "thesis", "thesis-code"])
def test_versions_carry_the_map_along(map_file, kind):
    one = files(map_file)
    drawn = Versions(one, kind, seed=0)
    plain, version = drawn.batch([0]), drawn.batch([3])
    assert torch.equal(plain.mask, one.object_masks([0]))
    assert torch.equal(plain.valid, one.valid_pixels([0]))
    assert version.valid.shape == version.mask.shape == (1, 1, 8, 12)
    assert not (version.mask * ~version.valid).any()


def test_what_is_selected_keeps_its_map(map_file):
    two = files(map_file, count=2)
    two._maps = (None, two._maps[1])
    assert two.valid_pixels([0]).all()
    assert not two.select([1]).valid_pixels([0]).all()
    assert two.select([0]).valid_pixels([0]) is None
    assert two.class_masks([1, 0], 3).sum((2, 3)).tolist() == [[12, 0, 18], [0, 4, 0]]


def test_tensors_give_masks_by_class():
    mask = torch.zeros(4, 4, dtype=torch.uint8)
    mask[0, 0] = 255
    objects = [[Instance(None, mask, 1), Instance((2.0, 2.0, 4.0, 4.0), None, 0)]]
    one = Tensors(torch.zeros(1, 3, 4, 4, dtype=torch.uint8), torch.ones(1, 2), objects=objects)
    assert one.class_masks([0], 2).sum((2, 3)).tolist() == [[4, 1]]
    assert one.class_masks([], 2).shape == (0, 2, 4, 4)
    assert one.valid_pixels([0]) is None


def test_what_does_not_fit_is_said(map_file):
    palette(NUMBERS[:4]).save(map_file)
    with pytest.raises(DataError, match=r"must be as large as its image, 12x8 pixels; got 12x4\.$"):
        files(map_file).object_masks([0])
    with pytest.raises(DataError, match="1 images need as many maps of classes, or none; got 2"):
        Files([map_file], PLAIN, maps=[None, None])
