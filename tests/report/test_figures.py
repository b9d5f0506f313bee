"""Pictures: valid, of a bounded size, and showing what they are given."""

from base64 import b64decode
from dataclasses import replace
from io import BytesIO
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

from antehoc.report import figures
from antehoc.report.figures import Bar
from antehoc.types import AttributeScores, DataSpec

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert(1)</script>\x1b"


def parse(svg: str) -> ElementTree.Element:
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    assert root.get("aria-label")
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    return root


def words(root: ElementTree.Element) -> list[str]:
    return ["".join(element.itertext()).strip() for element in root.iter(f"{SVG}text")]


def test_a_confusion_matrix_of_two_classes_shows_its_counts_and_names():
    said = words(parse(figures.confusion([[1234, 5], [0, 95]], ["$x^2$", HOSTILE])))
    assert {"1,234", "5", "0", "95", "$x^2$", "predicted class", "true class"} <= set(said)
    assert any("<script>" in word for word in said)


def test_a_confusion_matrix_of_200_classes_stays_small():
    counts = np.eye(200, dtype=int) * 30
    svg = figures.confusion(counts.tolist(), [f"class {number}" for number in range(200)])
    assert "class 7" not in words(parse(svg))
    assert len(svg) < 100_000


@pytest.mark.parametrize("threshold", [5.0, -0.5, 0.0, 1.7e308])
def test_a_histogram_says_what_share_of_each_set_is_questioned(threshold):
    scores = {"correct": [-1.0, 0.5, 2.0, float("nan")], HOSTILE: [4.0, 7.0, 4e5], "empty": []}
    said = words(parse(figures.histogram(scores, threshold)))
    above = np.mean(np.array([4.0, 7.0, 4e5]) > threshold)
    assert f"{above:.1%} questioned".replace("%", " %") in said
    assert "empty" not in said


def test_a_histogram_of_nothing_is_still_a_picture():
    parse(figures.histogram({}, 1.0))
    parse(figures.histogram({"same": [0.0, 0.0]}, 0.0))


def test_risk_and_training_curves_name_their_lines():
    assert {"verdict", "maximum softmax"} <= set(
        words(
            parse(
                figures.risk_coverage(
                    {"verdict": ([0.0, 1.0], [0.0, 0.1]), "maximum softmax": ([0.0, 1.0], [0.0, 0.1])}
                )
            )
        )
    )
    epochs = [{"val/loss": 1.0, "train/loss": 1.0, "val/attribute_exact": 0.5}, {"val/loss": float("nan")}]
    assert {"training", "validation", "attribute exact"} <= set(words(parse(figures.curves(epochs, "phase 1"))))
    parse(figures.curves([], "nothing"))


def test_a_name_in_any_script_is_kept():
    assert "\N{CJK UNIFIED IDEOGRAPH-9CE5}" in words(parse(figures.confusion([[1, 0], [0, 1]], ["\u9ce5", "fox"])))


def test_the_same_figure_is_the_same_text():
    assert figures.confusion([[1, 2], [3, 4]], "ab") == figures.confusion([[1, 2], [3, 4]], "ab")


def test_a_picture_leaves_the_settings_of_matplotlib_alone(result):
    figures.risk_coverage({"verdict": ([0.0, 1.0], [0.0, 0.1])})
    figures.overview(result)
    ours = ("font.size", "svg.fonttype", "svg.hashsalt", "axes.edgecolor", "grid.color")
    assert [matplotlib.rcParams[name] for name in ours] == [matplotlib.rcParamsDefault[name] for name in ours]


def test_bars_are_as_long_as_their_values():
    root = parse(
        figures.bars([Bar("a", 0.25), Bar("b", 7.0), Bar("c", float("nan"))], "bars", left_out=3, what="classes")
    )
    widths = [float(rect.get("width", 0)) for rect in root.iter(f"{SVG}rect")]
    assert widths == [208, 52, 208, 208, 208, 0]
    assert "and 3 classes more" in words(root)


def test_a_long_name_is_cut_and_told_in_full_when_pointed_at():
    root = parse(figures.bars([Bar("has_bill_shape::curved_(up_or_down)", 0.9, "true", " · true")], "bars"))
    assert words(root)[0].endswith("… · true")
    assert [title.text for title in root.iter(f"{SVG}title")] == ["has_bill_shape::curved_(up_or_down) 0.900"]


def test_of_312_attributes_the_surest_and_those_at_odds_are_shown():
    names = tuple(f"attribute {number}" for number in range(312))
    asked = tuple(float(number == 300) for number in range(312))
    spec = DataSpec(("cat", "fox"), 3, 8, 8, names, (asked, (0.0,) * 312))
    seen = tuple(0.97 if number == 200 else 0.01 for number in range(312))
    rows = figures.attribute_rows(AttributeScores(names, seen), spec, "cat", 10)
    assert len(rows) == 10
    assert [(row.label, row.role) for row in rows[:2]] == [("attribute 300", "odd"), ("attribute 200", "odd")]
    assert rows[0].mark == 1.0


