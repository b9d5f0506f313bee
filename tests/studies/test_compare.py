"""The studies of masks on a page: controls by their definition, the outline, and all that `compare` draws."""

import json
import re
from base64 import b64decode
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from antehoc.bias import Bias, Biases
from antehoc.masks import AgainstPosthoc, Costs, Placed, Strip, against_posthoc, placed
from PIL import Image
from test_page import checks  # pytest puts this folder on the path

from antehoc.data import Preprocessing, Tensors
from antehoc.metrics import placement
from antehoc.model import Model
from antehoc.report import comparison, page, studies
from antehoc.report.document import document
from antehoc.report.html import tag
from antehoc.report.meanings import grouped, is_shown, meaning, number
from antehoc.systems import Joint
from antehoc.types import DataSpec

SPEC = DataSpec(("nothing", "fox"), 1, 16, 16, absent="nothing")
MEASURED = Path(__file__).parents[2] / "docs" / "measured" / "triangles-small-seed0.json"
COSTS = Costs(0.2, 2.85, 1.6, 1.18, 4, 9)
TRAINED = Biases({"shape_bias": Bias(24, 20, 0.8, (0.58, 0.92), 0.65, 0.1625)}, "Beside the variant `plain`.", 0.31)
NEITHER = Bias(24, 0, None, None, 0.0, 0.0)


def objects():
    """Of eight images every second holds an object, each at another place."""
    inside = torch.zeros(8, 1, 16, 16)
    for index, (top, left) in enumerate(((1, 2), (6, 6), (5, 7), (10, 3))):
        inside[2 * index + 1, :, top : top + 4, left : left + 4] = 1
    return inside


