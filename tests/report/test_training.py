"""Training on a page: a pair of charts for each phase, and what took how long."""

import math

from antehoc.blocks import Lines, Strong, Table
from antehoc.report import training

EPOCHS = [{"val/loss": 1.0, "train/loss": 1.1, "val/attribute_exact": 0.5}, {"val/loss": 0.5}]


def test_a_phase_has_losses_beside_validation_figures():
    losses, shares = training.curves(EPOCHS, "phase 1").blocks
    assert isinstance(losses, Lines)
    assert losses.series["validation"] == ((1.0, 2.0), (1.0, 0.5))
    assert losses.series["training"][1][0] == 1.1
    assert math.isnan(losses.series["training"][1][1])
    assert list(shares.series) == ["attribute exact"]


def test_phases_have_the_names_of_their_parts_and_seconds_end_with_the_sum():
    first, second, seconds = training.blocks([EPOCHS, EPOCHS], {"phase 1": 1.25, "wide_phase 1": 2.0}, 3.5)
    assert (first.title, second.title) == ("Phase 1", "Wide, phase 1")
    (table,) = seconds.blocks
    assert isinstance(table, Table)
    assert table.rows == (("phase 1", "1.2"), ("wide, phase 1", "2.0"), (Strong("everything"), Strong("3.5")))


def test_phases_without_parts_are_numbered_and_empty_ones_left_out():
    found = training.blocks([[], EPOCHS], {"data": 1.0}, 1.0)
    assert [section.title for section in found] == ["Phase 2", "Seconds by part"]
