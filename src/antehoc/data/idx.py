"""Arrays in the idx format: MNIST, Fashion-MNIST and sets of their make."""

import gzip
import math
import os
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np
from numpy.typing import NDArray

from antehoc.data.archives import FileSource, Member, read_bytes
from antehoc.errors import DataError, shown

LIMIT_BYTES = 2**32  #: of an idx file, unpacked

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"
_TEST_IMAGES = ("t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz")
_PLACES = ("", "raw", "MNIST/raw", "FashionMNIST/raw")  # the last two are torchvision's


def read_idx(path: str | FileSource) -> NDArray[Any]:
    """The array in an idx file, raw or packed with gzip.

    Args:
        path: the file, or a member of a zip archive.
    Returns:
        The array, in the byte order of this machine.
    Raises:
        DataError: if it is missing, empty, damaged, of another format, or larger than `LIMIT_BYTES`.
    Source:
        LeCun, Cortes and Burges, "The MNIST database of handwritten digits", section "The IDX file format".
    """
    path = Path(path) if isinstance(path, str) else path
    where = shown(path)
    try:
        with _opened(path) as file:
            kind, shape, dimensions = _header(file, where)
            size = math.prod(shape) * kind.itemsize
            if size > LIMIT_BYTES:
                raise DataError(f"{where}: the header announces {size:,} bytes; at most {LIMIT_BYTES:,} are read.")
            content = file.read(size + 1)  # one more, to see whether there is more
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{where}: the gzip file is truncated or damaged; download it again.") from error
    except OSError as error:
        raise DataError(f"{where}: this file cannot be read ({error.strerror}); give an idx file.") from error
    if len(shape) < dimensions or len(content) != size:
        more = len(shape) == dimensions and len(content) > size
        raise DataError(
            f"{where}: the file is {'longer than its header says' if more else 'truncated'}; its header announces "
            f"{' x '.join(map(str, shape))} values; download it again."
        )
    return np.frombuffer(content, kind).astype(kind.newbyteorder("=")).reshape(shape)


def idx_images(path: str | Path) -> NDArray[np.uint8]:
    """The test images of MNIST, Fashion-MNIST or another set of their make.

    Args:
        path: an idx file of images, or a folder that holds `t10k-images-idx3-ubyte`, packed or not, itself or where
            torchvision puts it.
    Returns:
        Images (n, height, width), as they are stored: MNIST and Fashion-MNIST are white on black.
    Raises:
        DataError: if there are none, or those of two sets.
    """
    path = Path(path)
    if os.path.isdir(path):
        found = idx_files(path)
        if not found:
            raise DataError(
                f"{shown(path)}: there is no {_TEST_IMAGES[0]} or .gz in this folder; give the folder of one."
            )
        if len({file.parent for file in found}) > 1:
            raise DataError(
                f"{shown(path)}: it contains two data sets; give {shown(found[0].parent)} or the other file."
            )
        path = found[0]
    images = read_idx(path)
    if images.ndim == 3 and not len(images):
        raise DataError(f"{shown(path)}: this idx file holds no image; give one with images.")
    if images.ndim != 3 or images.dtype != np.uint8 or not images.size:
        raise DataError(
            f"{shown(path)}: images in idx are uint8 (n, height, width); got {images.dtype} {images.shape}; "
            f"is it a file of labels?"
        )
    return images


def idx_files(folder: Path) -> list[Path]:
    """The files of test images in a folder, itself or where torchvision puts them."""
    # os.path: a folder that may not be entered holds none, where Path.is_file would raise
    return [file for place in _PLACES for name in _TEST_IMAGES if os.path.isfile(file := folder / place / name)]


@contextmanager
def _opened(path: FileSource) -> Iterator[BufferedIOBase]:
    """The unpacked content of a file."""
    with ExitStack() as stack:
        raw: BinaryIO = BytesIO(read_bytes(path)) if isinstance(path, Member) else stack.enter_context(path.open("rb"))
        packed = raw.read(2) == _GZIP
        raw.seek(0)
        yield cast(BufferedIOBase, gzip.GzipFile(fileobj=raw) if packed else raw)


def _header(file: BufferedIOBase, where: str) -> tuple[np.dtype[Any], list[int], int]:
    """The type of the values, the sizes that the header holds, and how many of these it should hold."""
    magic = file.read(4)
    if not magic:
        raise DataError(f"{where}: the file is empty (0 bytes); give an idx file.")
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES or not magic[3]:
        raise DataError(
            f"{where}: this is not an idx file (it begins with {magic.hex(' ')}); give a file in MNIST's format."
        )
    sizes = file.read(4 * magic[3])
    return np.dtype(_TYPES[magic[2]]), np.frombuffer(sizes[: len(sizes) // 4 * 4], ">u4").tolist(), magic[3]


def training_idx(folder: Path) -> Path | None:
    """The folder that holds the training images of a set such as MNIST, this one or where torchvision puts it."""
    places = (folder / place for place in _PLACES)
    return next((place for place in places if _named(place, "train-images-idx3-ubyte")), None)


def labelled_idx(folder: Path, part: Literal["train", "t10k"]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The images (n, height, width) of one part of a set such as MNIST, and their labels (n,).

    Args:
        folder: the folder of the set.
        part: of its training or its test images.
    Raises:
        DataError: a file is missing, damaged or of another kind, or there are not as many labels as images.
    """
    place = training_idx(folder) or folder
    files = {kind: _named(place, f"{part}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1")}
    for kind, file in files.items():
        if file is None:
            raise DataError(f"{shown(place)}: there is no {part}-{kind}-ubyte or .gz; complete the set.")
    images, labels = idx_images(files["images-idx3"] or place), read_idx(files["labels-idx1"] or place)
    if labels.shape != images.shape[:1] or labels.dtype != np.uint8:
        raise DataError(
            f"{shown(files['labels-idx1'])}: {len(images)} images need as many labels, uint8 (n,); got"
            f" {labels.dtype} {labels.shape}."
        )
    return images, labels


def _named(place: Path, name: str) -> Path | None:
    return next((file for file in (place / name, place / f"{name}.gz") if os.path.isfile(file)), None)
