"""Images that no class asks for: MNIST and its like in the idx format, a folder, or a zip archive."""

import gzip
import math
import os
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from antehoc.data.examples import Examples, Files, Tensors
from antehoc.data.folder import image_paths
from antehoc.data.images import SUFFIXES, FileSource, Member, Preprocessing, shown
from antehoc.errors import DataError

LIMIT_BYTES = 2**32  #: of an idx file, unpacked

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"
_TEST_IMAGES = ("t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz")
_PLACES = ("", "raw", "MNIST/raw", "FashionMNIST/raw")  # the last two are torchvision's


def read_idx(path: str | Path) -> NDArray[Any]:
    """The array in an idx file, raw or packed with gzip.

    Args:
        path: the file.
    Returns:
        The array, in the byte order of this machine.
    Raises:
        DataError: if it is missing, empty, damaged, of another format, or larger than `LIMIT_BYTES`.
    Source:
        LeCun, Cortes and Burges, "The MNIST database of handwritten digits", section "The IDX file format".
    """
    path = Path(path)
    where = shown(path)
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP
        with gzip.open(path) if packed else path.open("rb") as file:
            magic = file.read(4)
            if not magic:
                raise DataError(f"{where}: the file is empty (0 bytes); give an idx file.")
            if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES or not magic[3]:
                raise DataError(
                    f"{where}: this is no idx file, as it begins with {magic.hex(' ')}; give one as MNIST's."
                )
            kind = np.dtype(_TYPES[magic[2]])
            header = file.read(4 * magic[3])
            shape = np.frombuffer(header[: len(header) // 4 * 4], ">u4").tolist()
            size = math.prod(shape) * kind.itemsize
            if size > LIMIT_BYTES:
                raise DataError(f"{where}: the header asks for {size:,} bytes; at most {LIMIT_BYTES:,} are read.")
            content = file.read(size + 1)  # one more, to see whether there is more
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{where}: the gzip file is truncated or damaged; fetch it again.") from error
    except OSError as error:
        raise DataError(f"{where}: this file cannot be read ({error.strerror}); give an idx file.") from error
    if len(shape) < magic[3] or len(content) != size:
        more = len(shape) == magic[3] and len(content) > size
        raise DataError(
            f"{where}: the file is {'longer than its header says' if more else 'truncated'}; its header asks for "
            f"{' x '.join(map(str, shape))} values; fetch it again."
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
        found = _idx_files(path)
        if not found:
            raise DataError(
                f"{shown(path)}: there is no {_TEST_IMAGES[0]} or .gz in this folder; give the folder of one."
            )
        if len({file.parent for file in found}) > 1:
            raise DataError(f"{shown(path)}: there are two sets in it; give {shown(found[0].parent)} or the other.")
        path = found[0]
    images = read_idx(path)
    if images.ndim != 3 or images.dtype != np.uint8 or not images.size:
        raise DataError(
            f"{shown(path)}: images in idx are uint8 (n, height, width); got {images.dtype} {images.shape}; "
            f"is it a file of labels?"
        )
    return images


def unknowns(
    path: str | Path,
    preprocessing: Preprocessing,
    *,
    limit: int | None = None,
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Examples:
    """Images of none of the classes, brought to the model's size; their labels are zeros and mean nothing.

    Grey levels stay as they are: MNIST's white on black is not inverted for a model that knows black on white.

    Args:
        path: a folder of MNIST's make (its test images are taken) or an idx file; a folder of images, at any depth;
            or a zip archive of images.
        preprocessing: of the model.
        limit: take at most so many, evenly spread over the set in the order of their names.
        only: take the images alone whose name inside the folder or archive fits one of these patterns, such as
            `images/*`; `*` stands for any text, slashes too, `?` for one character, `[0-5]` for one of several, and
            capitals count. Without a pattern all are taken.
        exclude: of these, leave out the images whose name fits one of these patterns.
    Returns:
        The images, read when they are fetched.
    Raises:
        DataError: if there is none, a pattern fits none, or `limit` is no number above 0.
    """
    path = Path(path)
    if limit is not None and limit < 1:
        raise DataError(f"limit: one image or more is needed; got {limit}.")
    if _idx_files(path) or (os.path.isfile(path) and not zipfile.is_zipfile(path)):
        if only or exclude:
            raise DataError(f"{shown(path)}: images in an idx file have no names for {[*only, *exclude]} to fit.")
        images = torch.from_numpy(idx_images(path))[:, None]
        return _spread(Tensors(images, names=_name(path), preprocessing=preprocessing), limit)
    named: dict[str, FileSource]
    if os.path.isdir(path):
        named = {image.relative_to(path).as_posix(): image for image in image_paths(path)[0]}
    else:
        named = {member.name: member for member in _members(path)}
    if not named:
        raise DataError(f"{shown(path)}: it holds no image; give a folder or a zip archive of images, or an idx file.")
    chosen = (_fitting(named, only, path) if only else set(named)) - _fitting(named, exclude, path)
    if not chosen:
        raise DataError(f"{shown(path)}: only {[*only]} without {[*exclude]} leaves none of its {len(named)} images.")
    return _spread(Files([image for name, image in named.items() if name in chosen], preprocessing), limit)


def _fitting(names: Iterable[str], patterns: Sequence[str], path: Path) -> set[str]:
    """The names that fit one of the patterns or more."""
    found: set[str] = set()
    for pattern in patterns:
        if not (fits := {name for name in names if fnmatchcase(name, pattern)}):
            raise DataError(f"{shown(path)}: no image's name fits {pattern!r}; the first is {next(iter(names))!r}.")
        found |= fits
    return found


def _spread(examples: Examples, limit: int | None) -> Examples:
    count = len(examples)
    return examples if limit is None or limit >= count else examples.select([i * count // limit for i in range(limit)])


def _name(path: Path) -> str:
    return path.resolve().name


def _idx_files(folder: Path) -> list[Path]:
    # os.path: a folder that may not be entered holds none, where Path.is_file would raise
    return [file for place in _PLACES for name in _TEST_IMAGES if os.path.isfile(file := folder / place / name)]


def _members(path: Path) -> list[Member]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(archive.namelist())
    except FileNotFoundError as error:
        raise DataError(f"{shown(path)}: there is no such file or folder; give one with images.") from error
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{shown(path)}: it cannot be opened ({error}); give a folder or a zip of images.") from error
    return [Member(path, name) for name in names if _is_image(PurePosixPath(name))]


def _is_image(name: PurePosixPath) -> bool:
    hidden = any(part.startswith((".", "__MACOSX")) for part in name.parts)
    return name.suffix.lower() in SUFFIXES and not hidden
