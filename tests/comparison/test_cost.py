"""What explaining costs: memory and time as they are."""

import time

import pytest
import torch

from antehoc.comparison.cost import Peak, timed


def test_the_peak_is_what_tensors_hold_at_once():
    million = 2**18  # floats of a MiB
    with Peak() as peak:
        first = torch.ones(million)
        second = first + 1
        del first
        third = second * 2  # in place of the first
        view = third.view(2, -1)
    assert view.shape == (2, million // 2)
    assert peak.mib == pytest.approx(2, abs=0.01)


def test_time_is_counted_for_each_image():
    found, milliseconds = timed(lambda: time.sleep(0.02) or "found", torch.zeros(4, 1, 2, 2))
    assert found == "found"
    assert 5 <= milliseconds < 500
