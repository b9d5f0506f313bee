import os
from pathlib import Path

import pytest
import torch
from PIL import Image

from antehoc.data.preprocessing import Preprocessing
from antehoc.data.sets.folder import folder
from antehoc.data.splits import leaks
from antehoc.errors import DataError, ImageError
from antehoc.types import ROLES


def paint(path: Path, level: int) -> None:
    """A tiny picture; another level gives other bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 5), (level % 256, level // 256, 7)).save(path)


@pytest.fixture
def plain(tmp_path):
    """Two classes of 40 images, not split."""
    for number in range(80):
        paint(tmp_path / "set" / ("fox", "cat")[number % 2] / f"{number}.png", number)
    return tmp_path / "set"


@pytest.fixture
def split(tmp_path):
    """Two classes, split by folders: 60 in train, 4 in each other role."""
    for place, role in enumerate(["train", "val", "calibration", "test"]):
        for number in range(60 if role == "train" else 4):
            paint(tmp_path / "set" / role / ("fox", "cat")[number % 2] / f"{number}.png", 100 * place + number)
    return tmp_path / "set"


def test_a_folder_of_classes_becomes_four_roles(plain):
    source = folder(plain, size=16)
    assert source.spec.classes == ("cat", "fox")
    assert (source.spec.channels, source.spec.height, source.spec.width) == (3, 16, 16)
    assert source.preprocessing == Preprocessing(3, 16, 16)
    assert list(source.roles) == list(ROLES)
    names = [name for files in source.roles.values() for name in files.names(range(len(files)))]
    assert sorted(names) == sorted(map(str, plain.rglob("*.png")))
    for files in source.roles.values():
        batch = files.batch(range(len(files)))
        assert batch.image.shape[1:] == (3, 16, 16)
        classes = [source.spec.classes[label] for label in batch.label]
        assert classes == [Path(name).parent.name for name in files.names(range(len(files)))]
    assert source.seed == 0
    assert "drawn" in source.notes[0]


def test_the_split_is_drawn_by_seed_and_bytes_alone(plain, tmp_path):
    def roles(place: Path, seed: int) -> dict[str, str]:
        source = folder(place, seed=seed)
        return {
            Path(name).stem: role for role, files in source.roles.items() for name in files.names(range(len(files)))
        }

    first = roles(plain, 0)
    assert roles(plain, 1) != first
    plain.rename(tmp_path / "elsewhere")
    assert roles(tmp_path / "elsewhere", 0) == first
    assert list(first.values()).count("train") == 48
    assert list(first.values()).count("test") == 12


def test_equal_files_never_cross(plain):
    for number in range(40):
        paint(plain / "cat" / "deeper" / f"twin-{number}.png", 2 * number + 1)  # of fox's bytes or cat's, by parity
    assert leaks(folder(plain).roles) == []


def test_a_given_split_is_kept(split):
    source = folder(split)
    assert {role: len(files) for role, files in source.roles.items()} == {
        "train": 60,
        "validation": 4,
        "calibration": 4,
        "test": 4,
    }
    assert source.seed is None
    assert source.notes == ()
    for role, place in zip(ROLES, ["train", "val", "calibration", "test"], strict=True):
        assert all(f"/set/{place}/" in name for name in source.roles[role].names(range(len(source.roles[role]))))


def test_classes_are_sorted_whatever_the_roles_hold(split):
    paint(split / "train" / "ant" / "1.png", 999)  # the folder `calibration` comes first, and knows no ant
    assert folder(split).spec.classes == ("ant", "cat", "fox")


@pytest.mark.parametrize("missing", [["calibration"], ["val"], ["val", "calibration"], ["test"]])
def test_what_a_split_leaves_out_is_taken_from_train(split, missing):
    for name in missing:
        (split / name).rename(split / f".{name}")  # hidden ones do not count
    source = folder(split)
    drawn = [{"val": "validation"}.get(name, name) for name in missing]
    assert sum(len(source.roles[role]) for role in ["train", *drawn]) == 60
    for role in drawn:
        assert 0 < len(source.roles[role]) < 30
        assert all("/set/train/" in name for name in source.roles[role].names(range(len(source.roles[role]))))
    assert leaks(source.roles) == []
    assert source.seed == 0


def test_a_class_may_be_called_train(tmp_path):
    for number in range(80):
        paint(tmp_path / ("train", "plane")[number % 2] / f"{number}.png", number)
    assert folder(tmp_path).spec.classes == ("plane", "train")


def test_files_of_other_formats_are_noted(plain):
    (plain / "cat" / "readme.txt").write_text("cats")
    (plain / "cat" / ".DS_Store").write_text("hidden")
    note = folder(plain).notes[-1]
    assert note.startswith("Files of other formats were left out: 1, ")
    assert "readme.txt" in note


def test_size_may_be_height_and_width(plain):
    assert folder(plain, size=(8, 12), channels=1).roles["train"].batch([0]).image.shape == (1, 1, 8, 12)


def test_images_may_be_resized_first(plain):
    assert folder(plain, size=8, fit="crop", resize=9).preprocessing == Preprocessing(3, 8, 8, fit="crop", resize=9)


# class attributes

TABLE = "class,bill::dagger,bill::hooked,red,wing::long,wing::short\ncat,1,0,0.5,0.2,0.7\nfox,0.25,0.75,1,0.5,0.5\n"


def test_a_class_table_gives_images_their_attributes(plain):
    (plain / "classes.csv").write_text(TABLE)
    source = folder(plain, attributes="classes.csv")
    assert source.spec.attributes == ("bill::dagger", "bill::hooked", "red", "wing::long", "wing::short")
    assert torch.allclose(
        torch.tensor(source.spec.class_attributes), torch.tensor([[1, 0, 0.5, 0.2, 0.7], [0.25, 0.75, 1, 0.5, 0.5]])
    )
    assert source.spec.exclusive == ((0, 1),)  # cat's wings sum to 0.9
    assert source.spec.groups == ((0, 1), (3, 4))
    files = source.roles["train"]
    assert torch.equal(files.attributes, torch.tensor(source.spec.class_attributes)[files.labels])


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ("class,red\ncat,1\n", "there is no row for the class 'fox'"),
        ("class,red\ncat,1\nfoxx,1\n", "Did you mean 'foxx'?"),
        ("class,red\ncat,1\nfox,crimson\n", "line 3, red: a number in 0..1 is needed; got 'crimson'"),
        ("class,red\ncat,nan\nfox,1\n", "line 2, red: a number in 0..1 is needed; got 'nan'"),
        ("class,red\ncat,1\nfox,1.5\n", "got '1.5'"),
        ("class,red\ncat,1\nfox,\n", "got ''"),
        ("class,red\ncat,1\ncat,1\nfox,1\n", "line 3: the class 'cat' has a row already"),
        ("class,red,red\ncat,1,1\nfox,1,1\n", "different names"),
        ("class\ncat\nfox\n", "the header needs a column"),
        ("class,red\ncat,1\nfox,1,0\n", "line 3: the row has 3 fields, and the header has 2"),
        ("", "this table is empty"),
        ("class,red\n", "this table is empty"),
        ("class,r\xe9d\ncat,1\n".encode("latin-1"), "not a CSV table in UTF-8"),
        (None, "this table cannot be read"),
    ],
)
def test_a_bad_class_table_is_refused(plain, table, what):
    if table is not None:
        (plain / "classes.csv").write_bytes(table if isinstance(table, bytes) else table.encode())
    assert what in (message := refusal(plain, attributes="classes.csv"))
    assert message.startswith(f"{plain / 'classes.csv'}")


def test_spare_rows_of_a_class_table_are_noted(plain):
    (plain / "classes.csv").write_text("class,red\ncat,1\nfox,1\nhen,1\n")
    assert "'hen'" in folder(plain, attributes="classes.csv").notes[-1]


# what is refused


def refusal(path: Path, kind: type[DataError] = DataError, **options: object) -> str:
    with pytest.raises(kind) as caught:
        folder(path, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith((".", "?"))
    return message


def test_a_missing_folder_is_named(tmp_path):
    assert refusal(tmp_path / "none").startswith(f"{tmp_path / 'none'}: it cannot be listed (No such file")


def test_a_file_is_no_folder(tmp_path):
    paint(tmp_path / "a.png", 1)
    assert "a.png: it cannot be opened (File is not a zip file); give a folder or a zip" in refusal(tmp_path / "a.png")


def test_an_empty_folder_is_refused(tmp_path):
    assert "it holds no class folders with images" in refusal(tmp_path)


def test_one_class_is_too_few(tmp_path):
    paint(tmp_path / "cat" / "1.png", 1)
    assert "two or more class folders with images; found ['cat']" in refusal(tmp_path)


def test_an_empty_class_folder_is_named(plain):
    (plain / "hen").mkdir()
    assert f"{plain / 'hen'}: this class folder holds no image" in refusal(plain)


def test_a_misspelt_role_is_named(split):
    (split / "val").rename(split / "valid")
    message = refusal(split)
    assert message.startswith(f"{split / 'valid'}: ")
    assert "Did you mean 'validation'?" in message or "Did you mean 'val'?" in message


def test_a_split_needs_train(split):
    (split / "train").rename(split / ".train")
    assert "no image in the role train" in refusal(split)


def test_a_class_outside_train_is_named(split):
    paint(split / "test" / "foxx" / "1.png", 999)
    message = refusal(split)
    assert "the label 'foxx'" in message
    assert "1.png, role test) has no image in train" in message
    assert "Did you mean 'fox'?" in message


def test_too_few_images_for_four_roles_are_refused(tmp_path):
    paint(tmp_path / "cat" / "1.png", 1)
    paint(tmp_path / "fox" / "2.png", 2)
    assert "2 images are too few to draw train, validation, calibration, test from" in refusal(tmp_path)


@pytest.mark.parametrize("shares", [(1.0, 0.0, 0.0, 0.0), (0.5, 0.5), (0.6, 0.6, 0.6, 0.6), (2.0, -0.5, -0.25, -0.25)])
def test_bad_shares_are_refused(plain, shares):
    assert refusal(plain, shares=shares).startswith("shares: four numbers above 0 that sum to 1")


def test_a_bad_size_is_refused(plain):
    assert refusal(plain, size=(1, 2, 3)).startswith("size: ")
    assert "height and width" in refusal(plain, size=0)


def test_a_broken_link_is_named(plain):
    os.symlink(plain / "nowhere.png", plain / "cat" / "link.png")
    assert "link.png: there is no such file" in refusal(plain, ImageError)
