import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antehoc.data.instances import Instance, union
from antehoc.data.outlines import Outlines, RunLengths, run_lengths
from antehoc.errors import DataError


def drawn(mask, size):
    return np.asarray(mask.sheet(size))


def test_an_outline_on_whole_pixels_is_filled_exactly():
    square = Outlines(((2.0, 1.0, 6.0, 1.0, 6.0, 3.0, 2.0, 3.0),))
    wanted = np.zeros((5, 8), np.uint8)
    wanted[1:3, 2:6] = 255
    np.testing.assert_array_equal(drawn(square, (8, 5)), wanted)
    shares = Outlines(((0.25, 0.2, 0.75, 0.2, 0.75, 0.6, 0.25, 0.6),), shares=True)
    np.testing.assert_array_equal(drawn(shares, (8, 5)), wanted)
    np.testing.assert_array_equal(np.asarray(union([Instance((0.0, 0.0, 8.0, 5.0), square, 0)], (8, 5))), wanted)


def test_parts_are_joined_and_what_is_outside_is_cut_off():
    parts = Outlines(((0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0), (2.0, 0.0, 9.0, 0.0, 9.0, 9.0, 2.0, 9.0)))
    np.testing.assert_array_equal(drawn(parts, (4, 2)) > 0, [[True, False, True, True], [False, False, True, True]])


@given(st.lists(st.tuples(st.floats(-3, 15), st.floats(-3, 12)), min_size=3, max_size=9))
def test_a_mask_lies_inside_its_outline(corners):
    mask = drawn(Outlines((tuple(edge for corner in corners for edge in corner),)), (12, 9))
    rows, columns = np.nonzero(mask)
    xs, ys = zip(*corners, strict=True)
    assert all(min(xs) <= column + 0.5 <= max(xs) for column in columns)
    assert all(min(ys) <= row + 0.5 <= max(ys) for row in rows)


def test_runs_go_down_the_columns():
    mask = run_lengths([1, 3, 2], 2, 3)
    np.testing.assert_array_equal(drawn(mask, (3, 2)) > 0, [[False, True, False], [True, True, False]])
    with pytest.raises(DataError, match=r"must be as large as its image, 2x3 pixels; got 3x2\.$"):
        mask.sheet((2, 3))


def packed(counts):
    """How pycocotools writes run lengths."""
    text = ""
    for place, count in enumerate(counts):
        value, more = count - (counts[place - 2] if place > 2 else 0), True
        while more:
            bits, value = value & 0x1F, value >> 5
            more = value != (-1 if bits & 0x10 else 0)
            text += chr(48 + (bits | 0x20 if more else bits))
    return text


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=12))
def test_packed_run_lengths_are_unpacked(counts):
    total = sum(counts)
    assert run_lengths(packed(counts), total, 1) == RunLengths(tuple(counts), total, 1)


@pytest.mark.parametrize("counts", [[1, 2], [-1, 7], "0`", "\U0001f600" * 3, ["a"], [None]])
def test_damaged_run_lengths_are_refused_in_a_sentence(counts):
    with pytest.raises(DataError, match=r"its run lengths .*\.$"):
        run_lengths(counts, 2, 3)
