"""`cifar`: CIFAR-10 and CIFAR-100, small photographs of 10 or 100 classes, from pickled batches or folders of PNGs.

The batches of the official archives are pickles, which are read without executing them (`antehoc.data.batches`).

Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", Toronto, 2009.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from antehoc.data.archives import SUFFIXES
from antehoc.data.batches import read_pickled
from antehoc.data.examples import Examples, Files, Tensors
from antehoc.data.places import Place, only_place
from antehoc.data.preprocessing import Fit, Preprocessing, preprocess
from antehoc.data.source import Source
from antehoc.data.splits import official_roles
from antehoc.errors import DataError, shown
from antehoc.types import DataSpec

SIDE = 32  #: of an image, in pixels
Labels = Literal["fine", "coarse"]

_TEN = {"train": [f"data_batch_{number}" for number in range(1, 6)], "test": ["test_batch"], "meta": ["batches.meta"]}
_HUNDRED = {"train": ["train"], "test": ["test"], "meta": ["meta"]}


def cifar(
    path: str | Path,
    *,
    labels: Labels = "fine",
    size: int | Sequence[int] = SIDE,
    fit: Fit = "pad",
    share: float = 1.0,
    validation: float = 0.1,
    calibration: float = 0.1,
    seed: int = 0,
) -> Source:
    """CIFAR-10 or CIFAR-100: which of the two is seen from the files.

    The test role is the official test split, whole. Validation and calibration are drawn from the train split, class
    by class, by a hash of each image's bytes; training images that equal a test image are left out.

    Args:
        path: the folder `cifar-10-batches-py` or `cifar-100-python`, one that holds it, or a zip of it; or a folder or
            zip with class folders of images, `train/<class>/*.png` and `test/<class>/*.png`.
        labels: of CIFAR-100, its 100 `fine` classes or the 20 `coarse` ones.
        size: of the model's images in pixels: one number, or height and width.
        fit: what happens to images of another shape; see `Preprocessing`.
        share: how much of the train split is used, above 0 and at most 1.
        validation, calibration: shares of the train split, 0 for none.
        seed: another seed draws other validation and calibration roles.
    Returns:
        The data set, without attributes or objects; held in memory where it comes from batches.
    Raises:
        DataError: where a file is missing, damaged, or asks for something that a batch does not need.
        ImageError: if a file that must be hashed cannot be read.
    """
    place = only_place(path, ("batches.meta", "meta", "train"), "CIFAR")
    frame = preprocess(size, 3, fit, 1.0)
    if place.has("batches.meta") or place.has("meta"):
        found = _from_batches(place, labels, frame)
    else:
        found = _from_folders(place, labels, frame)
    shares = {"validation": validation, "calibration": calibration, "share": share}
    roles, notes = official_roles(found.examples, found.tested, **shares, seed=seed, where=place.where)
    return Source(DataSpec(found.classes, 3, frame.height, frame.width), roles, frame, seed, notes)


class _Found(NamedTuple):
    """All images, which of them are tested, and the names of their classes."""

    examples: Examples
    tested: list[bool]
    classes: tuple[str, ...]


def _from_batches(place: Place, labels: Labels, frame: Preprocessing) -> _Found:
    ten = place.has("batches.meta")
    if ten and labels == "coarse":
        raise DataError(f"{place.where}: coarse labels are CIFAR-100's, and this is CIFAR-10; leave `labels` out.")
    listed = _TEN if ten else _HUNDRED
    names, numbers = ("label_names", "labels") if ten else (f"{labels}_label_names", f"{labels}_labels")
    classes = tuple(map(str, _value(_batch(place, listed["meta"][0]), names, place.file(listed["meta"][0]))))
    parts = {split: [_images(place, name, numbers, classes) for name in listed[split]] for split in ("train", "test")}
    tested = [split == "test" for split, own in parts.items() for images, _ in own for _ in images]
    images, label = (np.concatenate([one[n] for own in parts.values() for one in own]) for n in (0, 1))
    same = (frame.height, frame.width) == (SIDE, SIDE)
    stored = torch.from_numpy(images)
    held = Tensors(stored, torch.from_numpy(label), names=place.name, preprocessing=None if same else frame)
    return _Found(held, tested, classes)


def _images(
    place: Place, name: str, numbers: str, classes: Sequence[str]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (n, 3, 32, 32) and labels of one batch."""
    batch, where = _batch(place, name), place.file(name)
    data, listed = _value(batch, "data", where), _value(batch, numbers, where)
    if not isinstance(data, np.ndarray) or data.shape[1:] != (3 * SIDE * SIDE,) or len(data) != len(listed):
        shape = getattr(data, "shape", type(data).__name__)
        raise DataError(
            f"{shown(where)}: a batch has images of {3 * SIDE * SIDE} bytes and as many labels; got {shape} and "
            f"{len(listed)}."
        )
    if not all(isinstance(one, int) and 0 <= one < len(classes) for one in listed):
        raise DataError(f"{shown(where)}: labels are numbers from 0 to {len(classes) - 1}; download the file again.")
    return data.reshape(-1, 3, SIDE, SIDE), np.array(listed, np.int64)


def _batch(place: Place, name: str) -> Mapping[str, Any]:
    return read_pickled(place.read(name, "CIFAR"), shown(place.file(name)))


def _value(batch: Mapping[str, Any], name: str, where: object) -> Any:
    if not isinstance(batch.get(name), list | np.ndarray):
        raise DataError(f"{shown(where)}: {name} is missing in this batch; use a complete copy.")
    return batch[name]


def _from_folders(place: Place, labels: Labels, frame: Preprocessing) -> _Found:
    if labels == "coarse":
        raise DataError(f"{place.where}: class folders know no coarse labels; use the pickled batches of CIFAR-100.")
    named = [name.split("/") for split in ("train", "test") for name in place.files(split)]
    named = [parts for parts in named if len(parts) > 2 and Path(parts[-1]).suffix.lower() in SUFFIXES]
    classes = sorted({parts[1] for parts in named if parts[0] == "train"})
    if strange := sorted({parts[1] for parts in named} - set(classes)):
        raise DataError(f"{place.where}: the class {strange[0]!r} has test images and none in train; give it some.")
    if len(classes) < 2:
        raise DataError(f"{place.where}: train/<class>/ needs two or more class folders with images; found {classes}.")
    label = torch.tensor([classes.index(parts[1]) for parts in named])
    files = Files([place.file("/".join(parts)) for parts in named], frame, label)
    return _Found(files, [parts[0] == "test" for parts in named], tuple(classes))
