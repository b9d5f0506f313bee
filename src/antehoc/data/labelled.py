"""Labelled images for a model that is trained already: class folders, a zip of them, or a table."""

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from antehoc.data.archives import FileSource, named_images
from antehoc.data.class_folders import unwrapped
from antehoc.data.examples import THREADS, Files
from antehoc.data.images import read_image
from antehoc.data.preprocessing import Preprocessing
from antehoc.data.sets.manifest import check_columns, check_twice, given_attributes, given_roles
from antehoc.data.splits import ROLE_NAMES
from antehoc.data.tables import read_table
from antehoc.errors import DataError, ImageError, near_miss, shown
from antehoc.types import DataSpec, Role

TABLES = (".csv", ".parquet", ".pq")


class Labelled(NamedTuple):
    """The images of known classes, and what a person should know of those that were left out, a sentence each."""

    examples: Files
    notes: tuple[str, ...]


@dataclass(frozen=True)
class EveryLabelled:
    """Every labelled image of a place."""

    known: Files  #: images of the model's classes
    unknown: Files  #: images of other classes, without labels
    unknown_labels: tuple[str, ...]  #: the class of each of these
    notes: tuple[str, ...]  #: what a person should know of them, a sentence each

    def readable(self) -> tuple["EveryLabelled", list[ImageError]]:
        """The images that can be read, and the errors of the others; each is decoded once to find out."""
        known, unknown = (_readable(files) for files in (self.known, self.unknown))
        kept, others = ([index for index, error in enumerate(found) if not error] for found in (known, unknown))
        labels = tuple(self.unknown_labels[index] for index in others)
        rest = EveryLabelled(self.known.select(kept), self.unknown.select(others), labels, self.notes)
        return rest, [error for error in (*known, *unknown) if error]


class _Found(NamedTuple):
    """Images with the names of their classes, and of the roles where the place is split."""

    images: Sequence[FileSource]
    labels: Sequence[str]
    roles: Sequence[Role] | None
    notes: tuple[str, ...]
    attributes: Mapping[str, Sequence[float]] = {}


def labelled_images(path: str | Path, spec: DataSpec, preprocessing: Preprocessing) -> Labelled:
    """Images with the labels that their folders or a table give them, for the classes of a model.

    Classes are matched by name. Images of other classes are left out and counted. Where the path holds a split, only
    its calibration images are taken: the model may have been trained on the others. To take every image, see
    `every_labelled`.

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
    found = _calibration(_found(path, spec), path)
    known = _known(found, spec, path)
    label = torch.tensor([spec.classes.index(found.labels[index]) for index in known])
    files = Files([found.images[index] for index in known], preprocessing, label)
    return Labelled(files, (*found.notes, *_notes(found.labels, spec.classes)))


def every_labelled(path: str | Path, spec: DataSpec, preprocessing: Preprocessing) -> EveryLabelled:
    """Every labelled image of a folder, archive or table, in all roles; those of other classes apart.

    Classes are matched by name. Attributes come along where a table has a column for each of the model's.

    Args:
        path: as in `labelled_images`.
        spec: of the model.
        preprocessing: of the model.
    Raises:
        DataError: nothing is there, no image has a label, or no label is a class of the model.
    """
    path = Path(path)
    found = _found(path, spec)
    known = _known(found, spec, path)
    others = sorted(set(range(len(found.labels))) - set(known))
    label = torch.tensor([spec.classes.index(found.labels[index]) for index in known])
    attributes = None
    if spec.attributes and set(spec.attributes) <= set(found.attributes):
        attributes = torch.tensor([[found.attributes[name][index] for name in spec.attributes] for index in known])
    notes = (*found.notes, *([_of_roles(found.roles, path)] if found.roles else []))
    return EveryLabelled(
        Files([found.images[index] for index in known], preprocessing, label, attributes),
        Files([found.images[index] for index in others], preprocessing),
        tuple(found.labels[index] for index in others),
        (*notes, *_notes(found.labels, spec.classes, said="count as unknown")),
    )


def _found(path: Path, spec: DataSpec) -> _Found:
    """All images with a label."""
    if spec.task != "single-label":
        raise DataError(
            f"{shown(path)}: a folder or a table gives an image one label, and this model gives it several; give the"
            " images as `Examples` in Python."
        )
    if not os.path.exists(path):
        raise DataError(f"{shown(path)}: there is no such file or folder; give labelled images.")
    table = path.suffix.lower() in TABLES and not os.path.isdir(path)
    return _from_table(path) if table else _from_folders(path, spec.classes)


def _known(found: _Found, spec: DataSpec, path: Path) -> list[int]:
    """The images of the model's classes, of which there must be one."""
    known = [index for index, label in enumerate(found.labels) if label in spec.classes]
    if not known:
        names = sorted(set(found.labels))
        raise DataError(
            f"{shown(path)}: none of its classes ({_some(names)}) is a class of the model ({_some(spec.classes)});"
            f" classes are matched by name.{near_miss(names[0], spec.classes)}"
        )
    return known


