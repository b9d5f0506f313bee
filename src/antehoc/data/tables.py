"""Tables of images, CSV or Parquet: columns by name, checked row by row."""

import csv
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from antehoc.errors import DataError, install, shown


@dataclass(frozen=True)
class Table:
    """Columns by name, and what a message calls each row."""

    path: Path
    columns: Mapping[str, list[Any]]
    places: list[str]

    @property
    def where(self) -> str:
        return shown(self.path)

    def refuse(self, bad: np.ndarray[Any, np.dtype[np.bool_]] | list[bool], column: str, wanted: str) -> None:
        """Raise for the first bad row."""
        if any(bad):
            row = int(np.argmax(bad))
            raise DataError(
                f"{self.where}, {self.places[row]}, {column}: {wanted}; got {_text(self.columns[column][row])!r}."
            )

    def texts(self, column: str) -> list[str]:
        texts = [_text(value) for value in self.columns[column]]
        self.refuse([not text for text in texts], column, "it must not be empty")
        return texts

    def optional_texts(self, column: str) -> list[str]:
        """The column's cells, empty where they hold nothing."""
        return [_text(value) for value in self.columns[column]]

    def numbers(self, column: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        numbers = np.array([_number(value) for value in self.columns[column]])
        self.refuse(~np.isfinite(numbers), column, "a number is needed")
        return numbers

    def files(self, column: str) -> list[Path]:
        """Paths of files that are there."""
        paths = [self.path.parent / text for text in self.texts(column)]
        for place, path in zip(self.places, paths, strict=True):
            if not os.path.isfile(path):
                what = "this is a folder, not an image" if os.path.isdir(path) else "there is no such file"
                raise DataError(
                    f"{self.where}, {place}, {column}: {what}: {shown(path)}; paths start at the table's folder."
                )
        return paths


def read_table(path: Path) -> Table:
    """A table in CSV or, by its suffix `.parquet` or `.pq`, in Parquet.

    Raises:
        DataError: if it is missing, empty or damaged, or two columns have one name.
    """
    if path.suffix.lower() in (".parquet", ".pq"):
        return _read_parquet(path)
    (_, header), *rows = read_csv(path)
    header = [name.strip() for name in header]
    for name in header:
        if header.count(name) > 1:
            raise DataError(f"{shown(path)}: two columns are called {name!r}; names must differ.")
    columns = dict(zip(header, map(list, zip(*(row for _, row in rows), strict=True)), strict=True))
    return Table(path, columns, [place for place, _ in rows])


def read_csv(path: Path | zipfile.Path) -> list[tuple[str, list[str]]]:
    """The rows of a comma-separated table with their places ("line 3"), the header first; empty lines are left out.

    Args:
        path: of a file, or of one in a zip archive.
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
        raise DataError(f"{shown(path)}: this is not a CSV table in UTF-8 ({error}); save it as one.") from error
    if len(rows) < 2:
        raise DataError(f"{shown(path)}: this table is empty; a header and a row or more are needed.")
    width = len(rows[0][1])
    for place, row in rows:
        if len(row) != width:
            raise DataError(f"{shown(path)}, {place}: the row has {len(row)} fields, and the header has {width}.")
    return rows


def _read_parquet(path: Path) -> Table:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise DataError(
            f"{shown(path)}: Parquet needs pyarrow; {install('parquet')}, or save the table as CSV."
        ) from error
    try:
        with path.open("rb") as file:
            columns = parquet.read_table(file).to_pydict()
    except (OSError, ValueError, ArrowException) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error).splitlines()[0].strip(" .")
        raise DataError(f"{shown(path)}: this Parquet table cannot be read ({reason}); write it again.") from error
    count = len(next(iter(columns.values()), []))
    if not count:
        raise DataError(f"{shown(path)}: this table is empty; a row or more are needed.")
    return Table(path, columns, [f"row {number + 1}" for number in range(count)])


def _text(value: object) -> str:
    """A cell as text; empty for none, NaN, and what is no text or number, such as a list in Parquet."""
    if isinstance(value, bytes):
        return value.decode(errors="replace").strip()
    if value is None or value != value or isinstance(value, list | tuple | dict):
        return ""
    return str(value).strip()


def _number(value: object) -> float:
    """The value as a number; NaN where it is none."""
    try:
        return float(_text(value)) if not isinstance(value, bool) else float(value)
    except ValueError:
        return float("nan")
