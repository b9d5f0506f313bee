import json

import numpy as np
import pytest
from PIL import Image

from antehoc.data.sets.coco import coco
from antehoc.data.sets.coco_formats import THINGS
from antehoc.data.splits import leaks
from antehoc.errors import DataError
from data.sets.layouts import REAL, needs_data, packed

CATEGORIES = [{"id": 3, "name": "car", "isthing": 1}, {"id": 1, "name": "person", "isthing": 1}]
CATEGORIES += [{"id": 95, "name": "bridge", "isthing": 0}]
SPLITS = {"train2017": 20, "val2017": 6}


def segments():
    """A person (segment 70000) from (2, 1) to (6, 4), a crowd of cars (258) from (8, 5) to (12, 9), a bridge, and the
    rest of a row without a segment."""
    ids = np.full((10, 20), 5)
    ids[9] = 0
    ids[1:4, 2:6] = 70000
    ids[5:9, 8:12] = 258
    return ids


@pytest.fixture
def top(tmp_path):
    """The same images and objects in every format; every third image has no person."""
    top = tmp_path / "coco"
    ids = segments()
    png = Image.fromarray(np.stack([ids % 256, ids // 256 % 256, ids // 65536], 2).astype(np.uint8))
    (top / "annotations").mkdir(parents=True)
    number = 0
    for split, count in SPLITS.items():
        for folder in (f"images/{split}", f"annotations/panoptic_{split}", f"labels/{split}", f"outlines/{split}"):
            (top / folder).mkdir(parents=True)
        instances = {"images": [], "annotations": [], "categories": CATEGORIES[:2]}
        panoptic = {"images": [], "annotations": [], "categories": CATEGORIES}
        for _ in range(count):
            name, has_person = f"{number:012d}", number % 3 > 0
            Image.new("RGB", (20, 10), (number, 1, 2)).save(top / "images" / split / f"{name}.jpg", "PNG")
            png.save(top / "annotations" / f"panoptic_{split}" / f"{name}.png")
            image = {"id": number, "file_name": f"{name}.jpg", "height": 10, "width": 20}
            instances["images"].append(image)
            panoptic["images"].append(image)
            person = {"image_id": number, "category_id": 1, "bbox": [2, 1, 4, 3], "iscrowd": 0}
            person["segmentation"] = [[2, 1, 6, 1, 6, 4, 2, 4]]
            runs = [8 * 10 + 5, *[4, 6] * 3, 4, 1 + 8 * 10]
            car = {"image_id": number, "category_id": 3, "bbox": [8, 5, 4, 4], "iscrowd": 1}
            car["segmentation"] = {"size": [10, 20], "counts": runs}
            instances["annotations"] += [car, person][: 1 + has_person]
            listed = [
                {"id": 258, "category_id": 3, "bbox": [8, 5, 4, 4]},
                {"id": 5, "category_id": 95, "bbox": [0, 0, 20, 10]},
            ]
            listed += [{"id": 70000, "category_id": 1, "bbox": [2, 1, 4, 3]}] * has_person
            panoptic["annotations"].append({"image_id": number, "file_name": f"{name}.png", "segments_info": listed})
            boxes = ["2 0.5 0.7 0.2 0.4", "0 0.2 0.25 0.2 0.3"][: 1 + has_person]
            (top / "labels" / split / f"{name}.txt").write_text("\n".join(boxes))
            lines = ["2 .4 .5 .6 .5 .6 .9 .4 .9", "0 .1 .1 .3 .1 .3 .4 .1 .4"][: 1 + has_person]
            (top / "outlines" / split / f"{name}.txt").write_text("\n".join(lines))
            number += 1
        for kind, content in (("instances", instances), ("panoptic", panoptic)):
            (top / "annotations" / f"{kind}_{split}.json").write_text(json.dumps(content))
    return top


FORMATS = [
    {"annotations": "instances"},
    {"annotations": "panoptic"},
    {"annotations": "yolo"},
    {"annotations": "yolo", "folder": "outlines"},
]


@pytest.mark.parametrize("options", FORMATS, ids=lambda options: "-".join(options.values()))
@pytest.mark.parametrize("zipped", [False, True])
def test_every_format_says_the_same(top, options, zipped):
    path = packed(top, "any/") if zipped else top
    source = coco(path, size=[10, 20], validation=0.1, calibration=0.2, classes=("person", "car"), **options)
    assert {role: len(own) for role, own in source.roles.items()} == {
        "train": 14, "validation": 2, "calibration": 4, "test": 6,
    }  # fmt: skip
    assert leaks(source.roles) == []
    assert (source.spec.classes, source.spec.task) == (("person", "car"), "multi-label")
    test = source.roles["test"]
    with_person = [number % 3 > 0 for number in range(20, 26)]
    assert test.labels.tolist() == [[float(own), 1.0] for own in with_person]
    assert [sorted(one.label for one in own) for own in test.objects(range(6))] == [
        [0, 1] if p else [1] for p in with_person
    ]
    for own in test.objects(range(6)):
        for one in own:
            np.testing.assert_allclose(one.box, [(2, 1, 6, 4), (8, 5, 12, 9)][one.label], atol=1e-9)
    masks, ids = test.class_masks(range(6), 2), segments()
    for mask, person in zip(masks.numpy(), with_person, strict=True):
        np.testing.assert_array_equal(mask[0], (ids == 70000) * person)
        np.testing.assert_array_equal(mask[1], ids == 258)
    batch = test.batch(range(6))
    np.testing.assert_array_equal(batch.mask[:, 0].numpy(), masks.amax(1).numpy())
    if options["annotations"] == "panoptic":
        np.testing.assert_array_equal(batch.valid[0, 0].numpy(), ids != 0)
    else:
        assert batch.valid is None


def test_classes_have_the_names_that_the_files_give(top):
    assert coco(top, size=8).spec.classes == ("person", "car")
    assert coco(top, annotations="panoptic", size=8).spec.classes == ("person", "car"), "a bridge is no thing"
    assert coco(top, annotations="yolo", size=8).spec.classes == tuple(THINGS.values())
    assert (len(THINGS), THINGS[90]) == (80, "toothbrush")
    (top / "classes.txt").write_text("one\ntwo\nthree\n")
    source = coco(top, annotations="yolo", size=8)
    assert source.spec.classes == ("one", "two", "three")
    assert "of 3 classes, 1 of which have none." in source.notes[0]
    (top / "classes.json").write_text(json.dumps({"outlines": {"0": "a", "2": "b"}}))
    assert coco(top, annotations="yolo", folder="outlines", size=8).spec.classes == ("a", "b")
    with pytest.raises(DataError, match=r"no class is called 'trhee'\. Did you mean 'three'\?"):
        coco(top, annotations="yolo", classes=("one", "trhee"))


def test_an_empty_file_says_no_object_and_a_missing_one_nothing(top):
    (top / "labels" / "val2017" / f"{21:012d}.txt").unlink()
    (top / "labels" / "val2017" / f"{22:012d}.txt").write_text("")
    source = coco(top, annotations="yolo", size=8)
    assert source.roles["test"].labels.sum(1).tolist() == [2.0, 0.0, 2.0, 1.0, 2.0]
    assert source.roles["test"].batch([1]).mask.sum() == 0
    assert source.notes[-1] == "Images that are not annotated were left out: 1."


@pytest.mark.parametrize(
    ("name", "text", "options", "said"),
    [
        ("labels/val2017/000000000020.txt", "0 0.5 0.5 0.1", {"annotations": "yolo"}, "a line holds a known class"),
        ("labels/val2017/000000000020.txt", "81 .5 .5 .1 .1", {"annotations": "yolo"}, "a line holds a known class"),
        ("labels/val2017/000000000020.txt", "1 5 5 1 1", {"annotations": "yolo"}, "a line holds a known class"),
        ("annotations/instances_val2017.json", "{", {}, "this is no JSON"),
        ("annotations/instances_val2017.json", "[" * 100_000, {}, "this is no JSON"),
        ("annotations/instances_val2017.json", "{}", {}, "a value is missing or damaged"),
        ("annotations/panoptic_val2017.json", "[]", {"annotations": "panoptic"}, "a value is missing or damaged"),
    ],
)
def test_damaged_files_are_refused_in_a_sentence(top, name, text, options, said):
    (top / name).write_text(text)
    with pytest.raises(DataError, match=said) as caught:
        coco(top, **options)
    assert name.split("/")[-1] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_missing_is_said(top):
    with pytest.raises(DataError, match=r"boxes/train2017 is missing; YOLO's text files are there; set `folder`\."):
        coco(top, annotations="yolo", folder="boxes")
    with pytest.raises(DataError, match=r"this is no COCO with a split train, as train or images/train is missing"):
        coco(top, splits=("train", "val"))
    (top / "annotations" / "panoptic_val2017" / f"{20:012d}.png").unlink()
    with pytest.raises(DataError, match=r"000000000020\.png is missing, the first of 1 panoptic PNGs"):
        coco(top, annotations="panoptic")
    (top / "annotations" / "panoptic_train2017.json").unlink()
    with pytest.raises(DataError, match=r"panoptic_train2017\.json is missing, and segments\.json as well"):
        coco(top, annotations="panoptic")
    (top / "images" / "val2017" / f"{20:012d}.jpg").unlink()
    with pytest.raises(DataError, match=r"000000000020\.jpg is missing, the first of 1 that are annotated"):
        coco(top)


@needs_data
@pytest.mark.parametrize(
    ("options", "images", "objects"),
    [
        ({"annotations": "panoptic"}, 200, "1,458"),
        ({"annotations": "yolo", "folder": "boxes_yolo"}, 254, "1,827"),  # two have no file
        ({"annotations": "yolo", "folder": "polygons_yolo"}, 200, "1,458"),
    ],
)
def test_the_development_copy_has_its_counts(options, images, objects):
    source = coco(REAL / "coco-panoptic-mini", size=32, **options)
    assert source.notes[0].startswith(f"The copy has {images} images with {objects} objects of 80 classes")
    assert sum(len(own) for own in source.roles.values()) == images
    assert leaks(source.roles) == []
    rows = [0, 5, 9]
    masks, valid = source.roles["test"].class_masks(rows, 80), source.roles["test"].valid_pixels(rows)
    assert not (masks.amax((2, 3)) > 0)[source.roles["test"].labels[rows] == 0].any()
    if valid is not None:
        assert not (masks * ~valid).any()
