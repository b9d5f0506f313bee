"""MNIST, Fashion-MNIST and sets of their make: idx files of training and test images with labels."""

from collections.abc import Sequence
from pathlib import Path

import torch

from antehoc.data.examples import Tensors
from antehoc.data.idx import labelled_idx
from antehoc.data.preprocessing import Channels, Fit, preprocess
from antehoc.data.source import Source
from antehoc.data.splits import SHARES
from antehoc.data.strata import label_sets, stratified, together
from antehoc.errors import DataError, shown
from antehoc.types import DataSpec, Role


def idx(
    path: str | Path,
    *,
    size: int | Sequence[int] = 28,
    channels: Channels = 1,
    fit: Fit = "pad",
    background: float = 0.0,
    classes: Sequence[str] = (),
    seed: int = 0,
    shares: Sequence[float] = SHARES[:3],
) -> Source:
    """The data set in a folder of idx files, packed or not, itself or where torchvision puts them.

    Validation and calibration images are taken from the training images: class by class, in an order by a hash of
    each image, so that equal images share a role. The test images are those of the set; training images that equal one
    are left out.

    Args:
        path: the folder with `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the same of `t10k`.
        size: of the model's images in pixels: one number, or height and width.
        channels: 1 for gray, 3 for RGB.
        fit: what happens to images of another shape; see `Preprocessing`.
        background: what `pad` fills with, in 0..1.
        classes: their names in the order of the numbers; without them, the numbers.
        seed: another seed draws another split.
        shares: of train, validation and calibration, as ratios.
    Returns:
        The data set, its images in memory.
    Raises:
        DataError: a file is missing or damaged, or there are too few names of classes.
    """
    root, frame = Path(path), preprocess(size, channels, fit, background, None)
    if len(shares) != 3 or not all(share > 0 for share in shares):
        raise DataError(f"shares: three numbers above 0 are needed (train, validation, calibration); got {[*shares]}.")
    (image, label), (test_image, test_label) = labelled_idx(root, "train"), labelled_idx(root, "t10k")
    count = 1 + max(int(label.max()), int(test_label.max()))
    if classes and len(classes) < count:
        raise DataError(f"{shown(root)}: it has {count} classes, and `classes` names {len(classes)}.")
    names = tuple(classes) or tuple(map(str, range(count)))

    def held(images: object, labels: object, name: str) -> Tensors:
        return Tensors(
            torch.as_tensor(images)[:, None], torch.as_tensor(labels).long(), names=name, preprocessing=frame
        )

    every, test = held(image, label, "training image"), held(test_image, test_label, "test image")
    tested, digests = set(test.content_hashes()), every.content_hashes()
    train = every.select([row for row, digest in enumerate(digests) if digest not in tested])
    hashes = train.content_hashes()
    parts = stratified(hashes, label_sets(train.labels), together(hashes, None), list(shares), seed=seed)
    wanted: tuple[Role, ...] = ("train", "validation", "calibration")
    roles: dict[Role, Tensors] = {
        role: train.select([row for row, part in enumerate(parts) if part == number])
        for number, role in enumerate(wanted)
    }
    spec = DataSpec(names, frame.channels, frame.height, frame.width)
    twins = len(every) - len(train)
    drawn = f"Validation and calibration images were drawn from the training images with seed {seed}."
    notes = (drawn, *([f"Training images that equal a test image were left out: {twins}."] if twins else []))
    return Source(spec, {**roles, "test": test}, frame, seed, notes)
