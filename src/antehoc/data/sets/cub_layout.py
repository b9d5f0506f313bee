"""The files of CUB-200-2011 in its own layout, in a folder or a zip archive, and the tables in them."""

import os
import posixpath
import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from antehoc.data.archives import listed
from antehoc.data.places import Place
from antehoc.errors import DataError, out_of_reach, shown

Numbers = NDArray[np.float64]

_FOLDER = "CUB_200_2011"
_TARS = (".tgz", ".tar.gz", ".tar")


@dataclass(frozen=True)
class Copy(Place):
    """A copy of the set, and the tables in it."""

    def names(self, name: str) -> dict[int, str]:
        """The names in a file, by their numbers, in the order of these."""
        try:
            lines = [line.split(maxsplit=1) for line in self._read(name).decode().splitlines() if line.strip()]
            return dict(sorted((int(number), text.strip()) for number, text in lines))
        except ValueError as error:
            raise DataError(f"{shown(self.file(name))}: each line holds a number and a name ({error}).") from error

    def numbers(self, name: str, columns: int | None = None) -> Numbers:
        """The first columns of a file of numbers, or all of them: (rows, columns)."""
        wanted = None if columns is None else range(columns)
        try:
            return np.loadtxt(BytesIO(self._read(name)), usecols=wanted, ndmin=2)
        except ValueError as error:
            reason = str(error).split(";")[0].strip(".")
            raise DataError(f"{shown(self.file(name))}: this is not a table of numbers ({reason}).") from error

    def table(self, name: str, ids: NDArray[np.int64], *, items: int = 0, width: int = 1) -> Numbers:
        """What a file says of images: (n, width), or of their numbered items: (n, items, width)."""
        where, keys = shown(self.file(name)), 2 if items else 1
        rows = self.numbers(name, keys + width)
        rows = rows[np.isin(rows[:, 0], ids)]
        order = np.argsort(ids)
        image = order[np.searchsorted(ids, rows[:, 0], sorter=order)]
        item = rows[:, keys - 1].astype(int) - 1 if items else np.zeros(len(rows), int)
        if (bad := (item < 0) | (item >= max(items, 1))).any():
            raise DataError(f"{where}: numbers from 1 to {items} are needed in column 2; got {item[bad][0] + 1}.")
        result = np.full((len(ids), max(items, 1), width), np.nan)
        result[image, item] = rows[:, keys:]
        if len(missing := np.argwhere(np.isnan(result))):
            which = f", number {missing[0][1] + 1} of {items}" if items else ""
            raise DataError(f"{where}: there is no number for image {ids[missing[0][0]]}{which}; use a complete copy.")
        return result if items else result[:, 0]

    def _read(self, name: str) -> bytes:
        return self.read(name, "CUB-200-2011")


def open_copy(path: Path) -> Copy:
    """The copy at a path: its folder, one that holds it, a zip of it, or a folder that holds one such zip.

    Raises:
        DataError: if there is none, or more than one.
    """
    if os.path.isdir(path):
        for root in (path, path / _FOLDER):
            if os.path.isfile(root / "images.txt"):
                return Copy(root)
        packed = [found for file in sorted(path.glob("*.zip")) if zipfile.is_zipfile(file) and (found := _packed(file))]
        if len(packed) == 1:
            return packed[0]
        if packed:
            raise DataError(f"{shown(path)}: it holds {len(packed)} zips of CUB-200-2011; give the path of one.")
        path = next((file for file in listed(path) if file.name.endswith(_TARS)), path)
    if path.name.endswith(_TARS):
        raise DataError(f"{shown(path)}: images are not read from this archive; unpack it and give the folder.")
    if zipfile.is_zipfile(path) and (copy := _packed(path)):
        return copy
    if said := out_of_reach(path):
        raise DataError(f"{shown(path)}: it cannot be opened ({said}); check the path and its permissions.")
    what = "this is no CUB-200-2011" if os.path.exists(path) else "there is no such file or folder"
    raise DataError(
        f"{shown(path)}: {what}; give the folder {_FOLDER} with its images.txt, one that holds it, or a zip of it."
    )


def _packed(path: Path) -> Copy | None:
    """The copy in a zip, at the place nearest the top; None where there is none."""
    with zipfile.ZipFile(path) as archive:
        members = frozenset(archive.namelist())
    tops = [name.removesuffix("images.txt") for name in members if posixpath.basename(name) == "images.txt"]
    return Copy(path, min(tops, key=len), members) if tops else None