@pytest.fixture(scope="module")
def examples() -> Tensors:
    image = torch.randint(0, 255, (8, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Tensors(image, torch.tensor([0, 1] * 4), masks=(255 * objects()).to(torch.uint8))


@pytest.fixture(scope="module")
def masked_model() -> Model:
    """A model whose masks show the upper half, and its lower edge most."""
    torch.manual_seed(0)
    system = Joint(SPEC, classifier="tiny", filters=(4, 8)).eval()
    mask = torch.zeros(1, 1, 16, 16)
    mask[:, :, :7], mask[:, :, 7] = 0.5, 1.0
    system.explainer = torch.nn.Module()
    system.explainer.forward = lambda image: mask.expand(len(image), -1, -1, -1)
    return Model(system, {"name": "joint", "classifier": "tiny"}, Preprocessing(1, 16, 16))


@pytest.fixture(scope="module")
def lies(masked_model, examples) -> Placed:
    return placed(masked_model, examples, examples)


@pytest.fixture(scope="module")
def compared(masked_model, examples) -> AgainstPosthoc:
    return against_posthoc(masked_model, examples, count=4, seed=0, methods=("saliency", "grad-cam"))


def rows_of(text: str) -> dict[str, list[str]]:
    """The cells of each row of all tables, without markup, by the row's name; the first of a name."""
    found: dict[str, list[str]] = {}
    for row in re.findall(r"<tr><th[^>]*>.*?</tr>", text, re.DOTALL):
        name, *cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        found.setdefault(re.sub(r"<[^>]+>", "", name), cells)
    return found


def test_masks_stand_beside_controls_by_their_definition(lies):
    inside = objects()[1::2] > 0.5
    box = torch.zeros(4, 1, 16, 16)
    box[..., 6:10, 6:10] = 1  # as large as the objects
    rows = rows_of(studies.section({"masks": lies}))
    for name, maps in (("a centred box of the object&#x27;s mean size", box), ("a mask of ones", torch.ones_like(box))):
        iou = placement.iou(maps, inside, 0.5).mean()
        wanted = [placement.pointing_game(maps, inside).mean(), placement.energy(maps, inside).mean(), iou, iou]
        wanted.append(placement.pompom(maps, inside).mean())
        assert rows[name] == [number(round(float(value), 9)) for value in wanted]


def test_only_what_beats_both_controls_is_bold(lies):
    good = replace(lies, pointing=0.9, energy=lies.box_energy, iou=0.5, iou_half=0.001, pompom=lies.box_pompom / 2)
    own = rows_of(studies.section({"masks": good}))["the model&#x27;s mask"]
    assert [cell.startswith("<b>") for cell in own] == [True, False, True, False, True]
    assert [re.sub(r"</?b>", "", cell) for cell in own][:2] == [number(0.9), number(lies.box_energy)]
    equal = replace(good, pompom=lies.box_pompom)
    assert not rows_of(studies.section({"masks": equal}))["the model&#x27;s mask"][4].startswith("<b>")


def test_the_strip_shows_the_first_images_with_an_object_and_their_outline(lies, examples):
    assert lies.strip.image.equal(examples.images([1, 3, 5, 7]))
    pictures = {}
    found = checks(page_of(studies.section({"masks": lies})))
    for alt, source in zip(found.values("alt"), found.values("src"), strict=True):
        with Image.open(BytesIO(b64decode(source.partition(",")[2]))) as picture:
            pictures[alt] = np.array(picture.convert("RGB"))
    assert len(pictures) == 8
    first = pictures["mask over test image 1: 50.0 % of the object shown"]
    green = (first == np.array([0, 158, 115])).all(2)
    ring = np.zeros((16, 16), dtype=bool)
    ring[0:6, 1:7] = True  # the object lies in rows 1 to 4 and columns 2 to 5
    ring[1:5, 2:6] = False
    assert (green == ring).all()
    assert "mask over test image 2: 37.5 % of the object shown" in pictures  # one row of four by half, one wholly


def page_of(section: str) -> str:
    return document("studies", [tag("h1", "a run")], [("Studies", section)])


def test_a_comparison_is_shown_as_the_command_shows_it(compared):
    text = studies.section({"compare": compared}, "triangles")
    for title, body in comparison.parts(compared.comparison, "triangles"):
        assert f"<h4>{title}</h4>\n{body}" in text
    assert tag("p", comparison.headline(compared.comparison)) in text
    best = compared.comparison.best("energy")
    cells = rows_of(text)["energy ↑"]
    assert cells[2] == best.name
    for row, (value, span) in ((compared.comparison.rows[0], cells[:2]), (best, cells[3:])):
        mean, low, high = row.values["energy"]
        assert value == f"{mean:.3f}"
        assert span == f"{low:.3f} to {high:.3f}"


def test_comparisons_of_two_variants_do_not_share_their_charts(result, compared, lies):
    found = {"masks": lies, "compare": compared, "cost": COSTS, "shape_bias": TRAINED}
    evaluations = {name: replace(one, studies=found) for name, one in result.evaluations.items()}
    checks(page.reproduction(replace(result, evaluations=evaluations)))


def test_the_record_of_a_run_holds_no_pictures_and_keeps_its_form(lies, compared):
    before = json.loads(MEASURED.read_text())["studies"]["triangles"]
    for name, found in (("masks", lies), ("compare", compared), ("cost", COSTS)):
        written = json.loads(json.dumps(found.to_plain(), allow_nan=False))
        assert set(written) == set(before[name])
    assert set(lies.figures()) == set(lies.to_plain()) - {"images"}
    assert compared.to_plain()["table"] == compared.comparison.to_plain()
    assert compared.figures()["posthoc_energy"] == compared.comparison.best("energy").values["energy"].estimate


def test_the_intervals_of_a_comparison_hold_its_figures(compared):
    known = {name: value for name, value in compared.figures().items() if value is not None}
    assert set(compared.intervals()) == set(known)
    assert all(low <= known[name] <= high for name, (low, high) in compared.intervals().items())


def test_every_figure_of_masks_says_what_it_is(lies, compared):
    figures = {**lies.figures(), **compared.figures(), **COSTS.figures()}
    (group,) = grouped(figures)
    assert group.title == "Explanations"
    assert [row.name for row in group.rows if not row.meaning] == []
    assert not is_shown(next(row for row in group.rows if row.name == "box_iou"))
    assert meaning("mask_area_absent") != meaning("mask_area")


def test_a_mask_costs_so_many_times_the_classifier_alone():
    rows = rows_of(studies.section({"cost": COSTS}))
    assert rows["the classifier alone"] == ["50.0", "1.00"]  # 0.2 seconds for 4 images
    assert rows["with the paper&#x27;s explainer"] == ["142.5", "2.85"]
    assert rows["with half of its filters and its gate on the image"] == ["59.0", "1.18"]


def test_a_shape_bias_stands_with_its_interval_and_its_count():
    text = studies.section({"shape_bias": TRAINED}).partition("<details>")[0]
    assert rows_of(text)["test stimuli"] == ["24", "20", "0.8000", "0.5800 to 0.9200", "0.6500", "0.1625"]
    assert "31.0 %" in text
    assert "Beside the variant plain." in text
    assert "<h3>Does it go by shape or by texture?</h3>" in text


def test_a_shape_bias_of_nothing_is_no_number():
    text = studies.section({"pretrained_shape_bias": Biases({"pretrained_shape_bias": NEITHER}, "")})
    assert "<h3>Did the network go by shape before it was trained?</h3>" in text
    assert rows_of(text)["test stimuli"] == ["24", "0", "-", "", "0.0000", "0.0000"]


def test_a_strip_is_no_part_of_what_makes_two_findings_equal(lies):
    other = Strip(*(torch.zeros_like(part) for part in lies.strip))
    assert replace(lies, strip=other) == lies
    assert "strip" not in repr(lies)
