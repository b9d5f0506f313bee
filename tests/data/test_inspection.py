"""What is found in labelled images before anything is trained, and what is refused in one sentence."""

import gzip
import zipfile

import numpy as np
import pytest
from PIL import Image

from antehoc.data.inspection import checks, inspect
from antehoc.data.sets.folder import folder
from antehoc.errors import DataError


def paint(path, level, size=(8, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level % 256, level // 256, 7)).save(path)


@pytest.fixture
def photos(tmp_path):
    """Four images of a cat, twelve of a fox."""
    for number in range(16):
        paint(tmp_path / "photos" / ("cat" if number < 4 else "fox") / f"{number}.png", number)
    return tmp_path / "photos"


def packed(folder, archive, top=""):
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, top + path.relative_to(folder).as_posix())
    return archive


def refusal(path):
    with pytest.raises(DataError) as refused:
        inspect(path)
    return str(refused.value)


def test_class_folders_are_counted(photos):
    found = inspect(photos)
    assert (found.kind, found.images, dict(found.counts)) == ("class folders", 16, {"cat": 4, "fox": 12})
    assert (found.checks.width, found.checks.height, found.checks.decoded) == (8, 6, 16)
    assert found.data == {"name": "folder", "path": str(photos)}
    said = " ".join(found.sentences())
    assert "4 (cat) to 12 (fox), median 12; uneven: a class with few images is decided less often, 3.0 to 1" in said
    assert "Size: 8x6 pixels." not in said  # the sides differ
    assert "Unreadable files: none found (all files were decoded)." in said
    assert found.blocking() is None


@pytest.mark.parametrize("top", ["", "photos/", "a/b/"])
def test_a_zip_of_class_folders_is_the_same_data(photos, tmp_path, top):
    (photos / "attributes.csv").write_text("class,striped\ncat,1\nfox,0\n")
    archive = packed(photos, tmp_path / "p.zip", top)
    found = inspect(archive)
    assert found.counts == inspect(photos).counts
    assert found.attributes == ("striped",)
    sources = [folder(place, size=8, attributes="attributes.csv") for place in (photos, archive)]
    for role in sources[0].roles:
        one, other = (source.roles[role] for source in sources)
        assert one.content_hashes() == other.content_hashes(), "another split"
        assert one.batch([0]).image.equal(other.batch([0]).image)
        assert one.attributes.equal(other.attributes)


def test_a_zip_keeps_its_roles(photos, tmp_path):
    for role in ("train", "test"):
        for number in range(4):
            paint(tmp_path / "set" / role / ("cat", "fox")[number % 2] / f"{number}.png", 50 + number + len(role))
    found = inspect(packed(tmp_path / "set", tmp_path / "s.zip", "set/"))
    assert found.roles == {"train": 4, "test": 4}


def test_a_table_of_classes_beside_the_folders_gives_attributes(photos):
    (photos / "traits.csv").write_text("class,coat::red,coat::gray,tail\ncat,0,1,1\nfox,1,0,1\n")
    (photos / "notes.csv").write_text("day,weather\nMonday,rain\n")
    found = inspect(photos)
    assert found.data["attributes"] == "traits.csv"
    assert (found.attributes, found.groups, found.exclusive) == (("coat::red", "coat::gray", "tail"), 1, 1)
    assert "Attributes: 3 of each class, 1 question with several answers (1 of them exclusive)." in found.sentences()
    (photos / "traits.csv").write_text("class,tail\ncat,1\nfox,1\n")
    assert "The attributes do not tell 1 pair of classes apart, such as cat and fox." in inspect(photos).sentences()


def test_a_table_of_images_brings_attributes_masks_boxes_and_roles(photos, tmp_path):
    rows = [f"cat/{n}.png,cat,{role},1,0,0,5,5,cat/{n}.png" for n, role in enumerate(["train", "val", "test", "train"])]
    rows += [f"fox/{n}.png,fox,train,0,0,0,5,5,fox/{n}.png" for n in range(4, 8)]
    table = photos / "images.csv"
    table.write_text("\n".join(["path,label,split,attribute:small,x0,y0,x1,y1,mask", *rows]))
    found = inspect(table)
    assert (found.kind, found.counts) == ("table of images", {"cat": 4, "fox": 4})
    assert (found.masks, found.boxes, found.attributes, found.per_image) == (8, 8, ("small",), True)
    assert found.roles == {"train": 6, "validation": 1, "test": 1}
    assert "Masks and boxes: object masks on 8 images, object boxes on 8 images." in found.sentences()


def test_idx_files_are_counted(tmp_path):
    place = tmp_path / "MNIST" / "raw"
    place.mkdir(parents=True)
    for part, count in (("train", 6), ("t10k", 4)):
        images = bytes([0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 5, 0, 0, 0, 4]) + bytes(range(count * 20))
        (place / f"{part}-images-idx3-ubyte").write_bytes(images)
        labels = bytes([0, 0, 8, 1, 0, 0, 0, count, *np.arange(count, dtype=np.uint8) % 2])
        (place / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    found = inspect(tmp_path)
    assert (found.kind, found.counts, found.roles) == ("idx files", {"0": 5, "1": 5}, {"train": 6, "test": 4})
    assert (found.checks.width, found.checks.height, found.checks.gray) == (4, 5, True)
    (place / "t10k-images-idx3-ubyte").unlink()
    assert refusal(tmp_path) == f"{place}: there is no t10k-images-idx3-ubyte or .gz; complete the set."


def test_equal_files_are_found_and_clashes_named(photos, tmp_path):
    (photos / "fox" / "copy.png").write_bytes((photos / "fox" / "9.png").read_bytes())
    found = inspect(photos)
    assert [len(group) for group in found.checks.equal] == [2]
    assert found.in_two_classes is None
    (photos / "cat" / "copy.png").write_bytes((photos / "fox" / "9.png").read_bytes())
    found = inspect(photos)
    assert found.in_two_classes == (str(photos / "cat" / "copy.png"), str(photos / "fox" / "9.png"))
    assert any("Duplicates: 2 files with the same bytes" in said for said in found.sentences())
    (tmp_path / "set").mkdir()
    (photos).rename(tmp_path / "set" / "train")
    paint(tmp_path / "set" / "test" / "cat" / "a.png", 2)
    said = inspect(tmp_path / "set").blocking()
    assert said is not None
    assert "are equal files in two roles; remove one of them." in said


def test_files_of_the_same_size_and_beginning_are_not_equal_for_that(photos):
    one, other = (np.full((64, 64, 3), 9, np.uint8) for _ in range(2))
    other[-1, -1] = 10
    for name, image in (("a", one), ("b", other)):
        Image.fromarray(image).save(photos / "cat" / f"{name}.bmp")
    assert inspect(photos).checks.equal == ()


def test_unreadable_files_are_named(photos, monkeypatch):
    (photos / "cat" / "0.png").write_bytes(b"no image at all")
    (photos / "cat" / "1.png").write_bytes(b"")
    whole = (photos / "cat" / "2.png").read_bytes()
    (photos / "cat" / "2.png").write_bytes(whole[: len(whole) // 2])
    found = inspect(photos)
    assert len(found.checks.unreadable) == 3
    said = found.blocking()
    assert said is not None
    assert said.startswith(f"{photos / 'cat' / '0.png'}: this is not an image")
    assert said.endswith("2 more cannot be read.")
    assert "Unreadable files: 3 (all files were decoded)" in " ".join(found.sentences())
    monkeypatch.setattr(checks, "DECODED", 4)  # of many files some are decoded, but each one's beginning is read
    found = inspect(photos)
    assert len(found.checks.unreadable) >= 2
    assert "the first bytes of all 16 files were read, and" in " ".join(found.sentences())


def test_bad_places_get_one_sentence(tmp_path):
    assert refusal(tmp_path / "no") == (
        f"{tmp_path / 'no'}: there is no such file or folder; give class folders, a zip of them or a table."
    )
    (tmp_path / "empty").mkdir()
    assert "the folder is empty; put the images of each class into a folder of its own." in refusal(tmp_path / "empty")
    paint(tmp_path / "one" / "cat" / "1.png", 1)
    assert "a classifier needs two or more class folders with images; found ['cat']." in refusal(tmp_path / "one")
    (tmp_path / "junk" / "texts").mkdir(parents=True)
    (tmp_path / "junk" / "texts" / "a.txt").write_text("a")
    (tmp_path / "junk" / "b.bin").write_bytes(b"b")
    assert "texts: this class folder holds no image; fill it or remove it." in refusal(tmp_path / "junk")
    (tmp_path / "loose").mkdir()
    paint(tmp_path / "loose" / "1.png", 1)
    assert "it holds no class folders with images; expected: <class>/<image>." in refusal(tmp_path / "loose")
    (tmp_path / "loose" / "images.csv").write_text("path,label\n1.png,cat\n")
    assert f"if {tmp_path / 'loose' / 'images.csv'} is a table of images, give that." in refusal(tmp_path / "loose")
    assert "two or more labels; found ['cat']" in refusal(tmp_path / "loose" / "images.csv")
    assert "neither a folder, nor a zip archive, nor a CSV" in refusal(tmp_path / "junk" / "b.bin")
    with zipfile.ZipFile(tmp_path / "texts.zip", "w") as file:
        file.writestr("a/b.txt", "b")
    assert "this class folder holds no image" in refusal(tmp_path / "texts.zip")


def test_a_folder_around_the_class_folders_is_named(photos, tmp_path):
    assert f"found ['photos']. Is {photos} the folder that you mean?" in refusal(tmp_path)
