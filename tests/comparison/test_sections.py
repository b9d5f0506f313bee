"""A comparison in the terminal and on its page: every row, invalid maps named and never drawn."""

import re
from base64 import b64decode
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from test_page import checks  # pytest puts this folder on the path

from antehoc.comparison import MEASURES, OWN, Comparison, Rank, Row, Sheet
from antehoc.metrics.bootstrap import Interval
from antehoc.report import comparison as report

NAN = Interval(float("nan"), float("nan"), float("nan"))
COST = {"forward": 26.0, "backward": 25.0, "milliseconds": 1234.5, "peak_mib": 0.25}
HOSTILE = "<script>&"


def values(level: float) -> dict[str, Interval]:
    found = {name: Interval(level, level - 0.1, level + 0.1) for name in MEASURES}
    return found | {"sensitivity": NAN}


@pytest.fixture(scope="module")
def found() -> Comparison:
    """Own mask best, one method half invalid, one that cannot be used, one control."""
    rows = (
        Row(OWN, "own", values(0.7), 1.0, "", 1.0, 0.0, 3.0, 2.5),
        Row("saliency", "post hoc", values(0.4), 0.5, "the map is flat.", **COST),
        Row(HOSTILE, "post hoc", dict.fromkeys(MEASURES, NAN), 0.0, f"no rule for {HOSTILE}."),
        Row("random", "control", values(0.1), 1.0),
    )
    curve = {OWN: [0.9, 0.2, 0.1], "saliency": [0.9, 0.6, 0.1], "random": [0.9, 0.8, 0.1]}
    half = torch.cat([torch.full((4, 8), -5.0), torch.full((4, 8), 5.0)])
    maps = {OWN: (half / 10 + 0.5,) * 2, "saliency": (half, None), HOSTILE: (None, None), "random": (half, half)}
    why = {OWN: ("", ""), "saliency": ("", "the map is flat."), HOSTILE: (f"no rule for {HOSTILE}.",) * 2}
    sheet = Sheet(torch.ones(2, 3, 8, 8), ("fox", HOSTILE), None, maps, why | {"random": ("", "")})
    ranks = {name: {OWN: Rank(1, 0.98), "saliency": Rank(2, 0.97)} for name in MEASURES} | {"sensitivity": {}}
    notes = ("saliency: 1 of 2 maps are invalid: the map is flat.",)
    return Comparison(rows, {"aopc_coarse_blur": curve, "deletion": curve}, ranks, sheet, 2, 1, notes)


def test_the_terminal_has_a_line_for_every_row(found, golden):
    golden("comparison.txt", report.text(found))


def test_the_page_is_whole_and_safe_and_has_every_row(found):
    text = report.page(found, "joint: a name", [("seed", "3")])
    checks(text)
    assert "<script" not in text
    rows = [re.sub(r"<[^>]+>", "|", row) for row in re.findall(r"<tr>.*?</tr>", text, re.DOTALL)]
    (own,) = [row for row in rows if row.startswith(f"||{OWN}|") and "100 %" in row]
    assert own.count("0.700") == 9
    assert any("saliency" in row and "50.0 %" in row and "1,234" in row and "51" in row for row in rows)
    assert "First by 9 of 9 measures is “own mask”" in text
    assert "2 images; of 1 of them the object&#x27;s place is known." in text
    assert "0.600 to 0.800" in text
    assert '<b>1</b><span class="kept"> 98 %</span>' in text


def test_a_grid_of_aopc_has_a_table_and_its_best_are_bold(found):
    assert "AOPC by patch and perturbation" not in report.page(found, "name")
    grid = {"blur 1/7": {OWN: 0.25, "saliency": 0.5, "random": 0.75}, "gray 1/56": {OWN: 0.125}}
    text = report.page(replace(found, grid=grid), "name")
    checks(text)
    body = text[text.rindex("AOPC by patch and perturbation") : text.rindex("Ranks")]
    rows = re.findall(r"<tr>.*?</tr>", body, re.DOTALL)
    rows = [re.sub(r"<[^b/][^>]*>|</[^b][^>]*>", " ", row).split() for row in rows]
    assert rows[1:] == [["blur", "1/7", "0.250", "<b>0.500</b>", "0.750"], ["gray", "1/56", "<b>0.125</b>", "-", "-"]]


def test_the_best_explanation_is_bold_and_no_control_is(found):
    best = replace(found.rows[3], values=values(0.9))  # better than all, and no explanation
    text = report.page(replace(found, rows=(*found.rows[:3], best)), "name")
    table = text[text.index("<tbody>") : text.index("</tbody>")]
    assert table.count("<b>0.700</b>") == 9
    assert "<b>0.900</b>" not in table


def test_a_value_never_bursts_its_column_nor_is_less_than_nothing(found):
    wild = values(0.4) | {"sensitivity": Interval(1586510878.6, -0.0001, 2e9)}
    text = report.page(replace(found, rows=(replace(found.rows[0], values=wild), *found.rows[1:])), "name")
    assert "1.59e+09" in text
    assert "0.000 to 2e+09" in text
    assert "-0.000" not in text


def test_invalid_maps_are_named_and_never_drawn(found):
    page = checks(report.page(found, "name"))
    drawn = [value for value in page.values("alt") if value.startswith("map by")]
    assert len(drawn) == 2 + 1 + 0 + 2
    assert not any(HOSTILE in value for value in drawn)
    said = " ".join(page.said)
    assert said.count(f"no rule for {HOSTILE}.") == 2
    assert "the map is flat." in said


def test_every_map_is_scaled_by_its_own_largest_value_negative_drawn_as_nothing(found):
    page = checks(report.page(found, "name"))
    pictures = {}
    for alt, source in zip(page.values("alt"), page.values("src"), strict=True):
        with Image.open(BytesIO(b64decode(source.partition(",")[2]))) as picture:
            pictures[alt] = np.array(picture).astype(int)
    assert (pictures["map by saliency over image 1"] == pictures["map by random over image 1"]).all()
    assert pictures["map by saliency over image 1"].shape == (8, 8, 3)
    top, bottom = pictures["map by saliency over image 1"][[0, -1]].mean((1, 2))
    assert bottom > top + 80


def test_a_comparison_without_anything_valid_is_still_a_page(found):
    rows = tuple(replace(row, values=dict.fromkeys(MEASURES, NAN)) for row in found.rows)
    bare = replace(found, rows=rows, curves={"deletion": {}}, ranks={name: {} for name in MEASURES})
    text = report.page(bare, "name")
    checks(text)
    assert "No explanation is valid on half of the images." in text
    assert "Nothing can be ranked" in text
    assert "there are no curves" in text
