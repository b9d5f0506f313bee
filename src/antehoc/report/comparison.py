"""A comparison of explanations for the terminal and as one self-contained page."""

from collections.abc import Sequence

from antehoc.blocks import Note, Table
from antehoc.comparison import Comparison
from antehoc.data.images import shown
from antehoc.report.document import document, kicker
from antehoc.report.html import tag
from antehoc.report.sections import pairs
from antehoc.report.studies import rendered


def text(comparison: Comparison) -> str:
    """The table for the terminal: a line for each explanation, then what was invalid."""
    lines = []
    for block in comparison.brief():
        if isinstance(block, Table):
            rows = [block.head, *([str(cell) for cell in row] for row in block.rows)]
            widths = [max(len(row[column]) for row in rows) for column in range(len(block.head))]
            lines += ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        elif isinstance(block, Note):
            lines.append(shown(block.text))
    return "\n".join(lines) + "\n"


def page(comparison: Comparison, name: str, about: Sequence[tuple[str, str]] = ()) -> str:
    """One self-contained page; `about` has names and values that say what ran, such as the seed."""
    head = [
        kicker("comparison of explanations"),
        tag("h1", name),
        tag("p", comparison.headline(), class_="headline"),
        pairs(about),
    ]
    return document(
        f"{name}: comparison", head, [(part.title, rendered(part.blocks)) for part in comparison.blocks(name)]
    )
