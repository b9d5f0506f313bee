"""A table of images, CSV or Parquet: a row for each with path, label, split, group, attributes, box and mask."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from antehoc.data.examples import Files
from antehoc.data.groups import attribute_groups, exclusive_groups
from antehoc.data.preprocessing import Channels, Fit, Preprocessing, preprocess
from antehoc.data.source import Source
from antehoc.data.splits import ROLE_NAMES, SHARES, by_role, check_trained, complete_split
from antehoc.data.tables import Table, read_table
from antehoc.errors import DataError, near_miss, shown
from antehoc.types import DataSpec, Role

ATTRIBUTE = "attribute:"  #: what the name of an attribute column begins with
BOX = ("x0", "y0", "x1", "y1")
COLUMNS = ("path", "label", "split", "group", *BOX, "mask")


def manifest(
    path: str | Path,
    *,
    size: int | Sequence[int] = 64,
    channels: Channels = 3,
    fit: Fit = "pad",
    background: float = 1.0,
    resize: int | None = None,
    seed: int = 0,
    shares: Sequence[float] = SHARES,
) -> Source:
    """The data set in a table.

    Columns: `path`, relative to the table's folder, and `label`; where there are any, `split` (train, validation,
    calibration, test), `group` (any text, the same for images of one object, patient or place), `x0`, `y0`, `x1`,
    `y1` (the object's box in pixels of the upright file, far edges exclusive), `mask` (the path of an image of the
    same size, white where the object is) and a column `attribute:<name>` for each attribute, 0 or 1 or between. Other
    columns are left alone, unless their name is one letter from a known one. Classes are the sorted labels;
    P(attribute | class) is counted on the training rows; attributes `attribute:part::value` of one part are exclusive
    if exactly one of them holds in every row.

    A role without a row is taken from train, and the whole split is drawn where there is none: class by class, in an
    order by a hash of each file's bytes (`complete_split`). The images of a group never have two roles; a row with an
    empty `group` is a group of its own.

    Args:
        path: the table, CSV or Parquet (which needs the extra `parquet`).
        size: of the model's images in pixels: one number, or height and width.
        channels: 1 for gray, 3 for RGB.
        fit: what happens to images of another shape; see `Preprocessing`.
        background: what `pad` fills with, in 0..1.
        resize: first to so many pixels, then the frame is cut out of the middle; see `Preprocessing`.
        seed: another seed draws another split.
        shares: of train, validation, calibration and test; they sum to 1.
    Returns:
        The data set. Its seed is None where the split was given. Images are looked for, but not opened yet.
    Raises:
        DataError: with the table's path and the row, where it cannot be used.
        ImageError: if a file that must be hashed cannot be read.
    """
    table = read_table(Path(path))
    preprocessing = preprocess(size, channels, fit, background, resize)
    names, notes = check_columns(table)
    files, given, classes = _files(table, names, preprocessing)
    roles, drawn = complete_split(files, given, shares=shares, seed=seed, where=table.where)
    check_trained(table.texts("label"), roles, table.places, where=table.where)
    parts = by_role(files, roles)
    spec = _spec(classes, preprocessing, names, files, parts["train"])
    return Source(spec, parts, preprocessing, seed if drawn else None, drawn + notes)


def _files(table: Table, names: Sequence[str], preprocessing: Preprocessing) -> tuple[Files, list[Role], list[str]]:
    """The images, the role that the table gives each, and the classes."""
    labels = table.texts("label")
    classes = sorted(set(labels))
    if len(classes) < 2:
        raise DataError(f"{table.where}: a classifier needs two or more labels; found {classes}.")
    images = table.files("path")
    roles = given_roles(table)
    check_twice(table, images, labels, roles)
    files = Files(
        images,
        preprocessing,
        torch.tensor([classes.index(name) for name in labels]),
        given_attributes(table, names),
        boxes=_boxes(table),
        masks=table.files("mask") if "mask" in table.columns else None,
        groups=table.optional_texts("group") if "group" in table.columns else None,
    )
    return files, roles, classes


def _spec(classes: Sequence[str], frame: Preprocessing, names: tuple[str, ...], files: Files, train: Files) -> DataSpec:
    return DataSpec(
        tuple(classes),
        frame.channels,
        frame.height,
        frame.width,
        names,
        _count(train, len(classes)) if names else (),
        exclusive_groups(names, lambda group: _one_holds(files.attributes[:, group])),
        groups=attribute_groups(names),
    )


def check_columns(table: Table) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the attributes, and a note on columns that are not used.

    Raises:
        DataError: a column is missing, or probably misspelled.
    """
    for wanted in ("path", "label"):
        if wanted not in table.columns:
            hint = near_miss(wanted, table.columns).replace("Did you mean", "Is it")
            found = ", ".join(map(shown, table.columns))
            raise DataError(
                f"{table.where}: the column {wanted!r} is missing.{hint} Found: {found}; "
                "fields are separated by commas."
            )
    if 0 < len(boxes := [name for name in BOX if name in table.columns]) < 4:
        raise DataError(f"{table.where}: a box needs the four columns {', '.join(BOX)}; found {', '.join(boxes)}.")
    names = [name.removeprefix(ATTRIBUTE) for name in table.columns if name.startswith(ATTRIBUTE)]
    unused = [name for name in table.columns if name not in COLUMNS and not name.startswith(ATTRIBUTE)]
    for name in unused:
        if hint := _slip(name):
            raise DataError(f"{table.where}: no column is called {name!r}.{hint} Rename it, or leave it out.")
    if any(not name.strip() for name in names):
        raise DataError(f"{table.where}: an attribute column has no name; call it {ATTRIBUTE}<name>.")
    return tuple(names), ((f"Columns that were not used: {', '.join(unused)}.",) if unused else ())


