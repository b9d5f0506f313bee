"""`idx`: MNIST, Fashion-MNIST and sets of their make, of gray images in idx files.

Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits"; Xiao, Rasul and Vollgraf, "Fashion-MNIST:
a Novel Image Dataset for Benchmarking Machine Learning Algorithms", 2017.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from antehoc.data.examples import Tensors
from antehoc.data.idx import read_idx
from antehoc.data.places import Place, only_place
from antehoc.data.preprocessing import Channels, Fit, preprocess
from antehoc.data.source import Source
from antehoc.data.splits import official_roles
from antehoc.errors import DataError
from antehoc.types import DataSpec

NAMES = {
    "digits": tuple("0123456789"),
    "fashion": (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
}

_WHAT = "set of idx files"
_SPELLINGS = [f"{{}}-{{}}{dot}idx{{}}-ubyte{suffix}" for dot in "-." for suffix in ("", ".gz")]


def idx(
    path: str | Path,
    *,
    kind: Literal["digits", "fashion"] = "digits",
    classes: tuple[str, ...] = (),
    size: int | Sequence[int] = 28,
    channels: Channels = 1,
    fit: Fit = "pad",
    background: float = 0.0,
    share: float = 1.0,
    validation: float = 0.1,
    calibration: float = 0.1,
    seed: int = 0,
) -> Source:
    """MNIST, Fashion-MNIST or another set of the same four files, packed with gzip or not.

    The test role is the official test split (`t10k`), whole. Validation and calibration are drawn from the train split,
    class by class, by a hash of each image's bytes; training images that equal a test image are left out.

    Args:
        path: a folder that holds `train-images-idx3-ubyte`, the labels and the test files, itself or up to two folders
            below, as torchvision puts them; or a zip of one.
        kind: what the ten classes are called: `digits` from 0 to 9, or `fashion` as in Fashion-MNIST.
        classes: other names, in the order of their numbers, which start at 0.
        size: of the model's images in pixels: one number, or height and width.
        channels: 1 for gray, 3 for RGB.
        fit: what happens to images of another shape; see `Preprocessing`.
        background: what `pad` fills with, in 0..1; the sets are white on black.
        share: how much of the train split is used, above 0 and at most 1.
        validation, calibration: shares of the train split, 0 for none.
        seed: another seed draws other validation and calibration roles.
    Returns:
        The data set, held in memory, without attributes or objects.
    Raises:
        DataError: where a file is missing or damaged, or labels do not fit the images or the names.
    """
    place = only_place(path, _spelled("train", "images", 3), _WHAT)
    names = classes or NAMES[kind]
    train, test = (_read(place, split, names) for split in ("train", "t10k"))
    if train[0].shape[1:] != test[0].shape[1:]:
        sizes = " and ".join(f"{one[0].shape[2]}x{one[0].shape[1]}" for one in (train, test))
        raise DataError(f"{place.where}: images of train and test must have one size; got {sizes} pixels.")
    frame = preprocess(size, channels, fit, background)
    images = torch.from_numpy(np.concatenate([train[0], test[0]]))[:, None]
    labels = torch.from_numpy(np.concatenate([train[1], test[1]]).astype(np.int64))
    same = (frame.channels, frame.height, frame.width) == tuple(images.shape[1:])
    everything = Tensors(images, labels, names=place.name or "image", preprocessing=None if same else frame)
    tested = [False] * len(train[0]) + [True] * len(test[0])
    shares = {"validation": validation, "calibration": calibration, "share": share}
    roles, notes = official_roles(everything, tested, **shares, seed=seed, where=place.where)
    return Source(DataSpec(names, frame.channels, frame.height, frame.width), roles, frame, seed, notes)


def _spelled(split: str, what: str, dimensions: int) -> list[str]:
    """How a file may be called."""
    return [form.format(split, what, dimensions) for form in _SPELLINGS]


def _read(place: Place, split: str, names: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Images and labels of a split."""
    images, labels = (_array(place, split, what, dimensions) for what, dimensions in (("images", 3), ("labels", 1)))
    if images.ndim != 3 or images.dtype != np.uint8 or not images.size:
        raise DataError(
            f"{place.where}: the {split} images must be uint8 (n, height, width); got {images.dtype} {images.shape}."
        )
    if labels.shape != images.shape[:1]:
        raise DataError(f"{place.where}: {len(images)} {split} images need as many labels; got {labels.shape}.")
    if not 0 <= labels.min() <= labels.max() < len(names):
        raise DataError(
            f"{place.where}: {len(names)} classes have the numbers 0 to {len(names) - 1}; the {split} labels go from "
            f"{labels.min()} to {labels.max()}; name all in `classes`."
        )
    return images, labels


def _array(place: Place, split: str, what: str, dimensions: int) -> NDArray[Any]:
    spelled = _spelled(split, what, dimensions)
    found = next((name for name in spelled if place.has(name)), None)
    if found is None:
        raise DataError(f"{place.where}: {spelled[0]} or .gz is missing; a {_WHAT} has it; use a complete copy.")
    return read_idx(place.file(found))
