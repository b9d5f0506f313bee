"""A comparison as blocks: every row, what is best set off, invalid maps named and never drawn."""

import re
from collections.abc import Iterable
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from antehoc.blocks import Lines, Overlay, Picture, Section, Strong, Table
from antehoc.comparison import OWN, Comparison, Rank, Row, Sheet
from antehoc.comparison.sections import against
from antehoc.metrics import COMPARED
from antehoc.metrics.bootstrap import UNDEFINED, Interval
from studies.wired import flat, rows_of, said, tables

COST = {"forward": 26.0, "backward": 25.0, "milliseconds": 1234.5, "peak_mib": 0.25}
HOSTILE = "<script>&"


def values(level: float) -> dict[str, Interval]:
    return {name: Interval(level, level - 0.1, level + 0.1) for name in COMPARED} | {"sensitivity": UNDEFINED}


@pytest.fixture(scope="module")
def found() -> Comparison:
    """Own mask best, one method half invalid, one that cannot be used, one control."""
    rows = (
        Row(OWN, "own", values(0.7), 1.0, "", 1.0, 0.0, 3.0, 2.5),
        Row("saliency", "post hoc", values(0.4), 0.5, "the map is flat.", **COST),
        Row(HOSTILE, "post hoc", dict.fromkeys(COMPARED, UNDEFINED), 0.0, f"no rule for {HOSTILE}."),
        Row("random", "control", values(0.1), 1.0),
        Row("box", "control", values(0.2), 1.0),
    )
    curve = {OWN: [0.9, 0.2, 0.1], "saliency": [0.9, 0.6, 0.1], "random": [0.9, 0.8, 0.1], "box": [0.9, 0.9, 0.1]}
    half = torch.cat([torch.full((4, 8), -5.0), torch.full((4, 8), 5.0)])
    maps = {OWN: (half / 10 + 0.5,) * 2, "saliency": (half, None), HOSTILE: (None, None), "random": (half, half)}
    why = {OWN: ("", ""), "saliency": ("", "the map is flat."), HOSTILE: (f"no rule for {HOSTILE}.",) * 2}
    sheet = Sheet(torch.ones(2, 3, 8, 8), ("fox", HOSTILE), None, maps, why | {"random": ("", "")})
    ranks = {name: {OWN: Rank(1, 0.98), "saliency": Rank(2, 0.97)} for name in COMPARED} | {"sensitivity": {}}
    notes = ("saliency: 1 of 2 maps are invalid: the map is flat",)
    return Comparison(rows, {"aopc_coarse_blur": curve, "deletion": curve}, ranks, sheet, 2, 1, notes)


def part(sections: Iterable[Section], title: str) -> Section:
    (own,) = [section for section in sections if section.title == title]
    return own


def test_the_terminal_has_a_line_for_every_row(found):
    table, *notes = found.brief()
    assert [row[0] for row in table.rows] == [OWN, "saliency", HOSTILE, "random", "box"]
    assert table.head[1:3] == ("AOPC coarse blur +", "AOPC fine gray +")
    assert "POMPOM -" in table.head
    assert "sensitivity -" not in table.head, "no row has an answer"
    assert rows_of(table)["saliency"] == ["0.4000"] * 9 + ["50.0 %", "51", "1,234", "0.25"]
    assert rows_of(table)[HOSTILE] == ["-"] * 9 + ["0 %", "", "", ""]
    assert "2 images; the object's place is known in 1 of them." in said(notes)
    assert "note: saliency: 1 of 2 maps are invalid: the map is flat" in said(notes)


def test_the_table_holds_every_row_below_its_kind_and_the_best_in_bold(found):
    table = tables(part(found.blocks(), "The table").blocks)[0]
    headings = [row[0] for row in table.rows if len(row) == 1]
    assert headings == ["The model's own", "Post-hoc methods", "Controls: maps made without the classifier"]
    rows = rows_of(*[replace(table, rows=tuple(row for row in table.rows if len(row) > 1))])
    assert rows[OWN][:9] == [Strong("0.7000")] * 9
    assert rows["saliency"][:9] == ["0.4000"] * 9
    assert rows["random"][9:] == ["", "", "", ""]
    best = replace(found.rows[3], values=values(0.9))  # better than all, and no explanation
    again = tables(replace(found, rows=(*found.rows[:3], best, found.rows[4])).blocks()[0].blocks)[0]
    assert not any(cell == Strong("0.9000") for row in again.rows for cell in row)


def test_intervals_stand_folded_by_group_with_what_each_measure_says(found):
    folded = [block for block in flat(found.blocks()) if isinstance(block, Section) and block.folded]
    assert [section.title.partition(":")[0] for section in folded] == ["Faithful", "Placed", "Sparse"]
    (table,) = tables(folded[1].blocks)
    assert rows_of(table)[OWN][:2] == ["0.7000", "0.6000 to 0.8000"]
    assert "IoU: overlap with the object" in said(folded[1].blocks)


