"""MNIST, Fashion-MNIST and sets of their make: idx files of training and test images with labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from antehoc.data.examples import Tensors
from antehoc.data.idx import labelled_idx
from antehoc.data.preprocessing import Channels, Fit, preprocess
from antehoc.data.source import Source
from antehoc.data.splits import official_roles
from antehoc.errors import DataError, shown
from antehoc.types import DataSpec


def idx(
    path: str | Path,
    *,
    size: int | Sequence[int] = 28,
    channels: Channels = 1,
    fit: Fit = "pad",
    background: float = 0.0,
    classes: Sequence[str] = (),
    share: float = 1.0,
    validation: float = 0.1,
    calibration: float = 0.15,
    seed: int = 0,
) -> Source:
    """The data set in a folder of idx files, packed or not, itself or where torchvision puts them.

    The test role is the official test split, whole. Validation and calibration are drawn from the train split, class by
    class, by a hash of each image; images of the train split that equal a test image are left out.

    Args:
        path: the folder with `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the same of `t10k`.
        size: of the model's images in pixels: one number, or height and width.
        channels: 1 for gray, 3 for RGB.
        fit: what happens to images of another shape; see `Preprocessing`.
        background: what `pad` fills with, in 0..1.
        classes: their names in the order of the numbers; without them, the numbers.
        share: of the train split that is used, above 0 and at most 1.
        validation, calibration: shares of the train split, 0 for none.
        seed: another seed draws other validation and calibration images.
    Returns:
        The data set, its images in memory.
    Raises:
        DataError: a file is missing or damaged, the images have two sizes, there are too few names of classes, or the
            shares cannot be used.
    """
    root, frame = Path(path), preprocess(size, channels, fit, background, None)
    (image, label), (test_image, test_label) = labelled_idx(root, "train"), labelled_idx(root, "t10k")
    if image.shape[1:] != test_image.shape[1:]:
        sizes = " and ".join(f"{one.shape[2]}x{one.shape[1]}" for one in (image, test_image))
        raise DataError(f"{shown(root)}: images of train and test must have one size; got {sizes} pixels.")
    images, labels = np.concatenate([image, test_image]), np.concatenate([label, test_label])
    count = 1 + int(labels.max())
    if classes and len(classes) < count:
        raise DataError(f"{shown(root)}: it has {count} classes, and `classes` names {len(classes)}.")
    names = tuple(classes) or tuple(map(str, range(count)))
    every = Tensors(
        torch.from_numpy(images)[:, None], torch.from_numpy(labels).long(), names="image", preprocessing=frame
    )
    tested = [False] * len(image) + [True] * len(test_image)
    shares = {"share": share, "validation": validation, "calibration": calibration}
    roles, notes = official_roles(every, tested, **shares, seed=seed, where=shown(root))
    return Source(DataSpec(names, frame.channels, frame.height, frame.width), roles, frame, seed, notes)
