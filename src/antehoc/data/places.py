"""Where a data set lies: a folder or a zip archive, the files in it by name, and how it is found."""

import os
import posixpath
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from antehoc.data.archives import FileSource, Member, read_bytes, subfolders, walked
from antehoc.errors import DataError, out_of_reach, shown

_DEPTH = 3  # folders below the given one in which a data set is looked for


@dataclass(frozen=True)
class Place:
    """A folder, or a zip archive with what the names of a data set begin with in it and all names that it has."""

    root: Path
    prefix: str = ""
    members: frozenset[str] | None = None

    @property
    def where(self) -> str:
        """What a message calls it."""
        return shown(self.root)

    @property
    def name(self) -> str:
        """The folder's own name, such as `VOC2012`, also inside an archive."""
        return posixpath.basename(self.prefix.rstrip("/")) if self.prefix else self.root.name

    def file(self, name: str) -> FileSource:
        """A file by its name inside, with slashes; it need not be there."""
        if self.members is None:
            return self.root / name
        return Member(self.root, posixpath.normpath(self.prefix + name))

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        source = self.file(name)
        if self.members is None or isinstance(source, Path):
            return os.path.isfile(self.root / name)
        return source.name in self.members

    def holds(self, folder: str) -> bool:
        """Whether there is such a folder."""
        if self.members is None:
            return os.path.isdir(self.root / folder)
        return any(name.startswith(f"{self.prefix}{folder}/") for name in self.members)

    def files(self, folder: str = "") -> list[str]:
        """The names of the files in a folder, at any depth, sorted; they begin with the folder's. Hidden ones are out.

        Raises:
            DataError: if a folder cannot be listed.
        """
        start = f"{folder}/" if folder else ""
        if self.members is None:
            if not os.path.isdir(self.root / folder):
                return []
            return sorted(path.relative_to(self.root).as_posix() for path, _ in walked(self.root / folder))
        names = [name.removeprefix(self.prefix) for name in self.members if name.startswith(self.prefix + start)]
        return sorted(name for name in names if not name.endswith("/") and not _hidden(name))

    def read(self, name: str, what: str) -> bytes:
        """The content of a file.

        Args:
            name: of the file.
            what: the data set, as a message calls it.
        Raises:
            DataError: if it is missing or empty, or cannot be read.
        """
        if not self.has(name):
            raise DataError(f"{self.where}: {name} is missing; {what} in its own layout has it.")
        if not (content := read_bytes(self.file(name))).strip():
            raise DataError(f"{shown(self.file(name))}: the file is empty; use a complete copy.")
        return content

    def lines(self, name: str, what: str) -> list[str]:
        """The lines of a text file that are neither empty nor begin with #, without space around them.

        Raises:
            DataError: as `read` does, and for a file that is no text in UTF-8.
        """
        try:
            text = self.read(name, what).decode()
        except UnicodeDecodeError as error:
            raise DataError(f"{shown(self.file(name))}: this is no text in UTF-8; use a complete copy.") from error
        return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def find_places(path: str | Path, marks: Sequence[str], what: str) -> list[Place]:
    """The places of a data set: in the folder or its folders, else in a zip archive, or in the zips of the folder.

    Args:
        path: a folder or a zip archive.
        marks: names of files or folders, one of which every place has.
        what: the data set, as a message calls it.
    Returns:
        One or more, those nearest the top first.
    Raises:
        DataError: if there is none.
    """
    path = Path(path)
    if os.path.isdir(path):
        found = _in_folder(path, marks)
        packed = [] if found else [file for file in sorted(path.glob("*.zip")) if zipfile.is_zipfile(file)]
        found += [place for file in packed for place in _in_archive(file, marks)]
    else:
        found = _in_archive(path, marks) if os.path.isfile(path) and zipfile.is_zipfile(path) else []
    if found:
        return found
    if said := out_of_reach(path):
        raise DataError(f"{shown(path)}: it cannot be opened ({said}); check the path and its permissions.")
    if not os.path.exists(path):
        raise DataError(f"{shown(path)}: there is no such file or folder; give the folder of {what}, or a zip of it.")
    wanted = " or ".join(marks)
    raise DataError(f"{shown(path)}: this is no {what}, as {wanted} is missing; give its folder or a zip of it.")


def only_place(path: str | Path, marks: Sequence[str], what: str) -> Place:
    """The one place of a data set; see `find_places`.

    Raises:
        DataError: if there is none, or more than one.
    """
    found = find_places(path, marks, what)
    if len(found) > 1:
        names = " and ".join(f"{place.where}{f' ({place.prefix})' if place.prefix else ''}" for place in found[:2])
        raise DataError(f"{shown(path)}: it holds more than one {what}: {names}; give one of them.")
    return found[0]


def _in_folder(path: Path, marks: Sequence[str]) -> list[Place]:
    """What is found in the folders of the level nearest the top that has anything."""
    level = [path]
    for _ in range(_DEPTH):
        if found := [Place(top) for top in level if any(os.path.exists(top / mark) for mark in marks)]:
            return found
        level = [below for top in level for below in subfolders(top)]
    return []


def _in_archive(path: Path, marks: Sequence[str]) -> list[Place]:
    with zipfile.ZipFile(path) as archive:
        members = frozenset(name for name in archive.namelist() if not _hidden(name))
    tops = {top for name in members for mark in marks if (top := _before(name, mark)) is not None}
    depth = min((top.count("/") for top in tops), default=0)
    return [Place(path, top, members) for top in sorted(tops) if top.count("/") == depth]


def _before(name: str, mark: str) -> str | None:
    """What stands before the first mark in a name of whole folders; None where there is no mark."""
    place = f"/{name}/".find(f"/{mark}/")
    return None if place < 0 else name[:place]


def _hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/"))
