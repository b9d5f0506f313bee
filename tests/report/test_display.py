"""Results show themselves: as HTML for a notebook, as a picture, as a table, and as plain values."""

import json
import re
from importlib.util import find_spec
from io import BytesIO

import pytest
import torch
from PIL import Image

from antehoc.comparison import Comparison
from antehoc.comparison.table import Row, Sheet
from antehoc.display import Displayed
from antehoc.errors import OutputError, RecipeError
from antehoc.metrics import COMPARED
from antehoc.metrics.bootstrap import Interval
from antehoc.posthoc import Attributions, Passes
from pages import Checked

NAN = float("nan")


def attributed() -> Attributions:
    """Two maps, of which the second is invalid."""
    maps = torch.arange(8.0).view(2, 1, 2, 2)
    valid, why = torch.tensor([True, False]), ("", "it is <b>flat</b>.")
    return Attributions(
        maps, torch.tensor([0, 1]), valid, {"finite": torch.ones(2)}, why, Passes(1, 1), "saliency", {},
        torch.tensor([0.75, NAN]), torch.tensor([0, 0]), torch.rand(2, 3, 2, 2), ("cat", "fox"), ("a note.",),
    )  # fmt: skip


def compared() -> Comparison:
    """Of one method, of which one measure has no answer."""
    values = {name: Interval(0.5, 0.4, 0.6) for name in COMPARED} | {COMPARED[0]: Interval(NAN, NAN, NAN)}
    sheet = Sheet(torch.rand(1, 3, 4, 4), ("cat",), None, {"lrp": (torch.rand(4, 4),)}, {"lrp": ("",)})
    curves = {"deletion": {"lrp": [1.0, 0.5, 0.0]}}
    return Comparison((Row("lrp", "post hoc", values, 1.0),), curves, {name: {} for name in COMPARED}, sheet, 1, 0)


@pytest.fixture(params=["questioned", "masked", "several", "evaluation", "attributions", "comparison"])
def result(request) -> Displayed:
    made = {"attributions": attributed, "comparison": compared}
    return made[request.param]() if request.param in made else request.getfixturevalue(request.param)


def test_a_result_is_html_that_fetches_nothing_and_styles_nothing_else(result):
    text = result._repr_html_()
    found = Checked(text)
    assert found.tags[0] == "div"
    assert "script" not in found.tags
    assert [value for value in found.values("src") if not value.startswith("data:image/")] == []
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    depth, outside = 0, ""
    for part in re.split(r"([{}])", style):
        depth += {"{": 1, "}": -1}.get(part, 0)
        outside += part if depth == 0 and part not in "{}" else ""
    assert set(re.sub(r"@media [^\n]*", ".antehoc", outside).split()) <= {".antehoc", ".antehoc.shown"}
    other = Checked(result._repr_html_())
    assert not set(found.values("id")) & set(other.values("id"))  # both stand in one notebook


def test_a_result_is_a_picture(result, tmp_path):
    figure = result.plot()
    assert figure.get_size_inches()[0] >= 7
    result.save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert len(picture.convert("L").getcolors(256)) > 5  # not one plain color
    with pytest.raises(OutputError, match=r"is written as \.png, \.pdf or \.svg"):
        result.save(tmp_path / "a.jpg")
    with pytest.raises(OutputError, match="cannot be written"):
        result.save(tmp_path / "none" / "a.png")


def test_a_result_is_plain_values(result):
    values = result.to_dict()
    assert json.loads(json.dumps(values, allow_nan=False)) == json.loads(json.dumps(values))


def test_a_result_is_a_table(result, monkeypatch):
    pytest.importorskip("pandas", reason="pandas is not installed")
    table = result.to_pandas()
    assert len(table) == len(result.records()) > 0
    assert list(table.columns) == list(result.records()[0])
    monkeypatch.setattr("antehoc.display.find_spec", lambda name: None if name == "pandas" else find_spec(name))
    with pytest.raises(RecipeError, match="to_pandas needs pandas; install the extra `pandas`"):
        result.to_pandas()


def test_a_decision_s_row_holds_its_verdict_probabilities_and_doubts(questioned):
    (row,) = questioned.records()
    assert (row["label"], row["outcome"], row["score"]) == ("rectangle", "questioned", 8.13)
    assert row["first_reason"] == "fits-another-class"
    assert row["probability: square"] == 0.07
    assert row["doubt: margin"] == -1.25


def test_several_labels_are_a_row_each(several):
    assert [row["label"] for row in several.records()] == ["circle", "rectangle", "square", "triangle"]


def test_an_invalid_map_is_not_drawn_and_its_reason_is(questioned):
    text = attributed()._repr_html_()
    assert "invalid: it is &lt;b&gt;flat&lt;/b&gt;." in text
    assert text.count("<img") == 3  # two images and one map
    assert "class 0 &#x27;cat&#x27; (75.0 %)" in text
    assert "a note." in text
    assert attributed().to_dict()["images"][1]["probability"] is None


def test_an_image_lies_under_a_mask(masked):
    alone, over = (masked.plot(image) for image in (None, torch.ones(1, 64, 64)))

    def pixels(figure):
        file = BytesIO()
        figure.savefig(file, format="png")
        return file.getvalue()

    assert pixels(alone) != pixels(over)
