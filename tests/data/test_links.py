"""Folders as people have them: links, loose images, entries of archives that are folders, odd cells of tables."""

import zipfile

import pytest
import torch
from PIL import Image

from antehoc.data.archives import image_paths, named_images
from antehoc.data.sets.folder import folder
from antehoc.data.tables import _text


def write(path, shade):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8), shade).save(path)


def test_links_to_files_and_folders_are_followed_once(tmp_path):
    for number in range(3):
        write(tmp_path / f"elsewhere/{number}.png", number)
    write(tmp_path / "top/cat/own.png", 9)
    (tmp_path / "top/cat/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "top/cat/again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "top/cat/up").symlink_to(tmp_path / "top")
    (tmp_path / "top/cat/file.png").symlink_to(tmp_path / "elsewhere/0.png")
    names = sorted(path.name for path in image_paths(tmp_path / "top/cat")[0])
    assert names == ["0.png", "1.png", "2.png", "file.png", "own.png"]


def test_images_beside_the_class_folders_are_named_in_the_notes(tmp_path):
    for number in range(40):
        write(tmp_path / f"{'cat' if number % 2 else 'fox'}/{number}.png", number)
    assert not folder(tmp_path, size=8, channels=1, seed=0).notes[1:]
    for name in ("loose.png", "other.jpg"):
        write(tmp_path / name, 200)
    notes = folder(tmp_path, size=8, channels=1, seed=0).notes
    assert any("Images outside of class folders were left out: 2," in note and "loose.png" in note for note in notes)


def test_a_folder_in_an_archive_is_no_image(tmp_path):
    write(tmp_path / "a.png", 3)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.mkdir("dir.png")
        archive.write(tmp_path / "a.png", "dir.png/a.png")
    assert list(named_images(tmp_path / "set.zip")) == ["dir.png/a.png"]


@pytest.mark.parametrize(
    ("cell", "text"),
    [(None, ""), (float("nan"), ""), (b"gull", "gull"), (["gull"], ""), ({"a": 1}, ""), (" gull ", "gull"), (3, "3"),
     (torch.inf, "inf")],
)  # fmt: skip
def test_a_cell_is_text_or_missing(cell, text):
    assert _text(cell) == text