def test_of_each_question_the_surest_answer_is_shown_what_few_classes_ask_for_first():
    names = ("has_eye::black", "has_eye::red", "has_wing::blue", "has_wing::brown", "crested", "has_size::small")
    rows = ((1.0, 0.0, 0.0, 1.0, 0.0, 1.0), (1.0, 0.0, 1.0, 0.0, 0.0, 1.0))
    spec = DataSpec(("cat", "fox"), 3, 8, 8, names, rows, groups=((0, 1), (2, 3)))
    seen = AttributeScores(names, (0.99, 0.9, 0.8, 0.7, 0.45, 0.6))
    shown = figures.attribute_rows(seen, spec, "cat", 4)
    assert [(row.label, row.role) for row in shown] == [
        ("has_wing::blue", "odd"),  # 0.8 less a half of the classes
        ("has_eye::black", "seen"),  # 0.99 less all
        ("has_size::small", "seen"),  # 0.6 less all
        ("crested", "seen"),  # absent, so after what is present
    ]


def test_shares_over_draws_stand_beside_alpha_and_their_mean():
    assert {"alpha 0.05", "mean 0.04"} <= set(words(parse(figures.draws([0.02, 0.06, 0.04], 0.05))))


def decode(address: str) -> Image.Image:
    return Image.open(BytesIO(b64decode(address.partition("base64,")[2])))


def test_a_small_picture_keeps_every_pixel():
    image = torch.randint(256, (3, 12, 20)).float() / 255
    back = torch.from_numpy(np.array(decode(figures.picture(image)))).permute(2, 0, 1).float() / 255
    assert torch.equal(back, image)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_large_picture_shrinks(mode):
    address = figures.picture(Image.new(mode, (900, 300)), 320)
    assert decode(address).size == (320, 107)
    assert address.startswith("data:image/jpeg")


def test_the_overview_is_a_png_of_its_size(result, evaluation):
    picture = Image.open(BytesIO(figures.overview(result)))
    assert (picture.format, picture.size) == ("PNG", (1400, 700))
    only = replace(result, evaluations={"shapes": replace(evaluation, shown=[])})
    assert (
        np.array(picture.convert("L")).std() > np.array(Image.open(BytesIO(figures.overview(only))).convert("L")).std()
    )


def test_an_overlay_is_the_image_in_grey_under_the_colours_of_the_mask():
    image = torch.tensor([0.0, 1.0]).view(1, 1, 2).expand(3, 2, 2)  # black on the left, white on the right
    picture = np.array(figures.overlay(image, torch.tensor([[0.0, 0.0], [1.0, 1.0]]))) / 255
    dark, bright = matplotlib.colormaps["inferno"](0.0)[:3], matplotlib.colormaps["inferno"](1.0)[:3]
    for row, color in enumerate((dark, bright)):
        for column, grey in enumerate((0.0, 1.0)):
            wanted = 0.62 * np.array(color) + 0.38 * grey
            assert picture[row, column] == pytest.approx(wanted, abs=1 / 255)


def test_a_small_mask_is_stretched_over_a_large_image():
    picture = figures.overlay(Image.new("RGB", (40, 20)), torch.tensor([[0.0, 1.0]]))
    levels = np.array(picture.convert("L")).astype(int)
    assert levels.shape == (20, 40)
    assert levels[:, 0].max() < 10 < 120 < levels[:, -1].min()


def test_the_colour_bar_runs_from_the_darkest_to_the_brightest_and_names_its_ends():
    root = parse(figures.color_bar("0: none", "1: <all>"))
    fills = [rect.get("fill") for rect in root.iter(f"{SVG}rect")]
    light = [sum(int(fill[place : place + 2], 16) for place in (1, 3, 5)) for fill in fills]
    assert light == sorted(light)
    assert (light[0], light[-1]) == (0 + 0 + 4, 252 + 255 + 164)  # of matplotlib's inferno
    assert words(root) == ["0: none", "1: <all>"]


def test_the_overview_shows_a_mask_in_its_colours(result, evaluation, masked):
    shown = [replace(evaluation.shown[0], decision=masked)]
    only = replace(result, evaluations={"shapes": replace(evaluation, shown=shown)})
    pixels = np.array(Image.open(BytesIO(figures.overview(only))).convert("RGB")).astype(int)
    box = pixels[98:236, 204:342]  # the card's second picture
    assert box[5:60, 5:60].mean() > box[80:130, 80:130].mean() + 60


def test_perturbation_curves_name_the_models_own_the_best_method_and_chance():
    kinds = {"own": "own", "good": "post hoc", "bad": "post hoc", "random": "control", "box": "control"}
    curves = {measure: {name: [0.9, 0.5, 0.1] for name in kinds} for measure in ("deletion", "insertion", "third")}
    svg = figures.perturbation_curves(curves, {name: name for name in curves}, kinds, dict.fromkeys(curves, "good"))
    said = words(parse(svg))
    assert [said.count(name) for name in kinds] == [3, 3, 0, 3, 0]
    assert {"deletion", "insertion", "third"} <= set(said)
