"""Charts: valid, of a bounded size, and showing what they are given."""

import matplotlib
import numpy as np
import pytest

from antehoc.blocks import Histogram, Lines, Matrix, Strips
from antehoc.figure import percent
from antehoc.report import charts
from report.svg import SVG, parse, words

HOSTILE = "<script>alert(1)</script>\x1b"
NAN = float("nan")


def test_a_confusion_matrix_of_two_classes_shows_its_counts_and_names():
    said = words(parse(charts.matrix(Matrix(((1234, 5), (0, 95)), ("$x^2$", HOSTILE)), "a")))
    assert {"1,234", "5", "0", "95", "$x^2$", "predicted class", "true class"} <= set(said)
    assert any("<script>" in word for word in said)


def test_a_confusion_matrix_of_200_classes_stays_small():
    counts = np.eye(200, dtype=int) * 30
    block = Matrix(tuple(map(tuple, counts.tolist())), tuple(f"class {number}" for number in range(200)))
    svg = charts.matrix(block, "a")
    assert "class 7" not in words(parse(svg))
    assert len(svg) < 100_000


@pytest.mark.parametrize("threshold", [5.0, -0.5, 0.0, 1.7e308, None])
def test_strips_say_what_share_of_each_set_lies_above_the_threshold(threshold):
    sets = {"correct": (-1.0, 0.5, 2.0, NAN), HOSTILE: (4.0, 7.0, 4e5), "empty": ()}
    said = words(parse(charts.strips(Strips(sets, threshold, "score", above="questioned"), "a")))
    above = 0.0 if threshold is None else float(np.mean(np.array([4.0, 7.0, 4e5]) > threshold))
    assert f"{percent(above)} questioned" in said
    assert "empty" not in said
    assert "score" in said


def test_strips_of_nothing_are_still_a_picture():
    parse(charts.strips(Strips({}, 1.0, "score"), "a"))
    parse(charts.strips(Strips({}, 2e-313, "score"), "a"))
    parse(charts.strips(Strips({"same": (0.0, 0.0)}, 0.0, "score"), "a"))


def test_a_histogram_names_its_line_and_its_mean():
    block = Histogram((0.02, 0.06, 0.04), 0.05, "alpha", "share of correct decisions questioned", percent=True)
    assert {"alpha 5.0 %", "mean 4.0 %", block.x} <= set(words(parse(charts.histogram(block, "a"))))
    plain = Histogram((2.0, 6.0), 5.0, "alpha", "score")
    assert {"alpha 5.0000", "mean 4.0000"} <= set(words(parse(charts.histogram(plain, "a"))))
    parse(charts.histogram(Histogram((), 0.5, "alpha", "score"), "a"))


def test_curves_are_named_and_shares_are_in_percent():
    series = {"verdict": ((0.0, 1.0), (0.0, 0.1)), "maximum softmax": ((0.0, 1.0), (0.0, 0.1))}
    said = words(parse(charts.lines(Lines(series, "coverage", "risk", x_percent=True, y_percent=True), "a")))
    assert {"verdict", "maximum softmax", "coverage", "risk", "100 %"} <= set(said)
    said = words(parse(charts.lines(Lines({"loss": ((1.0, 2.0, 3.0), (1.0, NAN, 0.5))}, "epoch", "loss"), "a")))
    assert "2" in said
    assert "1.5" not in said
    parse(charts.lines(Lines({}, "epoch", "loss"), "a"))


def test_only_curves_in_front_and_those_to_compare_with_are_named():
    names = ("own", "good", "bad", "worse", "random")
    series = {name: ((0.0, 0.5, 1.0), (0.9, 0.5, 0.1)) for name in names}
    block = Lines(series, "steps", "probability", "deletion", solid=("good", "own"), dashed=("random",))
    svg = charts.lines(block, "a")
    said = words(parse(svg))
    assert [said.count(name) for name in names] == [1, 1, 0, 0, 1]
    assert "deletion" in said
    assert said.index("good") < said.index("own") < said.index("random")


def test_a_name_in_any_script_is_kept():
    svg = charts.matrix(Matrix(((1, 0), (0, 1)), ("\u9ce5", "fox")), "a")
    assert "\N{CJK UNIFIED IDEOGRAPH-9CE5}" in words(parse(svg))


def test_the_same_chart_is_the_same_text_but_for_its_ids():
    block = Lines({"a": ((0.0, 1.0), (0.0, 1.0))}, "x", "y")
    first, again, other = (charts.lines(block, key) for key in ("one", "one", "two"))
    assert first == again
    ids = [{element.get("id") for element in parse(svg).iter(f"{SVG}clipPath")} for svg in (first, other)]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_a_chart_leaves_the_settings_of_matplotlib_alone():
    charts.lines(Lines({"verdict": ((0.0, 1.0), (0.0, 0.1))}, "x", "y"), "a")
    ours = ("font.size", "svg.fonttype", "svg.hashsalt", "axes.edgecolor", "grid.color")
    assert [matplotlib.rcParams[name] for name in ours] == [matplotlib.rcParamsDefault[name] for name in ours]
