import zipfile

import pytest

from antehoc.data.archives import read_bytes
from antehoc.data.places import find_places, only_place
from antehoc.errors import DataError


@pytest.fixture(params=["folder", "zip", "zip in a folder", "wrapped zip"])
def place(request, tmp_path):
    """A set whose mark is `lists/all.txt`, in every way in which it may lie."""
    top = tmp_path / "in" / "set"
    for name, text in {"lists/all.txt": "# id\n1 cat \n\n2 fox\n", "images/a/1.png": "x", "images/.hidden": ""}.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    if request.param == "folder":
        return only_place(tmp_path, ("lists/all.txt",), "set")
    archive = tmp_path / "packed.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for file in sorted(top.rglob("*")):
            prefix = "deep/set/" if request.param == "wrapped zip" else ""
            packed.write(file, prefix + file.relative_to(top).as_posix())
        packed.writestr("__MACOSX/lists/all.txt", "junk")
    (top / "lists" / "all.txt").unlink()
    return only_place(tmp_path if "in a" in request.param else archive, ("lists/all.txt",), "set")


def test_files_are_found_and_read_alike(place):
    assert place.files("images") == ["images/a/1.png"]
    assert place.files() == ["images/a/1.png", "lists/all.txt"]
    assert place.files("nothing") == []
    assert place.has("images/a/1.png")
    assert not place.has("images/a")
    assert place.holds("images")
    assert not place.holds("image")
    assert read_bytes(place.file("images/a/1.png")) == b"x"
    assert place.lines("lists/all.txt", "set") == ["1 cat", "2 fox"]
    with pytest.raises(DataError, match=r"more\.txt is missing; set in its own layout has it\.$"):
        place.read("more.txt", "set")


def test_what_is_not_there_is_said_in_a_sentence(tmp_path):
    with pytest.raises(DataError, match="there is no such file or folder; give the folder of birds"):
        find_places(tmp_path / "nothing", ("a",), "birds")
    with pytest.raises(DataError, match="this is no birds, as a or b/c is missing"):
        find_places(tmp_path, ("a", "b/c"), "birds")
    for name in ("one", "two"):
        (tmp_path / name / "b").mkdir(parents=True)
        (tmp_path / name / "b" / "c").touch()
    assert [place.name for place in find_places(tmp_path, ("a", "b/c"), "birds")] == ["one", "two"]
    with pytest.raises(DataError, match=r"it holds more than one birds: .*one and .*two; give one of them\.$"):
        only_place(tmp_path, ("b/c",), "birds")
