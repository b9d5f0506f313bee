"""Labelled images for a model that is trained already: class folders, a zip of them, or a table."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from antehoc.data.archives import FileSource, named_images
from antehoc.data.examples import Files
from antehoc.data.preprocessing import Preprocessing
from antehoc.data.sets.manifest import check_columns, check_twice, given_roles
from antehoc.data.splits import ROLE_NAMES
from antehoc.data.tables import read_table
from antehoc.errors import DataError, near_miss, shown
from antehoc.types import DataSpec

TABLES = (".csv", ".parquet", ".pq")


class Labelled(NamedTuple):
    """The images of known classes, and what a person should know of those that were left out, a sentence each."""

    examples: Files
    notes: tuple[str, ...]


class _Found(NamedTuple):
    """Images with the names of their classes."""

    images: Sequence[FileSource]
    labels: Sequence[str]
    notes: tuple[str, ...]


def labelled_images(path: str | Path, spec: DataSpec, preprocessing: Preprocessing) -> Labelled:
    """Images with the labels that their folders or a table give them, for the classes of a model.

    Classes are matched by name. Images of other classes are left out and counted. Where the path holds a split, only
    its calibration images are taken: the model may have been trained on the others.

    Args:
        path: a folder of class folders, `path/<class>/*.png`, or a zip archive of one, with images at any depth in a
            class folder; or a CSV or Parquet table with the columns `path` and `label`, as `manifest` reads it.
        spec: of the model.
        preprocessing: of the model.
    Raises:
        DataError: nothing is there, no image has a label, no label is a class of the model, or a split has no
            calibration images.
    """
    path = Path(path)
    if spec.task != "single-label":
        raise DataError(
            f"{shown(path)}: a folder or a table gives an image one label, and this model gives it several; give the"
            " images as `Examples` in Python."
        )
    if not os.path.exists(path):
        raise DataError(f"{shown(path)}: there is no such file or folder; give labelled images.")
    table = path.suffix.lower() in TABLES and not os.path.isdir(path)
    found = _from_table(path) if table else _from_folders(path, spec.classes)
    known = [index for index, label in enumerate(found.labels) if label in spec.classes]
    if not known:
        raise DataError(f"{shown(path)}: {_foreign(sorted(set(found.labels)), spec.classes)}")
    label = torch.tensor([spec.classes.index(found.labels[index]) for index in known])
    files = Files([found.images[index] for index in known], preprocessing, label)
    return Labelled(files, (*found.notes, *_notes(found.labels, spec.classes)))


def _from_table(path: Path) -> _Found:
    table = read_table(path)
    check_columns(table)
    images, labels, roles = table.files("path"), table.texts("label"), given_roles(table)
    check_twice(table, images, labels, roles)
    if "split" not in table.columns:
        return _Found(images, labels, ())
    rows = [row for row, role in enumerate(roles) if role == "calibration"]
    if not rows:
        raise DataError(
            f"{shown(path)}: it has a column `split` without a row `calibration`; mark images that did not train the"
            " model as calibration, or leave the column out where none of them did."
        )
    notes = (_of_split(path, len(rows), len(images)),) if len(rows) < len(images) else ()
    return _Found([images[row] for row in rows], [labels[row] for row in rows], notes)


def _from_folders(path: Path, classes: Sequence[str]) -> _Found:
    named = {tuple(name.split("/")): image for name, image in named_images(path).items()}
    while (top := _wrapper(named)) and top not in classes and top not in ROLE_NAMES:  # as a zip of a folder has it
        named = {parts[1:]: image for parts, image in named.items()}
    total, notes = len(named), []
    split = all(parts[0] in ROLE_NAMES and len(parts) > 2 for parts in named if len(parts) > 1)
    if split and not {parts[0] for parts in named} & set(classes):
        own = [parts for parts in named if ROLE_NAMES.get(parts[0]) == "calibration" and len(parts) > 2]
        if any(len(parts) > 1 for parts in named) and not own:
            raise DataError(
                f"{shown(path)}: it is split into roles and has no folder `calibration`; name a folder of class folders"
                " whose images did not train the model."
            )
        if own:
            notes = [_of_split(path, len(own), total)] if len(own) < total else []
            named = {parts[1:]: named[parts] for parts in own}
    loose = [parts for parts in named if len(parts) == 1]
    if len(loose) == len(named):
        raise DataError(f"{shown(path)}: its images have no labels; put each in a folder with the name of its class.")
    if loose:
        notes.append(f"Images outside of class folders were left out: {len(loose)}, {shown(loose[0][0])} the first.")
    kept = {parts: image for parts, image in named.items() if len(parts) > 1}
    return _Found(list(kept.values()), [parts[0] for parts in kept], tuple(notes))


def _wrapper(named: Mapping[tuple[str, ...], FileSource]) -> str | None:
    """The one folder that holds all others, if there is one with folders in it."""
    tops = {parts[0] for parts in named}
    return tops.pop() if len(tops) == 1 and all(len(parts) > 2 for parts in named) else None


def _foreign(names: Sequence[str], classes: Sequence[str]) -> str:
    return (
        f"none of its classes ({_some(names)}) is a class of the model ({_some(classes)}); classes are matched by name."
        f"{near_miss(names[0], classes)}"
    )


def _of_split(path: Path, taken: int, total: int) -> str:
    return f"{shown(path)} is split into roles: its {taken} calibration images were taken, of {total}."


def _notes(labels: Sequence[str], classes: Sequence[str]) -> list[str]:
    """What was left out, and which classes are absent."""
    counted, notes = Counter(labels), []
    if foreign := sorted(set(counted) - set(classes)):
        images, hint = sum(counted[name] for name in foreign), near_miss(foreign[0], classes)
        notes.append(
            f"Images of classes that the model does not know were left out: {images} ({_some(foreign)}).{hint}"
        )
    if absent := [name for name in classes if name not in counted]:
        notes.append(f"Classes of the model without an image: {len(absent)} of {len(classes)} ({_some(absent)}).")
    return notes


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(shown, names[:5])) + (" ..." if len(names) > 5 else "")
