"""Blocks on a page: every kind, safe whatever they say."""

import re

import pytest
import torch
from hypothesis import given, settings
from PIL import Image

from antehoc.blocks import (
    Bar,
    Bars,
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
from antehoc.report.blocks_html import panels, render
from pages import Checked, rows_of
from report.any_block import BLOCK, CHARTS

# while a block is built in a strategy, beartype looks at an item of a list that it draws by `random`
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")

OURS = {
    "p", "b", "div", "table", "caption", "thead", "tbody", "tr", "th", "td", "code", "wbr", "img", "figure",
    "figcaption", "details", "summary", "h3", "h4", "h5", "h6", "svg", "g", "title", "text", "tspan", "rect", "path",
    "defs", "clippath", "use", "image",
}  # fmt: skip
LINE = Lines({"a": ((0.0, 1.0), (0.0, 1.0))}, "x", "y")


@given(block=BLOCK)
def test_no_text_of_a_block_becomes_markup(block):
    made = render([block])
    assert set(Checked(made).tags) <= OURS
    made.encode("utf-8")


@settings(max_examples=10)
@given(chart=CHARTS)
def test_no_text_of_a_chart_becomes_markup(chart):
    found = Checked(render([chart]))
    assert set(found.tags) <= OURS
    assert "svg" in found.tags


def test_notes_are_paragraphs_of_their_kind():
    made = render([Note("a < b"), Note("how", "aside"), Note("most", "headline"), Note("less.", lead="Promised:")])
    assert made.splitlines() == [
        "<p>a &lt; b</p>",
        '<p class="note">how</p>',
        '<p class="headline">most</p>',
        "<p><b>Promised:</b> less.</p>",
    ]


def test_a_table_sets_off_and_aligns_its_cells():
    rows = (("group",), ("first", "noise", Strong("0.5000")), ("second", "stars", "-"))
    made = render([Table(("set", "best", "AUROC"), rows, "what it is")])
    assert "<caption>what it is</caption>" in made
    assert '<th scope="colgroup" colspan="3">group</th>' in made
    assert '<td class="left">noise</td><td><b>0.5000</b></td>' in made
    assert rows_of(made)["second"] == ["stars", "-"]


def test_a_name_in_code_may_break_at_its_underscores():
    made = render([Table(("figure", ""), ((Code("verdict_auroc"), ""),), kind="figures")])
    assert "<code>verdict_<wbr>auroc</code>" in made


def test_a_wide_table_is_set_smaller():
    narrow, wide = (render([Table(("a",) * n, (("1",) * n,))]) for n in (9, 10))
    assert 'class="numbers compact"' in wide
    assert "compact" not in narrow


def test_a_table_of_maps_has_their_colors_once():
    values = torch.zeros(4, 4)
    cells = tuple(Overlay(values, f"map {n}", low="0: little", size="small") for n in range(3))
    made = render([Table(("", "a", "b", "c"), (("own", *cells), ("other", "invalid: flat", "", "")), kind="pictures")])
    found = Checked(made)
    assert found.values("alt") == ["map 0", "map 1", "map 2"]
    assert set(found.values("width")) == {"12", "320"} | {v for v in found.values("width") if "." in v}
    assert made.count("0: little</text>") == 1
    assert '<div class="instead">invalid: flat</div>' in made


def test_a_picture_has_its_words_and_its_caption():
    found = Checked(render([Picture(Image.new("L", (300, 200)), "a fox", "seen once")]))
    assert found.values("alt") == ["a fox"]
    assert ("img", "class", "smooth") in found.attributes
    assert "seen once" in found.said


def test_a_map_has_its_colors_below_it():
    found = Checked(render([Overlay(torch.zeros(8, 8), "a mask", caption="25.0 % on average", high="1: <all>")]))
    assert found.values("alt") == ["a mask"]
    assert {"0", "1: <all>", "25.0 % on average"} <= set(found.said)
    assert ("img", "class", "crisp") in found.attributes


def test_sections_stand_under_headings_that_go_down_one_by_one():
    inner = Section("two", (Note("text"), Section("three", (Note("more"),))))
    made = render([Section("one", (inner,)), Section("", (Note("bare"),)), Section("folded", (inner,), folded=True)])
    assert re.findall(r"<(h\d|summary)>", made) == ["h3", "h4", "h5", "summary", "h3", "h4"]


def test_panels_have_titles_and_no_headings():
    bars = Bars((Bar("fox", 0.5),), "classes")
    sections = (Section("Classes", (bars,)), Section("What it shows", (Note("nothing"),)))
    made = render([Panels(sections)])
    assert '<p class="panel-title">Classes</p>' in made
    assert re.findall(r"<h\d", made) == []
    assert len(panels(sections)) == 2


@pytest.mark.parametrize(
    "block",
    [
        LINE,
        Strips({"a": (0.5,)}, 0.2, "x"),
        Histogram((0.5,), 0.2, "alpha", "x"),
        Matrix(((1, 0), (0, 1)), ("a", "b")),
    ],
    ids=lambda block: type(block).__name__,
)
def test_the_same_chart_twice_on_a_page_has_ids_of_its_own(block):
    ids = Checked(render([block, Section("again", (block,)), Panels((Section("", (block,)),))])).values("id")
    assert len(ids) == len(set(ids))


def test_charts_of_curves_that_follow_each_other_stand_side_by_side():
    made = render([LINE, LINE, Note("both"), LINE])
    assert made.count('<div class="charts">') == 1
    assert made.index('<div class="charts">') < made.index("both")
    assert made.count("<svg") == 3
