import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antehoc.data.idx import idx_images, read_idx
from antehoc.errors import DataError

CODES = {"u1": 0x08, "i1": 0x09, ">i2": 0x0B, ">i4": 0x0C, ">f4": 0x0D, ">f8": 0x0E}


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
        (b"hello", "this is not an idx file (it begins with 68 65 6c 6c"),
        (b"\0\0", "this is not an idx file"),
        (b"\0\0\x07\x01", "this is not an idx file"),
        (b"\0\0\x08\0", "this is not an idx file"),
        (b"\0\0\x08\x03\0\0", "truncated"),
        (idx(digits(2))[:-1], "truncated; its header announces 2 x 28 x 28 values"),
        (idx(digits(2)) + b"\0", "longer than its header says"),
        (gzip.compress(idx(digits(2)))[:-30], "the gzip file is truncated"),
        (gzip.compress(idx(digits(2)))[:-8] + b"\xff" * 8, "the gzip file is truncated or damaged"),
        (
            struct.pack(">2xBB3I", 8, 3, 2**31, 2**31, 2**31),
            "the header announces 9,903,520,314,283,042,199,192,993,792",
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
    assert "this idx file holds no image; give one with images." in refusal(idx_images, tmp_path / "none")


def test_two_sets_in_a_folder_are_refused(tmp_path):
    for name in ("MNIST", "FashionMNIST"):
        (tmp_path / name / "raw").mkdir(parents=True)
        (tmp_path / name / "raw" / "t10k-images-idx3-ubyte").write_bytes(idx(digits(1)))
    assert "it contains two data sets" in refusal(idx_images, tmp_path)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_real_sets_open(name):
    folder = Path(os.environ.get("ANTEHOC_DATA", "")) / name
    if "ANTEHOC_DATA" not in os.environ or not folder.is_dir():
        pytest.skip(f"needs $ANTEHOC_DATA/{name}")
    images = idx_images(folder)
    assert images.shape == (10_000, 28, 28)
    # the published test sets: mean gray level .1325 (MNIST), .2868 (Fashion-MNIST)
    assert images.mean() / 255 == pytest.approx({"mnist": 0.1325, "fashion-mnist": 0.2868}[name], abs=5e-4)
