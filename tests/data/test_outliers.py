import os
from pathlib import Path

import pytest
import torch

from antehoc.data.images import Preprocessing
from antehoc.data.outliers import BUILT_IN, open_outliers, outliers
from antehoc.errors import RecipeError

COLOUR = Preprocessing(3, 64, 64)


def test_noise_is_uniform_in_every_pixel_and_channel():
    images = outliers("noise", COLOUR, count=20, seed=0).images(range(20))
    assert images.shape == (20, 3, 64, 64)
    levels = (images * 255).round().long().flatten().bincount(minlength=256)
    expected = images.numel() / 256
    assert levels.shape == (256,)
    assert (abs(levels - expected) < 6 * expected**0.5).all()  # six standard deviations
    one, other, _ = images.transpose(0, 1).flatten(1)
    assert abs(torch.corrcoef(torch.stack([one, other]))[0, 1]) < 0.02, "channels are independent: no grey noise"


@pytest.mark.parametrize("name", BUILT_IN)
def test_outliers_are_a_matter_of_their_seed(name):
    first, again, other = (outliers(name, COLOUR, count=3, seed=seed).images(range(3)) for seed in (0, 0, 1))
    assert first.equal(again)
    assert not first.equal(other)


def test_unknown_outliers_are_refused():
    with pytest.raises(RecipeError, match=r"no outliers are called 'noize'\. Did you mean 'noise'"):
        outliers("noize", COLOUR, count=1, seed=0)
    with pytest.raises(RecipeError, match="outliers 'star' are square"):
        outliers("star", Preprocessing(3, 8, 9), count=1, seed=0)


PHOTOGRAPHS = {  # patterns that take the birds out, and what stays
    "imagenet-samples-250/imagenet_samples_250_224.zip": (
        (),
        ("*n015*", "*n016[01]*", "*n0162[0-2]*", "*n0179*", "*n018[0-6]*", "*n020[0-5]*"),
        250 - 16,
    ),
    "cue-conflict/cue_conflict_1280_q90.zip": ((), ("*/bird/*", "*-bird[0-9]*"), 1280 - 155),
    "coco-panoptic-mini/coco_panoptic_mini_max256.zip": (
        ("images/*",),
        ("*000000000143.*", "*000000000520.*", "*000000001268.*", "*000000002923.*", "*000000010092.*"),
        256 - 5,
    ),
}


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_birds_can_be_taken_out_of_photographs(name):
    path = Path(os.environ.get("ANTEHOC_DATA", "/nowhere")) / name
    if not path.is_file():
        pytest.skip(f"needs $ANTEHOC_DATA/{name}")
    only, exclude, count = PHOTOGRAPHS[name]
    examples = open_outliers(path, COLOUR, only=only, exclude=exclude)
    assert len(examples) == count
    names = examples.names(range(count))
    assert all(name.endswith(".jpg") for name in names)
    if name.startswith("imagenet"):  # birds: classes 7 to 24, 80 to 100 and 127 to 146 of the usual order
        birds = {*range(7, 25), *range(80, 101), *range(127, 147)}
        assert {int(Path(name).stem[:4]) for name in names} == set(range(0, 1000, 4)) - birds
