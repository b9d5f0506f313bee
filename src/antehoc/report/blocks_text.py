"""Any block as lines for the terminal; charts and pictures are named, to be seen on the page."""

from collections.abc import Iterable, Sequence
from textwrap import wrap
from typing import assert_never

from antehoc.blocks import Bars, Block, Histogram, Lines, Matrix, Note, Overlay, Panels, Picture, Section, Strips, Table
from antehoc.data.images import shown
from antehoc.figure import listed, number
from antehoc.report.cells import left_columns, said

_WIDTH = 110  # characters of a line of words
_HEAD = 12  # from this width on the head of a column is broken into lines


def render(blocks: Iterable[Block]) -> list[str]:
    """Blocks as lines, an empty one between two blocks."""
    lines: list[str] = []
    for block in blocks:
        own = _block(block)
        lines += ["", *own] if lines and own else own
    return lines


def _block(block: Block) -> list[str]:
    match block:
        case Note():
            text = shown(f"{block.lead} {block.text}" if block.lead else block.text)
            return wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
        case Table():
            return tables([block])
        case Picture() | Overlay():
            return [f"[picture on the page: {shown(block.alt)}]"]
        case Section():
            if block.folded:
                return [f"[on the page: {shown(block.title)}]"]
            return [*([shown(block.title)] if block.title else []), *render(block.blocks)]
        case Panels():
            return render(block.panels)
        case Bars():
            return _bars(block)
        case Lines() | Strips() | Histogram() | Matrix():
            return [f"[chart on the page: {shown(_about(block))}]"]
        case _:
            assert_never(block)


def _bars(block: Bars) -> list[str]:
    rows = tuple((row.label + row.note, number(row.value, "probability")) for row in block.rows)
    return tables([Table(("", ""), rows)]) if rows else []


def _about(block: Lines | Strips | Histogram | Matrix) -> str:
    match block:
        case Lines():
            return f"{block.title or block.y} over {block.x}, of {listed(block.series)}"
        case Strips():
            return f"{block.x}, of {listed(block.sets)}"
        case Histogram():
            return block.x
        case Matrix():
            return f"counts of predicted and true class for {len(block.names)} classes"
        case _:
            assert_never(block)


def tables(blocks: Sequence[Table]) -> list[str]:
    """Tables of the same number of columns one below the other, in columns of the same width."""
    left = set.intersection(*(left_columns(block) for block in blocks)) if blocks else set()
    bodies = [[[shown(said(cell)) for cell in row] for row in block.rows] for block in blocks]
    cells = [row for body in bodies for row in body if len(row) > 1]
    heads = [_broken(block.head, cells) for block in blocks]
    every = [*cells, *(line for head in heads for line in head)]
    widths = [max((len(row[column]) for row in every), default=0) for column in range(len(blocks[0].head))]
    lines: list[str] = []
    for block, head, body in zip(blocks, heads, bodies, strict=True):
        lines += [""] if lines else []
        lines += [shown(block.caption)] if block.caption else []
        lines += [_line(row, widths, left) for row in [*head, *body] if any(row)]
    return lines


def _line(row: Sequence[str], widths: Sequence[int], left: set[int]) -> str:
    sides = [cell.ljust(width) if n in left else cell.rjust(width)
             for n, (cell, width) in enumerate(zip(row, widths, strict=False))]  # fmt: skip
    return "  ".join(sides).rstrip()


def _broken(head: Sequence[str], cells: Sequence[Sequence[str]]) -> list[list[str]]:
    """The head in lines, the last of them just above the table: words that are wider than their column go below."""
    columns = []
    for column, name in enumerate(head):
        width = max([_HEAD, *(len(row[column]) for row in cells)])
        broken = wrap(shown(name), width, break_long_words=False, break_on_hyphens=False) if name and column else []
        columns.append(broken or [shown(name) if name else ""])
    height = max(map(len, columns), default=0)
    return [list(row) for row in zip(*([""] * (height - len(one)) + one for one in columns), strict=True)]
