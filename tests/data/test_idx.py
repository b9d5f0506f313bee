import gzip
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from antehoc.data.examples import Files, Tensors
from antehoc.data.idx import idx_images, read_idx, unknowns
from antehoc.data.images import Preprocessing, to_tensor
from antehoc.errors import DataError, ImageError

CODES = {"u1": 0x08, "i1": 0x09, ">i2": 0x0B, ">i4": 0x0C, ">f4": 0x0D, ">f8": 0x0E}
SMALL = Preprocessing(3, 8, 10)


def idx(array: np.ndarray, kind: str = "u1") -> bytes:
    """The format, by its description."""
    return struct.pack(f">2xBB{array.ndim}I", CODES[kind], array.ndim, *array.shape) + array.astype(kind).tobytes()


def digits(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), dtype=np.uint8)


def refusal(call, *arguments: object) -> str:
    with pytest.raises(DataError) as caught:
        call(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith((".", "?"))
    return message


@given(st.sampled_from(sorted(CODES)), st.lists(st.integers(0, 4), min_size=1, max_size=4), st.booleans())
def test_what_is_written_is_read(tmp_path_factory, kind, shape, packed):
    array = np.random.default_rng(0).integers(0, 100, shape).astype(kind)
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(gzip.compress(idx(array, kind)) if packed else idx(array, kind))
    read = read_idx(path)
    assert read.dtype == np.dtype(kind).newbyteorder("=")
    np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize("place", ["", "raw", "MNIST/raw", "FashionMNIST/raw"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_test_images_are_found_where_they_may_lie(place, suffix, tmp_path):
    folder = tmp_path / place
    folder.mkdir(parents=True, exist_ok=True)
    content = idx(digits(3))
    (folder / f"t10k-images-idx3-ubyte{suffix}").write_bytes(gzip.compress(content) if suffix else content)
    np.testing.assert_array_equal(idx_images(tmp_path), digits(3))
    np.testing.assert_array_equal(idx_images(folder / f"t10k-images-idx3-ubyte{suffix}"), digits(3))


def test_packed_and_unpacked_beside_each_other_are_one_set(tmp_path):
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(digits(3)))
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(digits(3))))
    assert len(idx_images(tmp_path)) == 3


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "the file is empty (0 bytes)"),
        (gzip.compress(b""), "the file is empty (0 bytes)"),
        (b"hello", "this is no idx file, as it begins with 68 65 6c 6c"),
        (b"\0\0", "this is no idx file"),
        (b"\0\0\x07\x01", "this is no idx file"),
        (b"\0\0\x08\0", "this is no idx file"),
        (b"\0\0\x08\x03\0\0", "truncated"),
        (idx(digits(2))[:-1], "truncated; its header asks for 2 x 28 x 28 values"),
        (idx(digits(2)) + b"\0", "longer than its header says"),
        (gzip.compress(idx(digits(2)))[:-30], "the gzip file is truncated"),
        (gzip.compress(idx(digits(2)))[:-8] + b"\xff" * 8, "the gzip file is truncated or damaged"),
        (
            struct.pack(">2xBB3I", 8, 3, 2**31, 2**31, 2**31),
            "the header asks for 9,903,520,314,283,042,199,192,993,792",
        ),
    ],
    ids=range(12),
)
def test_what_is_no_sound_idx_file_is_refused(content, what, tmp_path):
    (tmp_path / "file").write_bytes(content)
    message = refusal(read_idx, tmp_path / "file")
    assert message.startswith(f"{tmp_path / 'file'}: ")
    assert what in message


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    assert "cannot be read (No such file" in refusal(read_idx, tmp_path / "none")
    assert "cannot be read (Is a directory)" in refusal(read_idx, tmp_path)
    assert "there is no t10k-images-idx3-ubyte" in refusal(idx_images, tmp_path)


def test_labels_are_no_images(tmp_path):
    (tmp_path / "labels").write_bytes(idx(np.arange(5)))
    assert "got uint8 (5,); is it a file of labels?" in refusal(idx_images, tmp_path / "labels")
    (tmp_path / "none").write_bytes(idx(digits(0)))
    assert "got uint8 (0, 28, 28)" in refusal(idx_images, tmp_path / "none")


def test_two_sets_in_a_folder_are_refused(tmp_path):
    for name in ("MNIST", "FashionMNIST"):
        (tmp_path / name / "raw").mkdir(parents=True)
        (tmp_path / name / "raw" / "t10k-images-idx3-ubyte").write_bytes(idx(digits(1)))
    assert "there are two sets in it" in refusal(idx_images, tmp_path)


# unknowns


def test_idx_images_come_at_the_size_of_the_model(tmp_path):
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(digits(5)))
    examples = unknowns(tmp_path, SMALL)
    assert isinstance(examples, Tensors)
    batch = examples.batch([4, 1])
    assert torch.equal(batch.image[0], to_tensor(Image.fromarray(digits(5)[4]), SMALL))
    assert batch.label.tolist() == [0, 0]
    assert batch.attributes.shape == (2, 0)
    assert examples.names([1]) == [f"{tmp_path.name} #1"]


def test_grey_levels_are_not_inverted(tmp_path):
    (tmp_path / "images").write_bytes(idx(np.zeros((1, 28, 28))))
    assert unknowns(tmp_path / "images", Preprocessing(1, 64, 64)).images([0]).max() == 0


