"""The overview of a run: a PNG of its size that shows cases, whatever explains them."""

from dataclasses import replace
from io import BytesIO

import matplotlib
import numpy as np
from PIL import Image

from antehoc.report.overview import overview


def opened(png: bytes) -> np.ndarray:
    with Image.open(BytesIO(png)) as picture:
        assert (picture.format, picture.size) == ("PNG", (1400, 700))
        return np.array(picture.convert("RGB")).astype(int)


def test_the_overview_is_a_png_of_its_size(evaluation, shapes_spec):
    assert opened(overview(evaluation.shown, shapes_spec)).std() > opened(overview([], shapes_spec)).std()


def test_the_overview_shows_a_mask_in_its_colors(evaluation, shapes_spec, masked):
    pixels = opened(overview([replace(evaluation.shown[0], decision=masked)], shapes_spec))
    box = pixels[98:236, 204:342]  # the card's second picture
    assert box[5:60, 5:60].mean() > box[80:130, 80:130].mean() + 60


def test_the_overview_bears_decisions_of_any_form(evaluation, shapes_spec, accepted, several):
    bare = replace(accepted, explanations=(), verdict=None)
    cases = [replace(evaluation.shown[0], decision=one) for one in (bare, several)]
    opened(overview(cases, shapes_spec))


def test_the_overview_leaves_the_settings_of_matplotlib_alone(evaluation, shapes_spec):
    overview(evaluation.shown, shapes_spec)
    ours = ("font.size", "svg.fonttype", "axes.edgecolor", "grid.color")
    assert [matplotlib.rcParams[name] for name in ours] == [matplotlib.rcParamsDefault[name] for name in ours]
