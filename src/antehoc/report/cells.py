"""Cells of a table as words, and how its columns are aligned: the same on a page and in a terminal."""

import re
from typing import assert_never

from antehoc.blocks import Cell, Code, Overlay, Picture, Strong, Table

_NUMBER = re.compile(r"[-+]?\d.*|-?", re.DOTALL)


def said(cell: Cell) -> str:
    """What a cell says in words; of a picture, what it shows."""
    match cell:
        case str():
            return cell
        case Strong() | Code():
            return cell.text
        case Picture() | Overlay():
            return cell.alt
        case _:
            assert_never(cell)


def left_columns(table: Table) -> set[int]:
    """Numbers of the columns that hold words, which begin at the left; numbers end at the right.

    Example:
        >>> left_columns(Table(("set", "best", "AUROC"), (("noise", "entropy", "0.9000"), ("stars", "", "-"))))
        {0, 1}
    """
    rows = [row for row in table.rows if len(row) > 1]
    every = table.kind in ("words", "pictures")
    return {
        column
        for column in range(len(table.head))
        if every or column == 0 or not all(_NUMBER.fullmatch(said(row[column])) for row in rows)
    }