def test_the_headline_says_which_is_first_most_often(found):
    assert found.headline().startswith(
        "2 images; the object's place is known in 1 of them. “own mask” is first by 9 of"
    )
    assert "known in none." in replace(found, with_object=0).headline()
    assert "1 image;" in replace(found, images=1).headline()


def test_ranks_say_how_often_they_are_kept(found):
    (table,) = tables(part(found.blocks(), "Ranks").blocks)
    assert rows_of(table)[OWN] == [Strong("1 (98.0 %)")] * 9
    assert rows_of(table)["saliency"] == ["2 (97.0 %)"] * 9
    assert [row[0] for row in table.rows] == [OWN, "saliency"]


def test_a_grid_of_aopc_has_a_table_and_its_best_are_bold(found):
    title = "AOPC by patch and perturbation"
    assert title not in [section.title for section in found.blocks()]
    grid = {"blur 1/7": {OWN: 0.25, "saliency": 0.5, "random": 0.75}, "gray 1/56": {OWN: 0.125}}
    (table,) = tables(part(replace(found, grid=grid).blocks(), title).blocks)
    assert table.head == ("replaced by", OWN, "saliency", "random")
    assert rows_of(table) == {
        "blur 1/7": ["0.2500", Strong("0.5000"), "0.7500"],
        "gray 1/56": [Strong("0.1250"), "-", "-"],
    }


def test_a_value_never_bursts_its_column_nor_is_less_than_nothing(found):
    wild = values(0.4) | {"sensitivity": Interval(1586510878.6, -0.0, 2e9)}
    wide = replace(found, rows=(replace(found.rows[0], values=wild), *found.rows[1:]))
    assert rows_of(against(wide, OWN, ["sensitivity"]))["sensitivity ↓"][:2] == ["1.587e+09", "0.0000 to 2e+09"]


def test_the_best_method_by_each_measure_stands_beside_the_own_mask(found):
    rows = rows_of(against(found, OWN, ["energy", "sensitivity"]))
    assert rows["energy ↑"] == ["0.7000", "0.6000 to 0.8000", "saliency", "0.4000", "0.3000 to 0.5000"]
    assert rows["sensitivity ↓"] == ["-", "", "none", "-", ""]


def test_curves_have_the_own_mask_and_the_best_method_in_front(found):
    charts = [block for block in part(found.blocks("a run"), "Curves").blocks if isinstance(block, Lines)]
    assert [chart.title for chart in charts] == ["AOPC coarse blur ↑: a run", "deletion ↓: a run"]
    assert found.blocks()[2].blocks[0].title == "AOPC coarse blur ↑"
    for chart in charts:
        assert list(chart.series) == [OWN, "saliency", "random"], "of the controls only the random one"
        assert (chart.solid, chart.dashed) == ((OWN, "saliency"), ("random",))
        assert chart.series[OWN] == ((0, 0.5, 1), (0.9, 0.2, 0.1))


def sheet(found: Comparison) -> Table:
    (table,) = tables(part(found.blocks(), "The maps").blocks)
    return table


def test_invalid_maps_are_named_and_never_drawn(found):
    table = sheet(found)
    assert table.head == ("", "predicted: fox", f"predicted: {HOSTILE}")
    assert table.kind == "pictures"
    rows = rows_of(table)
    assert all(isinstance(cell, Picture) for cell in rows["image"])
    assert [type(cell) for cell in rows["saliency"]] == [Overlay, str]
    assert rows["saliency"][1] == "invalid: the map is flat."
    assert rows[HOSTILE] == [f"invalid: no rule for {HOSTILE}."] * 2


def test_every_map_is_scaled_by_its_own_largest_value_negative_drawn_as_nothing(found):
    rows = rows_of(sheet(found))
    assert rows["saliency"][0].values.equal(rows["random"][0].values)
    assert rows["saliency"][0].values.unique().tolist() == [0, 1]
    assert_close(rows[OWN][0].values, found.sheet.maps[OWN][0])
    assert rows["saliency"][0].alt == "map by saliency over image 1"
    assert rows["saliency"][0].size == "small"


def test_a_comparison_without_anything_valid_still_has_all_its_parts(found):
    rows = tuple(replace(row, values=dict.fromkeys(COMPARED, UNDEFINED)) for row in found.rows)
    bare = replace(found, rows=rows, curves={"deletion": {}}, ranks={name: {} for name in COMPARED})
    text = said(bare.blocks())
    assert "No explanation is valid on half of the images." in bare.headline()
    assert "Nothing can be ranked" in text
    assert "there are no curves" in text
    assert not re.search("nan", repr(tables(bare.blocks())[0]))


def test_how_to_read_it_says_what_each_measure_is(found):
    (table,) = tables(part(found.blocks(), "How to read this").blocks)
    assert len(table.rows) == len(COMPARED)
    assert rows_of(table)["POMPOM"][1] == "lower"
