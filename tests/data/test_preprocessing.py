import pytest
import torch

from antehoc.data.preprocessing import Preprocessing, check_tensor
from antehoc.errors import DataError
from antehoc.types import DataSpec


@pytest.mark.parametrize(
    ("images", "what"),
    [
        (torch.zeros(2, 3, 8, 8), "got (2, 3, 8, 8)"),
        (torch.zeros(1, 8, 8), "got (1, 8, 8)"),
        (torch.zeros(2, 1, 8, 9), "got (2, 1, 8, 9)"),
        (torch.zeros(2, 1, 8, 8, dtype=torch.uint8), "torch.uint8"),
        (torch.full((2, 1, 8, 8), -0.01), "got -0.01 to -0.01"),
        (torch.full((2, 1, 8, 8), 255.0), "got 255 to 255"),
        (torch.stack([torch.zeros(1, 8, 8), torch.full((1, 8, 8), torch.nan)]), "image 1 holds NaN"),
    ],
)
@pytest.mark.parametrize("wanted", [Preprocessing(1, 8, 8), DataSpec(("a", "b"), 1, 8, 8)])
def test_tensors_that_no_model_should_see_are_refused(images, what, wanted):
    with pytest.raises(DataError, match=r"^here: [^\n]*\.$") as caught:
        check_tensor(images, wanted, "here")
    assert what in str(caught.value)


def test_good_tensors_pass():
    check_tensor(torch.rand(2, 1, 8, 8), Preprocessing(1, 8, 8), "here")
    check_tensor(torch.rand(0, 1, 8, 8), Preprocessing(1, 8, 8), "here")


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"channels": 4}, "got 4"),
        ({"height": 0}, "got 0"),
        ({"width": 2.5}, "2.5"),
        ({"fit": "padd"}, "Did you mean 'pad'?"),
        ({"background": 255.0}, "got 255.0"),
        ({"background": float("nan")}, "got nan"),
        ({"resize": 0}, "1 or more, is needed; got 0"),
    ],
)
def test_preprocessing_refuses_what_it_cannot_do(values, what):
    forged = object.__new__(Preprocessing)  # in tests alone, the constructor's types are checked before its values
    plain = {"channels": 1, "height": 8, "width": 8, "fit": "pad", "background": 1.0, "resize": None}
    for name, value in (plain | values).items():
        object.__setattr__(forged, name, value)
    with pytest.raises(DataError, match=r"^preprocessing") as caught:
        forged.__post_init__()
    assert what in str(caught.value)
