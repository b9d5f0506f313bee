"""The section of studies, and any blocks as HTML in the simplest way."""

from collections.abc import Iterable, Mapping
from typing import Any

from antehoc.blocks import Block, Cell, Code, Note, Overlay, Picture, Section, Strong, Table
from antehoc.report import figures
from antehoc.report.html import Html, join, table, tag


def section(studies: Mapping[str, Any]) -> Html:
    """All studies of an evaluation, each under its heading; empty where there are none."""
    return join(join([tag("h3", found.title), rendered(found.blocks())]) for found in studies.values())


def rendered(blocks: Iterable[Block]) -> Html:
    """Blocks as HTML, without charts."""
    return join(_block(block) for block in blocks)


def _block(block: Block) -> str:
    if isinstance(block, Note):
        return tag("p", block.text, class_="note" if block.kind == "aside" else None)
    if isinstance(block, Table):
        return table(block.head, [[_cell(cell) for cell in row] for row in block.rows], caption=block.caption)
    if isinstance(block, Section):
        return join([tag("h4", block.title), rendered(block.blocks)])
    return ""


def _cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Strong | Code):
        return tag("b", cell.text)
    if isinstance(cell, Picture):
        return tag("img", src=figures.picture(cell.image), alt=cell.alt, width=116)
    assert isinstance(cell, Overlay)
    assert cell.image is not None
    return tag("img", src=figures.picture(figures.overlay(cell.image, cell.values)), alt=cell.alt, width=116)
