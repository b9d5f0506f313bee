"""Where planted masks lie, the page of it, and the whole of recipe `triangles` on a few scenes."""

import json
from dataclasses import replace

import pytest
import torch
import yaml

from antehoc.blocks import Overlay, Picture, Strong
from antehoc.cli import main
from antehoc.data import Preprocessing, Tensors
from antehoc.errors import DataError
from antehoc.figure import intervals, number, values
from antehoc.metrics import placement
from antehoc.model import Model
from antehoc.recipe import read_recipe, variant
from antehoc.studies.masks import MEANING, Placed, Strip, placed
from antehoc.systems import Joint
from antehoc.systems.joint.settings import ExplainerSettings
from antehoc.types import DataSpec
from studies.wired import rows_of, said, tables

SPEC = DataSpec(("nothing", "fox"), 1, 16, 16, absent="nothing")


def square():
    mask = torch.zeros(4, 1, 16, 16)
    mask[1::2, :, 4:8, 4:8] = 1  # every second image holds an object of 16 pixels
    return mask


def examples(masks=True):
    image = torch.randint(0, 255, (4, 1, 16, 16), dtype=torch.uint8)
    return Tensors(image, torch.tensor([0, 1, 0, 1]), masks=(square() * 255).to(torch.uint8) if masks else None)


def showing(mask):
    """A model whose masks are planted, image by image."""
    system = Joint(SPEC, backbone="tiny", explainer=ExplainerSettings(filters=(4, 8))).eval()
    system.explainer = torch.nn.Module()
    system.explainer.forward = lambda image: mask[: len(image)]
    return Model(system, {"name": "joint", "backbone": "tiny"}, Preprocessing(1, 16, 16))


def test_the_perfect_mask_is_perfect():
    found = placed(showing(square()), examples(), examples())
    assert (found.pointing, found.iou, found.iou_half, found.coverage, found.pompom) == (1, 1, 1, 1, 0)
    assert found.energy == pytest.approx(1)
    assert found.object_share == 16 / 256
    assert (found.mask_area, found.mask_area_absent) == (16 / 256, 0)
    assert found.images == 2


def test_a_mask_that_shows_all_has_the_objects_share():
    found = placed(showing(torch.ones(4, 1, 16, 16)), examples(), examples())
    assert found.energy == pytest.approx(found.object_share)
    assert found.iou_half == pytest.approx(found.object_share)
    assert found.pompom == pytest.approx(1, abs=1e-6)


def test_a_mask_elsewhere_misses():
    found = placed(showing(square().flip(3)), examples(), examples())
    assert (found.pointing, found.energy, found.iou_half) == (0, 0, 0)
    assert found.box_iou == pytest.approx(4 / 28), "a box of the object's size in the middle touches its corner"


def test_a_figure_lies_in_its_interval_and_where_all_images_agree_the_interval_is_a_point():
    mask = square()
    mask[1] = mask[1].flip(2)  # one of the two masks on objects lies elsewhere
    found = placed(showing(mask), examples(), examples(), seed=1)
    figures = found.figures()
    assert intervals(figures)["pointing"] == (0, 1)
    for name, (low, high) in intervals(figures).items():
        assert low <= values(figures)[name] <= high, name
    assert intervals(placed(showing(square()), examples(), examples()).figures())["iou"] == (1, 1)


def test_data_without_object_masks_are_refused():
    with pytest.raises(DataError, match="object masks"):
        placed(showing(square()), examples(masks=False), examples(masks=False))


def objects():
    """Of eight images every second holds an object, each at another place."""
    inside = torch.zeros(8, 1, 16, 16)
    for index, (top, left) in enumerate(((1, 2), (6, 6), (5, 7), (10, 3))):
        inside[2 * index + 1, :, top : top + 4, left : left + 4] = 1
    return inside


