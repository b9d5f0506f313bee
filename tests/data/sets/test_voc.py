import numpy as np
import pytest
from PIL import Image

from antehoc.data.sets.voc import CLASSES, voc
from antehoc.data.splits import leaks
from antehoc.errors import DataError
from data.sets.layouts import REAL, annotation, needs_data, packed

CAT, DOG, CAR = (CLASSES.index(name) for name in ("cat", "dog", "car"))


def write(top, year, counts, *, maps=True):
    """Images of 20 x 10: a cat from (2, 2) to (6, 6) and a difficult dog from (10, 4) to (16, 9); every fourth has a
    car instead. A border one pixel wide is ignored."""
    top = top / f"VOC{year}"
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main", "ImageSets/Segmentation", "SegmentationClass"):
        (top / folder).mkdir(parents=True, exist_ok=True)
    number = 0
    for split, count in counts.items():
        names = [f"{year}_{number + place:06d}" for place in range(count)]
        for name in names:
            Image.new("RGB", (20, 10), (number, year % 100, 7)).save(top / "JPEGImages" / f"{name}.jpg", "PNG")
            one = ("cat" if number % 4 else "car", (3, 3, 6, 6), False)
            (top / "Annotations" / f"{name}.xml").write_text(annotation(one, ("dog", (11, 5, 16, 9), True)))
            drawn = np.zeros((10, 20), np.uint8)
            drawn[1:7, 1:7] = 255
            drawn[2:6, 2:6] = 1 + (CAT if number % 4 else CAR)
            drawn[4:9, 10:16] = 1 + DOG
            if maps:
                picture = Image.fromarray(drawn, "P")
                picture.putpalette([0] * 768)
                picture.save(top / "SegmentationClass" / f"{name}.png")
            number += 1
        for lists in ("Main", "Segmentation"):
            own = names if lists == "Main" else names[::2]
            (top / "ImageSets" / lists / f"{split}.txt").write_text("\n".join(own) + "\n")
    return top


@pytest.fixture
def devkit(tmp_path):
    top = tmp_path / "VOCdevkit"
    write(top, 2012, {"train": 20, "val": 8})
    write(top, 2007, {"trainval": 12, "test": 6}, maps=False)
    return top


def sizes(source):
    return {role: len(own) for role, own in source.roles.items()}


@pytest.mark.parametrize("place", ["itself", "the year", "above", "zip"])
def test_labels_boxes_and_maps_are_read(devkit, place):
    path = {"itself": devkit, "the year": devkit / "VOC2012", "above": devkit.parent, "zip": packed(devkit)}[place]
    source = voc(path, size=[10, 20], validation=0.1, calibration=0.2)
    assert sizes(source) == {"train": 14, "validation": 2, "calibration": 4, "test": 8}
    assert leaks(source.roles) == []
    assert source.spec.task == "multi-label"
    test = source.roles["test"]
    assert test.labels.nonzero()[:, 1].tolist() == [CAR, CAT, CAT, CAT] * 2
    assert test.objects([1])[0] == [((2.0, 2.0, 6.0, 6.0), None, CAT)]
    batch, masks = test.batch(range(8)), test.class_masks(range(8), 20)
    assert batch.mask.sum((1, 2, 3)).tolist() == [16] * 8
    assert not (batch.mask * ~batch.valid).any()
    assert not (masks * ~batch.valid).any()
    # the border, and the dog that does not count
    assert (~batch.valid).sum((1, 2, 3)).tolist() == [36 - 16 + 30] * 8
    assert ((masks.amax((2, 3)) > 0) == test.labels.bool()).all()
    assert masks[1, CAT, 2:6, 2:6].all()


def test_difficult_objects_count_where_asked_for(devkit):
    test = voc(devkit, size=[10, 20], difficult=True).roles["test"]
    assert test.labels[:, DOG].all()
    assert [one.label for one in test.objects([1])[0]] == [CAT, DOG]
    assert test.class_masks([0], 20)[0, DOG].sum() == 30
    assert (~test.valid_pixels([0])).sum() == 36 - 16


def test_years_and_lists_are_options(devkit):
    source = voc(devkit, years=(2007,), size=[10, 20], validation=0.25, calibration=0.25)
    assert sizes(source) == {"train": 6, "validation": 3, "calibration": 3, "test": 6}
    batch = source.roles["test"].batch([0])
    assert batch.valid is None
    assert batch.mask.sum() == 16, "without a map the boxes say where objects are"
    both = voc(devkit, years=(2012, 2007), size=8)
    assert sum(sizes(both).values()) == 46
    assert sizes(both)["test"] == 14
    assert leaks(both.roles) == []
    assert "2007: 12 trainval, 6 test, where the full set has 5,011 trainval" in both.notes[0]
    segmented = voc(devkit, segmented=True, size=8)
    assert sum(sizes(segmented).values()) == 14
    assert sizes(segmented)["test"] == 4


def test_what_is_missing_or_damaged_is_said(devkit):
    top = devkit / "VOC2012"
    with pytest.raises(DataError, match=r"years are 2007 and 2012, one or both; got \[2010\]"):
        voc(devkit, years=(2010,))
    with pytest.raises(DataError, match=r"VOC2007 is missing; it has VOC2012; set `years`\."):
        voc(top, years=(2007,))
    (top / "SegmentationClass" / "2012_000002.png").unlink()
    with pytest.raises(DataError, match=r"SegmentationClass/2012_000002\.png is missing, which ImageSets/Segmentation"):
        voc(top, segmented=True)
    (top / "Annotations" / "2012_000003.xml").write_text(annotation(("cow boy", (1, 1, 2, 2), False)))
    with pytest.raises(DataError, match=r"2012_000003\.xml: no class is called 'cow boy'"):
        voc(top)
    (top / "Annotations" / "2012_000003.xml").unlink()
    with pytest.raises(DataError, match=r"Annotations/2012_000003\.xml is missing; Pascal VOC in its own layout"):
        voc(top)
    (top / "JPEGImages" / "2012_000004.jpg").unlink()
    with pytest.raises(DataError, match=r"JPEGImages/2012_000004\.jpg is missing, the first of 1"):
        voc(top)
    (top / "ImageSets" / "Main" / "val.txt").write_text("2012_000001\n")
    (top / "JPEGImages" / "2012_000004.jpg").touch()
    with pytest.raises(DataError, match=r"2012_000001 is in val and in train; one list is damaged"):
        voc(top)


@needs_data
def test_the_development_copy_has_its_counts():
    source = voc(REAL / "pascal-voc-subset", years=(2007, 2012), difficult=True, size=32)
    assert "VOC2007: 150 trainval, 150 test" in source.notes[0]
    assert source.notes[0].endswith("1,360 objects, 0 images with a map of classes.")
    assert "VOC2012: 540 train, 240 val" in source.notes[1]
    assert source.notes[1].endswith("2,653 objects, 780 images with a map of classes.")
    assert sizes(source)["test"] == 390
    assert sum(sizes(source).values()) == 1080
    assert leaks(source.roles) == []
    labels = voc(REAL / "pascal-voc-subset", difficult=True, size=32).roles["test"].labels
    assert {CLASSES[n]: int(labels[:, n].sum()) for n in (CAT, DOG, CAR)} == {"cat": 42, "dog": 42, "car": 23}
