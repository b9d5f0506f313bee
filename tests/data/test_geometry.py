import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from antehoc.data.geometry import to_source
from antehoc.data.images import to_tensor
from antehoc.data.preprocessing import Preprocessing
from antehoc.errors import DataError

FITS = ("pad", "crop", "stretch")


# back to the source


@given(
    st.tuples(st.integers(40, 80), st.integers(40, 80)),
    st.tuples(st.integers(24, 40), st.integers(24, 40)),
    st.sampled_from(FITS),
    st.sampled_from((None, 32)),
)
def test_a_map_goes_back_to_the_pixels_it_came_from(source, frame, fit, resize):
    width, height = source
    preprocessing = Preprocessing(1, *frame, fit=fit, resize=resize, background=0.0)
    white = to_tensor(Image.new("L", source, 255), preprocessing)
    seen = to_source(white, preprocessing, height, width)[0]
    assert ((seen == 0) | (seen == 1)).all(), "nothing of the letterbox bleeds in"
    rows, columns = (seen.any(axis).nonzero().flatten() for axis in (1, 0))
    # 6 pixels of the image are more than 1.5 of the model's: so far an edge blurs
    inner = np.s_[int(rows[6]) : int(rows[-6]), int(columns[6]) : int(columns[-6])]
    across, down = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    for ramp in (across, down):  # resampling keeps a ramp
        picture = Image.fromarray(np.rint(255 * ramp).astype(np.uint8))
        back = to_source(to_tensor(picture, preprocessing), preprocessing, height, width)[0]
        # three roundings to 8 bits; half a pixel of the image off would be .006 and more
        assert (back - torch.from_numpy(ramp)).abs()[inner].max() < 0.0065
        assert abs(float((back - torch.from_numpy(ramp))[inner].mean())) < 0.002


@pytest.mark.parametrize(
    ("way", "rows", "columns"),
    [
        ({"fit": "pad"}, slice(0, 20), slice(0, 40)),
        ({"fit": "stretch"}, slice(0, 20), slice(0, 40)),
        ({"fit": "crop"}, slice(0, 20), slice(10, 30)),
        ({"fit": "crop", "resize": 20}, slice(5, 15), slice(15, 25)),  # 40 x 20 stays, 10 x 10 is cut out
        ({"fit": "pad", "resize": 20}, slice(0, 20), slice(10, 30)),  # 20 x 10: its middle fills the frame
    ],
)
def test_what_the_model_did_not_see_is_zero(way, rows, columns):
    shown = to_source(torch.ones(2, 10, 10), Preprocessing(3, 10, 10, **way), 20, 40)
    by_hand = torch.zeros(2, 20, 40)
    by_hand[:, rows, columns] = 1
    assert torch.equal(shown, by_hand)


def test_between_pixels_a_map_is_linear():
    found = to_source(torch.tensor([[0.0, 4.0]]), Preprocessing(1, 1, 2), 1, 4)
    assert found.tolist() == [[0.0, 1.0, 3.0, 4.0]]  # by hand: pixels' middles lie at -1/4, 1/4, 3/4 and 5/4


def test_maps_of_another_size_are_refused():
    with pytest.raises(DataError, match=r"maps of 4x6 pixels .* got 6x4 and 9x9"):
        to_source(torch.zeros(6, 4), Preprocessing(1, 4, 6), 9, 9)
    with pytest.raises(DataError, match="4x6 and 0x9"):
        to_source(torch.zeros(4, 6), Preprocessing(1, 4, 6), 0, 9)
