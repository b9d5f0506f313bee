"""A comparison as data: the best row, and plain values."""

import json
import math
from dataclasses import replace

import pytest
import torch

from antehoc.comparison import OWN, Comparison, Rank, Row, Sheet
from antehoc.errors import RecipeError
from antehoc.metrics import COMPARED
from antehoc.metrics.bootstrap import UNDEFINED, Interval


def values(level: float) -> dict[str, Interval]:
    return {name: Interval(level, level - 0.1, level + 0.1) for name in COMPARED} | {"sensitivity": UNDEFINED}


@pytest.fixture
def found() -> Comparison:
    rows = (
        Row(OWN, "own", values(0.7), 1.0),
        Row("saliency", "post hoc", values(0.4), 1.0),
        Row("occlusion", "post hoc", values(0.3), 1.0),
        Row("random", "control", values(0.9), 1.0),
    )
    ranks = {name: {OWN: Rank(1, 0.98)} for name in COMPARED}
    sheet = Sheet(torch.ones(1, 1, 2, 2), ("fox",), None, {OWN: (None,)}, {OWN: ("flat.",)})
    return Comparison(rows, {"deletion": {OWN: [0.9, 0.1]}}, ranks, sheet, 2, 1, ("a note",))


@pytest.mark.parametrize(("valid", "best"), [(0.5, "saliency"), (0.49, "occlusion")])
def test_the_best_has_half_of_its_maps_valid(found, valid, best):
    rows = [replace(row, valid=valid) if row.name == "saliency" else row for row in found.rows]
    assert replace(found, rows=tuple(rows)).best("gini").name == best


def test_the_best_is_the_lowest_where_lower_is_better(found):
    assert (found.best("energy").name, found.best("pompom").name) == ("saliency", "occlusion")
    assert found.best("energy", "control").name == "random"
    assert found.best("sensitivity") is None
    with pytest.raises(RecipeError, match="Did you mean 'energy'"):
        found.best("energie")


def test_plain_values_hold_rows_ranks_and_curves(found):
    plain = json.loads(json.dumps(found.to_plain(), allow_nan=False))
    assert plain["rows"][0]["name"] == OWN
    assert plain["rows"][0]["values"]["iou"] == {"estimate": 0.7, "interval": [pytest.approx(0.6), pytest.approx(0.8)]}
    assert plain["rows"][0]["values"]["sensitivity"] is None
    assert plain["ranks"]["iou"][OWN] == {"place": 1, "kept": 0.98}
    assert plain["curves"] == {"deletion": {OWN: [0.9, 0.1]}}
    assert list(plain["measures"]) == list(COMPARED)
    assert set(plain["measures"]["deletion"]) == {"group", "direction", "says"}
    assert "aopc_grid" not in plain
    grid = {"blur 1/7": {OWN: 0.5}}
    assert replace(found, grid=grid).to_plain()["aopc_grid"] == grid
    assert not math.isnan(plain["rows"][0]["valid"])
