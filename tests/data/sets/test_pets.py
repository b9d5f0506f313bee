import numpy as np
import pytest
import torch
from PIL import Image

from antehoc.data.sets.pets import pets
from antehoc.data.splits import leaks
from antehoc.errors import DataError
from data.sets.layouts import REAL, annotation, needs_data, packed

BREEDS = {"Abyssinian": (1, 1), "Sphynx": (34, 1), "great_pyrenees": (16, 2)}
TRAIN, TEST = 10, 3  # images of each breed


@pytest.fixture
def top(tmp_path):
    """Images of 20 x 10 pixels: a pet from (4, 2) to (9, 6), a border one pixel wide around it."""
    top = tmp_path / "oxford-iiit-pet"
    (top / "images").mkdir(parents=True)
    (top / "annotations" / "trimaps").mkdir(parents=True)
    trimap = np.full((10, 20), 2, np.uint8)
    trimap[1:7, 3:10] = 3
    trimap[2:6, 4:9] = 1
    lists = {"trainval": [], "test": []}
    for breed, (number, species) in BREEDS.items():
        for place in range(TRAIN + TEST):
            name = f"{breed}_{place}"
            Image.new("L" if place == 0 else "RGB", (20, 10), number if place == 0 else (number, place, 0)).save(
                top / "images" / f"{name}.jpg", "PNG"
            )
            drawn = Image.fromarray(trimap, "P" if place % 2 else "L")
            if place % 2:
                drawn.putpalette([255] * 768)  # says nothing of the numbers
            drawn.save(top / "annotations" / "trimaps" / f"{name}.png")
            lists["trainval" if place < TRAIN else "test"].append(f"{name} {number} {species} 1\n")
    for name, lines in lists.items():
        (top / "annotations" / f"{name}.txt").write_text("#Image CLASS-ID SPECIES BREED ID\n" + "".join(lines))
    return top


@pytest.mark.parametrize("place", ["itself", "above", "zip", "zip of the folder"])
def test_the_split_is_exact_and_masks_are_the_trimaps(top, place):
    path = {"itself": top, "above": top.parent, "zip": packed(top), "zip of the folder": packed(top, "pets/")}[place]
    if place == "above":
        (top.parent / "oxford-iiit-pet.zip").unlink()
    source = pets(path, size=[10, 20], validation=0.1, calibration=0.2)
    sizes = {role: len(own) for role, own in source.roles.items()}
    assert sizes == {"train": 21, "validation": 3, "calibration": 6, "test": 9}
    assert leaks(source.roles) == []
    assert source.spec.classes == ("Abyssinian", "great pyrenees", "Sphynx")
    assert source.spec.attributes == ()
    assert source.roles["calibration"].labels.bincount().tolist() == [2, 2, 2]
    for own in source.roles.values():
        batch = own.batch(range(len(own)))
        assert batch.mask.sum((1, 2, 3)).tolist() == [20.0] * len(own)
        assert (~batch.valid).sum((1, 2, 3)).tolist() == [6 * 7 - 20] * len(own)
        assert not (batch.mask * ~batch.valid).any()
        assert own.boxes.tolist() == [[4, 2, 9, 6]] * len(own)
        masks = own.class_masks(range(len(own)), 3)
        assert torch.equal(masks.amax((2, 3)), torch.nn.functional.one_hot(own.labels, 3).float())
        x0, y0, x1, y1 = own.boxes[0].int().tolist()
        batch.mask[:, :, y0:y1, x0:x1] = 0
        assert not batch.mask.any(), "masks are inside their boxes"


def test_labels_and_boxes_are_options(top):
    source = pets(top, label="species", boxes="none", size=8)
    assert source.spec.classes == ("cat", "dog")
    assert source.roles["test"].labels.tolist() == [0] * 6 + [1] * 3
    assert source.roles["test"].boxes is None
    with pytest.raises(DataError, match=r"annotations/xmls is missing, which has the boxes of heads"):
        pets(top, boxes="head")
    (top / "annotations" / "xmls").mkdir()
    (top / "annotations" / "xmls" / "Sphynx_11.xml").write_text(annotation(("cat", (5, 3, 7, 5), False)))
    boxes = pets(top, boxes="head", size=8).roles["test"].boxes
    assert boxes[boxes.any(1)].tolist() == [[4, 2, 7, 5]]


def test_images_of_the_test_split_are_not_trained_on(top):
    again = (top / "images" / "Sphynx_11.jpg").read_bytes()
    (top / "images" / "Sphynx_2.jpg").write_bytes(again)
    source = pets(top, size=8)
    assert leaks(source.roles) == []
    assert len(source.roles["test"]) == 9
    assert source.notes[2] == "Images of the train split that equal a test image were left out: 1."


def test_what_is_missing_is_said(top):
    (top / "annotations" / "trimaps" / "Sphynx_3.png").unlink()
    with pytest.raises(DataError, match=r"annotations/trimaps/Sphynx_3\.png is missing, the first of 1 that the lists"):
        pets(top)
    (top / "annotations" / "test.txt").write_text("Sphynx_11 38 1 1\n")
    with pytest.raises(DataError, match=r"test\.txt: a line holds a name, a class from 1 to 37.* got 'Sphynx_11 38"):
        pets(top)
    (top / "annotations" / "test.txt").unlink()
    with pytest.raises(DataError, match=r"annotations/test\.txt is missing; Oxford-IIIT Pet in its own layout has it"):
        pets(top)
    with pytest.raises(DataError, match=r"this is no Oxford-IIIT Pet, as annotations/trainval\.txt or"):
        pets(top / "images")


@needs_data
def test_the_development_copy_has_its_counts():
    source = pets(REAL / "oxford-iiit-pet-370", size=32)
    assert "370 images, 259 trainval, 111 test, where the full set has 7,349 images" in source.notes[0]
    assert {role: len(own) for role, own in source.roles.items()}["test"] == 111
    assert sum(len(own) for own in source.roles.values()) == 370
    assert len(source.spec.classes) == 37
    assert source.roles["test"].labels.bincount().tolist() == [3] * 37
    assert leaks(source.roles) == []
    batch = source.roles["test"].batch([0, 50])
    assert batch.mask.shape == batch.valid.shape == (2, 1, 32, 32)
