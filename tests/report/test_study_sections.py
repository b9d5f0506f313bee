"""The section of studies: the figures of each, what they mean, and its own summary."""

import re

import pytest

from antehoc.report import studies
from antehoc.studies import MEANINGS, Background, Change, HiddenPart, Leakage, Reading, RepeatedCalibration

EDIT = Change("greyscale", 50, 0.2, 0.1, (0.05, 0.15), 0.3)
CLEAR = HiddenPart("beak", EDIT, EDIT, 0.0421, (0.01, 0.07))
UNCLEAR = HiddenPart("tail", EDIT, EDIT, 0.0432, (-0.01, 0.09))
FOUND = {
    "leakage": Leakage(
        50, 9, 120, 0.7, (0.6, 0.8), 0.3, 0.9, 0.5, 0.25, 0.15, 0.6, (EDIT,), (CLEAR, UNCLEAR)
    ),
    "background": Background(
        50, 0.8, 0.75, 0.1,
        (
            Reading("has_wing::blue", "average precision", 0.1, 0.9, 0.85, 0.4, 0.375),
            Reading("has_eye::red", "average precision", 0.1, 0.11, 0.1, 0.1, None),
        ),
    ),
    "repeated_calibration": RepeatedCalibration(
        3, 100, 0.05, 400, 40, 0.0444, 0.002, 0.009, 0.03, 0.06, 0.6, (0.03, 0.0432, 0.06)
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        (
            "leakage",
            ["0.7000 (0.6000 to 0.8000)", "<td>0.9000</td>", "<td>0.5000</td>", "<td>0.6000</td>", "greyscale"],
        ),
        ("background", ["0.8000", "0.7500", "wing: blue", "<td>0.3750</td>"]),
        ("repeated_calibration", ["0.0444", "at most 0.05", "0.0090", "<svg"]),
    ],
)
def test_a_study_shows_its_figures_and_its_summary(name, figures):
    text = studies.section({name: FOUND[name]})
    assert [figure for figure in figures if figure not in text] == []
    assert "<summary>The study&#x27;s own summary</summary>" in text
    assert re.findall(r"<h3>", text) == ["<h3>"]


def test_only_a_part_whose_interval_leaves_zero_out_is_bold():
    text = studies.section({"leakage": FOUND["leakage"]})
    assert "<b>0.0421</b>" in text
    assert "<td>0.0432</td>" in text


def test_an_attribute_that_is_hardly_read_says_nothing_of_the_background():
    table = studies.section({"background": FOUND["background"]}).partition("<details>")[0]
    assert "eye: red" not in table


def test_what_a_study_can_prove_stands_below_it():
    text = studies.section(FOUND)
    kept = ("follows_decided", "within_class", "repeated", "edits", "parts", "background", "repeated_calibration")
    assert all(MEANINGS[key].split(".")[0].split("'")[0] in text for key in kept)


def test_a_study_without_pictures_is_told_in_words():
    class Other:
        def summary(self) -> str:
            return "one < two"

    assert "<pre>one &lt; two</pre>" in studies.section({"other": Other()})