def _slip(name: str) -> str:
    """A hint, where a column was probably meant to be a known one."""
    lower = name.lower()
    if lower.startswith("attr") and any(mark in lower for mark in ":._- "):
        own = lower.split(next(mark for mark in lower if mark in ":._- "), 1)[1]
        return f" Did you mean {ATTRIBUTE + own.strip()!r}?"
    return near_miss(lower, COLUMNS)


def given_roles(table: Table) -> list[Role]:
    """The role that the table gives each row; `train` where it has no split.

    Raises:
        DataError: naming the first row of an unknown split.
    """
    if "split" not in table.columns:
        return ["train"] * len(table.places)
    splits = table.texts("split")
    for place, split in zip(table.places, splits, strict=True):
        if split not in ROLE_NAMES:
            raise DataError(
                f"{table.where}, {place}: no split is called {split!r}.{near_miss(split, ROLE_NAMES)} "
                f"Known: {', '.join(ROLE_NAMES)}."
            )
    return [ROLE_NAMES[split] for split in splits]


def check_twice(table: Table, images: list[Path], labels: list[str], roles: list[Role]) -> None:
    """Refuse a file that is in two roles, or that has two labels."""
    first: dict[str, int] = {}
    for row, image in enumerate(images):
        other = first.setdefault(os.path.normpath(image), row)
        for what, values in (("splits", roles), ("labels", labels)):
            if values[row] != values[other]:
                raise DataError(
                    f"{table.where}, {table.places[row]}: {shown(image)} is in two {what}, {values[other]!r} "
                    f"({table.places[other]}) and {values[row]!r}; keep one of them."
                )


def given_attributes(table: Table, names: Sequence[str]) -> Tensor | None:
    """(n, N) the attributes of each row, in 0..1; None where there is no name.

    Raises:
        DataError: naming the first row with a value that is no attribute.
    """
    if not names:
        return None
    attributes = np.stack([table.numbers(ATTRIBUTE + name) for name in names], 1)
    for column, name in enumerate(names):
        own = attributes[:, column]
        table.refuse(~((own >= 0) & (own <= 1)), ATTRIBUTE + name, "an attribute is 0, 1 or between")
    return torch.from_numpy(attributes)


def _boxes(table: Table) -> Tensor | None:
    if "x0" not in table.columns:
        return None
    boxes = np.stack([table.numbers(name) for name in BOX], 1)
    for low, high in ((0, 2), (1, 3)):
        table.refuse(boxes[:, low] < 0, BOX[low], "a box begins at 0 or later")
        table.refuse(
            boxes[:, high] <= boxes[:, low], BOX[high], f"a box has a size, so {BOX[high]} is above {BOX[low]}"
        )
    return torch.from_numpy(boxes).float()


def _one_holds(group: Tensor) -> bool:
    """Whether exactly one attribute of the group is 1, and the others 0, in every row."""
    return bool((((group == 0) | (group == 1)).all(1) & (group.sum(1) == 1)).all())


def _count(train: Files, classes: int) -> tuple[tuple[float, ...], ...]:
    """P(attribute | class): the mean over the training images of each class."""
    return tuple(tuple(train.attributes[train.labels == label].double().mean(0).tolist()) for label in range(classes))
