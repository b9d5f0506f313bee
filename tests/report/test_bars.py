"""Bars: as long as their values, under names that are never lost."""

from antehoc.blocks import Bar, Bars
from antehoc.report.bars import bars
from report.svg import SVG, parse, words


def test_bars_are_as_long_as_their_values():
    rows = (Bar("a", 0.25), Bar("b", 7.0), Bar("c", float("nan")))
    root = parse(bars(Bars(rows, "bars", left_out=3, what="classes")))
    widths = [float(rect.get("width", 0)) for rect in root.iter(f"{SVG}rect")]
    assert widths == [208, 52, 208, 208, 208, 0]
    assert "and 3 classes more" in words(root)


def test_a_long_name_is_cut_and_told_in_full_when_pointed_at():
    row = Bar("bill shape: curved (up or down)", 0.9, "true", " · true")
    root = parse(bars(Bars((row,), "bars")))
    assert words(root)[0].endswith("… · true")
    assert [title.text for title in root.iter(f"{SVG}title")] == ["bill shape: curved (up or down) 0.9000"]


def test_a_tick_stands_where_it_is_expected():
    root = parse(bars(Bars((Bar("a", 0.25, tick=1.0),), "bars")))
    assert [float(rect.get("x")) for rect in root.iter(f"{SVG}rect")] == [0, 0, 206]


def test_no_bars_are_still_a_picture():
    parse(bars(Bars((), "nothing")))
