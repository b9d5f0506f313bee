"""Blocks as one Matplotlib figure: a headline, charts and pictures in rows, and reasons in words below."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure, FigureBase
from PIL import Image

from antehoc.blocks import Bars, Block, Histogram, Lines, Matrix, Overlay, Panels, Picture, Section, Strips, Table
from antehoc.figure import number
from antehoc.report import charts, pictures
from antehoc.report.bars import COLORS
from antehoc.report.cells import said
from antehoc.report.look import GREEN, INK, PALE, RED, short

_WIDTH_IN = 14.0  # of the figure at most
_LINE_IN, _BAR_IN, _MARGIN_IN = 0.24, 0.42, 0.5
_LETTERS = 13  # of a line, for each inch of width
_SIDE_IN = 2.7  # of a picture
_MOST = 12  # charts and pictures of one figure


@dataclass(frozen=True)
class Line:
    """A line of text below the charts; `agrees` puts a green plus or a red dash in front of it."""

    text: str
    agrees: bool | None = None


def figure(headline: str, blocks: Sequence[Block], lines: Sequence[Line] = ()) -> Figure:
    """Everything of the blocks that can be drawn, in rows; notes and tables of numbers are left out.

    Args:
        headline: above it.
        blocks: to draw, sections with their titles; the first dozen that can be drawn.
        lines: of text below.
    """
    rows = _rows(_drawable(blocks)[:_MOST])
    width = max([sum(_size(block)[0] for _, block in row) for row in rows], default=7.2)
    width = max(width, 7.2)
    words = [(line, textwrap.wrap(line.text, int(_LETTERS * width))) for line in lines]
    title = textwrap.wrap(headline, int(_LETTERS * width * 0.8))
    heights = [_LINE_IN * len(title) + 0.2]
    heights += [max(_size(block)[1] for _, block in row) for row in rows]
    heights += [_LINE_IN * sum(len(wrapped) for _, wrapped in words) + 0.2] if words else []
    whole = Figure(figsize=(width, sum(heights)), layout="constrained", facecolor="white")
    parts = _parts(whole.subfigures(len(heights), 1, height_ratios=heights, squeeze=False))
    parts[0].text(0.02, 0.5, "\n".join(title), va="center", fontsize=12, weight="bold")
    for part, row in zip(parts[1:], rows, strict=False):
        _row(part, row, width)
    if words:
        _words(parts[-1], words)
    return whole


def _drawable(blocks: Sequence[Block], title: str = "") -> list[tuple[str, Block]]:
    """Charts, bars and pictures with the title of their section, however deep they stand."""
    found: list[tuple[str, Block]] = []
    for block in blocks:
        match block:
            case Section():
                found += _drawable(block.blocks, block.title or title)
            case Panels():
                found += _drawable(block.panels, title)
            case Table(kind="pictures"):
                found += [(said(row[0]), cell) for row in block.rows for cell in row if isinstance(cell, Overlay)]
            case Bars() | Overlay() | Picture() | Matrix() | Strips() | Histogram() | Lines():
                found.append((title, block))
            case _:
                pass
    return found


def _rows(drawn: Sequence[tuple[str, Block]]) -> list[list[tuple[str, Block]]]:
    """As many side by side as the width holds."""
    rows: list[list[tuple[str, Block]]] = []
    room = 0.0
    for title, block in drawn:
        width = _size(block)[0]
        if not rows or width > room:
            rows.append([])
            room = _WIDTH_IN
        rows[-1].append((title, block))
        room -= width
    return rows


def _size(block: Block) -> tuple[float, float]:
    """Width and height in inches, the title included."""
    match block:
        case Bars():
            return 3.4, _BAR_IN * max(len(block.rows), 1) + _MARGIN_IN
        case Matrix() | Strips() | Histogram() | Lines():
            width, height = charts.size_in(block)
            return width, height + _MARGIN_IN
        case _:
            return _SIDE_IN, _SIDE_IN + _MARGIN_IN


def _row(part: FigureBase, row: Sequence[tuple[str, Block]], width: float) -> None:
    sizes = [_size(block)[0] for _, block in row]
    rest = width - sum(sizes)
    spaces = [*sizes, rest] if rest > 0.1 else sizes
    columns = _parts(part.subfigures(1, len(spaces), width_ratios=spaces, squeeze=False))
    most = max((len(block.rows) for _, block in row if isinstance(block, Bars)), default=1)
    for column, (title, block) in zip(columns, row, strict=False):
        _draw(column, title, block, most)


def _parts(made: Any) -> list[Any]:
    return list(np.ravel(made))


def _draw(part: Any, title: str, block: Block, most: int) -> None:
    """A block on its part of a row, in which no block has more bars than `most`."""
    if title:
        part.suptitle(short(title, 44), x=0.04, ha="left", fontsize=9.5, weight="bold")
    match block:
        case Bars():
            _bars(part, block, most)
        case Picture():
            _image(part, block.image, block.caption)
        case Overlay():
            _image(part, pictures.drawn(block), block.caption or f"dark: {block.low}; light: {block.high}")
        case Matrix() | Strips() | Histogram() | Lines():
            charts.draw(block, part)
        case _:
            pass


def _bars(part: FigureBase, block: Bars, most: int) -> None:
    """Bars from top to bottom, each under its name, with room for `most`."""
    axes = part.subplots()
    axes.set(xlim=(0, 1), ylim=(max(most, 1), 0))
    axes.axis("off")
    for index, row in enumerate(block.rows):
        value = min(max(row.value, 0.0), 1.0) if row.value == row.value else 0.0
        weight = "bold" if row.bold else "normal"
        axes.text(0, index + 0.42, short(row.label, 34), weight=weight)
        axes.text(1, index + 0.42, number(row.value, "probability"), ha="right", weight=weight)
        axes.barh(index + 0.68, 1, 0.24, color=PALE)
        axes.barh(index + 0.68, value, 0.24, color=COLORS[row.mark])
        if row.tick is not None:
            axes.plot([row.tick] * 2, [index + 0.48, index + 0.88], color=INK, linewidth=1.6)


def _image(part: FigureBase, image: Image.Image, caption: str) -> None:
    axes = part.subplots()
    small = max(image.size) <= pictures.CRISP_PX
    axes.imshow(np.asarray(image.convert("RGB")), interpolation="nearest" if small else "antialiased")
    axes.set(xticks=[], yticks=[])
    axes.set_xlabel(short(caption, 48), fontsize=8)


def _words(part: FigureBase, words: Sequence[tuple[Line, list[str]]]) -> None:
    count = sum(len(wrapped) for _, wrapped in words)
    at = 0
    for line, wrapped in words:
        for step, text in enumerate(wrapped):
            y = 1 - (at + 0.5) / count
            if line.agrees is not None and step == 0:
                sign, color = ("+", GREEN) if line.agrees else ("\N{EN DASH}", RED)
                part.text(0.02, y, sign, va="center", color=color, weight="bold")
            part.text(0.045, y, text, va="center")
            at += 1
