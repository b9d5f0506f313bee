"""What a command writes, checked before the work begins."""

import argparse
import json
from pathlib import Path
from typing import Any

from antehoc.errors import OutputError
from antehoc.plain import finite


def check_outputs(options: argparse.Namespace) -> None:
    """Say before hours of work, not after, that a result could not be written.

    Raises:
        OutputError: a path of `--json` or `--html` that cannot be written.
    """
    for path in (options.json, getattr(options, "html", None)):
        if path is not None:
            check_output(path)


def check_output(path: Path) -> None:
    """Refuse a file that cannot be written; it is left as it was.

    Raises:
        OutputError: with the reason.
    """
    try:
        _try(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); choose another path.") from error


def _try(path: Path) -> None:
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; name a file.")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: its folder does not exist; make it, or choose another path.")
    existed = path.exists()
    with path.open("a"):
        pass
    if not existed:
        path.unlink()


def write_json(path: Path | None, values: Any) -> None:
    """Write plain values, where a path is given."""
    write(path, json.dumps(finite(values), indent=1, allow_nan=False) + "\n")


def write(path: Path | None, text: str | bytes) -> None:
    """Write a file, where a path is given.

    Raises:
        OutputError: it cannot be written.
    """
    if path is None:
        return
    try:
        path.write_bytes(text.encode(errors="backslashreplace") if isinstance(text, str) else text)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); choose another path.") from error
