"""Any block as HTML: what makes it, it does not ask."""

from collections.abc import Collection, Iterable
from itertools import groupby
from typing import assert_never

from PIL import Image
from torch import Tensor

from antehoc.blocks import (
    Bars,
    Block,
    Cell,
    Code,
    Histogram,
    Lines,
    Matrix,
    Note,
    Overlay,
    Panels,
    Picture,
    Section,
    Strips,
    Strong,
    Table,
)  # fmt: skip
from antehoc.report import bars, charts, pictures
from antehoc.report.cells import left_columns
from antehoc.report.html import Html, join, table, tag

_LARGE_PX, _SMALL_PX = 208, 116  # width of a picture
_COMPACT, _NARROW = 10, 2  # from so many columns on a table of numbers is set smaller, up to so many it is narrow
_STYLES = {"numbers": "numbers", "words": "words", "pictures": "sheet", "figures": "figures"}
_NOTES = {"text": None, "aside": "note", "headline": "headline"}


def render(blocks: Iterable[Block], key: str = "", level: int = 3) -> Html:
    """Blocks one after the other; charts of curves that follow each other stand side by side.

    Args:
        blocks: what to show.
        key: differs between the calls for one page, so that the ids in its charts do.
        level: of the headings of sections, 1 to 6.
    """
    numbered = [(f"{key}.{number}", block) for number, block in enumerate(blocks)]
    parts = []
    for curves, run in groupby(numbered, key=lambda item: isinstance(item[1], Lines)):
        drawn = [_block(block, own, level) for own, block in run]
        parts += [tag("div", *drawn, class_="charts")] if curves and len(drawn) > 1 else drawn
    return join(parts)


def panels(sections: Iterable[Section], key: str = "", minor: Collection[int] = ()) -> list[Html]:
    """Sections that stand side by side, each under its title.

    Args:
        sections: to show.
        key: differs between the calls for one page.
        minor: numbers of those that a short printed page leaves out.
    """
    return [
        _panel(section, f"{key}.{n}", "panel minor" if n in minor else "panel") for n, section in enumerate(sections)
    ]


def image(picture: Tensor | Image.Image, alt: str, *, width_px: int = _LARGE_PX, side_px: int = 384) -> Html:
    """An image inside the page; a small one is enlarged up to three times, pixel by pixel.

    Args:
        picture: (C, H, W) in 0..1, or an image of Pillow.
        alt: what it shows, for a person who does not see it.
        width_px: on the page at most.
        side_px: longer side of what is stored at most.
    """
    drawn = pictures.pixels(picture)
    return tag(
        "img",
        src=pictures.picture(drawn, side_px),
        alt=alt,
        class_="crisp" if max(drawn.size) <= pictures.CRISP_PX else "smooth",
        width=min(width_px, 3 * max(drawn.size)),
    )


def _block(block: Block, key: str, level: int) -> Html:
    match block:
        case Note():
            return _note(block)
        case Table():
            return _table(block)
        case Picture() | Overlay():
            return _framed(block)
        case Section():
            return _section(block, key, level)
        case Panels():
            return tag("div", *panels(block.panels, key), class_="panels")
        case Bars():
            return Html(bars.bars(block))
        case Lines() | Strips() | Histogram() | Matrix():
            return _chart(block, key)
        case _:
            assert_never(block)


def _note(note: Note) -> Html:
    lead = [tag("b", note.lead), " "] if note.lead else []
    return tag("p", *lead, note.text, class_=_NOTES[note.kind])


def _chart(block: Lines | Strips | Histogram | Matrix, key: str) -> Html:
    match block:
        case Lines():
            drawn = charts.lines(block, key)
        case Strips():
            drawn = charts.strips(block, key)
        case Histogram():
            drawn = charts.histogram(block, key)
        case Matrix():
            drawn = charts.matrix(block, key)
        case _:
            assert_never(block)
    return tag("figure", Html(drawn), *([tag("figcaption", block.caption)] if block.caption else []))


def _framed(block: Picture | Overlay) -> Html:
    """A picture with its caption; a map with its colors besides."""
    shown = image(*_drawn(block), width_px=_LARGE_PX if block.size == "large" else _SMALL_PX)
    colors = Html(pictures.color_bar(block.low, block.high)) if isinstance(block, Overlay) else ""
    caption = tag("p", block.caption, class_="rank") if block.caption else ""
    return tag("div", join([shown, colors, caption]), class_="picture")


def _drawn(block: Picture | Overlay) -> tuple[Image.Image, str]:
    return (block.image if isinstance(block, Picture) else pictures.drawn(block)), block.alt


def _section(section: Section, key: str, level: int) -> Html:
    if section.folded:
        return tag("details", tag("summary", section.title), render(section.blocks, key, level))
    heading = tag(f"h{min(level, 6)}", section.title) if section.title else ""
    return join([heading, render(section.blocks, key, level + 1 if heading else level)])


def _panel(section: Section, key: str, style: str = "panel") -> Html:
    title = tag("p", section.title, class_="panel-title") if section.title else ""
    content = join([title, render(section.blocks, key, level=5)])
    return tag("div", content, class_=style)


def _table(block: Table) -> Html:
    rows = [[_cell(cell, block, column) for column, cell in enumerate(row)] for row in block.rows]
    size = " compact" if len(block.head) >= _COMPACT else " narrow" if len(block.head) <= _NARROW else ""
    style = _STYLES[block.kind] + (size if block.kind == "numbers" else "")
    made = table(block.head, rows, caption=block.caption, class_=style, left=left_columns(block))
    maps = [cell for row in block.rows for cell in row if isinstance(cell, Overlay)]
    colors = [tag("figure", Html(pictures.color_bar(one.low, one.high, width_px=320))) for one in maps[:1]]
    return join([made, *colors])


def _cell(cell: Cell, block: Table, column: int) -> str:
    match cell:
        case str():
            in_words = block.kind == "pictures" and column > 0 and cell
            return tag("div", cell, class_="instead") if in_words else cell
        case Strong():
            return tag("b", cell.text)
        case Code():
            *first, last = cell.text.split("_")
            return tag("code", *(piece for part in first for piece in (f"{part}_", tag("wbr"))), last)
        case Picture() | Overlay():
            return image(*_drawn(cell), width_px=_SMALL_PX, side_px=2 * _SMALL_PX)
        case _:
            assert_never(cell)
