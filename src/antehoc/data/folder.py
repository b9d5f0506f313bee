"""A folder of images, one folder a class, with or without a split into roles; and what splits any set of files."""

import csv
import math
import os
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor

from antehoc.data.examples import Files, Source
from antehoc.data.images import SUFFIXES, Channels, Fit, Preprocessing, shown
from antehoc.errors import DataError, near_miss
from antehoc.types import ROLES, DataSpec, Role

SHARES = (0.6, 0.1, 0.15, 0.15)  #: of train, validation, calibration and test, where no split is given
ROLE_NAMES: Mapping[str, Role] = {role: role for role in ROLES} | {"val": "validation"}


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
    split, is taken from train by a hash of each file's bytes, so that equal files always share a role.

    Args:
        path: the folder.
        size: of the model's images in pixels: one number, or height and width.
        channels: 1 for grey, 3 for RGB.
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
    labels = [label for _, label, _ in found]
    roles: list[Role] = [role for role, _, _ in found]
    places = [shown(image) for _, _, image in found]
    classes = sorted(set(labels))
    if len(classes) < 2:
        raise DataError(f"{shown(root)}: a classifier needs two or more class folders with images; found {classes}.")
    label = torch.tensor([classes.index(name) for name in labels])
    names, matrix, notes = _class_table(root / attributes, classes) if attributes else ((), torch.zeros(0, 0), ())
    files = Files([image for _, _, image in found], preprocessing, label, matrix[label] if names else None)
    roles, drawn = complete_split(files, roles, shares=shares, seed=seed, where=shown(root))
    check_trained(labels, roles, places, where=shown(root))
    if others:
        notes += (f"Files of other formats were left out: {len(others)}, {shown(others[0])} the first of them.",)
    spec = DataSpec(
        tuple(classes),
        preprocessing.channels,
        preprocessing.height,
        preprocessing.width,
        names,
        tuple(map(tuple, matrix.tolist())),
        exclusive_groups(names, lambda group: bool(((matrix[:, group].sum(1) - 1).abs() <= 1e-6).all())),
        groups=attribute_groups(names),
    )
    return Source(spec, by_role(files, roles), preprocessing, seed if drawn else None, drawn + notes)


def preprocess(
    size: int | Sequence[int], channels: Channels, fit: Fit, background: float, resize: int | None = None
) -> Preprocessing:
    """A `Preprocessing` from plain values; `size` is one number or height and width, in pixels.

    Raises:
        DataError: where a value cannot be used.
    """
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2:
        raise DataError(f"size: one number of pixels is needed, or two, height and width; got {list(sides)}.")
    return Preprocessing(channels, *sides, fit=fit, background=background, resize=resize)


def complete_split(
    files: Files, roles: Sequence[Role], *, shares: Sequence[float], seed: int, where: str
) -> tuple[list[Role], tuple[str, ...]]:
    """A role for each file: the given one, but a role that nobody has is taken from train.

    Where every file is in train the whole split is drawn. A file's role hangs on its bytes, the seed and the shares
    alone, so that equal files share a role and a growing set keeps its split.

    Args:
        files: all files.
        roles: the given role of each.
        shares: of train, validation, calibration and test; those of train and the missing roles count, as ratios.
        seed: another seed draws another split.
        where: what a message puts in front.
    Returns:
        The roles, and a note of what was drawn: none where nothing was.
    Raises:
        DataError: if the shares cannot be used, or a role gets no image.
        ImageError: if a file that must be hashed cannot be read.
    """
    if len(shares) != len(ROLES) or not all(share > 0 for share in shares) or abs(sum(shares) - 1) > 1e-6:
        raise DataError(f"shares: four numbers above 0 that sum to 1 are needed ({', '.join(ROLES)}); got {[*shares]}.")
    if "train" not in roles:
        raise DataError(f"{where}: there is no image in the role train; the other roles are not enough.")
    missing = [role for role in ROLES if role not in roles]
    if not missing:
        return list(roles), ()
    wanted = [role for role in ROLES if role == "train" or role in missing]
    ends = list(accumulate(shares[ROLES.index(role)] for role in wanted))
    trained = [index for index, role in enumerate(roles) if role == "train"]
    result = list(roles)
    for index, digest in zip(trained, files.select(trained).content_hashes(), strict=True):
        draw = int.from_bytes(blake2b(digest + str(seed).encode(), digest_size=7).digest()) / 2**56 * ends[-1]
        result[index] = next((role for role, end in zip(wanted, ends, strict=True) if draw < end), wanted[-1])
    if empty := [role for role in wanted if role not in result]:
        raise DataError(
            f"{where}: {len(trained)} images are too few to draw {', '.join(wanted)} from; {empty[0]} got none; "
            f"give more images, other shares or another seed."
        )
    counts = ", ".join(f"{result.count(role)} {role}" for role in wanted)
    return result, (f"The split was drawn by a hash of each file's bytes (seed {seed}): {counts}.",)


