"""A file of rows that grows by whole rows, and goes on after a kill: none is lost, none is there twice."""

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

from antehoc.errors import AntehocError, OutputError
from antehoc.plain import finite
from antehoc.runs import rows
from antehoc.runs.rows import Format
from antehoc.types import Decision

try:
    import fcntl
except ImportError:  # Windows: two runs are not kept apart there
    fcntl = None  # type: ignore[assignment]

LINE: dict[Format, Callable[[Path | str, Decision | AntehocError], str]] = {
    "jsonl": rows.to_json_line,
    "csv": rows.to_csv_line,
}


class Done:
    """The paths that have a row; 16 bytes of each are kept."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self.errors = 0  #: rows that say why an image could not be read

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, path: Path | str) -> bool:
        """Whether the path is new."""
        digest = blake2b(str(path).encode("utf-8", "backslashreplace"), digest_size=16).digest()
        known = digest in self._seen
        self._seen.add(digest)
        return not known


def head(format: Format, record: dict[str, Any]) -> str:
    """The first line: in JSON the model's record, in a table the names of the columns."""
    return rows.json_line(record) if format == "jsonl" else rows.csv_line()


def record_beside(path: Path) -> Path:
    """Where the model's record of a table lies, which has no place for it: `decisions.csv.model.json`."""
    return path.with_name(f"{path.name}.model.json")


@contextmanager
def opened(
    path: Path, format: Format, record: dict[str, Any], *, overwrite: bool = False
) -> Iterator[tuple[BinaryIO, Done]]:
    """The file, ready for the next row, and what it holds already; a row that a kill has cut is taken off.

    Args:
        path: of the file; made where it is missing.
        format: of its rows.
        record: of the model (`rows.model_record`).
        overwrite: empty the file instead.
    Raises:
        OutputError: it holds something else, or rows of another model, another run writes to it, or it cannot be
            written.
    """
    if path.exists() and not path.is_file():
        raise OutputError(f"{path}: is not a regular file; name a file, or - for standard output.")
    try:
        with path.open("r+b" if path.exists() else "w+b") as file:
            _lock(file, path)
            if overwrite:
                file.truncate(0)
            done = _recovered(file, path, format, record)
            yield file, done
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); choose another path.") from error


def _lock(file: BinaryIO, path: Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OutputError(
            f"{path}: another run is writing to this file; wait for it, or choose another path."
        ) from None
    except OSError:  # a disk without locks
        return


def _recovered(file: BinaryIO, path: Path, format: Format, record: dict[str, Any]) -> Done:
    """What the file holds; after it, the file ends behind its last whole row."""
    done, end, number = Done(), 0, 0
    for number, (line, stop) in enumerate(_whole(file, format), 1):
        if number == 1:
            _check_head(line, path, format, record)
        else:
            _take(line, done, f"{path}, row {number}", format)
        end = stop
    first = head(format, record).encode()
    if not number:
        file.seek(0)
        if not first.startswith(file.read(len(first) + 1)):  # else a kill has cut it
            raise _other(path)
    file.truncate(end)
    file.seek(end)
    if not number:
        file.write(first)
        if format == "csv":
            record_beside(path).write_text(json.dumps(finite(record), indent=1) + "\n", encoding="utf-8")
        file.flush()
    return done


def _whole(file: BinaryIO, format: Format) -> Iterator[tuple[str, int]]:
    """The whole lines of a file and where each ends; what a kill has cut at the end is left out.

    A quoted cell of a table may hold a line break: a line ends where all quotes are closed.
    """
    file.seek(0)
    line, end = b"", 0
    for part in file:
        line, end = line + part, end + len(part)
        if line.endswith(b"\n") and (format == "jsonl" or line.count(b'"') % 2 == 0):
            yield line.decode("utf-8", "replace"), end
            line = b""


def _check_head(line: str, path: Path, format: Format, record: dict[str, Any]) -> None:
    """Refuse a file that this run must not add to."""
    try:
        if format == "csv":
            if line.strip() != rows.csv_line().strip():
                raise _other(path)
            found = json.loads(record_beside(path).read_text(encoding="utf-8"))
        else:
            found = json.loads(line)
    except (ValueError, OSError):
        raise _other(path) from None
    if not isinstance(found, dict) or found.get("kind") != "model":
        raise _other(path)
    if found.get("sha256") != record["sha256"]:
        raise OutputError(
            f"{path}: holds decisions of another model ({str(found.get('sha256'))[:12]}…, this one is"
            f" {record['sha256'][:12]}…); choose another path, or start again with --overwrite."
        )


def _other(path: Path) -> OutputError:
    return OutputError(
        f"{path}: is not a file of decisions in this format; choose another path, or start again with --overwrite."
    )


def _take(line: str, done: Done, where: str, format: Format) -> None:
    try:
        row = dict(zip(rows.COLUMNS, next(csv.reader([line])), strict=True)) if format == "csv" else json.loads(line)
        path, failed = row["path"], bool(row.get("error"))
    except (ValueError, KeyError, TypeError, StopIteration, csv.Error):
        raise OutputError(
            f"{where}: is not a decision; choose another path, or start again with --overwrite."
        ) from None
    done.add(path)
    done.errors += failed
