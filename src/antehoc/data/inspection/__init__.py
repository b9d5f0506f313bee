"""Look at labelled images before anything is trained: class folders, a zip of them, a table, or idx files."""

import os
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from antehoc.data.archives import FileSource
from antehoc.data.class_folders import ClassFolders, list_classes
from antehoc.data.groups import attribute_groups, exclusive_groups
from antehoc.data.idx import labelled_idx, training_idx
from antehoc.data.inspection.checks import Checks, check_files
from antehoc.data.inspection.inspected import Inspected, pairs_alike
from antehoc.data.labelled import TABLES
from antehoc.data.sets.folder import class_table
from antehoc.data.sets.manifest import BOX, check_columns, check_twice, given_attributes, given_roles
from antehoc.data.tables import read_csv, read_table
from antehoc.errors import DataError, out_of_reach, shown
from antehoc.types import ROLES, Role

__all__ = ["Inspected", "inspect"]


def inspect(path: str | Path) -> Inspected:
    """What labelled images there are at a path, and what a person should know of them before training.

    Every file is listed, its first bytes are read, and some 200 are decoded.

    Args:
        path: a folder of class folders, also split into roles; a zip archive of one; a CSV or Parquet table of images
            (`manifest`); or a folder with MNIST's idx files.
    Raises:
        DataError: there is nothing, no image, fewer than two classes, or a table that cannot be used.
    """
    root = Path(path)
    if said := out_of_reach(root):
        raise DataError(f"{shown(root)}: the path cannot be opened ({said}); check it and its permissions.")
    if not os.path.exists(root):
        raise DataError(
            f"{shown(root)}: there is no such file or folder; give class folders, a zip of them or a table."
        )
    if os.path.isdir(root):
        if training_idx(root):
            return _of_idx(root)
        _check_not_beside(root)
        return _of_folders(root, "class folders")
    if root.suffix.lower() in TABLES:
        return _of_table(root)
    if zipfile.is_zipfile(root):
        return _of_folders(root, "zip archive of class folders")
    raise DataError(
        f"{shown(root)}: this is neither a folder, nor a zip archive, nor a CSV or Parquet table; give one of these."
    )


def _check_not_beside(root: Path) -> None:
    """Refuse a folder without class folders, and name the table in it that was probably meant."""
    names = sorted(os.listdir(root))
    if not [name for name in names if not name.startswith(".")]:
        raise DataError(f"{shown(root)}: the folder is empty; put the images of each class into a folder of its own.")
    tables = [root / name for name in names if name.lower().endswith(TABLES)]
    if any((root / name).is_dir() for name in names if not name.startswith(".")) or not tables:
        return
    raise DataError(f"{shown(root)}: it has no class folders; if {shown(tables[0])} is a table of images, give that.")


def _of_folders(root: Path, kind: str) -> Inspected:
    found = list_classes(root)
    classes = sorted(set(found.labels))
    data: dict[str, object] = {"name": "folder", "path": str(root)}
    notes = found.notes
    attributes: tuple[str, ...] = ()
    rows: Sequence[Sequence[float]] = ()
    if table := _table_of_classes(found, classes):
        attributes, matrix, more = class_table(found.beside(table), classes)
        rows, notes, data = matrix.tolist(), notes + more, data | {"attributes": table}
    groups = attribute_groups(attributes)
    exclusive = exclusive_groups(
        attributes, lambda group: all(abs(sum(row[at] for at in group) - 1) <= 1e-6 for row in rows)
    )
    checks = check_files(found.images)
    return Inspected(
        shown(root),
        kind,
        data,
        dict(sorted(Counter(found.labels).items())),
        checks,
        _roles(found.roles),
        attributes=attributes,
        groups=len(groups),
        exclusive=len(exclusive),
        alike=pairs_alike(classes, rows) if attributes else (),
        in_two_classes=_pair(checks, found.images, found.labels),
        in_two_roles=_pair(checks, found.images, found.roles if set(found.roles) != {"train"} else ()),
        notes=notes,
    )


def _table_of_classes(found: ClassFolders, classes: Sequence[str]) -> str | None:
    """The name of the table with attributes beside the class folders.

    `attributes.csv` is one; another CSV file is one where its first column names every class.
    """
    names = sorted(entry.name for entry in found.top.iterdir() if entry.name.lower().endswith(".csv"))
    if "attributes.csv" in names:
        return "attributes.csv"
    for name in names:
        try:
            _, *rows = read_csv(found.beside(name))
        except DataError:  # some other file
            continue
        if set(classes) <= {row[0] for _, row in rows} and len(rows[0][1]) > 1:
            return name
    return None


def _of_table(path: Path) -> Inspected:
    table = read_table(path)
    names, notes = check_columns(table)
    files, labels, roles = table.files("path"), table.texts("label"), given_roles(table)
    if len(set(labels)) < 2:
        raise DataError(f"{shown(path)}: a classifier needs two or more labels; found {sorted(set(labels))}.")
    check_twice(table, files, labels, roles)
    given_attributes(table, names)  # refuses what is no attribute
    groups = attribute_groups(names)
    images: list[FileSource] = list(files)
    checks = check_files(images)
    return Inspected(
        shown(path),
        "table of images",
        {"name": "manifest", "path": str(path)},
        dict(sorted(Counter(labels).items())),
        checks,
        _roles(roles) if "split" in table.columns else {},
        attributes=names,
        groups=len(groups),
        per_image=True,
        masks=len(labels) if "mask" in table.columns else 0,
        boxes=len(labels) if BOX[0] in table.columns else 0,
        in_two_classes=_pair(checks, images, labels),
        in_two_roles=_pair(checks, images, roles if "split" in table.columns else ()),
        notes=notes,
    )


def _of_idx(root: Path) -> Inspected:
    counts: Counter[str] = Counter()
    roles: dict[Role, int] = {}
    parts = {"train": labelled_idx(root, "train"), "test": labelled_idx(root, "t10k")}
    for role, (images, labels) in zip(("train", "test"), parts.values(), strict=True):
        counts.update(str(label) for label in labels.tolist())
        roles["train" if role == "train" else "test"] = len(images)
    _, height, width = parts["train"][0].shape
    total = sum(roles.values())
    checks = Checks(total, total, width, height, (min(height, width), max(height, width)), True, (), ())
    data = {"name": "idx", "path": str(root), "channels": 1}
    return Inspected(shown(root), "idx files", data, dict(sorted(counts.items())), checks, roles, in_memory=True)


def _roles(roles: Sequence[Role]) -> dict[Role, int]:
    """Images by role, where there is a split."""
    counted = Counter(roles)
    return {role: counted[role] for role in ROLES if counted[role]} if set(counted) != {"train"} else {}


def _pair(checks: Checks, files: Sequence[FileSource], values: Sequence[str]) -> tuple[str, str] | None:
    """Two equal files with different values, if there are any."""
    for group in checks.equal if values else ():
        for number in group[1:]:
            if values[number] != values[group[0]]:
                return str(files[group[0]]), str(files[number])
    return None