def check_trained(labels: Sequence[str], roles: Sequence[Role], places: Sequence[str], *, where: str) -> None:
    """Refuse a label that no training image has.

    Args:
        labels: of each image.
        roles: of each image.
        places: what a message calls each image.
        where: what a message puts in front.
    Raises:
        DataError: naming the first such image.
    """
    trained = {label for label, role in zip(labels, roles, strict=True) if role == "train"}
    for label, role, place in zip(labels, roles, places, strict=True):
        if label not in trained:
            raise DataError(
                f"{where}: the label {label!r} ({place}, role {role}) has no image in train; give it some, or another "
                f"seed where the split is drawn.{near_miss(label, trained)}"
            )


def exclusive_groups(names: Sequence[str], holds: Callable[[list[int]], bool]) -> tuple[tuple[int, ...], ...]:
    """Those of the `attribute_groups` that a test on their attributes' numbers holds for."""
    return tuple(group for group in attribute_groups(names) if holds(list(group)))


def attribute_groups(names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Groups of attributes that share the text before `::`, two or more: the answers to one question.

    Example:
        >>> attribute_groups(["bill::hooked", "bill::dagger", "crest"])
        ((0, 1),)
    """
    groups: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        if "::" in name:
            groups.setdefault(name.split("::")[0], []).append(number)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def by_role(files: Files, roles: Sequence[Role]) -> dict[Role, Files]:
    """The files of each role, in their order."""
    return {role: files.select([index for index, own in enumerate(roles) if own == role]) for role in ROLES}


def image_paths(top: Path) -> tuple[list[Path], list[Path]]:
    """Images at any depth in a folder and the files that are none, by their suffixes; hidden ones do not count.

    Raises:
        DataError: if a folder cannot be listed.
    """
    images: list[Path] = []
    others: list[Path] = []
    for place, folders, files in os.walk(top, onerror=_refuse_listing):
        folders[:] = sorted(name for name in folders if _counts(name))  # os.walk goes on with what is left here
        for name in sorted(filter(_counts, files)):
            (images if Path(name).suffix.lower() in SUFFIXES else others).append(Path(place, name))
    return images, others


def _layout(root: Path) -> tuple[list[tuple[Role, str, Path]], list[Path]]:
    """Role, class and path of each image, and the files of other formats."""
    tops = _folders(root)
    split = [
        top for top in tops if top.name in ROLE_NAMES and _folders(top)
    ]  # a class `train` holds images, not folders
    if not split:
        places = [("train", top) for top in tops]
    else:
        for top in tops:
            if top not in split:
                raise DataError(
                    f"{shown(top)}: beside a folder {split[0].name!r} of class folders, this is no role with class "
                    f"folders in it.{near_miss(top.name, ROLE_NAMES)} Known: {', '.join(ROLE_NAMES)}."
                )
        places = [(ROLE_NAMES[top.name], place) for top in split for place in _folders(top)]
    found: list[tuple[Role, str, Path]] = []
    others: list[Path] = []
    for role, place in places:
        images, rest = image_paths(place)
        if not images:
            raise DataError(f"{shown(place)}: this class folder holds no image; fill it or remove it.")
        found += [(ROLE_NAMES[role], place.name, image) for image in images]
        others += rest
    if not found:
        raise DataError(f"{shown(root)}: it holds no class folders with images; wanted: <class>/<image>.")
    return found, others


def _folders(top: Path) -> list[Path]:
    try:
        return sorted(entry for entry in top.iterdir() if _counts(entry.name) and entry.is_dir())
    except OSError as error:
        _refuse_listing(error, top)
    raise AssertionError  # not reached


def _refuse_listing(error: OSError, top: Path | None = None) -> None:
    raise DataError(
        f"{shown(top or error.filename)}: it cannot be listed ({error.strerror}); give a folder of images."
    ) from error


def _counts(name: str) -> bool:
    return not name.startswith((".", "__MACOSX"))


def _class_table(path: Path, classes: Sequence[str]) -> tuple[tuple[str, ...], Tensor, tuple[str, ...]]:
    """Names of the attributes, P(attribute | class) with a row for each class in order, and notes."""
    header, *rows = read_csv(path)
    names = tuple(name.strip() for name in header[1][1:])
    if not names or len(set(names)) != len(names) or not all(names):
        raise DataError(f"{shown(path)}: the header needs a column for the class, then attributes of different names.")
    table: dict[str, list[float]] = {}
    for place, (label, *values) in rows:
        if label in table:
            raise DataError(f"{shown(path)}, {place}: the class {label!r} has a row already; one for each is wanted.")
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


def read_csv(path: Path) -> list[tuple[str, list[str]]]:
    """The rows of a comma-separated table with their places ("line 3"), the header first; empty lines are left out.

    Raises:
        DataError: if it is missing, empty, no text in UTF-8, or a row is longer or shorter than the header.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            rows = [(f"line {reader.line_num}", row) for row in reader if row]
    except OSError as error:
        raise DataError(f"{shown(path)}: this table cannot be read ({error.strerror}); give a CSV file.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{shown(path)}: this is no CSV table in UTF-8 ({error}); save it as one.") from error
    if len(rows) < 2:
        raise DataError(f"{shown(path)}: this table is empty; a header and a row or more are needed.")
    width = len(rows[0][1])
    for place, row in rows:
        if len(row) != width:
            raise DataError(f"{shown(path)}, {place}: the row has {len(row)} fields, and the header has {width}.")
    return rows
