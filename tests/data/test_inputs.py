"""Images in every form that a person may give: the same picture in each form comes out alike, one at a time."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from antehoc.data.inputs import inputs
from antehoc.data.preprocessing import Preprocessing
from antehoc.errors import DataError, ImageError

FRAME = Preprocessing(3, 16, 16)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(256, size=(16, 16, 3), dtype=np.uint8)


@pytest.fixture
def photos(tmp_path, pixels):
    """A folder with images at two depths, a hidden one, and files that are none."""
    (tmp_path / "photos" / "more").mkdir(parents=True)
    for name in ("b.png", "a.PNG", "more/c.png", ".hidden.png"):
        Image.fromarray(pixels).save(tmp_path / "photos" / name, format="PNG")
    for name in ("notes.txt", "Thumbs.db", ".DS_Store"):
        (tmp_path / "photos" / name).write_bytes(b"no image")
    return tmp_path / "photos"


def loaded(given):
    return [one.load(FRAME) for one in inputs(given)]


def test_one_picture_in_every_form_is_the_same_image(photos, pixels):
    path, tensor = photos / "b.png", torch.from_numpy(pixels).permute(2, 0, 1)
    opened = path.open("rb")
    forms = [
        path, str(path), path.read_bytes(), bytearray(path.read_bytes()), memoryview(path.read_bytes()), opened,
        io.BytesIO(path.read_bytes()), Image.open(path), Image.fromarray(pixels), pixels, tensor, tensor.float() / 255,
        np.concatenate([pixels, np.full((16, 16, 1), 255, np.uint8)], 2), tensor.double() / 255,
    ]  # fmt: skip
    for form in forms:
        (image,) = loaded(form)
        assert image.equal(tensor.float() / 255), type(form)
    opened.close()
    together = loaded([str(path), [pixels, (tensor, Image.open(path))], iter([path.read_bytes()])])
    assert len(together) == 5
    assert all(image.equal(tensor.float() / 255) for image in together)


def test_several_images_in_one_array(pixels):
    batch = np.stack([pixels, 255 - pixels])
    for form in (batch, torch.from_numpy(batch).permute(0, 3, 1, 2)):
        first, second = loaded(form)
        assert (first + second).equal(torch.ones(3, 16, 16))


def test_gray_arrays_and_tensors_of_another_size_are_brought_to_the_models():
    gray = np.full((5, 9), 51, np.uint8)
    wanted = [torch.full((3, 16, 16), 0.2)] * 4
    frame = Preprocessing(3, 16, 16, fit="stretch")
    found = [
        one.load(frame)
        for one in inputs([gray, gray[..., None], torch.from_numpy(gray)[None], torch.full((3, 5, 9), 0.2)])
    ]
    torch.testing.assert_close(found, wanted)


def test_a_folder_gives_its_images_at_any_depth_without_hidden_ones(photos):
    names = ["a.PNG", "b.png", "more/c.png"]
    assert [one.name for one in inputs(photos)] == [photos / name for name in names]
    assert [one.name for one in inputs([str(photos), photos / "b.png"])] == [
        *(photos / n for n in names),
        photos / "b.png",
    ]


def test_patterns_give_the_images_that_they_fit(photos):
    def names(pattern):
        return [one.name.relative_to(photos).as_posix() for one in inputs(f"{photos}/{pattern}")]

    assert names("*.png") == ["b.png"]
    assert names("[ab].*") == ["a.PNG", "b.png"]
    assert names("*") == ["a.PNG", "b.png", "more/c.png"], "a folder that fits is opened, other files are passed over"
    assert names("**") == ["a.PNG", "b.png", "more/c.png"], "and none is there twice"
    assert names("mor?/*.png") == ["more/c.png"]


def test_a_name_that_looks_like_a_pattern_is_a_name_where_it_exists(photos):
    os.rename(photos / "b.png", photos / "b[1].png")
    assert [one.name for one in inputs(photos / "b[1].png")] == [photos / "b[1].png"]


def test_archives_and_paths_into_them(photos, tmp_path, pixels):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name in ("b.png", "more/c.png", "notes.txt"):
            archive.write(photos / name, name)
    every = [*inputs(tmp_path / "set.zip"), *inputs(tmp_path / "set.zip" / "more" / "c.png")]
    assert [one.name for one in every] == [
        tmp_path / "set.zip" / name for name in ("b.png", "more/c.png", "more/c.png")
    ]
    for one in every:
        assert one.load(FRAME).equal(torch.from_numpy(pixels).permute(2, 0, 1) / 255)
    with pytest.raises(ImageError, match="the archive has no such file"):
        loaded(tmp_path / "set.zip" / "d.png")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("empty", "this folder holds no image"),
        ("none/*.png", "no image fits this pattern"),
        ("none.png", "no such file"),
    ],
)
def test_a_place_without_an_image_is_an_error_in_its_place(tmp_path, given, said):
    (tmp_path / "empty").mkdir()
    (one,) = inputs(tmp_path / given)
    assert one.name == tmp_path / given
    with pytest.raises(ImageError, match=said):
        one.load(FRAME)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (3, "images must be paths, folders, .* got int"),
        ({"a.png": 1}, "images must be .* got dict"),
        (["a.png", None], "images must be .* got NoneType"),
        (np.zeros((4, 4, 3)), "must be uint8, 0 to 255; got float64"),
        (np.zeros((3, 8, 8), np.uint8), r"channels; got \(3, 8, 8\) \(transpose it\)\."),
        (np.zeros((8, 8, 7), np.uint8), r"channels; got \(8, 8, 7\)\."),
        (torch.zeros(8, 8, 3), r"channels; got \(8, 8, 3\) \(permute it\)\."),
        (torch.zeros(3, 8, 8, dtype=torch.int64), "must be uint8, 0 to 255, or floats in 0..1; got torch.int64"),
        (io.StringIO("text"), "it gives str, not bytes; open it in binary mode"),
    ],
)
def test_what_is_no_image_is_refused_in_one_sentence(given, said):
    with pytest.raises(DataError, match=said) as caught:
        list(inputs(given))
    assert "\n" not in str(caught.value)


def test_a_list_is_refused_before_its_first_image():
    with pytest.raises(DataError, match="got int"):
        next(inputs(["a.png", 3]))


def test_floats_outside_0_to_1_are_refused():
    (one,) = inputs(torch.full((3, 16, 16), 7.0))
    with pytest.raises(DataError, match=r"image 1: values must lie in 0\.\.1"):
        one.load(FRAME)


def test_a_closed_file_is_an_error_in_its_place(photos):
    file = (photos / "b.png").open("rb")
    file.close()
    (one,) = inputs(file)
    assert one.name == photos / "b.png"
    with pytest.raises(ImageError, match="it cannot be read"):
        one.load(FRAME)


def test_nothing_is_taken_before_it_is_needed():
    taken = []

    def paths():
        for number in range(5):
            taken.append(number)
            yield Path(f"{number}.png")

    stream = inputs(paths())
    assert next(stream).name == Path("0.png")
    assert taken == [0]
