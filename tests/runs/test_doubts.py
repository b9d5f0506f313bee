"""What the doubts are told of the training images."""

import pytest
import torch

from antehoc.data.sets.shapes import shapes
from antehoc.errors import RecipeError
from antehoc.runs.doubts import fit_doubts
from antehoc.systems import SYSTEMS


@pytest.mark.parametrize("weight", [torch.nan, 1e38])
def test_a_network_that_gives_no_numbers_cannot_be_fitted(weight):
    source = shapes(seed=0, side=32, train=20, validation=4, calibration=4, test=4)
    system = SYSTEMS["mirror"](source.spec, backbone="tiny").eval()
    for parameter in system.main.parameters():
        parameter.data.fill_(weight)
    with pytest.raises(RecipeError, match=r"gives NaN or infinity on training images, .* a lower learning_rate"):
        fit_doubts(system, source.roles["train"])
