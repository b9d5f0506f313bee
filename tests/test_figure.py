"""Figures say what they are, and numbers are written in one way."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antehoc.figure import (
    Figure,
    defined,
    grouped,
    intervals,
    listed,
    number,
    percent,
    prefixed,
    span,
    value_of,
    values,
)

FIGURES = [
    Figure("accuracy", 0.9, "test images that are decided correctly", "Decisions", "higher", (0.8, 0.95)),
    Figure("auroc", None, "wrong decisions ranked above correct ones", "Verdicts", "higher"),
    Figure("error", 0.1, "test images that are decided wrongly", "Decisions", "lower"),
]


@pytest.mark.parametrize(
    ("share", "written"),
    [
        (0.9995, "99.95 %"),
        (0.99999, "99.999 %"),
        (0.0004, "0.04 %"),
        (0.5, "50.0 %"),
        (0.0, "0 %"),
        (1 - 1e-16, "100 %"),
    ],
)
def test_nearly_all_is_not_written_as_all(share, written):
    assert percent(share) == written


def test_small_numbers_keep_two_digits():
    assert [number(value) for value in (0.00123, 0.000123, -0.00004, 0.0)] == ["0.0012", "0.00012", "-4e-05", "0.0000"]


@pytest.mark.parametrize("written", ["number", "count", "difference", "quantity", "probability", "score"])
def test_what_is_undefined_is_written_alike(written):
    assert number(None, written) == number(float("nan"), written) == "-"


@given(value=st.floats(-1e6, 1e6, allow_nan=False))
def test_a_number_reads_back_as_itself(value):
    assert float(number(value)) == pytest.approx(value, abs=5.1e-5, rel=0.05)
    assert number(value + 0.0) == number(value).replace("-0.0000", "0.0000")


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_never_bursts_its_column(value):
    assert len(number(value)) <= 12
    assert number(value, "difference")[0] in "+-"


def test_an_interval_is_two_numbers_or_nothing():
    assert span((0.25, -0.00001)) == "0.2500 to -1e-05"
    assert span(None) == ""


def test_words_are_listed_as_in_a_sentence():
    assert [listed(words) for words in ([], ["a"], ["a", "b"])] == ["", "a", "a and b"]


def test_figures_keep_their_names_values_and_intervals():
    assert values(FIGURES) == {"accuracy": 0.9, "auroc": None, "error": 0.1}
    assert intervals(FIGURES) == {"accuracy": (0.8, 0.95)}
    assert (value_of(FIGURES, "error"), value_of(FIGURES, "auroc"), value_of(FIGURES, "none")) == (0.1, None, None)
    assert {group: [one.name for one in own] for group, own in grouped(FIGURES).items()} == {
        "Decisions": ["accuracy", "error"],
        "Verdicts": ["auroc"],
    }


def test_a_variants_figures_have_its_name_in_front_and_know_it():
    own, other = prefixed({"": FIGURES[:1], "as_coded": FIGURES[:1]})
    assert (own.name, own.variant) == ("accuracy", "")
    assert (other.name, other.variant) == ("as_coded_accuracy", "as_coded")
    assert other.meaning == own.meaning


def test_a_figure_is_plain_data():
    written = json.loads(json.dumps(FIGURES[0].to_plain(), allow_nan=False))
    assert written["interval"] == [0.8, 0.95]
    assert defined(float("nan")) is None
