"""Labelled images for a trained model: every one is found, and its class is matched by name."""

import zipfile
from pathlib import Path

import pytest
from PIL import Image

from antehoc.data.labelled import every_labelled, labelled_images
from antehoc.data.preprocessing import Preprocessing
from antehoc.errors import DataError
from antehoc.types import DataSpec

SPEC = DataSpec(("cat", "fox", "hen"), 1, 8, 8, ("red", "tall"), ((0.0, 1.0), (1.0, 0.0), (0.0, 0.0)))
FRAME = Preprocessing(1, 8, 8)


def picture(path: Path, level: int = 9) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8), level).save(path)


@pytest.fixture
def place(tmp_path):
    for number, name in enumerate(("cat/1.png", "cat/deep/2.png", "fox/1.png", "dog/1.png", "dog/2.png", "loose.png")):
        picture(tmp_path / "set" / name, number)
    (tmp_path / "set" / "hen").mkdir()
    (tmp_path / "set" / "cat" / "Thumbs.db").write_text("")
    return tmp_path / "set"


def test_every_image_of_class_folders_is_found(place):
    found = every_labelled(place, SPEC, FRAME)
    assert [Path(path).relative_to(place).as_posix() for path in found.known.paths] == [
        "cat/1.png", "cat/deep/2.png", "fox/1.png",
    ]  # fmt: skip
    assert found.known.labels.tolist() == [0, 0, 1]
    assert found.unknown_labels == ("dog", "dog")
    assert not found.unknown.labels_known
    assert found.notes == (
        "Images outside of class folders were left out: 1, loose.png the first.",
        "Images of classes that the model does not know count as unknown: 2 (dog).",
        "Classes of the model without an image: 1 of 3 (hen).",
    )


@pytest.mark.parametrize("wrapper", ["", "flowers/", "deep/flowers/"])
def test_a_zip_is_read_as_the_folder_in_it(place, tmp_path, wrapper):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in sorted(place.rglob("*.png")):
            if path.parent != place:
                archive.write(path, wrapper + path.relative_to(place).as_posix())
    found = every_labelled(tmp_path / "set.zip", SPEC, FRAME)
    assert found.known.labels.tolist() == [0, 0, 1]
    assert found.known.batch([0]).image.shape == (1, 1, 8, 8)
    assert found.unknown_labels == ("dog", "dog")


def test_every_row_of_a_table_is_found_with_its_attributes(place):
    table = place / "t.csv"
    table.write_text(
        "path,label,attribute:tall,attribute:red\ncat/1.png,cat,1,0\ndog/1.png,dog,0,0\nfox/1.png,fox,0.5,1\n"
    )
    found = every_labelled(table, SPEC, FRAME)
    assert (found.known.labels.tolist(), found.unknown_labels) == ([0, 1], ("dog",))
    assert found.known.attributes.tolist() == [[0.0, 1.0], [1.0, 0.5]], "in the model's order"


def split(place: Path, roles=("train", "calibration", "test")) -> Path:
    for number, role in enumerate(roles):
        picture(place / "split" / role / "cat" / "1.png", number)
        picture(place / "split" / role / "fox" / "1.png", 9 + number)
    return place / "split"


def test_of_a_split_every_role_is_taken_and_told(tmp_path):
    found = every_labelled(split(tmp_path), SPEC, FRAME)
    assert found.known.labels.tolist() == [0, 1] * 3
    assert found.notes[0].endswith(
        "is split into roles, and all were taken: 2 calibration, 2 test, 2 train. Images that trained the model make it"
        " look better than it is."
    )


def test_for_a_calibration_the_calibration_images_of_a_split_alone_are_taken(tmp_path):
    found = labelled_images(split(tmp_path), SPEC, FRAME)
    assert [path.parts[-3] for path in found.examples.paths] == ["calibration"] * 2
    assert found.notes[0].endswith("is split into roles: its 2 calibration images were taken, of 6.")
    with pytest.raises(DataError, match="has no calibration images"):
        labelled_images(split(tmp_path / "other", ("train", "test")), SPEC, FRAME)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("1.png", "2.png"), "its images have no labels; put each in a folder with the name of its class."),
        (("Cat/1.png",), r"none of its classes \(Cat\) is a class of the model \(cat, .*\); .* Did you mean 'cat'\?"),
        (("train/cat/1.png", "extra/cat/1.png"), "beside a folder 'train' of class folders, 'extra' is not a role"),
        ((), "it holds no image"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_sentence(tmp_path, names, said):
    (tmp_path / "set").mkdir()
    for name in names:
        picture(tmp_path / "set" / name)
    for read in (every_labelled, labelled_images):
        with pytest.raises(DataError, match=said):
            read(tmp_path / "set", SPEC, FRAME)


def test_a_model_of_several_labels_is_refused(place):
    several = DataSpec(("cat", "fox"), 1, 8, 8, task="multi-label")
    with pytest.raises(DataError, match="gives an image one label, and this model gives it several"):
        every_labelled(place, several, FRAME)


def test_what_can_be_read_is_told_from_what_cannot(place):
    (place / "fox" / "2.png").write_bytes(b"no image")
    (place / "dog" / "0.png").write_bytes(b"")
    rest, errors = every_labelled(place, SPEC, FRAME).readable()
    assert rest.known.labels.tolist() == [0, 0, 1]
    assert (len(rest.unknown), rest.unknown_labels) == (2, ("dog", "dog"))
    assert [str(error).split(": ")[0] for error in errors] == [str(place / "fox/2.png"), str(place / "dog/0.png")]
