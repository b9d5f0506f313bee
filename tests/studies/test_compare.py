"""The own mask beside post-hoc methods: all that a comparison shows, and each figure with its images."""

import json
from pathlib import Path

import pytest
import torch

from antehoc.data import Preprocessing, Source, Tensors
from antehoc.errors import DataError
from antehoc.figure import intervals, number, span, values
from antehoc.model import Model
from antehoc.studies import STUDIES
from antehoc.studies.compare import MEANING, AgainstPosthoc, against_posthoc
from antehoc.systems import Joint, Mirror
from antehoc.systems.joint.settings import ExplainerSettings
from antehoc.types import DataSpec
from studies.wired import rows_of, said, tables

SPEC = DataSpec(("nothing", "fox"), 1, 16, 16, absent="nothing")
MEASURED = Path(__file__).parents[2] / "docs" / "measured" / "triangles-small-seed0.json"
METHODS = ("saliency", "grad-cam")


@pytest.fixture(scope="module")
def examples() -> Tensors:
    """Of eight images every second holds an object, each at another place."""
    inside = torch.zeros(8, 1, 16, 16)
    for index, (top, left) in enumerate(((1, 2), (6, 6), (5, 7), (10, 3))):
        inside[2 * index + 1, :, top : top + 4, left : left + 4] = 1
    image = torch.randint(0, 255, (8, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Tensors(image, torch.tensor([0, 1] * 4), masks=(255 * inside).to(torch.uint8))


@pytest.fixture(scope="module")
def masked_model() -> Model:
    """A model whose masks show the upper half, and its lower edge most."""
    torch.manual_seed(0)
    system = Joint(SPEC, backbone="tiny", explainer=ExplainerSettings(filters=(4, 8))).eval()
    mask = torch.zeros(1, 1, 16, 16)
    mask[:, :, :7], mask[:, :, 7] = 0.5, 1.0
    system.explainer = torch.nn.Module()
    system.explainer.forward = lambda image: mask.expand(len(image), -1, -1, -1)
    return Model(system, {"name": "joint", "backbone": "tiny"}, Preprocessing(1, 16, 16))


@pytest.fixture(scope="module")
def compared(masked_model, examples) -> AgainstPosthoc:
    return against_posthoc(masked_model, examples, count=4, seed=0, methods=METHODS)


def test_all_that_a_comparison_shows_stands_below_the_best_methods(compared):
    blocks = compared.blocks()
    assert [block.title for block in blocks[3:]] == [section.title for section in compared.comparison.blocks()]
    assert compared.comparison.headline() in said(blocks)
    assert MEANING in said(blocks)
    best = compared.comparison.best("energy")
    cells = rows_of(tables(blocks)[0])["energy ↑"]
    assert cells[2] == best.name
    for row, own in ((compared.comparison.rows[0], cells[:2]), (best, cells[3:])):
        mean, low, high = row.values["energy"]
        assert own == [number(mean), span((low, high))]


def test_the_own_mask_and_the_methods_are_measured_on_the_same_images(compared):
    figures = {figure.name: figure for figure in compared.figures()}
    for measure in ("pointing", "energy", "iou", "pompom"):
        own, best = figures[f"compared_{measure}"], figures[f"posthoc_{measure}"]
        assert own.value == compared.own[measure]
        assert best.value == compared.comparison.best(measure).values[measure].estimate
        assert own.better == best.better == ("lower" if measure == "pompom" else "higher")
        assert "own mask on the 4 images" in own.meaning
        assert "best post-hoc method" in best.meaning
    assert figures["aopc_fine_gray"].value == compared.own["aopc_fine_gray"]
    assert {figure.group for figure in figures.values()} == {"Explanations"}


def test_the_intervals_of_a_comparison_hold_its_figures(compared):
    known = {name: value for name, value in values(compared.figures()).items() if value is not None}
    found = intervals(compared.figures())
    assert set(found) == set(known)
    assert all(low <= known[name] <= high for name, (low, high) in found.items())


def test_the_record_of_a_run_holds_no_pictures_and_keeps_its_form(compared):
    before = json.loads(MEASURED.read_text())["studies"]["triangles"]["compare"]
    written = json.loads(json.dumps(compared.to_plain(), allow_nan=False))
    assert set(written) == set(before)
    assert compared.to_plain()["table"] == compared.comparison.to_plain()


def test_a_recipe_names_its_options(masked_model, examples, compared):
    source = Source(SPEC, {"test": examples}, Preprocessing(1, 16, 16))
    found = STUDIES["compare"](masked_model, source, seed=0, count=4, methods=METHODS)
    assert found.own == compared.own
    assert found.comparison.images == 4


def test_what_has_no_masks_is_refused(masked_model, examples, tiny_spec):
    with pytest.raises(DataError, match="object masks"):
        against_posthoc(masked_model, Tensors(torch.zeros(2, 1, 16, 16, dtype=torch.uint8)), count=2, seed=0)
    mirror = Model(Mirror(tiny_spec, backbone="tiny").eval(), {"name": "mirror"}, Preprocessing(3, 16, 20))
    inside = torch.full((2, 1, 16, 20), 255, dtype=torch.uint8)
    pictures = Tensors(torch.zeros(2, 3, 16, 20, dtype=torch.uint8), masks=inside)
    with pytest.raises(DataError, match="draws masks"):
        against_posthoc(mirror, pictures, count=2, seed=0, methods=())
