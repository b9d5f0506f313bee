"""A folder of images, one folder a class, with or without a split into roles."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from antehoc.data.archives import SUFFIXES, image_paths, listed, subfolders
from antehoc.data.examples import Files
from antehoc.data.groups import attribute_groups, exclusive_groups
from antehoc.data.preprocessing import Channels, Fit, Preprocessing, preprocess
from antehoc.data.source import Source
from antehoc.data.splits import ROLE_NAMES, SHARES, by_role, check_trained, complete_split
from antehoc.data.tables import read_csv
from antehoc.errors import DataError, near_miss, shown
from antehoc.types import DataSpec, Role


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
    """The data set in a folder: `path/<class>/*.png`, or split, `path/<role>/<class>/*.png`.

    Classes are the sorted names of the class folders; images may lie at any depth in them. Roles are `train`,
    `validation` (or `val`), `calibration` and `test`. A role without a folder, and all of them where there is no
    split, is taken from train: class by class, in an order by a hash of each file's bytes, so that equal files always
    share a role (`complete_split`).

    Args:
        path: the folder.
        size: of the model's images in pixels: one number, or height and width.
        channels: 1 for gray, 3 for RGB.
        fit: what happens to images of another shape; see `Preprocessing`.
        background: what `pad` fills with, in 0..1.
        resize: first to so many pixels, then the frame is cut out of the middle; see `Preprocessing`.
        attributes: a CSV table with a row for each class, which gives its images their attributes: first the class's
            name, then a number in 0..1 for each attribute named in the header. Attributes `part::value` of one part
            are exclusive if they sum to 1 in every class. A relative path starts at the folder.
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
    found, others = _layout(root)
    loose = _loose(root)
    labels = [label for _, label, _ in found]
    classes = sorted(set(labels))
    if len(classes) < 2:
        raise DataError(f"{shown(root)}: a classifier needs two or more class folders with images; found {classes}.")
    label = torch.tensor([classes.index(name) for name in labels])
    names, matrix, notes = _class_table(root / attributes, classes) if attributes else ((), torch.zeros(0, 0), ())
    files = Files([image for _, _, image in found], preprocessing, label, matrix[label] if names else None)
    given: list[Role] = [role for role, _, _ in found]
    roles, drawn = complete_split(files, given, shares=shares, seed=seed, where=shown(root))
    check_trained(labels, roles, [shown(image) for _, _, image in found], where=shown(root))
    if loose:
        notes += (f"Images outside of class folders were left out: {len(loose)}, {shown(loose[0])} the first of them.",)
    if others:
        notes += (f"Files of other formats were left out: {len(others)}, {shown(others[0])} the first of them.",)
    spec = _spec(classes, preprocessing, names, matrix)
    return Source(spec, by_role(files, roles), preprocessing, seed if drawn else None, drawn + notes)


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


def _layout(root: Path) -> tuple[list[tuple[Role, str, Path]], list[Path]]:
    """Role, class and path of each image, and the files of other formats."""
    tops = subfolders(root)
    split = [
        top for top in tops if top.name in ROLE_NAMES and subfolders(top)
    ]  # a class `train` holds images, not folders
    if not split:
        places = [("train", top) for top in tops]
    else:
        for top in tops:
            if top not in split:
                raise DataError(
                    f"{shown(top)}: beside a folder {split[0].name!r} of class folders, this is not a role with class "
                    f"folders in it.{near_miss(top.name, ROLE_NAMES)} Known: {', '.join(ROLE_NAMES)}."
                )
        places = [(ROLE_NAMES[top.name], place) for top in split for place in subfolders(top)]
    found: list[tuple[Role, str, Path]] = []
    others: list[Path] = []
    for role, place in places:
        images, rest = image_paths(place)
        if not images:
            raise DataError(f"{shown(place)}: this class folder holds no image; fill it or remove it.")
        found += [(ROLE_NAMES[role], place.name, image) for image in images]
        others += rest
    if not found:
        raise DataError(f"{shown(root)}: it holds no class folders with images; expected: <class>/<image>.")
    return found, others


def _loose(root: Path) -> list[Path]:
    """Images beside the class folders, which have no class."""
    places = [root, *(top for top in subfolders(root) if top.name in ROLE_NAMES and subfolders(top))]
    files = [entry for place in places for entry in listed(place) if os.path.isfile(entry)]
    return [entry for entry in files if entry.suffix.lower() in SUFFIXES and not entry.name.startswith(".")]


def _class_table(path: Path, classes: Sequence[str]) -> tuple[tuple[str, ...], Tensor, tuple[str, ...]]:
    """Names of the attributes, P(attribute | class) with a row for each class in order, and notes."""
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
