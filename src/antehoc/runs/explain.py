"""Decide on image files, one by one."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from antehoc.errors import AntehocError
from antehoc.model import Model
from antehoc.types import Decision


def explain(model: Model, paths: Iterable[str | Path]) -> Iterator[tuple[Path, Decision | AntehocError]]:
    """A decision for every image, or the error of one that cannot be read; the others come out all the same."""
    listed = [Path(path) for path in paths]
    yield from zip(listed, model.decide_each(listed), strict=True)
