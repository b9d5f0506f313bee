"""A hypothesis strategy for blocks of every kind, with any text in them."""

import torch
from hypothesis import strategies as st
from PIL import Image

from antehoc.blocks import (
    Bar,
    Bars,
    Block,
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

TEXT = st.text(max_size=12) | st.sampled_from(["<script>", '"&', "a\nb", "</td>", "\udcff\x1b[2J", "$x^2$", "0.5"])
SHARE = st.floats(0, 1)
VALUE = st.floats(-1e6, 1e6, allow_subnormal=False) | st.just(float("nan"))
CELL = st.one_of(
    TEXT,
    st.builds(Strong, TEXT),
    st.builds(Code, TEXT),
    st.builds(Picture, st.just(Image.new("L", (4, 3))), TEXT),
    st.builds(Overlay, st.just(torch.zeros(3, 4)), TEXT, low=TEXT, high=TEXT),
)
BARS = st.builds(
    Bars,
    st.lists(st.builds(Bar, TEXT, VALUE, st.sampled_from(["plain", "odd"]), TEXT, tick=SHARE), max_size=3).map(tuple),
    TEXT,
    st.integers(0, 3),
    TEXT,
)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """A table of one to three columns, whose rows are whole or headings."""
    columns = draw(st.integers(1, 3))
    row = st.lists(CELL, min_size=columns, max_size=columns).map(tuple) | st.tuples(TEXT)
    head = draw(st.lists(TEXT, min_size=columns, max_size=columns).map(tuple))
    kind = draw(st.sampled_from(["numbers", "words", "pictures", "figures"]))
    return Table(head, draw(st.lists(row, max_size=3).map(tuple)), draw(TEXT), kind)


def _curve(points: list[tuple[float, float]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return tuple(x for x, _ in points), tuple(y for _, y in points)


SERIES = st.dictionaries(TEXT, st.lists(st.tuples(SHARE, VALUE), max_size=3).map(_curve), max_size=2)
CHARTS = st.one_of(
    st.builds(Lines, SERIES, TEXT, TEXT, TEXT, TEXT),
    st.builds(Strips, st.dictionaries(TEXT, st.lists(VALUE, max_size=3).map(tuple), max_size=2), SHARE, TEXT, TEXT),
    st.builds(Histogram, st.lists(SHARE, max_size=3).map(tuple), SHARE, TEXT, TEXT, TEXT),
    st.builds(Matrix, st.just(((1, 2), (3, 4))), st.tuples(TEXT, TEXT), TEXT),
)
FLAT = st.one_of(
    st.builds(Note, TEXT, st.sampled_from(["text", "aside", "headline"]), TEXT), tables(), BARS,
    st.builds(Picture, st.just(Image.new("RGB", (4, 3))), TEXT, TEXT),
    st.builds(Overlay, st.just(torch.zeros(3, 4)), TEXT, low=TEXT, high=TEXT, caption=TEXT),
)  # fmt: skip


def _sections(inner: st.SearchStrategy[Block]) -> st.SearchStrategy[Block]:
    section = st.builds(Section, TEXT, st.lists(inner, max_size=3).map(tuple), st.booleans())
    return section | st.builds(Panels, st.lists(section, max_size=2).map(tuple))


BLOCK: st.SearchStrategy[Block] = st.recursive(FLAT, _sections, max_leaves=6)
