from itertools import combinations

import numpy as np
import pytest
import torch
from PIL import Image

from antehoc.data.patterns import BACKGROUND, FOREGROUND, NUMBERS, draw_pattern
from antehoc.data.sets.textures import SHAPES, textures
from antehoc.data.splits import leaks
from antehoc.errors import DataError
from data.sets.layouts import REAL, needs_data, packed

SMALL = {"size": 32, "train": 40, "validation": 8, "calibration": 8, "test": 16}
SIZES = {"train": 40, "validation": 8, "calibration": 8, "test": 16}


@pytest.mark.parametrize("objects", [1, 2])
def test_roles_are_exact_and_share_no_scene(objects):
    source = textures(**SMALL, objects=objects)
    assert {role: len(own) for role, own in source.roles.items()} == SIZES
    assert leaks(source.roles) == []
    assert source.spec.classes == tuple(FOREGROUND)
    assert source.spec.task == ("single-label" if objects == 1 else "multi-label")
    again = [textures(**SMALL, objects=objects, seed=seed).roles["test"].image for seed in (0, 1)]
    assert torch.equal(again[0], source.roles["test"].image)
    assert not torch.equal(again[1], source.roles["test"].image)


def test_masks_are_exact_and_lie_inside_their_boxes():
    scenes = textures(**SMALL, objects=2).roles["train"]
    masks, union = scenes.class_masks(range(40), 8), scenes.object_masks(range(40))
    assert set(union.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(masks.amax(1, keepdim=True), union)
    assert torch.equal((masks.amax((2, 3)) > 0).float(), scenes.labels)
    for own in scenes.objects(range(40)):
        for one in own:
            x0, y0, x1, y1 = map(int, one.box)
            assert one.mask[y0:y1, x0:x1].sum() == one.mask.sum() > 0


def test_two_objects_lie_in_opposite_halves():
    scenes = textures(**{**SMALL, "train": 200}, objects=2).roles["train"]
    counts = [len(own) for own in scenes.objects(range(200))]
    assert set(counts) == {1, 2}
    assert 70 < counts.count(2) < 130
    for own in scenes.objects(range(200)):
        for one, other in combinations(own, 2):
            assert not ((one.mask > 0) & (other.mask > 0)).any()
            halves = [sorted((one.box[n::2], other.box[n::2])) for n in (0, 1)]
            assert any(first[1] <= 16 <= second[0] for first, second in halves)


def test_the_shape_says_nothing_of_the_label():
    scenes = textures(**{**SMALL, "train": 1600}).roles["train"]
    table = np.zeros((8, len(SHAPES)))
    for label, (shape,) in zip(scenes.labels.tolist(), scenes.shapes, strict=True):
        table[label, shape] += 1
    expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
    chi = ((table - expected) ** 2 / expected).sum()
    assert chi < 85.4, "49 degrees of freedom, p = .001"
    assert table.sum(0).min() > 140


def test_patterns_differ_and_their_colors_say_nothing():
    numbers = np.random.default_rng(0).random(NUMBERS)
    drawn = {name: draw_pattern(one, numbers, 32) for name, one in {**FOREGROUND, **BACKGROUND}.items()}
    assert len(drawn) == 14
    for (_, one), (_, other) in combinations(drawn.items(), 2):
        assert (one != other).any()
    dark, light = numbers[4:7] * 0.45, 0.55 + numbers[7:10] * 0.45
    for own in drawn.values():
        assert (own >= np.floor(255 * dark)).all()
        assert (own <= np.ceil(255 * light)).all()


@pytest.fixture
def folders(tmp_path):
    """Two trees of flat images whose red (objects) or green (backgrounds) level is the number of the image."""
    for tree, channel in (("front", 0), ("back", 1)):
        for kind in range(3):
            top = tmp_path / tree / f"kind {kind}"
            top.mkdir(parents=True)
            for number in range(6):
                level = [0, 0, 40 * kind]
                level[channel] = 10 + 6 * kind + number
                Image.new("RGB", (40, 20), tuple(level)).save(top / f"{number}.png")
    return tmp_path


@pytest.mark.parametrize("place", ["folder", "zip", "in a zip"])
def test_no_image_of_a_texture_serves_two_roles(folders, place):
    front, back = folders / "front", folders / "back"
    if place == "zip":
        front = packed(front)
    if place == "in a zip":
        packed(folders / "front", "deep/front/")
        front = folders / "front.zip" / "deep" / "front"
    source = textures(**SMALL, foreground=front, background=back)
    assert source.spec.classes == ("kind 0", "kind 1", "kind 2")
    seen = {}
    for role, own in source.roles.items():
        image, mask = own.image, own.object_masks(range(len(own)))[:, 0] > 0
        seen[role] = set(image[:, 0][mask].tolist()), set(image[:, 1][~mask].tolist())
        assert 0 not in seen[role][0] | seen[role][1], "a mask is exact"
        number = torch.stack([own.image[n, 2][mask[n]][0] for n in range(len(own))])
        assert (number.int() // 40).tolist() == own.labels.tolist()
    for one, other in combinations(seen.values(), 2):
        assert not one[0] & other[0]
        assert not one[1] & other[1]
    assert "each serves one role" in source.notes[0]


def test_what_cannot_be_used_is_said(folders):
    with pytest.raises(DataError, match=r"images are foreground and background; give folders of other images\."):
        textures(**SMALL, foreground=folders / "front", background=folders / "front")
    with pytest.raises(DataError, match="there is no such folder or zip; give one with a folder for each texture"):
        textures(**SMALL, foreground=folders / "nothing")
    with pytest.raises(DataError, match=r"a radius of two shares from \.05 to"):
        textures(**SMALL, radius=(0.3, 0.2))
    for number in range(3):
        (folders / "front" / "kind 1" / f"{number}.png").unlink()
    with pytest.raises(DataError, match="four different images each are needed; 'kind 1' has 3"):
        textures(**SMALL, foreground=folders / "front")
    copied = (folders / "back" / "kind 0" / "0.png").read_bytes()
    (folders / "back" / "kind 1" / "0.png").write_bytes(copied)
    with pytest.raises(DataError, match="an image is in two folders of textures; leave it in one"):
        textures(**SMALL, background=folders / "back")


@needs_data
def test_the_development_copy_has_its_counts():
    top = REAL / "textures" / "textures_ambientcg_128_dtd_256.zip" / "textures"
    source = textures(**SMALL, foreground=top / "dtd_256")
    assert len(source.spec.classes) == 10
    (note,) = source.notes
    assert "70 train, 20 validation, 30 calibration, 20 test; each serves one role." in note
