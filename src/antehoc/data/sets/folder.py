"""A folder of images, one folder a class, with or without a split into roles; or a zip archive of one."""

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from antehoc.data.class_folders import list_classes
from antehoc.data.examples import Files
from antehoc.data.groups import attribute_groups, exclusive_groups
from antehoc.data.preprocessing import Channels, Fit, Preprocessing, preprocess
from antehoc.data.source import Source
from antehoc.data.splits import SHARES, by_role, check_trained, complete_split
from antehoc.data.tables import read_csv
from antehoc.errors import DataError, near_miss, shown
from antehoc.types import DataSpec


def folder(
    path: str | Path,
    *,
    size: int | Sequence[int] = 64,
    channels: Channels = 3,
    fit: Fit = "pad",
    background: float = 1.0,
    resize: int | None = None,
    attributes: str | Path | None = None,
    seed: int = 0,
    shares: Sequence[float] = SHARES,
) -> Source:
    """The data set in a folder or zip archive: `path/<class>/*.png`, or split, `path/<role>/<class>/*.png`.

    Classes are the sorted names of the class folders; images may lie at any depth in them. Roles are `train`,
    `validation` (or `val`), `calibration` and `test`. A role without a folder, and all of them where there is no
    split, is taken from train: class by class, in an order by a hash of each file's bytes, so that equal files always
    share a role (`complete_split`).

    Args:
        path: the folder, or the archive.
        size: of the model's images in pixels: one number, or height and width.
        channels: 1 for gray, 3 for RGB.
        fit: what happens to images of another shape; see `Preprocessing`.
        background: what `pad` fills with, in 0..1.
        resize: first to so many pixels, then the frame is cut out of the middle; see `Preprocessing`.
        attributes: a CSV table with a row for each class, which gives its images their attributes: first the class's
            name, then a number in 0..1 for each attribute named in the header. Attributes `part::value` of one part
            are exclusive if they sum to 1 in every class. A relative path starts at the folder; in
            an archive, it is a file there.
        seed: another seed draws another split.
        shares: of train, validation, calibration and test; they sum to 1.
    Returns:
        The data set. Its seed is None where the split was given; its notes say what was drawn and what left out.
    Raises:
        DataError: where the folder or the table cannot be used.
        ImageError: if a file that must be hashed cannot be read.
    """
    root = Path(path)
    preprocessing = preprocess(size, channels, fit, background, resize)
    found = list_classes(root)
    classes = sorted(set(found.labels))
    label = torch.tensor([classes.index(name) for name in found.labels])
    table = class_table(found.beside(attributes), classes) if attributes else ((), torch.zeros(0, 0), ())
    names, matrix, notes = table
    files = Files(found.images, preprocessing, label, matrix[label] if names else None)
    roles, drawn = complete_split(files, found.roles, shares=shares, seed=seed, where=shown(root))
    check_trained(found.labels, roles, [shown(image) for image in found.images], where=shown(root))
    spec = _spec(classes, preprocessing, names, matrix)
    return Source(spec, by_role(files, roles), preprocessing, seed if drawn else None, drawn + notes + found.notes)


def _spec(classes: Sequence[str], frame: Preprocessing, names: tuple[str, ...], matrix: Tensor) -> DataSpec:
    return DataSpec(
        tuple(classes),
        frame.channels,
        frame.height,
        frame.width,
        names,
        tuple(map(tuple, matrix.tolist())),
        exclusive_groups(names, lambda group: bool(((matrix[:, group].sum(1) - 1).abs() <= 1e-6).all())),
        groups=attribute_groups(names),
    )


def class_table(path: Path | zipfile.Path, classes: Sequence[str]) -> tuple[tuple[str, ...], Tensor, tuple[str, ...]]:
    """Names of the attributes, P(attribute | class) with a row for each class in order, and notes.

    Raises:
        DataError: naming the first line that is not a class with numbers in 0..1, or a class without a row.
    """
    header, *rows = read_csv(path)
    names = tuple(name.strip() for name in header[1][1:])
    if not names or len(set(names)) != len(names) or not all(names):
        raise DataError(f"{shown(path)}: the header needs a column for the class, then attributes of different names.")
    table: dict[str, list[float]] = {}
    for place, (label, *values) in rows:
        if label in table:
            raise DataError(
                f"{shown(path)}, {place}: the class {label!r} has a row already; there must be one row per class."
            )
        table[label] = [
            _share(value, f"{shown(path)}, {place}, {name}") for name, value in zip(names, values, strict=True)
        ]
    for label in classes:
        if label not in table:
            raise DataError(f"{shown(path)}: there is no row for the class {label!r}.{near_miss(label, table)}")
    spare = [label for label in table if label not in classes]
    notes = (
        (f"{shown(path)} has rows for {len(spare)} classes without images, {spare[0]!r} the first.",) if spare else ()
    )
    return names, torch.tensor([table[label] for label in classes]), notes


def _share(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise DataError(f"{where}: a number in 0..1 is needed; got {text!r}.")
    return value