@pytest.fixture(scope="module")
def eight() -> Tensors:
    image = torch.randint(0, 255, (8, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Tensors(image, torch.tensor([0, 1] * 4), masks=(255 * objects()).to(torch.uint8))


@pytest.fixture(scope="module")
def lies(eight) -> Placed:
    """Where masks lie that show the upper half, and its lower edge most."""
    mask = torch.zeros(1, 1, 16, 16)
    mask[:, :, :7], mask[:, :, 7] = 0.5, 1.0
    return placed(showing(mask.expand(8, -1, -1, -1)), eight, eight)


def test_masks_stand_beside_controls_by_their_definition(lies):
    inside = objects()[1::2] > 0.5
    box = torch.zeros(4, 1, 16, 16)
    box[..., 6:10, 6:10] = 1  # as large as the objects
    rows = rows_of(*tables(lies.blocks()))
    for name, maps in (("a centered box of the object's mean size", box), ("a mask of ones", torch.ones_like(box))):
        iou = placement.iou(maps, inside, 0.5).mean()
        wanted = [placement.pointing_game(maps, inside).mean(), placement.energy(maps, inside).mean(), iou, iou]
        wanted.append(placement.pompom(maps, inside).mean())
        assert rows[name] == [number(round(float(value), 9)) for value in wanted]


def test_only_what_beats_both_controls_is_bold(lies):
    good = replace(lies, pointing=0.9, energy=lies.box_energy, iou=0.5, iou_half=0.001, pompom=lies.box_pompom / 2)
    own = rows_of(*tables(good.blocks()))["the model's mask"]
    assert [isinstance(cell, Strong) for cell in own] == [True, False, True, False, True]
    assert own[:2] == [Strong(number(0.9)), number(lies.box_energy)]
    equal = replace(good, pompom=lies.box_pompom)
    assert not isinstance(rows_of(*tables(equal.blocks()))["the model's mask"][4], Strong)


def test_the_strip_shows_the_first_images_with_an_object_and_their_outline(lies, eight):
    assert lies.strip.image.equal(eight.images([1, 3, 5, 7]))
    (table,) = [table for table in tables(lies.blocks()) if table.kind == "pictures"]
    rows = rows_of(table)
    assert all(isinstance(cell, Picture) for cell in rows["test image"])
    masks = rows["its mask"]
    assert all(isinstance(cell, Overlay) and cell.size == "small" for cell in masks)
    assert torch.stack([cell.outline for cell in masks]).equal(objects()[1::2, 0] > 0.5)
    assert masks[0].alt == "mask over test image 1: 50.0 % of the object shown"
    # one row of four by half, one wholly
    assert masks[1].alt == "mask over test image 2: 37.5 % of the object shown"


def test_its_page_says_what_it_can_prove(lies):
    text = said(lies.blocks())
    assert MEANING in text
    assert "the object covers 6.2 % of the image on average, and the mask shows" in text
    assert "where no object is, it shows" in text
    assert "where no object is" not in said(replace(lies, mask_area_absent=None).blocks())


def test_every_figure_says_what_it_is(lies):
    named = {figure.name: figure for figure in lies.figures()}
    assert {figure.group for figure in named.values()} == {"Explanations"}
    assert all(figure.meaning for figure in named.values())
    assert (named["pompom"].better, named["iou"].better, named["threshold"].better) == ("lower", "higher", None)
    assert not named["box_iou"].headline
    assert named["energy"].headline
    assert named["mask_area_absent"].meaning != named["mask_area"].meaning
    assert set(named) == set(lies.to_plain()) - {"images"}
    json.dumps(lies.to_plain(), allow_nan=False)


def test_a_strip_is_no_part_of_what_makes_two_findings_equal(lies):
    other = Strip(*(torch.zeros_like(part) for part in lies.strip))
    assert replace(lies, strip=other) == lies
    assert "strip" not in repr(lies)


def test_every_variant_of_the_recipe_can_be_read():
    others = {"small-vgg": {"plain", "hybrid"}, "small-resnet18": {"plain", "hybrid"}, "small-full": set()}
    for scale in ("small", "paper", "paper-vgg", *others):
        recipe, values = read_recipe("triangles", scale=scale)
        if scale in others:
            assert set(recipe.variants) == others[scale]
        else:
            assert {"plain", "hybrid", "cue", "paper", "lambda_none"} <= set(recipe.variants)
        for name in recipe.variants:
            variant(values, name, "triangles")


def test_the_whole_recipe_on_a_few_scenes(tmp_path):
    _, values = read_recipe("triangles")
    kept = {name: values["variants"][name] for name in ("hybrid", "plain")}
    for phases in (values["phases"], *(own["phases"] for own in kept.values())):
        for phase in phases:
            phase |= {"epochs": 1, "batch_size": 16}
    values |= {
        "data": values["data"] | {"size": 32, "radius": [4.0, 7.0], "train": 64, "validation": 16, "calibration": 160,
                                  "test": 24},
        "variants": kept, "studies": ["masks"], "unknown": {"kinds": ["noise"], "count": 8},
        "verdict": {"doubts": ["entropy", "whole"], "alpha": 0.2},
    }  # fmt: skip
    values["system"] |= {"backbone": "tiny", "explainer": {"filters": [4, 8]}}
    recipe = tmp_path / "few.yaml"
    recipe.write_text(yaml.safe_dump(values))
    found = tmp_path / "found.json"
    assert main(["reproduce", str(recipe), "--out", str(tmp_path / "run"), "--json", str(found), "--quiet"]) == 0
    figures = json.loads(found.read_text())["figures"]
    assert {"accuracy", "plain_accuracy", "pointing", "hybrid_iou", "mask_area", "ood_noise_auroc"} <= set(figures)
    assert not (tmp_path / "run" / "hybrid" / "phase-0").exists(), "what the recipe itself trained is not trained again"
    assert (tmp_path / "run" / "hybrid" / "phase-1").exists()
