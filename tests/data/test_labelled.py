"""Labelled images for a trained model: class folders, a zip, a table."""

import shutil
from dataclasses import replace

import pytest
from PIL import Image

from antehoc.data.labelled import labelled_images
from antehoc.data.preprocessing import Preprocessing
from antehoc.errors import DataError
from antehoc.types import DataSpec

SPEC = DataSpec(("cat", "fox", "hen"), 3, 8, 8)
FRAME = Preprocessing(3, 8, 8)


def paint(path, level):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 5), (level, 7, 7)).save(path)


@pytest.fixture
def photos(tmp_path):
    """Two images of a fox and one of a cat, at two depths."""
    for number, name in enumerate(["fox/1.png", "fox/deep/er/2.png", "cat/3.png"]):
        paint(tmp_path / "photos" / name, number)
    return tmp_path / "photos"


def found(path, spec=SPEC):
    """Level and class of each image, in order of the former; and the notes."""
    examples, notes = labelled_images(path, spec, FRAME)
    batch = examples.batch(range(len(examples)))
    levels = (batch.image[:, 0, 4, 4] * 255).round().int().tolist()
    return sorted(zip(levels, [spec.classes[label] for label in batch.label], strict=True)), list(notes)


ABSENT = "Classes of the model without an image: 1 of 3 (hen)."


def test_class_folders_are_matched_by_name(photos):
    assert found(photos) == ([(0, "fox"), (1, "fox"), (2, "cat")], [ABSENT])


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_zip_of_them_reads_alike_with_and_without_the_folder_around(photos, tmp_path, wrapped):
    root, base = (tmp_path, "photos") if wrapped else (photos, None)
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", root, base)
    assert found(archive) == found(photos)


def test_a_table_reads_alike(photos, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("path,label\nphotos/fox/1.png,fox\nphotos/fox/deep/er/2.png,fox\nphotos/cat/3.png,cat\n")
    assert found(table) == found(photos)


def test_classes_that_the_model_does_not_know_are_counted(photos):
    for number in range(4):
        paint(photos / ("foxx" if number else "dog") / f"{number}.png", 100 + number)
    images, notes = found(photos)
    assert len(images) == 3
    assert notes == ["Images of classes that the model does not know were left out: 4 (dog, foxx).", ABSENT]


def test_images_beside_the_class_folders_are_counted(photos):
    paint(photos / "loose.png", 9)
    assert found(photos)[1][0] == "Images outside of class folders were left out: 1, loose.png the first."


@pytest.mark.parametrize("own", ["calibration", "val"])
def test_of_a_split_folder_the_calibration_images_are_taken(tmp_path, own):
    for number, role in enumerate(["train", "calibration", "test"]):
        paint(tmp_path / role / "fox" / "1.png", number)
    images, notes = found(tmp_path)
    assert images == [(1, "fox")]
    assert notes[0] == f"{tmp_path} is split into roles: its 1 calibration images were taken, of 3."
    shutil.rmtree(tmp_path / "calibration")
    paint(tmp_path / own / "fox" / "2.png", 7)
    if own == "val":
        with pytest.raises(DataError, match="split into roles and has no folder `calibration`; name a folder"):
            found(tmp_path)
        assert found(tmp_path / "val")[0] == [(7, "fox")]


def test_a_class_called_like_a_role_is_a_class(tmp_path):
    paint(tmp_path / "train" / "at night" / "1.png", 1)
    paint(tmp_path / "test" / "at night" / "1.png", 2)
    spec = replace(SPEC, classes=("test", "train", "tram"))
    assert found(tmp_path, spec)[0] == [(1, "train"), (2, "test")]


def test_of_a_split_table_the_calibration_rows_are_taken(photos, tmp_path):
    table = tmp_path / "t.csv"
    rows = "path,label,split\nphotos/fox/1.png,fox,train\nphotos/cat/3.png,cat,{}\n"
    table.write_text(rows.format("calibration"))
    assert found(table)[0] == [(2, "cat")]
    table.write_text(rows.format("test"))
    with pytest.raises(DataError, match="a column `split` without a row `calibration`; mark images"):
        found(table)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["1.png", "2.png"], "its images have no labels; put each in a folder with the name of its class"),
        (["Fox/1.png"], r"none of its classes \(Fox\) is a class of the model \(cat, fox, hen\).* Did you mean 'fox'"),
        (["notes.txt"], "it holds no image"),
    ],
)
def test_a_folder_without_known_labels_is_refused(tmp_path, names, message):
    for name in names:
        if name.endswith("png"):
            paint(tmp_path / "set" / name, 0)
        else:
            (tmp_path / "set").mkdir()
            (tmp_path / "set" / name).write_text("x")
    with pytest.raises(DataError, match=message):
        labelled_images(tmp_path / "set", SPEC, FRAME)


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match="there is no such file or folder; give labelled images"):
        labelled_images(tmp_path / "none", SPEC, FRAME)
    (tmp_path / "t.csv").write_text("path,lable\na.png,fox\n")
    with pytest.raises(DataError, match="the column 'label' is missing"):
        labelled_images(tmp_path / "t.csv", SPEC, FRAME)


def test_a_model_of_several_labels_needs_them_from_python(photos):
    with pytest.raises(DataError, match="gives it several; give the images as `Examples` in Python"):
        labelled_images(photos, replace(SPEC, task="multi-label"), FRAME)