def _from_table(path: Path) -> _Found:
    table = read_table(path)
    names, _ = check_columns(table)
    images, labels, roles = table.files("path"), table.texts("label"), given_roles(table)
    check_twice(table, images, labels, roles)
    values = given_attributes(table, names)
    columns = {} if values is None else dict(zip(names, values.T.tolist(), strict=True))
    return _Found(images, labels, roles if "split" in table.columns else None, (), columns)


def _from_folders(path: Path, classes: Collection[str]) -> _Found:
    named, _ = unwrapped({tuple(name.split("/")): image for name, image in named_images(path).items()}, classes)
    inner = [parts for parts in named if len(parts) > 1]
    if not inner:
        raise DataError(f"{shown(path)}: its images have no labels; put each in a folder with the name of its class.")
    deep = {parts[0] for parts in inner if parts[0] in ROLE_NAMES and len(parts) > 2}
    split = bool(deep) and not deep & set(classes)
    if split and (rest := sorted({parts[0] for parts in inner} - set(ROLE_NAMES))):
        raise DataError(
            f"{shown(path)}: beside a folder {min(deep)!r} of class folders, {rest[0]!r} is not a role; known:"
            f" {', '.join(ROLE_NAMES)}."
        )
    roles, notes = None, []
    if split:
        inner = [parts for parts in inner if len(parts) > 2]
        roles = [ROLE_NAMES[parts[0]] for parts in inner]
    if loose := [parts for parts in named if len(parts) < 2 + split]:
        first = shown("/".join(loose[0]))
        notes = [f"Images outside of class folders were left out: {len(loose)}, {first} the first."]
    return _Found([named[parts] for parts in inner], [parts[int(split)] for parts in inner], roles, tuple(notes))


def _calibration(found: _Found, path: Path) -> _Found:
    """The calibration images alone, where there is a split."""
    if found.roles is None:
        return found
    rows = [row for row, role in enumerate(found.roles) if role == "calibration"]
    if not rows:
        raise DataError(
            f"{shown(path)}: it is split into roles and has no calibration images; give images that did not train the"
            " model the role `calibration`, or name a place without a split where none of them did."
        )
    total = len(found.images)
    notes = [f"{shown(path)} is split into roles: its {len(rows)} calibration images were taken, of {total}."]
    images, labels = [found.images[row] for row in rows], [found.labels[row] for row in rows]
    return _Found(images, labels, None, (*(notes if len(rows) < total else ()), *found.notes))


def _of_roles(roles: Sequence[Role], path: Path) -> str:
    counted = ", ".join(f"{count} {role}" for role, count in Counter(roles).items())
    trained = " Images that trained the model make it look better than it is." if "train" in roles else ""
    return f"{shown(path)} is split into roles, and all were taken: {counted}.{trained}"


def _notes(labels: Sequence[str], classes: Sequence[str], said: str = "were left out") -> list[str]:
    """What became of other classes, and which of the model's are absent."""
    counted, notes = Counter(labels), []
    if foreign := sorted(set(counted) - set(classes)):
        images, hint = sum(counted[name] for name in foreign), near_miss(foreign[0], classes)
        notes.append(f"Images of classes that the model does not know {said}: {images} ({_some(foreign)}).{hint}")
    if absent := [name for name in classes if name not in counted]:
        notes.append(f"Classes of the model without an image: {len(absent)} of {len(classes)} ({_some(absent)}).")
    return notes


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(shown, names[:5])) + (" ..." if len(names) > 5 else "")


def _readable(files: Files) -> list[ImageError | None]:
    """The error of each image, None where it can be read."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(_error, files.paths))


def _error(source: FileSource) -> ImageError | None:
    try:
        read_image(source)
    except ImageError as error:
        return error
    return None
