"""Images in every form that a person may give: paths, folders, patterns, archives, bytes, open files and arrays."""

import glob
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from antehoc.data.archives import LIMIT_BYTES, SUFFIXES, FileSource, members, walked
from antehoc.data.images import read_image, to_tensor
from antehoc.data.preprocessing import Preprocessing, check_tensor
from antehoc.errors import AntehocError, DataError, ImageError, shown

FORMS = (
    "paths, folders, patterns such as photos/*.jpg, zip archives, bytes, open files, PIL images, numpy arrays (height,"
    " width, channels) or torch tensors (channels, height, width), or a list of these"
)
_CHANNELS = (1, 3, 4)


@runtime_checkable
class Readable(Protocol):
    """An open file."""

    def read(self, size: int, /) -> bytes: ...


_TAKEN = (str, os.PathLike, bytes, bytearray, memoryview, Readable, Image.Image, np.ndarray, Tensor, Iterable)


class Input(NamedTuple):
    """One image, not decoded yet."""

    name: Path | str  #: its path, or "image 3" for the third one that has none
    source: FileSource | bytes | Image.Image | Tensor | AntehocError  #: an error: it is no image

    def load(self, preprocessing: Preprocessing) -> Tensor:
        """The image as the model takes it, (C, H, W) in 0..1.

        Raises:
            AntehocError: it cannot be read.
        """
        if isinstance(self.source, AntehocError):
            raise self.source
        if isinstance(self.source, Tensor):
            return _fit_tensor(self.source, preprocessing, str(self.name))
        return to_tensor(read_image(self.source, name=str(self.name)), preprocessing)


def inputs(images: object) -> Iterator[Input]:
    """Every image of what was given, in order, one at a time; nothing is decoded yet.

    A folder gives its images at any depth, sorted by path, without hidden files and files of other formats; a zip
    archive likewise. A pattern (`*`, `?`, `[0-9]`, `**` for folders at any depth) gives the images that it fits. A path
    may lead into a zip archive.

    Args:
        images: a path, folder, pattern or zip archive; the content of a file as bytes, or a file opened in binary mode;
            a PIL image; a numpy array, uint8 (H, W) or (H, W, C), or (B, H, W, C) for several; a torch tensor,
            (C, H, W) or (B, C, H, W), uint8 or floats in 0..1; or an iterable of these.
    Returns:
        The images. Where a folder holds none, or a pattern fits none, an `ImageError` stands in its place.
    Raises:
        DataError: for anything else; of a list or tuple before its first image.
    Example:
        >>> [one.name for one in inputs(["a.png", np.zeros((2, 2, 3), np.uint8)])]
        [PosixPath('a.png'), 'image 2']
    """
    _check(images)
    for number, (name, source) in enumerate(_expanded(images), 1):
        yield Input(name or f"image {number}", source)


Found = Iterator[tuple[Path | None, FileSource | bytes | Image.Image | Tensor | AntehocError]]


def _check(images: object) -> None:
    """Refuse what is no image in a list or tuple before the first one is decided."""
    if isinstance(images, list | tuple):
        for one in images:
            _check(one)
    elif isinstance(images, Mapping) or not isinstance(images, _TAKEN):
        raise DataError(f"images must be {FORMS}; got {type(images).__name__}.")


def _expanded(images: object) -> Found:
    _check(images)
    match images:
        case str() | os.PathLike():
            yield from _at(Path(images))
        case bytes() | bytearray() | memoryview():
            yield None, bytes(images)
        case Image.Image():
            yield None, _plain(images)
        case np.ndarray():
            yield from ((None, picture) for picture in _from_numpy(images))
        case Tensor():
            yield from ((None, picture) for picture in _from_torch(images))
        case Readable():
            yield _path_of(images), _content(images)
        case Iterable():
            for one in images:
                yield from _expanded(one)


def _at(path: Path) -> Found:
    """What lies at a path; a name with the characters of a pattern is one only where nothing has that name."""
    found: Found
    if os.path.isdir(path):
        found = ((image, image) for image, is_image in walked(path) if is_image)
        missing = "this folder holds no image"
    elif os.path.isfile(path) and path.suffix.lower() not in SUFFIXES and zipfile.is_zipfile(path):
        found = ((Path(str(member)), member) for member in members(path))
        missing = "this archive holds no image"
    elif glob.has_magic(str(path)) and not os.path.lexists(path):
        found, missing = _fitting(str(path)), "no image fits this pattern"
    else:
        yield path, path
        return
    first = None
    try:
        first = next(found, None)
        if first:
            yield first
            yield from found
    except DataError as error:  # a folder that cannot be listed
        yield path, error
        return
    if not first:
        yield path, ImageError(f"{shown(path)}: {missing}; give one with PNG, JPEG, WebP, BMP or TIFF images.")


