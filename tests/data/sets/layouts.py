"""What tests of data sets in other people's layouts share."""

import os
import zipfile
from pathlib import Path

import pytest

REAL = Path(os.environ.get("ANTEHOC_DATA", "/nowhere"))
needs_data = pytest.mark.skipif(not REAL.exists(), reason="ANTEHOC_DATA does not lead to the development data")


def packed(top: Path, inside: str = "") -> Path:
    """A zip of a folder, beside it."""
    archive = top.parent / f"{top.name}.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(top.rglob("*")):
            file.write(path, inside + path.relative_to(top).as_posix())
    return archive


def annotation(*objects: tuple[str, tuple[int, int, int, int], bool]) -> str:
    """An annotation in XML: name, box from 1 on with its far edges inside, and whether it is difficult."""
    parts = [
        f"<object><name>{name}</name><difficult>{int(hard)}</difficult><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin>"
        f"<xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>"
        for name, (x0, y0, x1, y1), hard in objects
    ]
    return f"<annotation><size><width>20</width></size>{''.join(parts)}</annotation>"
