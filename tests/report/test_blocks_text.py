"""Blocks in a terminal: aligned, in lines that no text can break."""

import pytest
import torch
from hypothesis import given
from PIL import Image

from antehoc.blocks import Bar, Bars, Lines, Matrix, Note, Overlay, Panels, Picture, Section, Strips, Strong, Table
from antehoc.report.blocks_text import render, tables
from report.any_block import BLOCK, CHARTS

# while a block is built in a strategy, beartype looks at an item of a list that it draws by `random`
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")


@given(block=BLOCK | CHARTS)
def test_no_text_of_a_block_steers_the_terminal(block):
    for line in render([block, block]):
        assert line.isprintable() or line == ""
        line.encode("utf-8")


def test_words_begin_at_the_left_and_numbers_end_at_the_right():
    rows = (("noise", "entropy", Strong("0.9000"), "100"), ("group",), ("far off", "none", "-", "2"))
    assert render([Table(("set", "best", "AUROC", "images"), rows)]) == [
        "set      best      AUROC  images",
        "noise    entropy  0.9000     100",
        "group",
        "far off  none          -       2",
    ]


def test_a_head_wider_than_its_column_is_broken_into_lines():
    assert render([Table(("", "questioned by maximum softmax"), (("noise", "0.5"),))]) == [
        "       questioned",
        "       by maximum",
        "          softmax",
        "noise         0.5",
    ]


def test_tables_below_each_other_share_their_widths():
    first, second = Table(("a", "measured"), (("one", "1"),)), Table(("a longer name", "measured"), (("two", "2"),))
    assert tables([first, second]) == [
        "a              measured",
        "one                   1",
        "",
        "a longer name  measured",
        "two                   2",
    ]


def test_long_notes_are_wrapped_and_keep_their_words():
    lines = render([Note("word " * 60, lead="Promised:")])
    assert len(lines) == 3
    assert all(len(line) <= 110 for line in lines)
    assert " ".join(lines) == "Promised: " + " ".join(["word"] * 60)


def test_sections_stand_under_their_titles_and_folded_ones_are_named():
    blocks = [Section("Ranks", (Note("none"), Note("at all"))), Section("All of them", (Note("no"),), folded=True)]
    assert render(blocks) == ["Ranks", "none", "", "at all", "", "[on the page: All of them]"]


def test_charts_and_pictures_are_named():
    curves = Lines({"own": ((0.0,), (0.5,)), "random": ((0.0,), (0.5,))}, "steps", "probability")
    blocks = [
        curves,
        Strips({"wrong": (1.0,)}, 0.5, "score"),
        Matrix(((1, 0), (0, 1)), ("a", "b")),
        Picture(Image.new("L", (2, 2)), "a fox"),
        Panels((Section("", (Overlay(torch.zeros(2, 2), "a mask"),)),)),
    ]
    assert [line for line in render(blocks) if line] == [
        "[chart on the page: probability over steps, of own and random]",
        "[chart on the page: score, of wrong]",
        "[chart on the page: counts of predicted and true class for 2 classes]",
        "[picture on the page: a fox]",
        "[picture on the page: a mask]",
    ]


def test_bars_are_lines_of_names_and_numbers():
    assert render([Bars((Bar("fox", 0.934, note=" · true"), Bar("cat", 0.0)), "classes")]) == [
        "fox · true  0.93",
        "cat         0.00",
    ]