def _fitting(pattern: str) -> Found:
    """The images that a pattern fits; folders that it fits are opened, unless `**` has opened them already."""
    for name in sorted(glob.iglob(pattern, recursive=True)):
        path = Path(name)
        if path.suffix.lower() in SUFFIXES and not os.path.isdir(path):
            yield path, path
        elif "**" not in pattern and os.path.isdir(path):
            yield from ((image, image) for image, is_image in walked(path) if is_image)


def _plain(image: Image.Image) -> Image.Image | AntehocError:
    """The image decoded here: two threads must not decode one that was given twice."""
    try:
        return read_image(image)
    except AntehocError as error:
        return error


def _path_of(file: Readable) -> Path | None:
    name = getattr(file, "name", None)
    return Path(name) if isinstance(name, str) and name else None


def _content(file: Readable) -> bytes | AntehocError:
    where = shown(_path_of(file) or "an open file")
    try:
        content = file.read(LIMIT_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: it is closed
        return ImageError(f"{where}: it cannot be read ({error}); give an open file.")
    if not isinstance(content, bytes):
        raise DataError(f"{where}: it gives {type(content).__name__}, not bytes; open it in binary mode ('rb').")
    if len(content) > LIMIT_BYTES:
        return ImageError(f"{where}: more than {LIMIT_BYTES:,} bytes are too many for one image.")
    return content


def _from_numpy(array: "np.ndarray[tuple[int, ...], np.dtype[np.generic]]") -> list[Image.Image]:
    """The pictures in an array (H, W), (H, W, C) or (B, H, W, C)."""
    shape = tuple(array.shape)
    if array.dtype != np.uint8:
        raise DataError(f"numpy arrays must be uint8, 0 to 255; got {array.dtype} (as floats in 0..1: a torch tensor).")
    several = array if array.ndim == 4 else array[None] if array.ndim == 3 else array[None, ..., None]
    if array.ndim not in (2, 3, 4) or several.shape[-1] not in _CHANNELS or 0 in shape[-3:]:
        hint = " (transpose it)" if array.ndim > 2 and shape[-3] in _CHANNELS else ""
        raise DataError(
            f"numpy arrays must be (height, width), (height, width, channels) or (batch, height, width, channels) with"
            f" 1, 3 or 4 channels; got {shape}{hint}."
        )
    return [_picture(np.ascontiguousarray(one)) for one in several]


def _picture(pixels: "np.ndarray[tuple[int, ...], np.dtype[np.generic]]") -> Image.Image:
    """An array (H, W, C) as a picture; a fourth channel is opacity."""
    return read_image(Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels))


def _from_torch(tensor: Tensor) -> list[Tensor]:
    """The images in a tensor (C, H, W) or (B, C, H, W)."""
    several = tensor if tensor.ndim == 4 else tensor[None]
    if several.ndim != 4 or several.shape[1] not in _CHANNELS or 0 in several.shape[2:]:
        hint = " (permute it)" if tensor.ndim > 2 and tensor.shape[-1] in _CHANNELS else ""
        raise DataError(
            "torch tensors must be (channels, height, width) or (batch, channels, height, width) with 1, 3 or 4"
            f" channels; got {tuple(tensor.shape)}{hint}."
        )
    if not (several.dtype == torch.uint8 or several.is_floating_point()):
        raise DataError(f"torch tensors must be uint8, 0 to 255, or floats in 0..1; got {tensor.dtype}.")
    return [one.detach().cpu() for one in several]


def _fit_tensor(image: Tensor, preprocessing: Preprocessing, name: str) -> Tensor:
    """One image (C, H, W) as the model takes it; floats of its size and channels pass as they are."""
    if image.is_floating_point():
        image = image.float()
        check_tensor(image[None], _Own(*image.shape), name)
        if image.shape == (preprocessing.channels, preprocessing.height, preprocessing.width):
            return image
        image = (image * 255).round().byte()
    return to_tensor(_picture(image.permute(1, 2, 0).contiguous().numpy()), preprocessing)


class _Own(NamedTuple):
    """A size that a tensor already has: its values alone are checked."""

    channels: int
    height: int
    width: int