@pytest.fixture
def pictures(tmp_path):
    """A folder and a zip archive of the same seven images at several depths, beside what does not count."""
    folder = tmp_path / "odd"
    for number in range(7):
        path = folder.joinpath(*["x"] * (number % 3)) / f"{number}.PNG"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (9, 9), 30 * number).save(path, "PNG")
    (folder / "notes.txt").write_text("notes")
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "._0.png").write_bytes(b"no image")
    with zipfile.ZipFile(tmp_path / "odd.zip", "w") as archive:
        for path in folder.rglob("*"):
            archive.write(path, path.relative_to(folder))
    return folder


@pytest.mark.parametrize("suffix", ["", ".zip"])
def test_a_folder_and_an_archive_open_alike(pictures, suffix):
    examples = unknowns(pictures.with_suffix(suffix), SMALL)
    assert isinstance(examples, Files)
    assert len(examples) == 7
    assert examples.images(range(7)).shape == (7, 3, 8, 10)
    for name, image in zip(examples.names(range(7)), examples.images(range(7)), strict=True):
        assert image[0, 4, 5] == int(Path(name).stem) * 30 / 255
    assert len(set(examples.content_hashes())) == 7


@given(st.integers(1, 40), st.integers(1, 50))
def test_a_limit_is_spread_evenly(tmp_path_factory, count, limit):
    path = tmp_path_factory.mktemp("idx") / "images"
    path.write_bytes(idx(digits(count)))
    names = unknowns(path, SMALL, limit=limit).names(range(min(limit, count)))
    places = [int(name.split("#")[1]) for name in names]
    steps = np.diff([*places, count])
    assert len(unknowns(path, SMALL, limit=limit)) == min(limit, count)
    assert places[0] == 0
    assert steps.max() - steps.min() <= 1
    assert steps.min() >= 1


@pytest.mark.parametrize("suffix", ["", ".zip"])
@pytest.mark.parametrize(
    ("patterns", "stems"),
    [
        ({"only": ["x/*"]}, "1245"),
        ({"only": ["x/*"], "exclude": ["x/x/*", "*/4.*"]}, "1"),
        ({"exclude": ["[0-3].PNG"]}, "12456"),
        ({"exclude": ["?.PNG", "x/?.PNG"]}, "25"),
        ({"only": ["?.PNG", "x/*"], "limit": 3}, "046"),
    ],
)
def test_patterns_choose_among_names(pictures, suffix, patterns, stems):
    examples = unknowns(pictures.with_suffix(suffix), SMALL, **patterns)
    assert sorted(Path(name).stem for name in examples.names(range(len(examples)))) == sorted(stems)


@pytest.mark.parametrize("suffix", ["", ".zip"])
def test_patterns_that_fit_nothing_are_refused(pictures, suffix):
    path = pictures.with_suffix(suffix)
    for patterns in ({"only": ["y/*"]}, {"exclude": ["*.png"]}, {"exclude": ["x/*", "odd/*"]}):
        with pytest.raises(DataError, match=r"no image's name fits '[^']*'; the first is '0.PNG'\.$"):
            unknowns(path, SMALL, **patterns)
    with pytest.raises(DataError, match="leaves none of its 7 images"):
        unknowns(path, SMALL, only=["x/*"], exclude=["*"])
    (path.parent / "idx").write_bytes(idx(digits(5)))
    with pytest.raises(DataError, match="images in an idx file have no names"):
        unknowns(path.parent / "idx", SMALL, only=["x/*"])


def test_unknowns_that_are_none_are_refused(tmp_path):
    assert "there is no such file or folder" in refusal(unknowns, tmp_path / "none", SMALL)
    assert "it holds no image" in refusal(unknowns, tmp_path, SMALL)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("notes.txt", "notes")
    assert "a.zip: it holds no image" in refusal(unknowns, tmp_path / "a.zip", SMALL)
    Image.new("L", (9, 9)).save(tmp_path / "a.png")
    assert "a.png: this is no idx file" in refusal(unknowns, tmp_path / "a.png", SMALL)
    with pytest.raises(DataError, match="limit: one image or more"):
        unknowns(tmp_path, SMALL, limit=0)


def test_a_broken_image_in_an_archive_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("deep/a.png", b"")
    with pytest.raises(ImageError, match=r"a\.zip/deep/a\.png: the file is empty"):
        unknowns(tmp_path / "a.zip", SMALL).batch([0])


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_real_sets_open(name):
    folder = Path(os.environ.get("ANTEHOC_DATA", "")) / name
    if "ANTEHOC_DATA" not in os.environ or not folder.is_dir():
        pytest.skip(f"needs $ANTEHOC_DATA/{name}")
    images = idx_images(folder)
    assert images.shape == (10_000, 28, 28)
    # the published test sets: mean grey level .1325 (MNIST), .2868 (Fashion-MNIST)
    assert images.mean() / 255 == pytest.approx({"mnist": 0.1325, "fashion-mnist": 0.2868}[name], abs=5e-4)
    examples = unknowns(folder, Preprocessing(1, 64, 64), limit=50)
    assert len(examples) == 50
    assert examples.batch(range(50)).image.shape == (50, 1, 64, 64)
