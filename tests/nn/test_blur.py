"""The one Gaussian blur: against a plain sum, and what no blur may do."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from antehoc.nn.blur import BLUR, blurred


def test_a_row_by_hand():
    image = torch.tensor([[[[0.0, 0.0, 1.0, 0.0]]]], dtype=torch.float64)
    weights = [[math.exp(-((i - j) ** 2) / (2 * 0.7**2)) for j in range(4)] for i in range(4)]
    expected = [row[2] / sum(row) for row in weights]
    assert_close(blurred(image, 0.7)[0, 0, 0], torch.tensor(expected, dtype=torch.float64))


@given(
    seed=st.integers(0, 2**32 - 1), deviation=st.floats(0.1, 20), sides=st.tuples(st.integers(1, 9), st.integers(1, 9))
)
def test_a_blur_stays_between_the_least_and_the_largest_value(seed, deviation, sides):
    image = torch.rand(2, 3, *sides, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found = blurred(image, deviation)
    least, largest = image.amin((2, 3), keepdim=True), image.amax((2, 3), keepdim=True)
    assert ((found >= least - 1e-9) & (found <= largest + 1e-9)).all()
    assert_close(blurred(image.mT, deviation), found.mT)


def test_a_blurred_replacement_of_224_pixels_has_a_deviation_of_some_10():
    assert round(224 * BLUR) == 10
