"""Blocks as plain values: whatever they hold, JSON can hold it."""

import json

import pytest
import torch
from hypothesis import given

from antehoc.blocks import Lines, Overlay, Section, Strong, Table
from antehoc.report.blocks_plain import plain
from report.any_block import BLOCK, CHARTS

# while a block is built in a strategy, beartype looks at an item of a list that it draws by `random`
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")


@given(block=BLOCK | CHARTS)
def test_every_block_is_json(block):
    written = json.dumps(plain(block), allow_nan=False)
    assert json.loads(written) == json.loads(json.dumps(plain(block)))
    assert json.loads(written)["kind"] == type(block).__name__.lower()


def test_a_table_keeps_its_cells_and_leaves_pixels_out():
    rows = (("own", Strong("0.5000")), ("map", Overlay(torch.zeros(2, 2), "a mask")))
    found = plain(Section("Maps", (Table(("", "value"), rows, kind="pictures"),)))
    (table,) = found["blocks"]
    assert table["style"] == "pictures"
    assert table["rows"][0] == ["own", {"kind": "strong", "text": "0.5000"}]
    assert table["rows"][1][1] == {"kind": "overlay", "alt": "a mask", "caption": ""}


def test_what_is_undefined_is_null():
    found = plain(Lines({"a": ((0.0,), (float("nan"),))}, "x", "y"))
    assert found["series"] == {"a": [[0.0], [None]]}
