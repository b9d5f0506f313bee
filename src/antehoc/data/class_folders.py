"""Class folders, in a folder or in a zip archive of one: which images there are, with their classes and roles."""

import os
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from antehoc.data.archives import SUFFIXES, FileSource, image_paths, listed, packed, subfolders
from antehoc.data.splits import ROLE_NAMES
from antehoc.errors import DataError, near_miss, shown
from antehoc.types import Role

_Entry = TypeVar("_Entry")


class ClassFolders(NamedTuple):
    """The images of class folders, folder by folder, and what lies beside them."""

    top: Path | zipfile.Path  #: the folder that holds the class folders; in an archive, that of the archive
    images: list[FileSource]
    labels: list[str]  #: the class of each image
    roles: list[Role]  #: of each image; `train` where there is no split
    others: list[FileSource]  #: files of other formats in class folders
    loose: list[FileSource]  #: images outside of class folders

    def beside(self, name: str | Path) -> Path | zipfile.Path:
        """The file of that name beside the class folders."""
        return self.top / name if isinstance(self.top, Path) else self.top / str(name)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out, a sentence each."""
        said = {"Images outside of class folders": self.loose, "Files of other formats": self.others}
        return tuple(
            f"{what} were left out: {len(files)}, {shown(files[0])} the first of them."
            for what, files in said.items()
            if files
        )


def list_classes(root: Path) -> ClassFolders:
    """The images in class folders, `<class>/*.png`, or split, `<role>/<class>/*.png`, at any depth in a class folder.

    Args:
        root: the folder, or a zip archive of it; there, a folder that holds all others is left out of the names.
    Raises:
        DataError: there are fewer than two classes, a class folder holds no image, or a folder is not a role.
    """
    found = _packed(root) if os.path.isfile(root) else _on_disk(root)
    classes = sorted(set(found.labels))
    if not classes:
        raise DataError(f"{shown(root)}: it holds no class folders with images; expected: <class>/<image>.")
    if len(classes) < 2:
        raise DataError(
            f"{shown(root)}: a classifier needs two or more class folders with images; found {classes}."
            f"{_inner(root, classes[0])}"
        )
    return found


def _on_disk(root: Path) -> ClassFolders:
    tops = subfolders(root)
    split = [top for top in tops if top.name in ROLE_NAMES and subfolders(top)]  # a class `train` holds images alone
    _check_split([top.name for top in split], [top.name for top in tops], root)
    places = [(ROLE_NAMES[top.name], place) for top in split for place in subfolders(top)] if split else [
        ("train", top) for top in tops
    ]  # fmt: skip
    images: list[FileSource] = []
    labels: list[str] = []
    roles: list[Role] = []
    others: list[FileSource] = []
    for role, place in places:
        own, rest = image_paths(place)
        _check_filled(place, own)
        images += own
        labels += [place.name] * len(own)
        roles += [ROLE_NAMES[role]] * len(own)
        others += rest
    entries = [entry for place in [root, *split] for entry in listed(place)]
    loose: list[FileSource] = [
        entry
        for entry in entries
        if entry.suffix.lower() in SUFFIXES and not entry.name.startswith(".") and os.path.isfile(entry)
    ]
    return ClassFolders(root, images, labels, roles, others, loose)


def _packed(root: Path) -> ClassFolders:
    every = packed(root)
    named, top = unwrapped({tuple(member.name.split("/")): (member, is_image) for member, is_image in every})
    folders = {parts[0] for parts in named if len(parts) > 1}
    split = {parts[0] for parts in named if len(parts) > 2 and parts[0] in ROLE_NAMES}
    _check_split(sorted(split), sorted(folders), root)
    deep = 1 + bool(split)  # folders above an image
    inner = {parts: own for parts, own in named.items() if len(parts) > deep}
    chosen = {parts: member for parts, (member, is_image) in inner.items() if is_image}
    filled = {parts[:deep] for parts in chosen}
    if empty := sorted({parts[:deep] for parts in inner} - filled):
        _check_filled(root.joinpath(*empty[0]), [])
    return ClassFolders(
        zipfile.Path(root, top),
        list(chosen.values()),
        [parts[deep - 1] for parts in chosen],
        [ROLE_NAMES[parts[0]] if split else "train" for parts in chosen],
        [member for member, is_image in inner.values() if not is_image],
        [member for parts, (member, is_image) in named.items() if is_image and parts not in inner],
    )


def unwrapped(
    named: Mapping[tuple[str, ...], _Entry], classes: Collection[str] = ()
) -> tuple[dict[tuple[str, ...], _Entry], str]:
    """Entries by their path without the folders that only hold one other, as a zip of a folder has it.

    Args:
        named: by the parts of their path.
        classes: folders of these names are not taken off.
    Returns:
        The entries, and the path of what was taken off, empty or with a slash at its end.
    """
    found, path = dict(named), ""
    while len(tops := {parts[0] for parts in found}) == 1 and any(len(parts) > 2 for parts in found):
        (top,) = tops
        if top in ROLE_NAMES or top in classes:
            break
        found, path = {parts[1:]: own for parts, own in found.items()}, f"{path}{top}/"
    return found, path


def _check_split(split: list[str], folders: list[str], root: Path) -> None:
    for name in folders if split else ():
        if name not in split:
            raise DataError(
                f"{shown(root / name)}: beside a folder {split[0]!r} of class folders, this is not a role with class "
                f"folders in it.{near_miss(name, ROLE_NAMES)} Known: {', '.join(ROLE_NAMES)}."
            )


def _check_filled(place: Path, images: Sequence[object]) -> None:
    if not images:
        raise DataError(f"{shown(place)}: this class folder holds no image; fill it or remove it.")


def _inner(root: Path, name: str) -> str:
    """A hint where the class folders lie one level deeper."""
    return f" Is {shown(root / name)} the folder that you mean?" if os.path.isdir(root / name) and len(
        subfolders(root / name)
    ) > 1 else ""  # fmt: skip
